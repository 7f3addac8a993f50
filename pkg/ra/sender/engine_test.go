package sender

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/ra"
)

// TestShortestConfiguration: R-6.2.1-07, R-6.2.3-03 and R-4191-05, against golden bytes; the lifetimes of the standard
// for a prefix; the router lifetime by decision 14 of the design.
func TestShortestConfiguration(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(c *Config)
		want string
	}{
		{"nothing", func(*Config) {}, "86000000400000000000000000000000 010106a0f0000001"},
		{"R-4.2-07 no link-layer address", func(c *Config) { c.OmitLinkLayer = true }, "86000000400000000000000000000000"},
		{"R-6.2.1-07 a prefix with the standard's defaults", func(c *Config) {
			c.Prefixes = []ra.Prefix{DefaultPrefix(netip.MustParsePrefix("2001:db8::1/64"))}
		}, "86000000400000000000000000000000 010106a0f0000001 0304 40c0 00278d00 00093a80 00000000 20010db8000000000000000000000000"},
		{"R-6.2.1-10 addresses from DHCPv6", func(c *Config) {
			c.Managed, c.Other = true, true
			c.Prefixes = []ra.Prefix{{Prefix: netip.MustParsePrefix("2001:db8::/64"), OnLink: true, Valid: 24 * time.Hour, Preferred: 4 * time.Hour}}
		}, "8600000040c000000000000000000000 010106a0f0000001 0304 4080 00015180 00003840 00000000 20010db8000000000000000000000000"},
		{"R-6.2.1-06 R-4.2-05 all fields", func(c *Config) {
			c.HopLimit, c.RouterLifetime, c.Preference, c.MTU = 32, 30*time.Minute, ra.High, 8950
			c.ReachableTime, c.RetransTimer = time.Hour, time.Second
		}, "86000000200807080036ee80000003e8 010106a0f0000001 0501 0000 000022f6"},
		{"R-8106-02 R-8781-02 lifetimes by default", func(c *Config) {
			c.RDNSS = []ra.RDNSS{{Servers: []netip.Addr{netip.MustParseAddr("2001:db8::53")}}}
			c.DNSSL = []ra.DNSSL{{Domains: []string{"abcdef"}}}
			c.PREF64 = []ra.PREF64{{Prefix: netip.MustParsePrefix("64:ff9b::/96")}}
		}, "86000000400000000000000000000000 010106a0f0000001 1903 0000 00000708 20010db8000000000000000000000053 1f02 0000 00000708 0661626364656600 2602 0708 0064ff9b0000000000000000"},
		{"R-8781-02 at most 65,528 s", func(c *Config) {
			c.MaxInterval = 65535 * time.Second
			c.PREF64 = []ra.PREF64{{Prefix: netip.MustParsePrefix("64:ff9b::/96")}}
		}, "86000000400000000000000000000000 010106a0f0000001 2602 fff8 0064ff9b0000000000000000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := DefaultConfig()
			tt.edit(&cfg)
			s := newSim(t, 1, cfg)
			var got string
			s.trace = func(a Action) {
				if send, ok := a.(Send); ok {
					got = fmt.Sprintf("%x", send.Data)
				}
			}
			s.up()
			if diff := cmp.Diff(strings.ReplaceAll(tt.want, " ", ""), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if p := s.sent[0]; p.from != linkLocal || p.to != ra.AllNodes { // R-4.2-01, R-4.2-04
				t.Errorf("from %s to %s", p.from, p.to)
			}
		})
	}
}

// TestGaps: R-6.2.4-02. Ten thousand gaps: bounds, mean, spread, and two interfaces differ.
func TestGaps(t *testing.T) {
	for _, tt := range []struct {
		most, least time.Duration
	}{{600 * time.Second, 198 * time.Second}, {9 * time.Second, 3 * time.Second}, {8 * time.Second, 6 * time.Second}, {4 * time.Second, 3 * time.Second}} {
		t.Run(tt.most.String(), func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.MaxInterval = tt.most
			if got := cfg.minInterval(); got != tt.least { // R-6.2.1-03
				t.Fatalf("least interval %s, want %s", got, tt.least)
			}
			s := newSim(t, 1, cfg)
			s.up()
			for len(s.sent) < 10_004 {
				s.advance(24 * time.Hour)
			}
			at := s.multicasts()[4:10_004]
			var sum time.Duration
			low, high := tt.most, time.Duration(0)
			for i := 1; i < len(at); i++ {
				gap := at[i] - at[i-1]
				sum, low, high = sum+gap, min(low, gap), max(high, gap)
			}
			mean, want, width := sum/time.Duration(len(at)-1), (tt.most+tt.least)/2, tt.most-tt.least
			if low < tt.least || high > tt.most || low > tt.least+width/100 || high < tt.most-width/100 {
				t.Errorf("gaps from %s to %s", low, high)
			}
			if mean < want-width/50 || mean > want+width/50 {
				t.Errorf("mean %s, want %s", mean, want)
			}
			other := newSim(t, 2, cfg)
			other.up()
			other.advance(24 * time.Hour)
			if cmp.Equal(at[:5], other.multicasts()[4:9]) {
				t.Error("two interfaces advertise together")
			}
		})
	}
}

// TestFirstGaps: R-6.2.4-04, R-6.2.3-05.
func TestFirstGaps(t *testing.T) {
	for seed := range uint64(100) {
		s := newSim(t, seed, config(t, "M prefix 2001:db8::/64=L 1h 1h dns 2001:db8::53 1h"))
		s.up()
		s.advance(time.Minute)
		at := s.multicasts()
		if len(at) < 4 || at[0] != 0 || at[1] > 16*time.Second || at[2]-at[1] > 16*time.Second || at[3]-at[2] > 16*time.Second {
			t.Fatalf("seed %d: %s", seed, at)
		}
		for _, p := range s.sent {
			if len(p.a.Prefixes) != 1 || len(p.a.RDNSS) != 1 {
				t.Fatalf("not whole: %s", p.a)
			}
		}
	}
}

// TestAnswerDelay: R-6.2.6-03, R-6.2.6-01, R-6.2.4-03. Ten thousand answers: bounds and spread; one
// for a burst, at most half a second after the first; the next unsolicited one counts from there.
func TestAnswerDelay(t *testing.T) {
	s := newSim(t, 1, DefaultConfig())
	s.up()
	s.advance(time.Hour)
	var early, late int
	for range 10_000 {
		s.sent = nil
		s.advance(time.Duration(4+s.e.rand.IntN(10)) * time.Second)
		if n := len(s.sent); n > 0 && s.now.Sub(boot)-s.sent[n-1].at < 3*time.Second || s.e.Deadline().Sub(s.now) < time.Second {
			continue // an unsolicited one is too near
		}
		s.sent = nil
		asked := s.now.Sub(boot)
		for range 10 {
			s.solicit(host, hostMAC)
		}
		s.advance(500 * time.Millisecond)
		if len(s.sent) != 1 || s.sent[0].to != ra.AllNodes {
			t.Fatalf("%d answers", len(s.sent))
		}
		delay := s.sent[0].at - asked
		if delay > 500*time.Millisecond {
			t.Fatalf("after %s", delay)
		}
		if delay < 100*time.Millisecond {
			early++
		}
		if delay > 400*time.Millisecond {
			late++
		}
		if next := s.e.Deadline().Sub(boot) - s.sent[0].at; next < 198*time.Second || next > 600*time.Second {
			t.Fatalf("next unsolicited one %s after an answer", next)
		}
	}
	if early < 1500 || late < 1500 {
		t.Errorf("%d in the first fifth, %d in the last", early, late)
	}
}

// TestMulticastsAreThreeSecondsApart: R-6.2.6-04, under solicitations every 10 ms for a minute, and
// configuration, forwarding and link changes in between.
func TestMulticastsAreThreeSecondsApart(t *testing.T) {
	for seed := range uint64(20) {
		s := newSim(t, seed, config(t, "M lifetime 30m"))
		r := rand.New(rand.NewPCG(seed, 7))
		s.up()
		for i := range 6000 {
			s.solicit(host, nil)
			s.advance(10 * time.Millisecond)
			switch r.IntN(300) {
			case 0:
				s.do(Forwarding{On: i%2 == 0})
			case 1:
				s.do(Reconfigure{Config: config(t, fmt.Sprintf("M lifetime 30m mtu %d", 1280+i))})
			case 2:
				s.do(LinkUp{LinkLocal: netip.AddrFrom16([16]byte{0xfe, 0x80, 15: byte(i)}), MTU: 1500})
			case 3:
				s.do(LinkDown{})
				s.up()
			}
		}
		s.do(Stop{Final: true})
		s.advance(time.Minute)
		at := s.multicasts()
		for i := 1; i < len(at); i++ {
			if gap := at[i] - at[i-1]; gap < 3*time.Second {
				t.Fatalf("seed %d: gap of %s", seed, gap)
			}
		}
		if len(at) < 15 {
			t.Errorf("seed %d: %d multicasts in a minute", seed, len(at))
		}
	}
}

// TestUnsolicitedAreRare: R-6.2.6-06. A day with random solicitations: what is not an answer comes no
// sooner than the least interval after the one before.
func TestUnsolicitedAreRare(t *testing.T) {
	s := newSim(t, 1, DefaultConfig())
	s.up()
	s.advance(time.Minute)
	r := rand.New(rand.NewPCG(1, 1))
	end := s.now.Add(24 * time.Hour)
	var asked time.Duration
	for s.now < end {
		s.advance(time.Duration(r.IntN(1200)) * time.Second)
		before := len(s.sent)
		s.solicit(host, nil)
		asked = s.now.Sub(boot)
		s.advance(4 * time.Second)
		if len(s.sent) == before {
			t.Fatalf("no answer at %s", asked)
		}
	}
	at := s.multicasts()[4:]
	short := 0
	for i := 1; i < len(at); i++ {
		if at[i]-at[i-1] < 198*time.Second {
			short++ // an answer
		}
	}
	if got := s.e.Snapshot(); int(got.Solicitations) < short || got.Multicast != uint64(len(s.sent)) {
		t.Errorf("%d short gaps, %+v", short, got)
	}
}

// TestSolicitationFlood: R-6.2.6-09. A hundred thousand solicitations a second from random sources.
func TestSolicitationFlood(t *testing.T) {
	for _, unicast := range []bool{false, true} {
		t.Run(fmt.Sprintf("unicast %t", unicast), func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.UnicastAnswers = unicast
			s := newSim(t, 1, cfg)
			s.up()
			s.advance(time.Minute)
			s.sent = nil
			p := ra.Packet{Data: (&ra.Solicitation{SourceLinkLayer: hostMAC}).Marshal(), HopLimit: 255}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			for i := range 200_000 {
				p.From = netip.AddrFrom16([16]byte{0xfe, 0x80, 12: byte(i >> 16), 13: byte(i >> 8), 14: byte(i), 15: 1})
				s.do(Received{p})
				s.advance(10 * time.Microsecond)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
				t.Errorf("%d bytes of heap more", grown)
			}
			if n := len(s.sent); n == 0 || n > 200 {
				t.Errorf("%d advertisements in two seconds", n)
			}
			if got := len(s.multicasts()); got == 0 {
				t.Error("none to all nodes")
			}
		})
	}
}

// TestSilent: R-6.2.1-01, R-6.2.2-01, R-6.2.4-01.
func TestSilent(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(s *sim)
	}{
		{"before the link is up", func(*sim) {}},
		{"solicited while down", func(s *sim) { s.solicit(host, hostMAC) }},
		{"reconfigured while down", func(s *sim) { s.do(Reconfigure{Config: config(t, "M")}) }},
		{"forwarding changes while down", func(s *sim) { s.do(Forwarding{On: false}) }},
		{"down again", func(s *sim) { s.up(); s.solicit(host, hostMAC); s.do(LinkDown{}); s.sent = nil }},
		{"a stop while down", func(s *sim) { s.do(Stop{Final: true}) }},
		{"down within a stop", func(s *sim) { s.up(); s.do(Stop{Final: true}); s.do(LinkDown{}); s.sent = nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSim(t, 1, DefaultConfig())
			tt.do(s)
			s.advance(24 * time.Hour)
			if len(s.sent) != 0 {
				t.Errorf("%d sent", len(s.sent))
			}
			if want := strings.Contains(tt.name, "stop"); s.stopped != want {
				t.Errorf("stopped %t", s.stopped)
			}
		})
	}
}

// TestBadSolicitations: 6.1.1 as far as the engine goes: they lead to nothing.
func TestBadSolicitations(t *testing.T) {
	good := (&ra.Solicitation{SourceLinkLayer: hostMAC}).Marshal()
	for _, tt := range []struct {
		name   string
		packet ra.Packet
	}{
		{"R-6.1.1-01 hop limit", ra.Packet{Data: good, From: host, HopLimit: 64}},
		{"R-6.1.1-03 code", ra.Packet{Data: append([]byte{133, 1}, good[2:]...), From: host, HopLimit: 255}},
		{"R-6.1.1-04 length", ra.Packet{Data: good[:7], From: host, HopLimit: 255}},
		{"R-6.1.1-06 link-layer address from ::", ra.Packet{Data: good, From: netip.IPv6Unspecified(), HopLimit: 255}},
		{"R-6980-02 fragmented", ra.Packet{Data: good, From: host, HopLimit: 255, Fragmented: true}},
		{"another type", ra.Packet{Data: []byte{135, 0, 0, 0, 0, 0, 0, 0}, From: host, HopLimit: 255}},
		{"our own", ra.Packet{Data: good, From: linkLocal, HopLimit: 255}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSim(t, 1, DefaultConfig())
			s.up()
			s.advance(time.Minute)
			s.sent = nil
			s.do(Received{tt.packet})
			s.advance(5 * time.Second)
			if len(s.sent) != 0 {
				t.Errorf("answered")
			}
			if got := s.e.Snapshot(); got.Solicitations != 0 {
				t.Errorf("counted: %+v", got)
			}
		})
	}
}

// TestStop: R-6.2.5-01, R-6.2.5-02, R-6.2.5-06.
func TestStop(t *testing.T) {
	for _, tt := range []struct {
		name     string
		after    time.Duration // since the last multicast
		final    bool
		want     int
		stopping time.Duration
	}{
		{"final, long after the last one", time.Minute, true, 1, 0},
		{"final, right after the last one", 0, true, 1, 3 * time.Second},
		{"restart", time.Minute, false, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSim(t, 1, config(t, "lifetime 30m high"))
			s.up()
			s.advance(48 * time.Second)
			s.advance(tt.after)
			s.sent = nil
			began := s.now
			s.do(Stop{Final: tt.final})
			for !s.stopped && s.e.Deadline() != clock.Never {
				s.now = s.e.Deadline()
				s.do(Expired{})
			}
			if !s.stopped || len(s.sent) != tt.want || s.now.Sub(began) != tt.stopping {
				t.Fatalf("stopped %t, %d sent, after %s", s.stopped, len(s.sent), s.now.Sub(began))
			}
			if tt.want > 0 && (s.last().RouterLifetime != 0 || s.last().Preference != ra.Medium) {
				t.Errorf("%s", s.last())
			}
			s.sent = nil
			s.up()
			s.solicit(host, hostMAC)
			s.advance(time.Hour)
			if len(s.sent) != 0 || s.e.Deadline() != clock.Never {
				t.Error("it lives on")
			}
		})
	}
}

// TestForwardingFromTheStart: R-6.2.5-04.
func TestForwardingFromTheStart(t *testing.T) {
	e, err := New(EngineConfig{Config: config(t, "lifetime 30m route 2001:db8::/32 medium 1h"), Rand: rand.New(rand.NewPCG(1, 1))})
	if err != nil {
		t.Fatal(err)
	}
	s := &sim{t: t, e: e, now: boot}
	s.up()
	if s.last().RouterLifetime != 0 || s.last().Routes[0].Lifetime != 0 || len(s.report) != 1 ||
		s.report[0].Message != "forwarding is off: not advertised as a router" {
		t.Errorf("%s, reports %v", s.last(), s.report)
	}
	if got := e.Snapshot().RouterLifetime; got != 0 {
		t.Errorf("snapshot says %s", got)
	}
}

// TestSnapshot: what status shows.
func TestSnapshot(t *testing.T) {
	s := newSim(t, 1, config(t, "lifetime 30m prefix 2001:db8:1::/64=L 1h 1h"))
	s.up()
	s.advance(time.Minute)
	s.do(Reconfigure{Config: config(t, "lifetime 30m")})
	s.hear("fe80::2", "M lifetime 1h")
	s.do(Received{ra.Packet{Data: []byte{133}, From: host, HopLimit: 255}})
	got := s.e.Snapshot()
	got.Next = 0
	want := Snapshot{
		Up: true, LinkLocal: linkLocal, RouterLifetime: 30 * time.Minute, Deprecated: []netip.Prefix{netip.MustParsePrefix("2001:db8:1::/64")},
		Others:    []Other{{Addr: netip.MustParseAddr("fe80::2"), Default: true, Heard: s.now, Contradict: []string{"managed flag"}}},
		Multicast: 5, Advertisements: 1, Dropped: map[string]uint64{"too short": 1},
	}
	compare := cmp.Options{
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	}
	if diff := cmp.Diff(want, got, compare); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLargeAdvertisement: R-4.6-04, R-4.2-06, R-6.2.3-06. Parts leave together and count as one.
func TestLargeAdvertisement(t *testing.T) {
	cfg := DefaultConfig()
	for i := range 60 {
		cfg.Prefixes = append(cfg.Prefixes, DefaultPrefix(netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 7: byte(i)}), 64)))
	}
	s := newSim(t, 1, cfg)
	s.do(LinkUp{LinkLocal: linkLocal, MTU: 1280})
	prefixes := 0
	for _, p := range s.sent {
		prefixes += len(p.a.Prefixes)
	}
	if len(s.sent) != 2 || prefixes != 60 || s.e.Snapshot().Multicast != 1 {
		t.Errorf("%d packets, %d prefixes, %d counted", len(s.sent), prefixes, s.e.Snapshot().Multicast)
	}
}

// TestBadReconfiguration: the old one stays in force.
func TestBadReconfiguration(t *testing.T) {
	s := newSim(t, 1, config(t, "M"))
	s.up()
	bad := config(t, "prefix fe80::/64=L 1h 1h")
	s.do(Reconfigure{Config: bad})
	s.advance(time.Minute)
	if !s.last().Managed || len(s.last().Prefixes) != 0 || len(s.report) != 1 || s.report[0].Message != "configuration not used" {
		t.Errorf("%s, reports %v", s.last(), s.report)
	}
}

// TestShorterIntervals: a configuration that says the same more often takes effect at once.
func TestShorterIntervals(t *testing.T) {
	s := newSim(t, 1, config(t, "M"))
	s.up()
	s.advance(time.Minute)
	cfg := config(t, "M")
	cfg.MaxInterval = 10 * time.Second
	s.do(Reconfigure{Config: cfg})
	if next := s.e.Deadline().Sub(s.now); next > 10*time.Second {
		t.Errorf("next in %s", next)
	}
}

// TestOthersAreBounded: routers beyond the eighth are counted, reports are one an hour.
func TestOthersAreBounded(t *testing.T) {
	s := newSim(t, 1, config(t, "M lifetime 30m hops 64 mtu 1500 prefix 2001:db8::/64=L 1h 1h nat64 64:ff9b::/96 30m"))
	s.forget = true
	s.up()
	for i := range 3600 {
		s.hear(fmt.Sprintf("fe80::bad:%x", i%100), fmt.Sprintf("lifetime %ds hops %d mtu %d nat64 2001:db8:%x::/96 1h", i%2, 1+i%50, 1300+i%9, i))
		s.advance(time.Second)
	}
	got := s.e.Snapshot()
	if len(got.Others) != MaxOthers || got.Dropped["too many other routers"] == 0 {
		t.Errorf("%d others, dropped %v", len(got.Others), got.Dropped)
	}
	if len(s.report) > MaxOthers*6 {
		t.Errorf("%d reports in an hour", len(s.report))
	}
}

// FuzzReceived: no packet makes the engine panic, or send more than it may.
func FuzzReceived(f *testing.F) {
	f.Add((&ra.Solicitation{SourceLinkLayer: hostMAC}).Marshal(), byte(0x38))
	a := ra.Advertisement{RouterLifetime: time.Hour, Prefixes: []ra.Prefix{{Prefix: netip.MustParsePrefix("2001:db8::/64"), Valid: time.Hour}}}
	packets, err := a.Marshal(1500)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packets[0], byte(2))
	cfg := config(&testing.T{}, "M lifetime 30m prefix 2001:db8::/64=L 2h 2h nat64 64:ff9b::/96 30m")
	f.Fuzz(func(t *testing.T, b []byte, from byte) {
		s := newSim(t, 1, cfg)
		s.up()
		s.advance(time.Minute)
		for range 3 {
			s.do(Received{ra.Packet{Data: b, From: netip.AddrFrom16([16]byte{0xfe, 0x80, 15: from}), HopLimit: 255}})
			s.advance(10 * time.Second)
		}
		if n := len(s.sent); n > 8 {
			t.Errorf("%d sent", n)
		}
	})
}
