package guest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/sysctl"
)

// Options are what an Agent is made of. All but Trace, Notify and the strings are required.
type Options struct {
	Config   *Config
	System   System
	Clock    clock.Clock
	Log      *slog.Logger
	StateDir string
	RunDir   string
	Version  string
	// ConfigFile is named in the log, no more.
	ConfigFile string
	// Trace is called with a line for every message of DHCPv6 and of router discovery that is sent or
	// received, from several goroutines; nil traces nothing.
	Trace func(line string)
}

// A System is the machine that the agent works on.
type System interface {
	Kernel
	Switches
	SwitchWatcher
	Network
	Stacks
	Names
	Looker
	Traveller
	Placed
}

// An Agent keeps the plan in force. One goroutine, that of Run, owns everything in it; others reach it
// through the mailbox only.
type Agent struct {
	cfg   *Config
	sys   System
	clock clock.Clock
	log   *slog.Logger
	opts  Options

	mail    *mailbox
	world   *world
	plan    Plan
	nics    map[int]*managedNIC
	memory  choiceMemory
	place   Place
	started clock.Instant
	bootID  string
	seen    *seenNICs
	made    *madeNote
	seenAt  clock.Instant // when both may be written again; 0 is at once
	added   *addedLinkLocals
	unkept  []savedSwitch // what the switches were, as long as it cannot be written
	dirty   bool          // something that the plan rests on has changed
	waiters []*waiter
	claimed claimed
	stack   stackMemory
	written *sysctl.Written // tells who else sets the switches
	follows followed
	looks   looks
	dns     dns
	systemd systemd

	// passive is the one-shot command without an agent: it leases on the NICs it was given and changes
	// nothing else.
	passive bool
	// identity is the configuration from which the one-shot command has DUIDs, nil for cfg: cfg names
	// only the NICs of the command.
	identity *Config
	life     context.Context // of the loop and all that it starts
	ready    chan struct{}   // closed when the first plan is in force
	restarts bool            // it stops since another follows at once
	stopping atomic.Bool     // commands that fail from now on fail for that reason
}

// choiceMemory is what becomes of the choice of the default NIC over time (decision 3).
type choiceMemory struct {
	nic   *link.Key // nil when none is remembered
	err   error
	left  bool          // the NIC was here and went away
	until clock.Instant // the end of waiting: for an IPv4 default route, or for the NIC that went away
	seen  bool          // the NIC is here
}

// NewAgent makes an agent; Run starts it.
func NewAgent(opts Options) (*Agent, error) {
	if opts.Config == nil || opts.System == nil || opts.Clock == nil || opts.Log == nil {
		return nil, errors.New("agent without configuration, system, clock or log")
	}
	return &Agent{
		cfg: opts.Config, sys: opts.System, clock: opts.Clock, log: opts.Log, opts: opts,
		mail: newMailbox(), world: newWorld(), nics: map[int]*managedNIC{}, ready: make(chan struct{}),
	}, nil
}

// ErrRestart as the cause of a context's end (context.WithCancelCause) says that another agent follows at
// once: nothing is released, whatever release_on_stop says.
var ErrRestart = errors.New("the agent is being restarted")

// Run does the agent's work until ctx ends, which is no error. Addresses stay on the NICs, unless
// release_on_stop says otherwise. A second agent with the same RunDir gets a Fault.
func (a *Agent) Run(ctx context.Context) error {
	lock, err := lockRunDir(a.opts.RunDir)
	if err != nil {
		return err
	}
	ctl, err := listenControl(lock, a.opts.RunDir, a, a.log)
	if err != nil {
		return errors.Join(err, lock.Close())
	}
	served := make(chan error, 1)
	go func() { served <- ctl.serve() }()
	a.systemd.open(a.log)
	a.log.Info("v6guest started", "version", a.opts.Version, "config", a.opts.ConfigFile, "state_dir", a.opts.StateDir, "run_dir", a.opts.RunDir)
	err = a.loop(ctx)
	if err == nil {
		a.log.Info("v6guest stopped", "why", context.Cause(ctx))
	}
	return errors.Join(err, ctl.close(), <-served)
}

// loop is the goroutine that owns the agent.
func (a *Agent) loop(ctx context.Context) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	watch, err := a.sys.Watch(inner)
	if err != nil {
		return fmt.Errorf("follow the kernel: %w", err)
	}
	a.followSwitches(inner)
	moves, err := a.moves(inner)
	if err != nil {
		return fmt.Errorf("follow the clocks: %w", err)
	}
	timer, err := a.clock.NewTimer()
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	defer func() { _ = timer.Close() }() // nothing is lost with it
	a.life = inner
	a.begin()
	if !a.passive {
		a.beginDNS(inner)
	}
	for {
		if err := timer.Set(a.deadline()); err != nil {
			return fmt.Errorf("agent: %w", err)
		}
		select {
		case <-ctx.Done():
			a.restarts = errors.Is(context.Cause(ctx), ErrRestart)
			a.stop(inner)
			return nil
		case ev, ok := <-watch.C:
			if !ok {
				a.stop(inner)
				return fmt.Errorf("follow the kernel: %w", watch.Err())
			}
			a.kernel(ev)
			a.drain(watch)
		case <-a.mail.ready:
			for _, f := range a.mail.take() {
				f()
			}
		case nic := <-a.written.C:
			a.switchesWritten(nic)
		case why := <-moves:
			a.machineMoved(why)
		case <-timer.C():
		}
		a.settle(inner)
	}
}

// drain takes in the events that wait already, so that one plan answers a burst of them.
func (a *Agent) drain(watch *link.Watch) {
	for range 1024 { // bounded: a storm must not keep requests waiting
		select {
		case ev, ok := <-watch.C:
			if !ok {
				return // the loop meets it again
			}
			a.kernel(ev)
		default:
			return
		}
	}
}

// begin sets what is known before the first event.
func (a *Agent) begin() {
	a.started, a.place = a.clock.Now(), a.sys.Place()
	a.memory.until = a.started.Add(a.cfg.Wait)
	a.dirty = true
	var err error
	if a.bootID, err = clock.BootID(clock.BootIDFile); err != nil {
		a.log.Warn("the boot has no name; leases are taken for those of another boot", "error", err)
	}
	a.seen, a.made = loadSeen(a.opts.RunDir, a.bootID), loadMade(a.opts.RunDir, a.bootID)
	note, ok := newRunNote(a.opts.RunDir, a.bootID)
	a.added = loadAdded(note, ok && !a.passive, a.opts.RunDir)
	a.follows.inForce = defaultInForce(a.opts.RunDir)
	if a.memory.nic, a.memory.err = Remembered(a.opts.StateDir); a.memory.err != nil {
		a.log.Warn("the default NIC is chosen anew", "error", a.memory.err)
	}
}

// settle brings everything in line with what has changed.
func (a *Agent) settle(ctx context.Context) {
	if !a.world.listed {
		return
	}
	now := a.clock.Now()
	if over := !now.Before(a.memory.until); over && (a.memory.left || a.plan.Provisional) {
		a.memory.left, a.dirty = false, true
	}
	if a.dirty {
		a.dirty = false
		a.replan(ctx, now)
	}
	a.claimed.of = nil // servers may have been heard since
	for _, n := range a.nics {
		n.tend(ctx, now)
	}
	a.tendLooks(ctx)
	a.sweepRules(ctx)
	a.tendDNS(ctx, now)
	a.noteSeen()
	a.answerWaiters(now)
	a.systemd.tell(now, a.summary())
	select {
	case <-a.ready:
	default:
		close(a.ready)
		a.systemd.ready()
	}
}

// replan makes a plan of what is known now and puts it in force.
func (a *Agent) replan(ctx context.Context, now clock.Instant) {
	old := a.plan
	facts := a.facts(now)
	a.plan = NewPlan(a.cfg, facts)
	if facts.RA = a.stackRA(a.plan); facts.RA != nil {
		a.plan = NewPlan(a.cfg, facts)
	}
	if a.identity != nil {
		whole := NewPlan(a.identity, a.facts(now))
		for i := range a.plan.NICs {
			n := &a.plan.NICs[i]
			n.DUID, n.IAID = whole.Identity(a.identity, n.NIC)
		}
	}
	if m := a.plan.Remember; m != nil && !a.isRemembered(*m) && !a.passive {
		a.remember(*m)
	}
	if !a.passive {
		a.logPlan(old)
	}
	a.follow()
	for index, n := range a.nics {
		if p := a.plan.nic(index); p == nil || !p.Managed {
			if p != nil && !a.passive {
				if heir := a.plan.heir(*p); heir != "" {
					n.vacate(ctx, heir)
				} else {
					a.leave(ctx, p.NIC)
				}
			}
			n.close(ctx)
			delete(a.nics, index)
			a.world.leasesAre(index)
		}
	}
	a.leaveOthers(ctx)
	a.world.theDefaultIs(a.plan.Default)
	for i := range a.plan.NICs {
		p := a.plan.NICs[i]
		if !p.Managed {
			continue
		}
		n := a.nics[p.NIC.Index]
		if n == nil {
			n = newManagedNIC(a, p)
			a.nics[p.NIC.Index] = n
			n.dropOldMAC(ctx, now)
			if p.Settings.Lease == LeaseAgent {
				leased := n.leasedBy(p.NIC.Key(), now)
				a.world.leasesAre(p.NIC.Index, leased...)
				n.findMade(now, leased)
			}
		}
		n.apply(ctx, p)
	}
}

// trouble is the level of what stands in the way on a NIC. The one-shot command ends with it, as its
// error: that is said once.
func (a *Agent) trouble() slog.Level {
	if a.passive {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

// noteSeen keeps which NICs were brought up once, for an agent that is started after this one.
func (a *Agent) noteSeen() {
	if now := a.clock.Now(); a.passive || now.Before(a.seenAt) {
		return
	}
	var nics []link.NIC
	var made []netip.Addr
	for _, n := range a.nics {
		if n.broughtUp {
			nics = append(nics, n.nic)
		}
		made = slices.AppendSeq(made, maps.Keys(n.slaac.have))
	}
	slices.SortFunc(made, netip.Addr.Compare)
	slices.SortFunc(nics, func(x, y link.NIC) int { return x.Index - y.Index })
	err := errors.Join(a.seen.keep(nics), a.made.keep(made))
	if err != nil && a.seenAt == 0 {
		a.log.Warn("the next agent may bring a NIC up that is set down, and not end addresses that were made", "error", err)
	}
	a.seenAt = 0
	if err != nil { // it may pass
		a.seenAt = a.clock.Now().Add(longestPause)
	}
}

func (a *Agent) facts(now clock.Instant) Facts {
	return Facts{
		NICs: a.world.list(), IPv4Defaults: a.world.ipv4Defaults(), OldNames: a.world.names,
		Remembered: a.memory.nic, MemoryError: a.memory.err, RememberedLeft: a.memory.left,
		WaitOver: !now.Before(a.memory.until), Place: a.place,
	}
}

// isRemembered says whether a NIC is the remembered one.
func (a *Agent) isRemembered(nic link.Key) bool {
	return a.memory.nic != nil && a.memory.nic.Equal(nic)
}

// remember keeps the choice of the default NIC. That it cannot be written costs only the memory.
func (a *Agent) remember(nic link.Key) {
	a.memory.nic, a.memory.err, a.memory.left = &nic, nil, false
	if err := Remember(a.opts.StateDir, nic); err != nil {
		a.log.Warn("the choice of the default NIC holds for this run only", "error", err)
	}
}

// logPlan writes what is new in the plan, each choice with its reasons in one line.
func (a *Agent) logPlan(old Plan) {
	if a.plan.Reason != old.Reason || a.plan.defaultName() != old.defaultName() {
		a.log.Info("default NIC", "nic", a.plan.defaultName(), "provisional", a.plan.Provisional, "why", a.plan.Reason)
	}
	for _, n := range a.plan.NICs {
		before := old.nic(n.NIC.Index)
		if before != nil && before.Reason == n.Reason && before.NIC.Name == n.NIC.Name {
			continue
		}
		level := slog.LevelInfo
		if !n.Managed && (before == nil || !before.Managed) {
			level = slog.LevelDebug
		}
		a.log.Log(context.Background(), level, "plan", "nic", n.NIC.Name, "managed", n.Managed, "role", n.Role, "why", n.Reason)
	}
	for _, note := range a.plan.Notes {
		if !slices.Contains(old.Notes, note) {
			a.log.Warn("note", "text", note)
		}
	}
}

// kernel takes in one event.
func (a *Agent) kernel(ev link.Event) {
	var before link.NIC
	if ev, ok := ev.(link.NICChanged); ok {
		before = a.world.nics[ev.NIC.Index]
	}
	a.world.see(ev)
	switch ev := ev.(type) {
	case link.NICChanged:
		a.dirty = true
		a.rememberedHere(before, ev.NIC)
		if n := a.nics[ev.NIC.Index]; n != nil {
			n.changed(before, ev)
		}
	case link.NICGone:
		a.dirty = true
		a.rememberedGone(ev.NIC)
		if n := a.nics[ev.NIC.Index]; n != nil {
			n.log.Info("NIC is gone; its lease is kept")
			n.gone()
			delete(a.nics, ev.NIC.Index)
		}
	case link.AddrChanged:
		if n := a.nics[ev.Addr.Index]; n != nil {
			n.addrChanged(ev.Addr)
		}
	case link.AddrGone:
		if n := a.nics[ev.Addr.Index]; n != nil {
			n.addrGone(ev.Addr)
		}
	case link.RouteChanged:
		a.dirty = a.dirty || ev.Route.Dst.Addr().Is4()
		if n := a.nics[ev.Route.Index]; n != nil {
			n.routeChanged(ev.Route)
		}
	case link.RouteGone:
		a.dirty = a.dirty || ev.Route.Dst.Addr().Is4()
	case link.Listed:
		a.dirty = true
	}
}

// rememberedHere follows the remembered NIC: it is here, or its MAC was changed and the memory goes
// with the NIC.
func (a *Agent) rememberedHere(before, now link.NIC) {
	switch {
	case a.isRemembered(now.Key()):
		a.memory.seen, a.memory.left = true, false
	case a.isRemembered(before.Key()):
		if !a.passive && hasMAC(now) {
			a.remember(now.Key())
		}
	}
}

// rememberedGone begins the wait for the remembered NIC, so that a driver that is loaded anew does not
// flip the roles.
func (a *Agent) rememberedGone(n link.NIC) {
	if !a.isRemembered(n.Key()) {
		return
	}
	a.memory.seen, a.memory.left = false, true
	a.memory.until = a.clock.Now().Add(a.cfg.Wait)
}

// deadline is when settle is needed if nothing happens.
func (a *Agent) deadline() clock.Instant {
	at := a.systemd.deadline()
	if !a.passive {
		at = min(at, a.dns.at)
	}
	if a.plan.Provisional || a.memory.left {
		at = min(at, a.memory.until)
	}
	if a.seenAt > 0 {
		at = min(at, a.seenAt)
	}
	for _, n := range a.nics {
		at = min(at, n.deadline())
	}
	for _, w := range a.waiters {
		at = min(at, w.again)
	}
	return at
}

// stop ends everything; addresses stay unless the configuration says otherwise.
func (a *Agent) stop(ctx context.Context) {
	a.stopping.Store(true)
	a.systemd.stopping()
	if !a.restarts { // else the next agent takes all of it over
		a.endDNS(ctx)
		a.releaseOnStop(ctx)
	}
	for _, n := range a.nics {
		if n.plan.Settings.ReleaseOnStop && !a.passive && !a.restarts {
			n.endSource(ctx)
			n.endLinkLocal(ctx) // no address stays that it could be needed for
			if len(n.slaac.have) == 0 && n.plan.Settings.Lease == LeaseAgent {
				a.leave(ctx, n.nic)
			}
		}
		n.close(ctx)
	}
	if err := errors.Join(a.savedSwitches().keep(), a.added.keep()); err != nil { // the last try of what could not be written
		a.log.Log(ctx, a.trouble(), "restore will not know all that was set and added", "error", err)
	}
}
