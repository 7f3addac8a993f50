package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/sysctl"
)

// savedSwitches are the kernel's switches as they were before configure or the agent set them in this boot, so
// that restore sets them back. They lie in the run folder: with a reboot they lose their meaning. Each use
// begins with a load, since both may run at a time.
type savedSwitches struct {
	file  string
	state switchState
	dirty bool
}

type switchState struct {
	runNote
	Switches []savedSwitch `json:"switches"`
}

type savedSwitch struct {
	Index  int           `json:"index"`
	Switch sysctl.Switch `json:"switch"`
	Value  string        `json:"value"`
}

// loadSwitches reads what was kept in this boot and network namespace; what cannot be used counts as nothing.
func loadSwitches(runDir string) *savedSwitches {
	note, ok := thisBoot(runDir)
	return switchesOf(note, ok, runDir)
}

// switchesOf is loadSwitches for whoever knows the boot's name.
func switchesOf(note runNote, ok bool, runDir string) *savedSwitches {
	var old switchState
	file, counts := note.open(ok, runDir, "switches.json", &old)
	s := &savedSwitches{file: file, state: switchState{runNote: note}}
	if counts {
		s.state.Switches = old.Switches
	}
	return s
}

// set gives switches their values, and notes before that what they were, unless an earlier value is noted
// already: a kill must not hide it. What could not be noted does not keep them from being set.
func (s *savedSwitches) set(sys Switches, nic link.NIC, to []sysctl.Setting) (noting, setting error) {
	var errs []error
	var known, added []sysctl.Setting
	for _, t := range to {
		before, err := sys.Get(nic.Name, t.Switch)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		known = append(known, t)
		if before != t.Value && s.add(savedSwitch{nic.Index, t.Switch, before}) {
			added = append(added, t)
		}
	}
	noting = s.keep()
	for _, t := range known {
		err := sys.Set(nic.Name, t)
		errs = append(errs, err)
		if err != nil && slices.Contains(added, t) { // it is what it was: there is nothing to set back
			s.drop(func(o savedSwitch) bool { return o.Index == nic.Index && o.Switch == t.Switch })
		}
	}
	if noting == nil {
		noting = s.keep()
	}
	return noting, errors.Join(errs...)
}

// add notes a switch, and reports whether it was not noted yet.
func (s *savedSwitches) add(o savedSwitch) bool {
	if slices.ContainsFunc(s.state.Switches, func(x savedSwitch) bool { return x.Index == o.Index && x.Switch == o.Switch }) {
		return false
	}
	s.state.Switches = append(s.state.Switches, o)
	s.dirty = true
	return true
}

// drop takes out those that which says.
func (s *savedSwitches) drop(which func(savedSwitch) bool) {
	n := len(s.state.Switches)
	s.state.Switches = slices.DeleteFunc(s.state.Switches, which)
	s.dirty = s.dirty || len(s.state.Switches) != n
}

// forget drops those of a NIC that is gone, and its switches with it.
func (s *savedSwitches) forget(index int) {
	s.drop(func(o savedSwitch) bool { return o.Index == index })
}

// keep writes them if there is anything new.
func (s *savedSwitches) keep() error {
	if !s.dirty || s.file == "" {
		return nil
	}
	err := os.MkdirAll(filepath.Dir(s.file), 0o755)
	if err == nil {
		err = writeRunNote(s.file, s.state)
	}
	if err != nil {
		return fmt.Errorf("note what the switches were: %w", err)
	}
	s.dirty = false
	return nil
}

// restore sets the switches back, of the NICs that are still there, the last one first, and forgets them.
func (s *savedSwitches) restore(sys Switches, nics []link.NIC) (out []LiveStep, err error) {
	var errs []error
	for _, o := range slices.Backward(s.state.Switches) {
		i := slices.IndexFunc(nics, func(n link.NIC) bool { return n.Index == o.Index })
		if i < 0 {
			continue
		}
		name := nics[i].Name
		err := sys.Set(name, sysctl.Setting{Switch: o.Switch, Value: o.Value})
		if errors.Is(err, sysctl.ErrNoNIC) || errors.Is(err, sysctl.ErrNoIPv6) {
			continue
		}
		errs = append(errs, err)
		if err == nil {
			out = append(out, LiveStep{NIC: name, What: fmt.Sprintf("net.ipv6.conf.%s.%s = %s", name, o.Switch, o.Value), Why: "as it was before"})
		}
	}
	if err := errors.Join(errs...); err != nil || s.file == "" {
		return out, err
	}
	if err := os.Remove(s.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return out, fmt.Errorf("forget what the switches were: %w", err)
	}
	return out, nil
}
