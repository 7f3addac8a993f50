package guest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/v6guest/v6guest/pkg/client"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/link"
)

// Agent is what the control socket asks.
var _ Controller = (*Agent)(nil)

// do runs f in the agent's goroutine and waits for it.
func (a *Agent) do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	a.mail.post(func() { f(); close(done) })
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settled waits for the first plan.
func (a *Agent) settled(ctx context.Context) error {
	select {
	case <-a.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A target is a NIC that a command is for.
type target struct {
	name   string
	nic    link.NIC
	l      *leaser
	before wait // how things stood
	wait   wait
	fault  error // why the command cannot be done there
}

// wait waits for the end of a command of a client.
type wait func(context.Context) (client.Snapshot, error)

// targets finds the NICs that were named, or every managed one on which v6guest leases, and starts
// clients that wait for a router's word: a command does not wait for it. The command is begun there.
func (a *Agent) targets(ctx context.Context, req LeaseRequest, c client.Command) ([]target, error) {
	if err := a.settled(ctx); err != nil {
		return nil, err
	}
	var out []target
	var err error
	posted := a.do(ctx, func() {
		if len(req.NICs) > 0 {
			out = a.named(req, c)
			return
		}
		for _, p := range a.plan.NICs {
			if p.Managed && p.Settings.Lease == LeaseAgent {
				out = append(out, a.nics[p.NIC.Index].target(c, req.Trace))
			}
		}
		if out == nil {
			err = fault.New(fault.ExitFailure, "name a NIC, or set nics in the configuration", "there is no NIC to lease on")
		}
	})
	return out, errors.Join(posted, err)
}

// named finds the NICs that were named. One that cannot be had does not hold the others up.
func (a *Agent) named(req LeaseRequest, c client.Command) []target {
	var out []target
	for _, name := range req.NICs {
		nic, err := FindNIC(a.world.list(), name)
		if err != nil {
			out = append(out, target{name: name, fault: err})
			continue
		}
		n := a.nics[nic.Index]
		if n == nil {
			out = append(out, target{name: nic.Name, fault: a.leftAlone(nic)})
			continue
		}
		out = append(out, n.target(c, req.Trace))
	}
	return out
}

// leftAlone is why a command is not done on a NIC that is not managed.
func (a *Agent) leftAlone(nic link.NIC) error {
	why := a.plan.nic(nic.Index).Reason
	if a.passive {
		return fault.New(fault.ExitUsage, "name another NIC", "v6guest does not lease on %s: %s", nic.Name, why)
	}
	return fault.New(fault.ExitUsage, "add it to nics in the configuration, and restart the agent", "the agent does not manage %s: %s", nic.Name, why)
}

// target is the NIC as a command meets it, which is begun where it can be done.
func (n *managedNIC) target(c client.Command, trace bool) target {
	t := target{name: n.nic.Name, nic: n.nic}
	switch {
	case n.plan.Settings.Lease != LeaseAgent:
		t.fault = fault.New(fault.ExitUsage, "ask the distribution's client, or set lease = agent", "lease = distro: v6guest does not lease on %s", n.nic.Name)
	case n.off != "":
		t.fault = fault.New(fault.ExitFailure, n.offCure(), "%s", n.off)
	case !n.nic.Up:
		t.fault = fault.New(fault.ExitFailure, "ip link set "+n.nic.Name+" up", "%s is down", n.nic.Name)
	default:
		now := n.a.clock.Now()
		n.forced, n.startAt = true, 0
		n.startClient(n.a.life, now)
		if t.l = n.leaser; t.l == nil {
			t.fault = asFaultOf(n.nic.Name, n.problems[startingClient])
			break
		}
		if trace {
			t.l.host.record(true)
		}
		if c == client.CommandRelease {
			n.tellClient() // what cannot be sent is not waited for
		}
		t.before, t.wait = t.l.runner.Begin(""), t.l.runner.Begin(c)
		n.tellClient() // a client that has just started begins with the command
	}
	return t
}

// Lease leases on the NICs of the request, all at once, and says how it ended on each.
func (a *Agent) Lease(ctx context.Context, req LeaseRequest) ([]LeaseResult, error) {
	began := a.clock.Now()
	return a.each(ctx, req, client.CommandLease, func(ctx context.Context, t target) LeaseResult {
		before := held(t.before(ctx))
		s, err := t.wait(ctx)
		now := a.clock.Now()
		r := LeaseResult{NIC: t.name, Took: Seconds(now.Sub(began)), Fault: Report(asFaultOf(t.name, err))}
		r.take(s, t.l.host, now)
		if before != r.Address {
			r.Was = before
		}
		if a.passive && r.Fault == nil {
			r.Warning = a.unreachable(ctx, t.nic, r.Address)
		}
		return r
	})
}

// Release gives the leases of the NICs back.
func (a *Agent) Release(ctx context.Context, req LeaseRequest) ([]LeaseResult, error) {
	began := a.clock.Now()
	return a.each(ctx, req, client.CommandRelease, func(ctx context.Context, t target) LeaseResult {
		r := LeaseResult{NIC: t.name}
		s, err := t.before(ctx)
		if err == nil {
			r.Server, r.Was = s.Server.String(), held(s, nil)
			_, err = t.wait(ctx)
		}
		r.Took, r.Fault = Seconds(a.clock.Now().Sub(began)), Report(asFaultOf(t.name, err))
		return r
	})
}

// each does a command on every target at once; a target that failed does not hold the others up.
func (a *Agent) each(ctx context.Context, req LeaseRequest, c client.Command, do func(context.Context, target) LeaseResult) ([]LeaseResult, error) {
	targets, err := a.targets(ctx, req, c)
	if err != nil {
		return nil, err
	}
	bounded, cancel, err := a.bounded(ctx, time.Duration(req.Timeout))
	if err != nil {
		return nil, err
	}
	defer cancel()
	out := make([]LeaseResult, len(targets))
	var wait sync.WaitGroup
	for i, t := range targets {
		if t.fault != nil {
			out[i] = LeaseResult{NIC: t.name, Fault: Report(t.fault)}
			continue
		}
		wait.Go(func() {
			out[i] = do(bounded, t)
			switch {
			case out[i].Fault == nil:
			case ctx.Err() != nil:
				out[i].Fault = &FaultReport{Error: t.name + ": interrupted", Exit: fault.ExitFailure}
			case a.stopping.Load():
				out[i].Fault = Report(agentEnded(a.opts.RunDir))
			}
			if req.Trace {
				out[i].Packets = t.l.host.record(false)
			}
		})
	}
	wait.Wait()
	return out, nil
}

// bounded is ctx with an end on the agent's clock, which counts while the machine is suspended.
func (a *Agent) bounded(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc, error) {
	timer, err := a.clock.NewTimer()
	if err != nil {
		return nil, nil, fmt.Errorf("timeout: %w", err)
	}
	at := clock.Never
	if d > 0 {
		at = a.clock.Now().Add(d)
	}
	if err := timer.Set(at); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("timeout: %w", err), timer.Close())
	}
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-timer.C():
			cancel(context.DeadlineExceeded)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel(context.Canceled)
		<-ended
		_ = timer.Close()
	}, nil
}

// take copies what the snapshot says of the address into the result.
func (r *LeaseResult) take(s client.Snapshot, h *host, now clock.Instant) {
	r.Server, r.From = s.Server.String(), h.from(s.Server)
	for _, x := range s.Addresses {
		if !x.Usable && r.Address.IsValid() {
			continue
		}
		r.Address = x.Addr
		p, v := x.Lifetimes(now)
		preferred, valid := Lifetime(p), Lifetime(v)
		r.Preferred, r.Valid = &preferred, &valid
		if x.Usable {
			return
		}
	}
}

// held is the first address of a client's binding; the zero Addr when there is none.
func held(s client.Snapshot, _ error) netip.Addr {
	if len(s.Addresses) == 0 {
		return netip.Addr{}
	}
	return s.Addresses[0].Addr
}

// releaseOnStop releases where the configuration asks for it, on all NICs at once, each bounded by the
// client's own limit.
func (a *Agent) releaseOnStop(ctx context.Context) {
	if a.passive {
		return
	}
	var wait sync.WaitGroup
	for _, n := range a.nics {
		if n.leaser == nil || !n.plan.Settings.ReleaseOnStop {
			continue
		}
		l, log := n.leaser, n.log
		wait.Go(func() {
			if _, err := l.runner.Release(ctx); err != nil && !errors.Is(err, client.ErrNoBinding) {
				log.Warn("released without an answer", "error", err)
			}
		})
	}
	wait.Wait()
}
