package listener

import (
	"log/slog"
	"maps"
	"net/netip"
	"slices"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/ra/internal/limit"
)

// An Engine hears the routers of one NIC, without socket, clock or goroutine. It is not safe for
// concurrent use.
type Engine struct {
	cfg Config
	now clock.Instant
	out []Action

	up        bool
	linkLocal netip.Addr
	held      []netip.Addr // the NIC's addresses
	ask       solicitation
	heard     bool // a valid advertisement, since the link is up
	silent    bool

	routers  []router
	prefixes table[netip.Prefix]
	routes   table[netip.Prefix]
	dns      table[netip.Addr]
	search   table[string]
	pref64   table[netip.Prefix]
	link     Link

	news    bool   // there is something to tell
	tellNow bucket // bounds how often

	reports                       limit.Reports
	advertisements, solicitations uint64
	dropped                       map[string]uint64
}

// New makes an engine; it fails on a Config without Rand.
func New(cfg Config) (*Engine, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	e := &Engine{
		cfg:      cfg,
		ask:      solicitation{at: clock.Never, silentAt: clock.Never},
		prefixes: table[netip.Prefix]{max: MaxPrefixes},
		routes:   table[netip.Prefix]{max: MaxRoutes},
		dns:      table[netip.Addr]{max: MaxServers, front: true},
		search:   table[string]{max: MaxDomains, front: true},
		pref64:   table[netip.Prefix]{max: MaxPREF64},
		tellNow:  bucket{left: tellBurst},
		dropped:  map[string]uint64{},
	}
	e.prefixes.inUse = func(p netip.Prefix) bool {
		return p.Bits() >= minOnLink && slices.ContainsFunc(e.held, p.Contains)
	}
	return e, nil
}

// lists are all tables.
func (e *Engine) lists() [5]list {
	return [...]list{&e.prefixes, &e.routes, &e.dns, &e.search, &e.pref64}
}

// Step takes what happened and when, and returns what must now be done, in order. The slice is the
// engine's until the next Step. Time never goes back.
func (e *Engine) Step(now clock.Instant, ev Event) []Action {
	e.now, e.out = max(e.now, now), e.out[:0]
	e.expire()
	switch ev := ev.(type) {
	case LinkUp:
		e.linkUp(ev)
	case LinkDown:
		e.linkDown()
	case SolicitNow:
		e.solicitNow()
	case Received:
		e.received(ev.Packet)
	case Addresses:
		e.held = slices.Clone(ev.Held)
	}
	e.solicit()
	e.tell()
	return e.out
}

// Deadline is when the engine wants an Expired event, clock.Never if nothing is due. It is valid until
// the next Step.
func (e *Engine) Deadline() clock.Instant {
	at := min(e.ask.at, e.ask.silentAt)
	for _, r := range e.routers {
		at = min(at, r.until)
	}
	for _, l := range e.lists() {
		at = min(at, l.next())
	}
	if e.news {
		at = min(at, e.tellNow.next(e.now))
	}
	return at
}

// expire removes what has ended.
func (e *Engine) expire() {
	for i := 0; i < len(e.routers); i++ {
		if r := e.routers[i]; r.until <= e.now {
			e.forget(i)
			i--
			e.event("router is gone", r.Addr)
		}
	}
	for _, l := range e.lists() {
		e.news = l.expire(e.now) || e.news
	}
}

// tell tells what is new, unless that was done too often.
func (e *Engine) tell() {
	if !e.news || !e.tellNow.take(e.now) {
		return
	}
	e.news = false
	for i := range e.routers {
		e.routers[i].told = e.routers[i].until
	}
	for _, l := range e.lists() {
		l.tell()
	}
	e.do(Changed{Snapshot: e.Snapshot()})
}

// do adds an action.
func (e *Engine) do(a Action) { e.out = append(e.out, a) }

// drop counts what is not used, and reports it once an hour for each reason and router; known is the
// zero Addr where the source is a stranger.
func (e *Engine) drop(level slog.Level, why string, known, from netip.Addr) {
	e.dropped[why]++
	if ok, silent := e.reports.Allow(e.now, why, known); ok {
		e.report(level, "advertisement not used", silent, slog.Any("from", from), slog.String("reason", why))
	}
}

// event reports what has become of a router, once an hour for each message and router.
func (e *Engine) event(message string, router netip.Addr, attrs ...slog.Attr) {
	if ok, silent := e.reports.Allow(e.now, message, router); ok {
		e.report(slog.LevelInfo, message, silent, append([]slog.Attr{slog.Any("router", router)}, attrs...)...)
	}
}

func (e *Engine) report(level slog.Level, message string, silent int, attrs ...slog.Attr) {
	if silent > 0 {
		attrs = append(attrs, slog.Int("unreported", silent))
	}
	e.do(Report{Level: level, Message: message, Attrs: attrs})
}

// Snapshot says how things are.
func (e *Engine) Snapshot() Snapshot {
	s := Snapshot{
		Heard: e.heard, Silent: e.silent, Link: e.link,
		Advertisements: e.advertisements, Solicitations: e.solicitations, Dropped: maps.Clone(e.dropped),
	}
	for _, r := range e.routers {
		s.Managed, s.Other = s.Managed || r.Managed, s.Other || r.Other
		router := r.Router
		for _, p := range e.prefixes.entries {
			if p.router == r.Addr {
				router.Prefixes = append(router.Prefixes, p.key)
			}
		}
		s.Routers = append(s.Routers, router)
	}
	for _, p := range e.prefixes.entries {
		s.Prefixes = addPrefix(s.Prefixes, p)
	}
	for _, r := range e.routes.entries {
		s.Routes = append(s.Routes, Route{r.key, r.router, r.said.preference, r.said.until()})
	}
	for key, until := range e.dns.merged() {
		s.DNS = append(s.DNS, Server{key, until})
	}
	for key, until := range e.search.merged() {
		s.Search = append(s.Search, Domain{key, until})
	}
	for key, until := range e.pref64.merged() {
		s.PREF64 = append(s.PREF64, PREF64{key, until})
	}
	return s
}

// addPrefix adds what one router says to what the others say: for each property the latest end counts.
func addPrefix(list []Prefix, e entry[netip.Prefix]) []Prefix {
	i := slices.IndexFunc(list, func(p Prefix) bool { return p.Prefix == e.key })
	if i < 0 {
		i, list = len(list), append(list, Prefix{Prefix: e.key})
	}
	p, ends := &list[i], e.said.ends
	p.OnLink, p.OnLinkUntil = p.OnLink || ends[onLink] != 0, max(p.OnLinkUntil, ends[onLink])
	p.Autonomous, p.ValidUntil = p.Autonomous || ends[usable] != 0, max(p.ValidUntil, ends[usable])
	p.PreferredUntil = max(p.PreferredUntil, ends[preferred])
	if e.router.IsValid() {
		p.Routers = append(p.Routers, e.router)
		if ends[onLink] != 0 {
			p.OnLinkBy = append(p.OnLinkBy, e.router)
		}
	}
	return list
}
