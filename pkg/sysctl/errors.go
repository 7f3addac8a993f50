package sysctl

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

var (
	// ErrBadName says that a NIC's name is one that the kernel does not allow, or that a sysctl.d file
	// cannot hold.
	ErrBadName = errors.New("not the name of a network interface")
	// ErrBadValue says that a value is not a number, or the switch is not one to be set.
	ErrBadValue = errors.New("not a setting")
	// ErrNoIPv6 says that the running kernel has no IPv6 at all.
	ErrNoIPv6 = errors.New("the kernel has no IPv6")
	// ErrNoNIC says that the kernel has no IPv6 switches for the NIC: it is not there.
	ErrNoNIC = errors.New("no IPv6 switches for this network interface")
	// ErrNoSwitch says that the kernel has IPv6 switches for the NIC, but not this one.
	ErrNoSwitch = errors.New("the kernel has no such switch")
	// ErrReadOnly says that /proc/sys is mounted read-only, as it is in most containers.
	ErrReadOnly = errors.New("/proc/sys is read-only")
	// ErrNotTaken says that the kernel refused a value, or another one read back.
	ErrNotTaken = errors.New("the kernel did not take the value")
)

// An Error is a failed access to a switch. Its chain holds one of the errors above or os.ErrPermission.
type Error struct {
	Op     string // "read" or "set"
	NIC    string
	Switch Switch
	Value  string // that was to be set; empty when reading
	Err    error
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s %s of %q", e.Op, e.Switch, e.NIC)
	if e.Op == "set" {
		s += fmt.Sprintf(" to %q", e.Value)
	}
	return s + ": " + e.Err.Error()
}

// Unwrap makes errors.Is and errors.As look into Err.
func (e *Error) Unwrap() error { return e.Err }

// Cure says in a sentence what a person can do about the error; empty when nothing is known.
func (e *Error) Cure() string {
	switch {
	case errors.Is(e.Err, ErrNoIPv6):
		return "boot without ipv6.disable=1 on the kernel's command line, or load the module ipv6"
	case errors.Is(e.Err, ErrNoNIC):
		return "check the name, and that the NIC's MTU is at least 1280: below, the kernel takes IPv6 off it"
	case errors.Is(e.Err, ErrReadOnly):
		return "give the container a writable /proc/sys/net, or set ra = agent and set the switches on the host"
	case errors.Is(e.Err, fs.ErrPermission):
		return "run it as root, or with CAP_NET_ADMIN in the network namespace's own user namespace"
	case errors.Is(e.Err, ErrNoSwitch):
		return "use a kernel that has this switch, or do without it"
	case errors.Is(e.Err, ErrNotTaken):
		return "look which other program sets the switch back"
	}
	return ""
}

// accessError gives an error of the file system its sentinel.
func accessError(err error) error {
	switch {
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w (%w)", ErrReadOnly, err)
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ERANGE):
		return fmt.Errorf("%w (%w)", ErrNotTaken, err)
	}
	return err
}
