package guest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/sysctl"
)

// Once is a Controller for where no agent runs: each command is done in this process, on the NICs that
// it names, and nothing but their addresses is changed.
type Once struct{ opts Options }

var _ Controller = (*Once)(nil)

// NewOnce makes a Once. RunDir and Version of the options are not used.
func NewOnce(opts Options) *Once { return &Once{opts} }

// Status has nothing to say: ErrNoAgent is in the error's chain.
func (o *Once) Status(context.Context) (Status, error) { return Status{}, ErrNoAgent }

// WaitOnline waits for nobody: ErrNoAgent is in the error's chain.
func (o *Once) WaitOnline(context.Context) (Online, error) { return Online{}, ErrNoAgent }

// FilesChanged tells nobody: ErrNoAgent is in the error's chain.
func (o *Once) FilesChanged(context.Context) error { return ErrNoAgent }

// Lease leases on the NICs and leaves the addresses there.
func (o *Once) Lease(ctx context.Context, req LeaseRequest) ([]LeaseResult, error) {
	return o.with(ctx, req, (*Agent).Lease)
}

// Release gives back what the state folder says was leased.
func (o *Once) Release(ctx context.Context, req LeaseRequest) ([]LeaseResult, error) {
	return o.with(ctx, req, (*Agent).Release)
}

// with runs a passive agent for one command.
func (o *Once) with(ctx context.Context, req LeaseRequest, do func(*Agent, context.Context, LeaseRequest) ([]LeaseResult, error)) ([]LeaseResult, error) {
	opts := o.opts
	cfg := *opts.Config
	if len(req.NICs) > 0 {
		if cfg.NICs = patterns(req.NICs); len(cfg.NICs) == 0 {
			return noNames(req.NICs), nil // an empty list would stand for every NIC
		}
	}
	opts.Config = &cfg
	a, err := NewAgent(opts)
	if err != nil {
		return nil, err
	}
	a.passive, a.identity = true, o.opts.Config
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- a.loop(ctx)
		cancel() // a loop that fails ends the command too
	}()
	res, err := do(a, ctx, req)
	cancel()
	if failed := <-ended; failed != nil {
		return res, failed
	}
	if errors.Is(err, context.Canceled) {
		err = fault.New(fault.ExitFailure, "", "interrupted")
	}
	return res, err
}

// patterns are those that the names of NICs are; what is no name is left to the command to refuse.
func patterns(names []string) []Pattern {
	var out []Pattern
	for _, name := range names {
		if p, err := ParsePattern(name); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// noNames is the result of a command none of whose NICs can have its name.
func noNames(names []string) []LeaseResult {
	out := make([]LeaseResult, len(names))
	for i, name := range names {
		_, err := ParsePattern(name)
		out[i] = LeaseResult{NIC: name, Fault: Report(err)}
	}
	return out
}

// unreachable says why the neighbours of a leased address cannot be reached, "" when they can or may
// soon be: a /128 needs a route to its network, which the kernel makes of Router Advertisements if it
// processes them.
func (a *Agent) unreachable(ctx context.Context, nic link.NIC, addr netip.Addr) string {
	why, err := a.noOnLinkRoutes(nic.Name)
	if err != nil || why == "" {
		return ""
	}
	routes, err := a.sys.Routes(ctx, nic.Index)
	if err != nil {
		return ""
	}
	for _, r := range routes {
		if r.OnLink() && !r.Default() && !r.Dst.IsSingleIP() && r.Dst.Contains(addr) {
			return ""
		}
	}
	return fmt.Sprintf("%s: neighbours are not reachable: there is no route to the network of %s, and %s; `v6guest run` adds the route",
		nic.Name, addr, why)
}

// noOnLinkRoutes is the setting by which the kernel makes no on-link routes of Router Advertisements, "" where
// it makes them.
func (a *Agent) noOnLinkRoutes(nic string) (why string, err error) {
	accept, err := a.sys.Get(nic, sysctl.AcceptRA)
	if err != nil {
		return "", err
	}
	if accept == "1" {
		forwarding, err := a.sys.Get(nic, sysctl.Forwarding)
		if err != nil {
			return "", err
		}
		if forwarding == "0" {
			accept = "2" // which is the same then
		}
	}
	if accept != "2" {
		return "accept_ra = " + accept, nil
	}
	if prefixes, err := a.sys.Get(nic, sysctl.AcceptRAPinfo); err != nil || prefixes != "0" {
		return "", err
	}
	return "accept_ra_pinfo = 0", nil
}
