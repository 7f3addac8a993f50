package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/wire"
)

// A Host does for the Runner what is beyond the network. Its methods are called one at a time, from
// the goroutine of Run, and should not wait for anything slow. They may call the Runner's Notify and
// Set methods, not Lease, Release or Snapshot.
type Host interface {
	// Install puts the address on the NIC as /128, or refreshes its lifetimes in place. If it is not yet
	// known to be usable, Notify must be called with AddressUsable or AddressDuplicate once that is
	// known, at once where the address is on the NIC already. An error becomes an InstallFailed event.
	Install(a Address) error
	// Remove takes the address off the NIC; one that is not there is no error.
	Remove(addr netip.Addr, why string) error
	// Save keeps the lease for the next start; Forget throws away what was kept.
	Save(l *Lease) error
	Forget() error
	// Configure puts the settings in the place of the NIC's earlier ones.
	Configure(s Settings) error
	// Report tells a person.
	Report(r Report)
}

// A RunnerConfig is what a Runner is made of. Engine, Conn, Clock and Host are required.
type RunnerConfig struct {
	Engine *Engine // the Runner's from now on
	Conn   Conn    // closed when Run ends
	Clock  clock.Clock
	Host   Host
	// Trace is called with every message that is sent or was received and could be decoded, from the
	// goroutine of Run; nil traces nothing.
	Trace func(TracedMessage)
}

// A TracedMessage is one that left or came.
type TracedMessage struct {
	At   clock.Instant
	Sent bool
	Peer netip.Addr // the source of one that was received
	Msg  *wire.Message
}

// A Runner drives the Engine of one NIC: it gives it packets and time, and does what it says.
type Runner struct {
	cfg   RunnerConfig
	inbox inbox
	done  chan struct{} // closed when Run has ended

	carrier   bool
	linkLocal netip.Addr
	up        bool // what the engine was told
	waiting   map[Command][]call
}

// A call is a command or a question that waits for its answer.
type call struct {
	command Command // "" asks for a Snapshot only
	answer  chan<- Result
}

// A Result is what came of a command.
type Result struct {
	Snapshot Snapshot
	Err      error
}

// NewRunner makes a Runner; Run starts it.
func NewRunner(cfg RunnerConfig) (*Runner, error) {
	if cfg.Engine == nil || cfg.Conn == nil || cfg.Clock == nil || cfg.Host == nil {
		return nil, errors.New("client runner without engine, connection, clock or host")
	}
	return &Runner{
		cfg: cfg, inbox: newInbox(), done: make(chan struct{}), waiting: map[Command][]call{},
	}, nil
}

// SetCarrier says whether the NIC is up and has a carrier. It may be called at any time.
func (r *Runner) SetCarrier(up bool) { r.inbox.put(carrierSet(up)) }

// SetLinkLocal gives the address that the client speaks from, once it has passed duplicate address
// detection; the zero Addr says that there is none any more. It may be called at any time.
func (r *Runner) SetLinkLocal(addr netip.Addr) { r.inbox.put(linkLocalSet(addr)) }

// Notify hands an event to the engine; Start, Carrier, Received and Expired are the Runner's own. It
// never waits and may be called at any time.
func (r *Runner) Notify(ev Event) { r.inbox.put(ev) }

// Lease gets an address now, or checks and refreshes the one there is, and returns how things then
// stand. The error is ErrNoServer, ErrNoLink, a *RefusedError, a *DeclinedError, ErrStopped, or wraps
// what the kernel said. If ctx ends first, the error says what was the matter until then and wraps
// ctx's.
func (r *Runner) Lease(ctx context.Context) (Snapshot, error) { return r.command(ctx, CommandLease) }

// Release gives the addresses back: they are off the NIC before the first Release leaves. It returns
// when the server has answered or after four Releases (15 s); the addresses are gone either way.
// ErrNoBinding says that there was nothing to give back.
func (r *Runner) Release(ctx context.Context) (Snapshot, error) {
	return r.command(ctx, CommandRelease)
}

// Snapshot says how things stand.
func (r *Runner) Snapshot(ctx context.Context) (Snapshot, error) { return r.command(ctx, "") }

func (r *Runner) command(ctx context.Context, c Command) (Snapshot, error) { return r.Begin(c)(ctx) }

// Begin begins a command and returns the function that waits for its end, to be called once, as Lease
// and Release do. The command is begun after all that was told the Runner before by Notify and the Set
// methods, and before what is told next: so a one-shot command can come before the link is up, and is
// then the first thing that the client does there.
func (r *Runner) Begin(c Command) (wait func(context.Context) (Snapshot, error)) {
	answer := make(chan Result, 1)
	r.inbox.put(call{c, answer})
	return func(ctx context.Context) (Snapshot, error) {
		select {
		case res := <-answer:
			return res.Snapshot, res.Err
		case <-r.done:
			return Snapshot{}, ErrStopped
		case <-ctx.Done():
			return r.late(ctx)
		}
	}
}

// late answers a command whose caller waits no longer: with what has kept it from being done.
func (r *Runner) late(ctx context.Context) (Snapshot, error) {
	answer := make(chan Result, 1)
	r.inbox.put(call{"", answer})
	var s Snapshot
	select {
	case res := <-answer:
		s = res.Snapshot
	case <-r.done:
		return Snapshot{}, ErrStopped
	}
	switch {
	case s.State == StateNoLink:
		return s, fmt.Errorf("%w: %w", ErrNoLink, ctx.Err())
	case s.State == StateProbing:
		return s, fmt.Errorf("%w: %w", ErrProbing, ctx.Err())
	case s.Pending != nil:
		return s, fmt.Errorf("%w: %w", s.Pending, ctx.Err())
	}
	return s, ctx.Err()
}

// Run starts the engine with the saved lease (nil for none) and does its work until ctx ends, which is
// no error. It returns an error when the timer or the socket fails for good. Addresses stay on the NIC.
func (r *Runner) Run(ctx context.Context, saved *Lease) error {
	defer close(r.done)
	defer func() { _ = r.cfg.Conn.Close() }() // nothing is lost with it
	timer, err := r.cfg.Clock.NewTimer()
	if err != nil {
		return fmt.Errorf("DHCPv6 client: %w", err)
	}
	defer func() { _ = timer.Close() }()
	packets, failed := make(chan packet), make(chan error, 1)
	go func() { failed <- r.read(packets) }()

	r.step(Start{Saved: saved})
	for {
		if err := timer.Set(r.cfg.Engine.Deadline()); err != nil {
			return fmt.Errorf("DHCPv6 client: %w", err)
		}
		select {
		case <-ctx.Done():
			r.step(Stop{})
			return nil
		case err := <-failed:
			return fmt.Errorf("DHCPv6 client: %w", err)
		case p := <-packets:
			r.received(p)
		case <-r.inbox.ready:
			for _, item := range r.inbox.take() {
				r.told(item)
			}
		case <-timer.C():
			r.step(Expired{})
		}
	}
}

// told takes in what came through Notify and the Set methods.
func (r *Runner) told(item any) {
	switch item := item.(type) {
	case carrierSet:
		r.carrier = bool(item)
		r.link()
	case linkLocalSet:
		before := r.linkLocal
		r.linkLocal = netip.Addr(item)
		r.link()
		if before.IsValid() && r.up && before != r.linkLocal {
			r.step(LinkLocalChanged{})
		}
	case call:
		r.called(item)
	case Event:
		r.step(item)
	}
}

// link tells the engine when the link becomes usable, and when it ceases to be.
func (r *Runner) link() {
	if up := r.carrier && r.linkLocal.IsValid(); up != r.up {
		r.up = up
		r.step(Carrier{Up: up})
	}
}

// called begins a command, or answers a question.
func (r *Runner) called(c call) {
	switch c.command {
	case "":
		c.answer <- Result{Snapshot: r.cfg.Engine.Snapshot()}
	case CommandLease:
		r.waiting[c.command] = append(r.waiting[c.command], c)
		r.step(LeaseNow{})
	case CommandRelease:
		r.waiting[c.command] = append(r.waiting[c.command], c)
		r.step(ReleaseNow{})
	}
}

// step steps the engine and does what it says. An InstallFailed event follows after the actions.
func (r *Runner) step(ev Event) {
	now := r.cfg.Clock.Now()
	var failures []Event
	for _, a := range r.cfg.Engine.Step(now, ev) {
		if err := r.do(now, a); err != nil {
			if i, ok := a.(Install); ok {
				failures = append(failures, InstallFailed{Addr: i.Address.Addr, Err: err})
			}
			r.failed(a, err)
		}
	}
	for _, ev := range failures {
		r.inbox.put(ev)
	}
}

// do does one action.
func (r *Runner) do(now clock.Instant, a Action) error {
	switch a := a.(type) {
	case Send:
		return r.send(now, a.Msg)
	case Install:
		return r.cfg.Host.Install(a.Address)
	case Remove:
		return r.cfg.Host.Remove(a.Addr, a.Why)
	case Save:
		return r.cfg.Host.Save(a.Lease)
	case Forget:
		return r.cfg.Host.Forget()
	case Configure:
		return r.cfg.Host.Configure(a.Settings)
	case Report:
		r.cfg.Host.Report(a)
	case Finished:
		r.finished(a)
	}
	return nil
}

// failed reports an action that could not be done. None of them ends the client: what is sent is sent
// again, what is saved is saved again with the next Reply.
func (r *Runner) failed(a Action, err error) {
	message := "cannot do what the lease asks for"
	switch a.(type) {
	case Send:
		message = "cannot send"
	case Save, Forget:
		message = "cannot keep the lease for the next start"
	}
	r.cfg.Host.Report(Report{Level: slog.LevelWarn, Message: message, Attrs: []slog.Attr{slog.Any("error", err)}})
}

// finished answers all who wait for the command.
func (r *Runner) finished(f Finished) {
	res := Result{Snapshot: r.cfg.Engine.Snapshot(), Err: f.Err}
	for _, c := range r.waiting[f.Command] {
		c.answer <- res
	}
	delete(r.waiting, f.Command)
}

func (r *Runner) send(now clock.Instant, m *wire.Message) error {
	b, err := m.Encode()
	if err != nil {
		return err
	}
	if r.cfg.Trace != nil {
		r.cfg.Trace(TracedMessage{At: now, Sent: true, Msg: m})
	}
	return r.cfg.Conn.Write(b, r.linkLocal)
}

// received hands a message to the engine.
func (r *Runner) received(p packet) {
	if p.flaw != nil {
		r.cfg.Host.Report(Report{
			Level: slog.LevelDebug, Message: "datagram not used", Packet: true,
			Attrs: []slog.Attr{slog.String("reason", p.flaw.Error()), slog.Any("from", p.ev.From)},
		})
		return
	}
	if r.cfg.Trace != nil {
		r.cfg.Trace(TracedMessage{At: r.cfg.Clock.Now(), Peer: p.ev.From, Msg: p.ev.Msg})
	}
	r.step(p.ev)
}

// A packet is what the reader made of a datagram.
type packet struct {
	ev   Received
	flaw error
}

// maxReadErrors is how many reads in a row may fail before the socket counts as lost. A NIC that goes
// down gives one error, not many.
const maxReadErrors = 64

// read reads datagrams until the socket is closed or fails for good.
func (r *Runner) read(packets chan<- packet) error {
	buf := make([]byte, 1<<16)
	for failures := 0; ; {
		d, err := r.cfg.Conn.Read(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			if failures++; failures == maxReadErrors {
				return err
			}
			continue
		}
		failures = 0
		select {
		case packets <- decode(buf[:d.Len], d):
		case <-r.done:
			return nil
		}
	}
}

// decode makes an event of a datagram; b is the reader's and is used again.
func decode(b []byte, d Datagram) packet {
	p := packet{ev: Received{From: d.From, To: d.To}}
	if p.ev.Msg, p.flaw = wire.Decode(b); p.flaw == nil {
		p.ev.Raw = append([]byte(nil), b...)
	}
	return p
}
