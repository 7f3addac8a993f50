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
	"github.com/v6guest/v6guest/pkg/sysctl"
)

// A LiveSystem is the running system as ApplyLive needs it.
type LiveSystem interface {
	// Command runs a program of the distribution's.
	Command(ctx context.Context, argv []string) error
	// Stop ends the process whose number a file holds, and waits until it has ended; that there is
	// none is no error.
	Stop(ctx context.Context, pidFile string) error
	Set(nic string, s sysctl.Setting) error
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
// IPv6 default route is left is an error.
func (p *FilePlan) ApplyLive(ctx context.Context, sys LiveSystem) ([]LiveStep, error) {
	var out []LiveStep
	var errs []error
	var done []string
	for _, n := range p.NICs {
		steps, err := n.liveSteps(ctx, sys, &done)
		out = append(out, steps...)
		errs = append(errs, err)
	}
	for _, n := range p.NICs {
		for _, s := range n.Switches {
			errs = append(errs, sys.Set(n.NIC.Name, s))
		}
		if n.Role == RoleSecondary {
			errs = append(errs, n.clearDefaults(ctx, sys))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return out, &fault.Fault{Err: err, Exit: fault.ExitCode(filesFault(err)), Cure: fault.Cure(filesFault(err))}
	}
	return out, nil
}

// liveSteps does the steps of one NIC in order; the first that fails ends them. One that several NICs
// share is done once.
func (n *NICFiles) liveSteps(ctx context.Context, sys LiveSystem, done *[]string) (out []LiveStep, err error) {
	for _, step := range n.Files.Live {
		l := LiveStep{NIC: n.NIC.Name, What: stepText(step), Why: step.Why, Left: step.CutsIPv4}
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
			return out, fmt.Errorf("%s: %s: %w", n.NIC.Name, l.What, err)
		}
	}
	return out, nil
}

// stepText is a step as a person would type it.
func stepText(s distro.LiveStep) string {
	if s.StopPID != "" {
		return "kill $(cat " + s.StopPID + ")"
	}
	return strings.Join(s.Argv, " ")
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
