package sysctl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A Switch is the name of a switch below net.ipv6.conf.NIC.
type Switch string

// The switches that v6guest reads or sets. The kernel's Documentation/networking/ip-sysctl describes
// them.
const (
	AcceptRA       Switch = "accept_ra"        // 0 no; 1 unless forwarding; 2 always
	AcceptRADefrtr Switch = "accept_ra_defrtr" // take the default route from RAs
	AcceptRAPinfo  Switch = "accept_ra_pinfo"  // take prefixes from RAs
	Autoconf       Switch = "autoconf"         // make addresses from prefixes
	UseTempaddr    Switch = "use_tempaddr"     // make temporary addresses too (above 0), prefer them (2)
	DisableIPv6    Switch = "disable_ipv6"     // no IPv6 on the NIC
	OptimisticDAD  Switch = "optimistic_dad"   // use addresses while duplicate address detection runs
	UseOptimistic  Switch = "use_optimistic"   // choose such addresses as source
	AddrGenMode    Switch = "addr_gen_mode"    // link-local address: 0 EUI-64, 1 none, 2 stable secret, 3 random
	AcceptDAD      Switch = "accept_dad"       // 0 no duplicate address detection
	KeepAddrOnDown Switch = "keep_addr_on_down"
	MTU            Switch = "mtu"        // of IPv6 on the NIC, in bytes: 1280 and up to the NIC's own
	Forwarding     Switch = "forwarding" // read only here: v6guest never makes a router of a guest
)

// A Setting is a switch with its value, a whole number in decimal.
type Setting struct {
	Switch Switch
	Value  string
}

func (s Setting) check() error {
	if !s.Switch.valid() || s.Switch == Forwarding {
		return fmt.Errorf("%w: %q is no switch to set", ErrBadValue, s.Switch)
	}
	if n, err := strconv.Atoi(s.Value); err != nil || strconv.Itoa(n) != s.Value {
		return fmt.Errorf("%w: %q is no whole number", ErrBadValue, s.Value)
	}
	return nil
}

// valid keeps a switch's name from leading anywhere else.
func (s Switch) valid() bool {
	return s != "" && strings.Trim(string(s), "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// A Tree is the running kernel's switches. The kernel shows those of the network namespace that the
// thread is in which opens them.
type Tree struct {
	// Root is where /proc/sys is; empty for /proc/sys itself.
	Root string
}

// Get reads a switch of a NIC.
//
// Errors are *Error: ErrBadName, ErrNoIPv6, ErrNoNIC, ErrNoSwitch, os.ErrPermission.
func (t Tree) Get(nic string, s Switch) (string, error) {
	value, err := t.get(nic, s)
	if err != nil {
		return "", &Error{Op: "read", NIC: nic, Switch: s, Err: err}
	}
	return value, nil
}

// Set gives a switch of a NIC its value and reads it back. A switch that has the value already is not
// written, so that this works on a read-only /proc/sys too, and the kernel does nothing twice.
//
// Errors are *Error: those of Get, and ErrBadValue, ErrReadOnly, ErrNotTaken.
func (t Tree) Set(nic string, s Setting) error {
	if err := t.set(nic, s); err != nil {
		return &Error{Op: "set", NIC: nic, Switch: s.Switch, Value: s.Value, Err: err}
	}
	return nil
}

// Saved is what switches of a NIC were before they were changed, for Restore.
type Saved struct {
	NIC      string
	Settings []Setting // in the order in which they were set
}

// Apply sets several switches in order and returns what they were. A switch that fails does not stop
// the others; the error joins all failures, and Saved holds only what was changed.
func (t Tree) Apply(nic string, settings []Setting) (Saved, error) {
	saved := Saved{NIC: nic}
	var errs []error
	for _, s := range settings {
		before, err := t.Get(nic, s.Switch)
		if err == nil {
			err = t.Set(nic, s)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if before != s.Value {
			saved.Settings = append(saved.Settings, Setting{s.Switch, before})
		}
	}
	return saved, errors.Join(errs...)
}

// Restore sets back what Apply changed, in reverse order. A NIC that is gone needs nothing.
func (t Tree) Restore(saved Saved) error {
	var errs []error
	for i := len(saved.Settings) - 1; i >= 0; i-- {
		if err := t.Set(saved.NIC, saved.Settings[i]); err != nil && !errors.Is(err, ErrNoNIC) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (t Tree) conf() string {
	root := t.Root
	if root == "" {
		root = "/proc/sys"
	}
	return filepath.Join(root, "net", "ipv6", "conf")
}

func (t Tree) get(nic string, s Switch) (string, error) {
	if err := checkNIC(nic); err != nil {
		return "", err
	}
	if !s.valid() {
		return "", fmt.Errorf("%w: %q", ErrNoSwitch, s)
	}
	b, err := os.ReadFile(filepath.Join(t.conf(), nic, string(s)))
	if errors.Is(err, fs.ErrNotExist) {
		return "", t.missing(nic)
	}
	return strings.TrimSpace(string(b)), err
}

func (t Tree) set(nic string, s Setting) error {
	if err := s.check(); err != nil {
		return err
	}
	if now, err := t.get(nic, s.Switch); err != nil || now == s.Value {
		return err
	}
	f, err := os.OpenFile(filepath.Join(t.conf(), nic, string(s.Switch)), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return t.missing(nic)
		}
		return accessError(err)
	}
	_, err = f.WriteString(s.Value + "\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return accessError(err)
	}
	now, err := t.get(nic, s.Switch)
	if err == nil && now != s.Value {
		err = fmt.Errorf("%w: it reads %q", ErrNotTaken, now)
	}
	return err
}

// missing says which part of the way to a switch does not exist.
func (t Tree) missing(nic string) error {
	exists := func(path string) bool { _, err := os.Stat(path); return err == nil }
	switch {
	case !exists(t.conf()):
		return ErrNoIPv6
	case !exists(filepath.Join(t.conf(), nic)):
		return ErrNoNIC
	}
	return ErrNoSwitch
}
