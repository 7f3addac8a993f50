package sender

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/ra/internal/ratest"
)

var (
	mac       = []byte{6, 0xa0, 0xf0, 0, 0, 1}
	hostMAC   = []byte{6, 0xa0, 0xf0, 0, 0, 0x38}
	linkLocal = netip.MustParseAddr("fe80::1")
	host      = netip.MustParseAddr("fe80::38")
)

// boot is when every simulation begins: not 0, since that stands for no moment.
const boot = clock.Instant(time.Hour)

// A sim is an engine on a simulated clock.
type sim struct {
	t       *testing.T
	e       *Engine
	now     clock.Instant
	sent    []sent
	report  []Report
	stopped bool
	trace   func(a Action) // nil for none
	forget  bool           // keep nothing of what is sent
}

// What left, and when since boot.
type sent struct {
	at   time.Duration
	from netip.Addr
	to   netip.Addr
	a    *ra.Advertisement
}

func newSim(t *testing.T, seed uint64, cfg Config) *sim {
	t.Helper()
	e, err := New(EngineConfig{Config: cfg, Rand: rand.New(rand.NewPCG(seed, 0)), MAC: mac, Forwarding: true})
	if err != nil {
		t.Fatal(err)
	}
	return &sim{t: t, e: e, now: boot}
}

// do hands an event to the engine.
func (s *sim) do(ev Event) {
	s.t.Helper()
	for _, a := range s.e.Step(s.now, ev) {
		switch a := a.(type) {
		case Send:
			s.note(a)
		case Report:
			s.report = append(s.report, a)
		case Stopped:
			s.stopped = true
		}
		if s.trace != nil {
			s.trace(a)
		}
	}
	if at := s.e.Deadline(); at < s.now {
		s.t.Fatalf("deadline %s at %s", at, s.now)
	}
}

// note checks what every advertisement must be, and keeps it.
func (s *sim) note(a Send) {
	s.t.Helper()
	p, err := ra.Packet{Data: a.Data, From: a.From, HopLimit: ra.HopLimit}.Advertisement()
	if err != nil || len(p.Flaws) > 0 {
		s.t.Fatalf("sent %x: %v", a.Data, err)
	}
	if !s.forget {
		s.sent = append(s.sent, sent{s.now.Sub(boot), a.From, a.To, p})
	}
}

// advance lets time pass.
func (s *sim) advance(d time.Duration) {
	s.t.Helper()
	end := s.now.Add(d)
	for steps := 0; s.e.Deadline() <= end; steps++ {
		if steps > 1_000_000 {
			s.t.Fatalf("the engine does not rest at %s", s.now)
		}
		s.now = max(s.now, s.e.Deadline())
		s.do(Expired{})
	}
	s.now = end
}

func (s *sim) up() { s.do(LinkUp{LinkLocal: linkLocal, MTU: 1500}) }

// solicit lets a host solicit.
func (s *sim) solicit(from netip.Addr, mac []byte) {
	s.t.Helper()
	sol := ra.Solicitation{SourceLinkLayer: mac}
	s.do(Received{ra.Packet{Data: sol.Marshal(), From: from, HopLimit: ra.HopLimit}})
}

// hear lets another router advertise, written as ratest.Parse has it.
func (s *sim) hear(from, text string) {
	s.t.Helper()
	a, err := ratest.Parse(strings.Fields(text))
	if err != nil {
		s.t.Fatal(err)
	}
	p, err := ratest.Packet(from, a)
	if err != nil {
		s.t.Fatal(err)
	}
	s.do(Received{Packet: p})
}

// multicasts are the moments of what went to all nodes, parts of one advertisement once.
func (s *sim) multicasts() (at []time.Duration) {
	for _, p := range s.sent {
		if p.to == ra.AllNodes && (len(at) == 0 || at[len(at)-1] != p.at) {
			at = append(at, p.at)
		}
	}
	return at
}

func (s *sim) last() *ra.Advertisement {
	s.t.Helper()
	if len(s.sent) == 0 {
		s.t.Fatal("nothing was sent")
	}
	return s.sent[len(s.sent)-1].a
}

// config makes a configuration of an advertisement in words.
func config(t *testing.T, text string) Config {
	t.Helper()
	a, err := ratest.Parse(strings.Fields(text))
	if err != nil {
		t.Fatal(err)
	}
	c := DefaultConfig()
	c.Managed, c.Other, c.RouterLifetime, c.Preference = a.Managed, a.Other, a.RouterLifetime, a.Preference
	c.ReachableTime, c.RetransTimer, c.MTU = a.ReachableTime, a.RetransTimer, a.MTU
	c.Prefixes, c.Routes, c.RDNSS, c.DNSSL, c.PREF64 = a.Prefixes, a.Routes, a.RDNSS, a.DNSSL, a.PREF64
	if a.HopLimit != 0 {
		c.HopLimit = a.HopLimit
	}
	return c
}
