package listener

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/ra/internal/ratest"
)

var (
	compareAddrs = cmp.Options{
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	}
	mac       = []byte{6, 0xa0, 0xf0, 0, 0, 0x38}
	linkLocal = netip.MustParseAddr("fe80::38")
)

// boot is when every simulation begins: not 0, since that stands for no moment.
const boot = clock.Instant(time.Hour)

// A sim is an engine on a simulated clock.
type sim struct {
	t      *testing.T
	e      *Engine
	now    clock.Instant
	sent   []time.Duration // solicitations, since boot
	told   []Snapshot
	toldAt []time.Duration
	report []Report
	trace  func(a Action) // nil for none
}

func newSim(t *testing.T, seed uint64) *sim {
	t.Helper()
	e, err := New(Config{Rand: rand.New(rand.NewPCG(seed, 0)), MAC: mac})
	if err != nil {
		t.Fatal(err)
	}
	return &sim{t: t, e: e, now: boot}
}

// do hands an event to the engine.
func (s *sim) do(ev Event) {
	for _, a := range s.e.Step(s.now, ev) {
		switch a := a.(type) {
		case Solicit:
			s.sent = append(s.sent, s.now.Sub(boot))
		case Changed:
			s.told, s.toldAt = append(s.told, a.Snapshot), append(s.toldAt, s.now.Sub(boot))
		case Report:
			s.report = append(s.report, a)
		}
		if s.trace != nil {
			s.trace(a)
		}
	}
	if at := s.e.Deadline(); at < s.now {
		s.t.Fatalf("deadline %s at %s", at, s.now)
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

func (s *sim) up() { s.do(LinkUp{LinkLocal: linkLocal, NoDelay: true}) }

// hear lets an advertisement come, written as ratest.Parse has it.
func (s *sim) hear(from, text string) {
	s.t.Helper()
	a, err := ratest.Parse(strings.Fields(text))
	if err != nil {
		s.t.Fatal(err)
	}
	s.hearThis(from, a)
}

func (s *sim) hearThis(from string, a ra.Advertisement) {
	s.t.Helper()
	p, err := ratest.Packet(from, a)
	if err != nil {
		s.t.Fatal(err)
	}
	s.do(Received{Packet: p})
}

// last is the snapshot that was told last.
func (s *sim) last() Snapshot {
	s.t.Helper()
	if len(s.told) == 0 {
		s.t.Fatal("nothing was told")
	}
	return s.told[len(s.told)-1]
}

// since writes a moment as the time since boot.
func since(at clock.Instant) string {
	if at == clock.Never {
		return "ever"
	}
	return at.Sub(boot).Round(time.Millisecond).String()
}

// lines writes what routers say, one thing a line.
func lines(s Snapshot) (out []string) {
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	var flags []string
	for _, f := range []struct {
		on   bool
		name string
	}{{s.Heard, "heard"}, {s.Silent, "silent"}, {s.Managed, "M"}, {s.Other, "O"}} {
		if f.on {
			flags = append(flags, f.name)
		}
	}
	add("%s", strings.Join(append([]string{"link:"}, flags...), " "))
	if s.Link != (Link{}) {
		add("  hop limit %d, reachable %s, retransmit %s, mtu %d", s.Link.HopLimit, s.Link.ReachableTime, s.Link.RetransTimer, s.Link.MTU)
	}
	for _, r := range s.Routers {
		line := fmt.Sprintf("  router %s", r.Addr)
		if r.Default {
			line += fmt.Sprintf(" default until %s, %s", since(r.Until), r.Preference)
		}
		if r.Managed {
			line += ", M"
		}
		if r.Other {
			line += ", O"
		}
		if len(r.Prefixes) > 0 {
			line += fmt.Sprintf(", prefixes %s", r.Prefixes)
		}
		add("%s", line)
	}
	for _, p := range s.Prefixes {
		line := fmt.Sprintf("  prefix %s", p.Prefix)
		if p.OnLink {
			line += " on-link until " + since(p.OnLinkUntil)
		}
		if p.Autonomous {
			line += " usable until " + since(p.ValidUntil)
		}
		if p.PreferredUntil != 0 {
			line += " preferred until " + since(p.PreferredUntil)
		}
		add("%s by %s", line, p.Routers)
	}
	for _, r := range s.Routes {
		add("  route %s via %s %s until %s", r.Prefix, r.Router, r.Preference, since(r.Until))
	}
	for _, d := range s.DNS {
		add("  dns %s until %s", d.Addr, since(d.Until))
	}
	for _, d := range s.Search {
		add("  search %s until %s", d.Name, since(d.Until))
	}
	for _, p := range s.PREF64 {
		add("  nat64 %s until %s", p.Prefix, since(p.Until))
	}
	return out
}
