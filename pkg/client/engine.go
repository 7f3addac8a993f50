package client

import (
	"log/slog"
	"maps"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/wire"
)

// An Engine is the DHCPv6 client of one NIC, without socket, clock or goroutine (RFC 9915, section
// 18.2). It is not safe for concurrent use.
type Engine struct {
	cfg  Config
	iaid wire.IAID
	now  clock.Instant
	out  []Action

	started, up      bool
	released, failed bool

	main *exchange // about addresses; nil when there is nothing to ask
	info *exchange // Information-request, beside main
	// binding is what the client holds. replaced is an older one whose addresses stay on the NIC until
	// one of binding's is usable; with binding nil, until discovery has led to one.
	binding, replaced *binding
	offers            []offer      // usable Advertises of the discovery under way, the chosen one taken out
	declining         []decline    // what is yet to be declined
	taken             []netip.Addr // addresses that turned out to be other nodes', the latest last
	check             bool         // a re-check is to start as soon as main is nil
	command           *command     // the pending LeaseNow
	releasing         bool         // a ReleaseNow is pending
	settings          Settings
	key               *ReconfigureKey

	informed           bool          // stateless information was wanted or given
	refreshAt          clock.Instant // of that information
	installAt          clock.Instant // when to try again what the kernel refused
	prefixAt, prefixed clock.Instant // when to confirm because of a prefix change, and when last done

	lastXID            dhcpv6.TransactionID
	limit              limiter
	solMaxRT, infMaxRT time.Duration
	pauseRT            time.Duration // last pause before something was tried again
	usableAt           clock.Instant // when an address became usable, since that pause
	lastErr            error
	count              counters
}

type counters struct {
	sent, answers map[dhcpv6.MessageType]uint64
	dropped       map[string]uint64
}

// NewEngine makes an engine; it fails on a Config that cannot be used.
func NewEngine(cfg Config) (*Engine, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Engine{
		cfg: cfg, iaid: cfg.IAID,
		limit:    limiter{interval: cfg.RateInterval / time.Duration(cfg.RateBurst), burst: cfg.RateBurst},
		solMaxRT: defaultMaxRT, infMaxRT: defaultMaxRT,
		refreshAt: clock.Never, prefixAt: clock.Never, installAt: clock.Never, usableAt: clock.Never,
		count: counters{
			sent: map[dhcpv6.MessageType]uint64{}, answers: map[dhcpv6.MessageType]uint64{},
			dropped: map[string]uint64{},
		},
	}, nil
}

// Step takes what happened and when, and returns what must now be done, in order. The slice is the
// engine's until the next Step. Time never goes back.
func (e *Engine) Step(now clock.Instant, ev Event) []Action {
	e.now, e.out = max(e.now, now), e.out[:0]
	if start, ok := ev.(Start); ok {
		e.start(start.Saved)
	} else if c, ok := ev.(Carrier); ok && !e.started {
		e.up = c.Up // for the next life
	} else if e.started {
		e.happened(ev)
	}
	if e.started {
		e.advance()
	}
	return e.out
}

// happened dispatches an event.
func (e *Engine) happened(ev Event) {
	switch ev := ev.(type) {
	case Carrier:
		e.carrier(ev.Up)
	case LinkChanged:
		e.linkChanged(ev.Why)
	case PrefixChanged:
		e.prefixChanged()
	case LinkLocalChanged:
		e.linkLocalChanged()
	case Received:
		e.received(ev)
	case AddressUsable:
		e.usable(ev.Addr)
	case AddressDuplicate:
		e.duplicate(ev.Addr)
	case InstallFailed:
		e.installFailed(ev)
	case RenewNow:
		e.renewNow()
	case LeaseNow:
		e.leaseNow()
	case ReleaseNow:
		e.releaseNow()
	case InformNow:
		e.inform("", 0)
	case Stop:
		e.stop()
	}
}

// advance does what the time asks for.
func (e *Engine) advance() {
	e.expire()
	if e.installAt <= e.now {
		e.reinstall()
	}
	if e.up {
		e.drive(e.main)
		e.drive(e.info)
		e.begin()
	}
	e.settle()
}

// begin starts what is due while no exchange is under way.
func (e *Engine) begin() {
	if e.info == nil && e.refreshAt <= e.now {
		e.inform("", e.startDelay())
	}
	if e.main == nil && len(e.declining) > 0 {
		e.decline()
	}
	if e.main == nil && e.prefixAt <= e.now {
		e.confirmPrefix()
	}
	switch {
	case e.main != nil || e.binding == nil:
	case e.check:
		e.recheck()
	case e.binding.t2 <= e.now:
		e.rebind(false)
	case e.binding.t1 <= e.now:
		e.renew(false)
	}
}

// Deadline is when the engine wants an Expired event, clock.Never if nothing is due. It is valid until
// the next Step.
func (e *Engine) Deadline() clock.Instant {
	if !e.started {
		return clock.Never
	}
	d := min(e.binding.nextExpiry(), e.replaced.nextExpiry(), e.installAt)
	if !e.up {
		return d
	}
	for _, x := range []*exchange{e.main, e.info} {
		if x != nil {
			d = min(d, x.due, x.end)
		}
	}
	if e.info == nil {
		d = min(d, e.refreshAt)
	}
	if e.main == nil {
		d = min(d, e.prefixAt)
		if e.binding != nil {
			d = min(d, e.binding.t1, e.binding.t2)
		}
	}
	return d
}

// do adds an action.
func (e *Engine) do(a Action) { e.out = append(e.out, a) }

// report adds a report of what the engine does.
func (e *Engine) report(level slog.Level, message string, attrs ...slog.Attr) {
	e.do(Report{Level: level, Message: message, Attrs: attrs})
}

// start begins a life.
func (e *Engine) start(saved *Lease) {
	up := e.up
	e.stop()
	e.started, e.released, e.failed = true, false, false
	e.binding, e.replaced, e.declining = nil, nil, nil
	e.pauseRT, e.lastErr, e.refreshAt, e.usableAt = 0, nil, clock.Never, clock.Never
	e.iaid = e.cfg.IAID
	e.informed = e.cfg.Stateless
	if saved != nil && !e.cfg.Stateless {
		e.restore(saved)
	}
	e.up = up
	if e.up {
		e.attach()
	}
}

// stop ends a life. The binding stays known, for Snapshot.
func (e *Engine) stop() {
	e.halt()
	e.started = false
	e.finish(ErrStopped)
	if e.releasing {
		e.releasing = false
		e.do(Finished{Command: CommandRelease, Err: ErrStopped})
	}
}

// halt ends all exchanges.
func (e *Engine) halt() {
	e.main, e.info = nil, nil
	e.offers, e.check = nil, false
	e.prefixAt, e.installAt = clock.Never, clock.Never
}

// carrier takes in that the link can be used, or not.
func (e *Engine) carrier(up bool) {
	if up == e.up {
		return
	}
	e.up = up
	if up {
		e.attach()
		return
	}
	if e.info != nil {
		e.informed = true
	}
	if e.main != nil && e.main.typ == dhcpv6.MessageTypeRelease {
		e.releaseEnded()
	}
	e.halt()
	e.abandonDecline()
	e.report(slog.LevelInfo, "link lost")
}

// linkChanged takes in that the NIC may be on another link (section 18.2.12).
func (e *Engine) linkChanged(why string) {
	if !e.up {
		return
	}
	e.report(slog.LevelInfo, "possible change of link", slog.String("why", why))
	if e.main != nil && e.main.typ == dhcpv6.MessageTypeRelease {
		return
	}
	e.abandonDecline()
	e.attach()
}

// attach finds out where the NIC stands on what may be a new link.
func (e *Engine) attach() {
	e.failed, e.pauseRT, e.taken = false, 0, nil
	e.prefixAt, e.installAt = clock.Never, clock.Never
	if e.informed {
		e.inform("", e.startDelay())
	}
	if e.released || e.cfg.Stateless {
		return
	}
	if e.binding == nil && e.replaced != nil { // it may fit this link
		e.binding, e.replaced = e.replaced, nil
	}
	switch {
	case e.binding == nil:
		e.solicit(e.startDelay())
	case e.binding.over(e.now): // while the machine was suspended: the end of this step drops it
	default:
		e.confirm()
	}
}

// prefixInterval is how far apart exchanges for a change of on-link prefixes are (section 18.2.12).
const prefixInterval = 30 * time.Second

// prefixChanged plans a Confirm, or an Information-request where there are no addresses.
func (e *Engine) prefixChanged() {
	if e.up && !e.released {
		at := e.now
		if e.prefixed > 0 {
			at = max(at, e.prefixed.Add(prefixInterval))
		}
		e.prefixAt = min(e.prefixAt, at)
	}
}

func (e *Engine) confirmPrefix() {
	e.prefixAt, e.prefixed = clock.Never, e.now
	switch {
	case e.binding != nil:
		e.confirm()
	case e.informed:
		e.inform("", e.startDelay())
	}
}

// linkLocalChanged renews the binding, so that the server knows where to send a Reconfigure (section
// 18.2.4).
func (e *Engine) linkLocalChanged() {
	if e.mayReconfigure() {
		e.renewNow()
	}
}

// fail notes what went wrong, for status and for a pending command.
func (e *Engine) fail(err error) {
	e.lastErr = err
	if e.command != nil {
		e.command.fail(err)
	}
}

// Snapshot says how things stand.
func (e *Engine) Snapshot() Snapshot {
	s := Snapshot{
		State: e.state(), DUID: e.cfg.DUID, IAID: e.iaid, T1: clock.Never, T2: clock.Never,
		Settings: e.settings, Deadline: e.Deadline(), LastError: e.lastErr,
		Sent: maps.Clone(e.count.sent), Answers: maps.Clone(e.count.answers), Dropped: maps.Clone(e.count.dropped),
		Addresses: e.binding.status(), Replacing: e.replaced.status(),
	}
	if e.command != nil {
		s.Pending = e.command.err
	}
	if b := e.binding; b != nil {
		s.Server, s.Received, s.T1, s.T2 = b.server, b.received, b.t1, b.t2
	}
	return s
}

// state names what the engine is about.
func (e *Engine) state() State {
	switch {
	case !e.started:
		return StateStopped
	case !e.up && e.released:
		return StateReleased
	case !e.up:
		return StateNoLink
	case e.main != nil:
		return e.main.state()
	case e.released:
		return StateReleased
	case e.binding != nil && e.binding.usable():
		return StateBound
	case e.binding != nil:
		return StateProbing
	case e.failed:
		return StateFailed
	case e.info != nil:
		return StateInforming
	default:
		return StateInformed
	}
}

// state names what the exchange is about.
func (x *exchange) state() State {
	switch x.typ {
	case dhcpv6.MessageTypeSolicit:
		if x.aim == aimReplace {
			return StateRechecking
		}
		return StateSoliciting
	case dhcpv6.MessageTypeRequest:
		return StateRequesting
	case dhcpv6.MessageTypeConfirm:
		return StateConfirming
	case dhcpv6.MessageTypeRenew:
		return StateRenewing
	case dhcpv6.MessageTypeRebind:
		return StateRebinding
	case dhcpv6.MessageTypeDecline:
		return StateDeclining
	default:
		return StateReleasing
	}
}

// addrAttr is the attribute for an address.
func addrAttr(a netip.Addr) slog.Attr { return slog.String("address", a.String()) }

// serverAttr is the attribute for a server.
func serverAttr(id wire.DUID) slog.Attr { return slog.Any("server", id) }
