package sender

import (
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"reflect"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/ra/internal/limit"
)

// An EngineConfig is what an Engine is made of.
type EngineConfig struct {
	Config Config
	// Rand gives the random intervals and delays. Required; the engine's from now on.
	Rand *rand.Rand
	// MAC is the interface's link-layer address, which advertisements name; nil names none.
	MAC net.HardwareAddr
	// Forwarding says whether the interface forwards now.
	Forwarding bool
}

// An Engine is the advertising router of one interface, without socket, clock or goroutine. It is not
// safe for concurrent use.
type Engine struct {
	cfg  Config
	rand *rand.Rand
	mac  net.HardwareAddr
	now  clock.Instant
	out  []Action

	forwarding bool
	says       ra.Advertisement // what cfg says
	withdrawn  withdrawal

	up        bool
	linkLocal netip.Addr
	mtu       int
	farewell  netip.Addr // the link-local address before, as long as it has not bidden farewell

	last      clock.Instant // of the last multicast advertisement, 0 before the first
	next      clock.Instant // of the next one, clock.Never for none
	quick     int           // how many gaps from here are short
	answering bool          // the next one answers a solicitation
	unicast   []answer
	final     bool // the next one is the last
	stopped   bool

	others  []other
	reports limit.Reports

	multi, single   uint64 // advertisements sent
	received, heard uint64 // solicitations and advertisements
	dropped         map[string]uint64
}

// New makes an engine; it fails on a Config that Check refuses, or without Rand. Nothing is sent
// before LinkUp.
func New(cfg EngineConfig) (*Engine, error) {
	if cfg.Rand == nil {
		return nil, errors.New("sender: no source of randomness")
	}
	if _, err := cfg.Config.Check(); err != nil {
		return nil, err
	}
	return &Engine{
		cfg: cfg.Config, rand: cfg.Rand, mac: cfg.MAC, forwarding: cfg.Forwarding, says: cfg.Config.advertisement(),
		next: clock.Never, dropped: map[string]uint64{},
	}, nil
}

// Step takes what happened and when, and returns what must now be done, in order. The slice is the
// engine's until the next Step. Time never goes back. After Stopped nothing happens any more.
func (e *Engine) Step(now clock.Instant, ev Event) []Action {
	e.now, e.out = max(e.now, now), e.out[:0]
	if e.stopped {
		return nil
	}
	switch ev := ev.(type) {
	case LinkUp:
		e.linkUp(ev)
	case LinkDown:
		e.linkDown()
	case Received:
		e.take(ev.Packet)
	case Forwarding:
		e.setForwarding(ev.On)
	case Reconfigure:
		e.reconfigure(ev.Config)
	case Stop:
		e.stop(ev.Final)
	case Unsent:
		if e.up && !e.final {
			e.soon(0)
		}
	}
	e.answer()
	e.advertise()
	return e.out
}

// Deadline is when the engine wants an Expired event, clock.Never if nothing is due. It is valid until
// the next Step.
func (e *Engine) Deadline() clock.Instant {
	at := e.next
	for _, a := range e.unicast {
		at = min(at, a.at)
	}
	return at
}

// linkUp begins to advertise (RFC 4861, sections 6.2.2 and 6.2.4).
func (e *Engine) linkUp(ev LinkUp) {
	e.mtu = ev.MTU
	if e.up && e.linkLocal == ev.LinkLocal {
		return
	}
	if e.up && !e.farewell.IsValid() {
		e.farewell = e.linkLocal
	}
	if !e.up {
		e.reportForwarding()
	}
	e.up, e.linkLocal = true, ev.LinkLocal
	if e.farewell == e.linkLocal {
		e.farewell = netip.Addr{}
	}
	e.soon(initial)
}

// linkDown ends all advertising until the link is up again.
func (e *Engine) linkDown() {
	e.up, e.linkLocal, e.farewell = false, netip.Addr{}, netip.Addr{}
	e.next, e.unicast, e.quick, e.answering = clock.Never, nil, 0, false
	if e.final {
		e.end()
	}
}

// setForwarding takes in whether the interface forwards (RFC 4861, section 6.2.5).
func (e *Engine) setForwarding(on bool) {
	if on == e.forwarding {
		return
	}
	e.forwarding = on
	if !e.routes() {
		return
	}
	if on {
		e.do(Report{Level: slog.LevelInfo, Message: "forwarding is on: advertised as a router"})
	} else {
		e.reportForwarding()
	}
	e.changed()
}

// routes says whether the configuration asks hosts to send through this machine.
func (e *Engine) routes() bool { return e.says.RouterLifetime > 0 || len(e.says.Routes) > 0 }

func (e *Engine) reportForwarding() {
	if !e.forwarding && e.routes() {
		e.do(Report{Level: slog.LevelWarn, Message: "forwarding is off: not advertised as a router"})
	}
}

// reconfigure puts another configuration in force.
func (e *Engine) reconfigure(cfg Config) {
	if _, err := cfg.Check(); err != nil {
		e.do(Report{Level: slog.LevelError, Message: "configuration not used", Attrs: []slog.Attr{slog.Any("error", err)}})
		return
	}
	was, omitted, routed := e.says, e.cfg.OmitLinkLayer, e.routes()
	e.cfg, e.says = cfg, cfg.advertisement()
	e.withdrawn.change(e.now, was, e.says)
	if !routed {
		e.reportForwarding()
	}
	if omitted != cfg.OmitLinkLayer || !reflect.DeepEqual(was, e.says) {
		e.changed()
	} else if e.up && !e.final { // the intervals may be others
		e.next = min(e.next, e.now.Add(e.gap()))
	}
}

// changed tells all nodes soon, and a few times more (RFC 4861, section 6.2.4).
func (e *Engine) changed() {
	if e.up && !e.final {
		e.soon(initial - 1)
	}
}

// stop ends the engine's life (RFC 4861, section 6.2.5).
func (e *Engine) stop(final bool) {
	if !final || !e.up {
		e.end()
		return
	}
	e.final, e.unicast, e.farewell = true, nil, netip.Addr{}
	e.soon(0)
}

func (e *Engine) end() {
	e.stopped, e.next, e.unicast = true, clock.Never, nil
	e.do(Stopped{})
}

// do adds an action.
func (e *Engine) do(a Action) { e.out = append(e.out, a) }

// event reports what a packet has caused, once an hour for each reason and router.
func (e *Engine) event(level slog.Level, message, reason string, router netip.Addr, attrs ...slog.Attr) {
	ok, silent := e.reports.Allow(e.now, message+" "+reason, router)
	if !ok {
		return
	}
	if silent > 0 {
		attrs = append(attrs, slog.Int("unreported", silent))
	}
	e.do(Report{Level: level, Message: message, Attrs: attrs})
}

// drop counts what is not used, and reports it.
func (e *Engine) drop(reason string, from netip.Addr) {
	e.dropped[reason]++
	e.event(slog.LevelDebug, "message not used", reason, netip.Addr{}, slog.Any("from", from), slog.String("reason", reason))
}

// A Snapshot is how things are, at one moment. It is the receiver's and never changes.
type Snapshot struct {
	Up        bool       // advertisements leave
	LinkLocal netip.Addr // from here; the zero Addr while down
	Next      clock.Instant
	// RouterLifetime is what is sent: 0 while forwarding is off.
	RouterLifetime time.Duration
	// Deprecated are the prefixes that were taken out of the configuration and are still advertised.
	Deprecated []netip.Prefix
	Others     []Other // routers heard, at most MaxOthers

	// Multicast and Unicast count the advertisements sent (one that is shared out among several packets
	// once), Solicitations and Advertisements the valid ones that came, Dropped what was not used, by
	// reason.
	Multicast, Unicast            uint64
	Solicitations, Advertisements uint64
	Dropped                       map[string]uint64
}

// Snapshot says how things are.
func (e *Engine) Snapshot() Snapshot {
	s := Snapshot{
		Up: e.up, LinkLocal: e.linkLocal, Next: e.next, RouterLifetime: e.routerLifetime(),
		Multicast: e.multi, Unicast: e.single, Solicitations: e.received, Advertisements: e.heard,
		Dropped: maps.Clone(e.dropped),
	}
	for _, d := range e.withdrawn.prefixes {
		if d.until > e.now {
			s.Deprecated = append(s.Deprecated, d.prefix.Prefix)
		}
	}
	for _, o := range e.others {
		s.Others = append(s.Others, o.snapshot())
	}
	return s
}
