package guest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/v6guest/v6guest/pkg/distro"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/link"
)

// A LiveSystem is the running system as ApplyLive needs it.
type LiveSystem interface {
	// Command runs a program of the distribution's.
	Command(ctx context.Context, argv []string) error
	// Stop ends the process whose number a file holds, and waits until it has ended; that there is
	// none is no error.
	Stop(ctx context.Context, pidFile string) error
	Switches
	SourceRemover
	AddrRemover
	RemoveRADefaultRoutes(ctx context.Context, index int) ([]link.Route, error)
	DefaultRoutes(ctx context.Context, index int) ([]link.Route, error)
}

// A LiveStep is what was done, or left, so that the files count without a reboot.
type LiveStep struct {
	NIC  string `json:"nic"`
	What string `json:"what"`
	Why  string `json:"why"`
	// Left says that the step was left undone, since it would cut the NIC's IPv4 off for a moment.
	Left bool `json:"left,omitempty"`
}

// ApplyLive makes the files of a plan count on the running system, and sets the kernel's switches. Steps
// that would cut IPv4 are left undone and named. The effect is verified: a secondary NIC on which an
// IPv6 default route is left is an error. What the switches were is kept in runDir for RestoreLive.
func (p *FilePlan) ApplyLive(ctx context.Context, sys LiveSystem, runDir string) ([]LiveStep, error) {
	var out []LiveStep
	var errs []error
	var done []string
	for _, n := range p.NICs {
		steps, err := liveSteps(ctx, sys, n.NIC.Name, n.Files.Live, &done)
		out = append(out, steps...)
		errs = append(errs, err)
	}
	errs = append(errs, p.SetSwitches(ctx, sys, runDir))
	left := func(s LiveStep) bool { return s.Left }
	if errors.Join(errs...) == nil && !slices.ContainsFunc(out, left) {
		errs = append(errs, p.NoteInForce(runDir))
	}
	return out, liveFault(errs)
}

// SetSwitches sets the kernel's switches alone, which ApplyLive does at its end: at boot, where no stack
// runs yet, it is all that is needed. systemd may have been through its sysctl files before this boot's were
// written.
func (p *FilePlan) SetSwitches(ctx context.Context, sys LiveSystem, runDir string) error {
	var errs []error
	saved := loadSwitches(runDir)
	for _, n := range p.NICs {
		noting, setting := saved.set(sys, n.NIC, n.Switches)
		errs = append(errs, noting, setting)
		if n.Role == RoleSecondary {
			errs = append(errs, n.clearDefaults(ctx, sys))
		}
	}
	return errors.Join(errs...)
}

// liveFault makes one Fault of what did not go on the running system; the files are in place all the same.
func liveFault(errs []error) error {
	err := errors.Join(errs...)
	if err == nil {
		return nil
	}
	return &fault.Fault{Err: err, Exit: fault.ExitCode(filesFault(err)), Cure: fault.Cure(filesFault(err))}
}

// liveSteps does the steps of one NIC in order; the first that fails ends them. One that several NICs
// share is done once.
func liveSteps(ctx context.Context, sys LiveSystem, nic string, steps []distro.LiveStep, done *[]string) (out []LiveStep, err error) {
	for _, step := range steps {
		l := LiveStep{NIC: nic, What: stepText(step), Why: step.Why, Left: step.CutsIPv4}
		if slices.Contains(*done, l.What) {
			continue
		}
		*done = append(*done, l.What)
		out = append(out, l)
		switch {
		case step.CutsIPv4:
			return out, nil // what follows rests on it
		case step.StopPID != "":
			err = sys.Stop(ctx, step.StopPID)
		default:
			err = sys.Command(ctx, step.Argv)
		}
		if err != nil {
			return out, fmt.Errorf("%s: %s: %w", nic, l.What, err)
		}
	}
	return out, nil
}

// stepText is a step as a person would type it.
func stepText(s distro.LiveStep) string {
	if s.StopPID != "" {
		return "kill $(cat " + s.StopPID + ")"
	}
	words := slices.Clone(s.Argv)
	for i, w := range words {
		if w == "" {
			words[i] = "''"
		}
	}
	return strings.Join(words, " ")
}

// clearDefaults takes the default routes that Router Advertisements made off a secondary NIC, and looks
// whether one is left.
func (n *NICFiles) clearDefaults(ctx context.Context, sys LiveSystem) error {
	if _, err := sys.RemoveRADefaultRoutes(ctx, n.NIC.Index); err != nil {
		return err
	}
	left, err := sys.DefaultRoutes(ctx, n.NIC.Index)
	if err != nil {
		return err
	}
	for _, r := range left {
		if r.Protocol == link.ProtoRA {
			return fmt.Errorf("%s still has an IPv6 default route via %s", n.NIC.Name, r.Gateway)
		}
	}
	return nil
}
