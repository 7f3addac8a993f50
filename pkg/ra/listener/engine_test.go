package listener

import (
	"encoding/binary"
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

// TestFirstSolicitation: H-6.3.7-02.
func TestFirstSolicitation(t *testing.T) {
	var early, late int
	for seed := range uint64(1000) {
		s := newSim(t, seed)
		s.do(LinkUp{LinkLocal: linkLocal})
		s.advance(time.Second)
		if len(s.sent) != 1 || s.sent[0] > time.Second {
			t.Fatalf("seed %d: sent at %s", seed, s.sent)
		}
		if s.sent[0] < 250*time.Millisecond {
			early++
		}
		if s.sent[0] > 750*time.Millisecond {
			late++
		}
	}
	if early < 200 || late < 200 {
		t.Errorf("of 1000, %d in the first and %d in the last quarter of a second", early, late)
	}
	s := newSim(t, 1)
	s.up()
	if diff := cmp.Diff([]time.Duration{0}, s.sent); diff != "" {
		t.Errorf("without delay (-want +got):\n%s", diff)
	}
}

// TestBackoff: H-6.3.7-01 and H-7559-01, a day without a router.
func TestBackoff(t *testing.T) {
	for seed := range uint64(200) {
		s := newSim(t, seed)
		s.up()
		s.advance(24 * time.Hour)
		if n := len(s.sent); n < 30 || n > 36 {
			t.Fatalf("seed %d: %d solicitations in a day", seed, n)
		}
		rt := time.Duration(0)
		for i := 1; i < len(s.sent); i++ {
			gap := s.sent[i] - s.sent[i-1]
			least, most := 19*rt/10, 21*rt/10
			switch {
			case i == 1:
				least, most = 4*time.Second, 4400*time.Millisecond
			case most > time.Hour:
				least, most = min(least, 54*time.Minute), 66*time.Minute
			}
			if gap < least || gap > most {
				t.Fatalf("seed %d: gap %d is %s, want %s to %s", seed, i, gap, least, most)
			}
			rt = gap
		}
	}
}

// TestSolicitationsEnd: what ends a round and what begins one.
func TestSolicitationsEnd(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(s *sim)
		want int // solicitations within the next hour; -1 for many
	}{
		{"H-6.3.7-03 a default router answers", func(s *sim) { s.up(); s.hear("fe80::1", "lifetime 30m") }, 1},
		{"H-7559-02 a router of lifetime 0 answers", func(s *sim) { s.up(); s.hear("fe80::1", "M") }, -1},
		{"H-6.3.7-04 an advertisement came before", func(s *sim) {
			s.do(LinkUp{LinkLocal: linkLocal})
			s.hear("fe80::1", "lifetime 30m")
		}, 1},
		{"the link goes down", func(s *sim) { s.up(); s.do(LinkDown{}) }, 1},
		{"H-6.3.7-05 the link is up again", func(s *sim) {
			s.up()
			s.hear("fe80::1", "lifetime 30m")
			s.do(LinkDown{})
			s.up()
			s.hear("fe80::1", "lifetime 30m")
		}, 2},
		{"H-6.3.7-05 perhaps another link", func(s *sim) { s.up(); s.hear("fe80::1", "lifetime 2h"); s.do(SolicitNow{}) }, -1},
		{"asked while down", func(s *sim) { s.do(SolicitNow{}) }, 0},
		{"a bad advertisement answers nothing", func(s *sim) {
			s.up()
			s.do(Received{ra.Packet{Data: make([]byte, 16), From: linkLocal, HopLimit: 255}})
		}, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSim(t, 1)
			tt.do(s)
			s.advance(time.Hour)
			if n := len(s.sent); n != tt.want && (tt.want >= 0 || n < 8) {
				t.Errorf("%d solicitations, want %d: %s", n, tt.want, s.sent)
			}
		})
	}
}

// TestSilence: H-6.3.7-06.
func TestSilence(t *testing.T) {
	s := newSim(t, 1)
	s.up()
	s.advance(time.Minute)
	if len(s.told) != 1 || !s.last().Silent || s.last().Heard || s.toldAt[0] != s.sent[2]+time.Second {
		t.Fatalf("told %+v at %s, third solicitation at %s", s.told, s.toldAt, s.sent[2])
	}
	s.hear("fe80::1", "M")
	if last := s.last(); last.Silent || !last.Heard {
		t.Errorf("after an advertisement: %+v", last)
	}
}

// TestHeard holds what one or more advertisements lead to. Lines are those of lines().
func TestHeard(t *testing.T) {
	const one = "fe80::1"
	for _, tt := range []struct {
		name string
		do   func(s *sim)
		want string // without the line of the link, if it is only "heard"
	}{
		{"H-4.2-01 M", func(s *sim) { s.hear(one, "M") }, "link: heard M; router fe80::1, M"},
		{"H-4.2-01 O", func(s *sim) { s.hear(one, "O") }, "link: heard O; router fe80::1, O"},
		{"H-4.2-01 any router's flag counts", func(s *sim) { s.hear(one, "M"); s.hear("fe80::2", "O lifetime 1h") }, "link: heard M O; router fe80::1, M; router fe80::2 default until 1h0m0s, medium, O"},
		{"H-4.2-02 the longest lifetime", func(s *sim) { s.hear(one, "lifetime 65535s") }, "router fe80::1 default until 18h12m15s, medium"},
		{"H-4.2-03 lifetime 0 and a prefix", func(s *sim) { s.hear(one, "prefix 2001:db8::/64=L 1h 1h") }, "router fe80::1, prefixes [2001:db8::/64]; prefix 2001:db8::/64 on-link until 1h0m0s by [fe80::1]"},
		{"H-4.6-05 nothing follows from what is absent", func(s *sim) { s.hear(one, "mtu 1400 prefix 2001:db8::/64=L 1h 1h"); s.hear(one, "") }, "hop limit 0, reachable 0s, retransmit 0s, mtu 1400; router fe80::1, prefixes [2001:db8::/64]; prefix 2001:db8::/64 on-link until 1h0m0s by [fe80::1]"},
		{"H-6.3.4-01 the union of two routers", func(s *sim) {
			s.hear(one, "prefix 2001:db8:1::/64=L 1h 1h")
			s.hear("fe80::2", "prefix 2001:db8:2::/64=L 1h 1h")
		}, "router fe80::1, prefixes [2001:db8:1::/64]; router fe80::2, prefixes [2001:db8:2::/64]; prefix 2001:db8:1::/64 on-link until 1h0m0s by [fe80::1]; prefix 2001:db8:2::/64 on-link until 1h0m0s by [fe80::2]"},
		{"H-6.3.4-02 the latest value", func(s *sim) { s.hear(one, "mtu 1500"); s.hear(one, "mtu 1400") }, "hop limit 0, reachable 0s, retransmit 0s, mtu 1400; router fe80::1"},
		{
			"H-4862-09 the latest value, whoever says it", func(s *sim) { s.hear(one, "mtu 1500 hops 64"); s.hear("fe80::2", "mtu 1400 hops 32") },
			"hop limit 32, reachable 0s, retransmit 0s, mtu 1400; router fe80::1; router fe80::2",
		},
		{"H-6.3.4-03 H-6.3.4-08 unspecified changes nothing", func(s *sim) {
			s.hear(one, "hops 64 reachable 1s retransmit 2s")
			s.hear(one, "")
		}, "hop limit 64, reachable 1s, retransmit 2s, mtu 0; router fe80::1"},
		{"H-6.3.4-04 a new router with a lifetime", func(s *sim) { s.hear(one, "lifetime 30m") }, "router fe80::1 default until 30m0s, medium"},
		{"H-6.3.4-05 a shorter lifetime", func(s *sim) { s.hear(one, "lifetime 1h"); s.hear(one, "lifetime 1m") }, "router fe80::1 default until 1m0s, medium"},
		{"H-6.3.4-06 lifetime 0", func(s *sim) { s.hear(one, "lifetime 1h"); s.hear(one, "") }, "router fe80::1"},
		{"H-6.3.4-07 three routers", func(s *sim) {
			s.hear(one, "lifetime 1h")
			s.hear("fe80::2", "lifetime 1h high")
			s.hear("fe80::3", "lifetime 1h low")
		}, "router fe80::1 default until 1h0m0s, medium; router fe80::2 default until 1h0m0s, high; router fe80::3 default until 1h0m0s, low"},
		{"H-6.3.4-09 MTU below 1,280", func(s *sim) { s.hear(one, "mtu 1279") }, "router fe80::1"},
		{"H-6.3.4-09 MTU above the link's", func(s *sim) { s.hear(one, "mtu 65536") }, "router fe80::1"},
		{"H-6.3.4-11 link-local prefixes", func(s *sim) {
			s.hear(one, "prefix fe80::/64=LA 1h 1h prefix fe80::/10=L 1h 1h prefix ff00::/8=L 1h 1h")
		}, "router fe80::1"},
		{"H-6.3.4-12 a new prefix with a valid lifetime", func(s *sim) { s.hear(one, "prefix 2001:db8::/64=L 0s 30m") }, "router fe80::1, prefixes [2001:db8::/64]; prefix 2001:db8::/64 on-link until 30m0s by [fe80::1]"},
		{"H-6.3.4-13 a shorter valid lifetime", func(s *sim) {
			s.hear(one, "prefix 2001:db8::/64=L 0s 86400s")
			s.hear(one, "prefix 2001:db8::/64=L 0s 10s")
		}, "router fe80::1, prefixes [2001:db8::/64]; prefix 2001:db8::/64 on-link until 10s by [fe80::1]"},
		{"H-6.3.4-13 valid lifetime 0", func(s *sim) {
			s.hear(one, "prefix 2001:db8::/64=L 0s 86400s")
			s.hear(one, "prefix 2001:db8::/64=L 0s 0s")
		}, "router fe80::1"},
		{"H-6.3.4-14 valid lifetime 0 of an unknown prefix", func(s *sim) { s.hear(one, "prefix 2001:db8::/64=L 0s 0s") }, "router fe80::1"},
		{"H-6.3.4-15 L 0 after L 1", func(s *sim) {
			s.hear(one, "prefix 2001:db8::/64=L 0s 1h")
			s.advance(time.Minute)
			s.hear(one, "prefix 2001:db8::/64 0s 2h")
		}, "router fe80::1, prefixes [2001:db8::/64]; prefix 2001:db8::/64 on-link until 1h0m0s by [fe80::1]"},
		{"H-6.3.4-16 any length", func(s *sim) { s.hear(one, "prefix 2001:db8::/48=L 0s 1h prefix 2001:db8::/120=L 0s 1h") }, "router fe80::1, prefixes [2001:db8::/48 2001:db8::/120]; prefix 2001:db8::/48 on-link until 1h0m0s by [fe80::1]; prefix 2001:db8::/120 on-link until 1h0m0s by [fe80::1]"},
		{"H-4862-02 A 0", func(s *sim) { s.hear(one, "prefix 2001:db8::/64=L 1h 1h") }, "router fe80::1, prefixes [2001:db8::/64]; prefix 2001:db8::/64 on-link until 1h0m0s by [fe80::1]"},
		{"H-4862-05 A 1", func(s *sim) { s.hear(one, "prefix 2001:db8::/64=A 1h 2h") }, "router fe80::1, prefixes [2001:db8::/64]; prefix 2001:db8::/64 usable until 2h0m0s preferred until 1h0m0s by [fe80::1]"},
		{"H-4862-03 preferred above valid", func(s *sim) {
			p, err := (&ra.Advertisement{Prefixes: []ra.Prefix{{Prefix: netip.MustParsePrefix("2001:db8::/64"), OnLink: true, Autonomous: true, Valid: time.Hour}}}).Marshal(1500)
			if err != nil {
				s.t.Fatal(err)
			}
			binary.BigEndian.PutUint32(p[0][16+8:], 7200)
			s.do(Received{ra.Packet{Data: p[0], From: netip.MustParseAddr(one), HopLimit: 255}})
		}, "router fe80::1, prefixes [2001:db8::/64]; prefix 2001:db8::/64 on-link until 1h0m0s by [fe80::1]"},
		{"H-8028-01 L 0 and A 0", func(s *sim) { s.hear(one, "prefix 2001:db8::/64 1h 1h") }, "router fe80::1, prefixes [2001:db8::/64]; prefix 2001:db8::/64 by [fe80::1]"},
		{"H-8028-02 each router with its prefixes", func(s *sim) {
			s.hear(one, "prefix 2001:db8::/64=L 1h 1h")
			s.hear("fe80::2", "prefix 2001:db8::/64=L 2h 2h")
		}, "router fe80::1, prefixes [2001:db8::/64]; router fe80::2, prefixes [2001:db8::/64]; prefix 2001:db8::/64 on-link until 2h0m0s by [fe80::1 fe80::2]"},
		{"H-8106-05 five servers and domains of several routers", func(s *sim) {
			s.hear(one, "dns 2001:db8::1,2001:db8::2,2001:db8::3 1h search a,b 1h")
			s.hear("fe80::2", "dns 2001:db8::4,2001:db8::5 1h search c,d,e 1h")
		}, "router fe80::1; router fe80::2; dns 2001:db8::4 until 1h0m0s; dns 2001:db8::5 until 1h0m0s; dns 2001:db8::1 until 1h0m0s; dns 2001:db8::2 until 1h0m0s; dns 2001:db8::3 until 1h0m0s; search c until 1h0m0s; search d until 1h0m0s; search e until 1h0m0s; search a until 1h0m0s; search b until 1h0m0s"},
		{"H-8106-06 a known server's end is set anew", func(s *sim) { s.hear(one, "dns 2001:db8::1,2001:db8::2 1h"); s.hear(one, "dns 2001:db8::2 1m") }, "router fe80::1; dns 2001:db8::1 until 1h0m0s; dns 2001:db8::2 until 1m0s"},
		{"H-8106-08 a link-local server", func(s *sim) { s.hear(one, "dns fe80::53 1h") }, "router fe80::1; dns fe80::53 until 1h0m0s"},
		{"H-8781-03 several NAT64 prefixes", func(s *sim) { s.hear(one, "nat64 64:ff9b::/96 8s nat64 2001:db8:64::/96 16s") }, "router fe80::1; nat64 64:ff9b::/96 until 8s; nat64 2001:db8:64::/96 until 16s"},
		{"H-4191-04 routes by prefix and router", func(s *sim) {
			s.hear(one, "lifetime 1h low route ::/0 high 30m route 2001:db8::/32 medium 1h")
			s.hear("fe80::2", "route 2001:db8::/32 low 1h")
			s.hear(one, "lifetime 1h low route 2001:db8::/32 medium 0s")
		}, "router fe80::1 default until 1h0m0s, low; router fe80::2; route ::/0 via fe80::1 high until 30m0s; route 2001:db8::/32 via fe80::2 low until 1h0m0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSim(t, 1)
			s.up()
			tt.do(s)
			got := strings.TrimPrefix(strings.ReplaceAll(strings.Join(lines(s.e.Snapshot()), "; "), "  ", ""), "link: heard; ")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			s.advance(5 * time.Second)
			if len(s.told) == 0 { // what was told last is what is
				t.Fatal("nothing was told")
			}
			want := s.e.Snapshot()
			want.Advertisements, want.Solicitations, want.Dropped = 0, 0, nil
			last := s.last()
			last.Advertisements, last.Solicitations, last.Dropped = 0, 0, nil
			for _, snapshot := range []*Snapshot{&want, &last} {
				for i := range snapshot.Routers {
					snapshot.Routers[i].Heard = 0
				}
			}
			if diff := cmp.Diff(want, last, compareAddrs); diff != "" {
				t.Errorf("not told (-is +told):\n%s", diff)
			}
		})
	}
}

// TestFullList: H-8106-06, H-6.1.2-08. Who goes when a list is full.
func TestFullList(t *testing.T) {
	name := func(i int) string { return fmt.Sprintf("n%02d", i) }
	names := func(from, n int) string {
		var list []string
		for i := range n {
			list = append(list, name(from+i))
		}
		return strings.Join(list, ",")
	}
	for _, tt := range []struct {
		name string
		do   func(s *sim)
		want string
	}{
		{"of one router the one that ends first", func(s *sim) {
			s.hear("fe80::1", "search "+names(0, 31)+" 2h search last 1h")
			s.hear("fe80::1", "search new 3h")
		}, "new," + names(0, 31)},
		{"a newcomer that ends first is refused", func(s *sim) {
			s.hear("fe80::1", "search "+names(0, 32)+" 2h")
			s.hear("fe80::1", "search new 1h")
		}, names(0, 32)},
		{"another router's newcomer takes a share", func(s *sim) {
			s.hear("fe80::1", "search "+names(0, 31)+" 2h search last 1h")
			s.hear("fe80::2", "search new 1m")
		}, "new," + names(0, 31)},
		{"and no more than that", func(s *sim) {
			s.hear("fe80::1", "search "+names(0, 32)+" 2h")
			s.hear("fe80::2", "search a,b,c,d,e,f 1m")
		}, "c,d,e,f," + names(4, 28)},
		{"what a forgotten router has left behind goes first", func(s *sim) {
			s.hear("fe80::2", "lifetime 1s search left 9h")
			s.advance(time.Second)
			s.hear("fe80::1", "search "+names(0, 31)+" 2h")
			s.hear("fe80::1", "search new 1h")
		}, "new," + names(0, 31)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSim(t, 1)
			tt.do(s)
			var got []string
			for _, d := range s.e.Snapshot().Search {
				got = append(got, d.Name)
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, ",")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestHostilePrefixesInUse: a stranger cannot shut out the true router's prefix with prefixes that
// hold the NIC's address, too.
func TestHostilePrefixesInUse(t *testing.T) {
	s := newSim(t, 1)
	s.do(Addresses{Held: []netip.Addr{netip.MustParseAddr("2001:db8::38")}})
	for bits := 65; bits <= 128; bits++ {
		s.hear("fe80::bad", fmt.Sprintf("prefix %s=L ever ever", netip.PrefixFrom(netip.MustParseAddr("2001:db8::38"), bits).Masked()))
	}
	s.hear("fe80::1", "prefix 2001:db8::/64=L 1h 1h")
	got := s.e.Snapshot()
	if len(got.Prefixes) != MaxPrefixes || got.Prefixes[MaxPrefixes-1].Prefix != netip.MustParsePrefix("2001:db8::/64") {
		t.Errorf("%v", lines(got))
	}
}

// TestReportsAreBounded: decision 11 of the design.
func TestReportsAreBounded(t *testing.T) {
	s := newSim(t, 1)
	for i := range 7200 { // two hours
		s.do(Received{ra.Packet{Data: []byte{134, 0}, From: netip.AddrFrom16([16]byte{0xfe, 0x80, 14: byte(i >> 8), 15: byte(i)}), HopLimit: 255}})
		s.advance(time.Second)
	}
	if len(s.report) != 2 {
		t.Fatalf("%d reports", len(s.report))
	}
	if last := s.report[1].Attrs[len(s.report[1].Attrs)-1]; last.Key != "unreported" || last.Value.Int64() != 3599 {
		t.Errorf("the second report ends with %s", last)
	}
}

// TestConfig: what an engine cannot do without.
func TestConfig(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("made without a source of randomness")
	}
}

// TestDropped: what is dropped leaves no trace but a count.
func TestDropped(t *testing.T) {
	good, err := (&ra.Advertisement{Managed: true, RouterLifetime: time.Hour}).Marshal(1500)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		packet ra.Packet
	}{
		{"H-6.1.2-01 global source", ra.Packet{Data: good[0], From: netip.MustParseAddr("2001:db8::1"), HopLimit: 255}},
		{"H-6.1.2-02 hop limit 254", ra.Packet{Data: good[0], From: linkLocal, HopLimit: 254}},
		{"H-6.1.2-05 too short", ra.Packet{Data: good[0][:15], From: linkLocal, HopLimit: 255}},
		{"H-6.1.2-07 a solicitation", ra.Packet{Data: []byte{133, 0, 0, 0, 0, 0, 0, 0}, From: linkLocal, HopLimit: 255}},
		{"H-6980-01 fragmented", ra.Packet{Data: good[0], From: linkLocal, HopLimit: 255, Fragmented: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSim(t, 1)
			s.do(Received{tt.packet})
			if got := s.e.Snapshot(); got.Heard || got.Advertisements != 0 || len(got.Dropped) != 1 || len(s.told) != 0 {
				t.Errorf("%+v, told %v", got, s.told)
			}
			if len(s.report) != 1 {
				t.Errorf("%d reports", len(s.report))
			}
		})
	}
}

// TestExpiry: H-6.3.5-01, H-6.3.5-02, H-5942-03.
func TestExpiry(t *testing.T) {
	s := newSim(t, 1)
	s.up()
	s.hear("fe80::1", "lifetime 1h prefix 2001:db8::/64=L 0s 1h prefix 2001:db8::/48=L 0s 2h prefix 2001:db8:1::/64=L ever ever")
	s.advance(time.Hour - 1)
	if got := s.e.Snapshot(); len(got.Prefixes) != 3 || len(got.Routers) != 1 {
		t.Fatalf("before the end: %+v", got)
	}
	s.advance(1)
	if got := s.last(); len(got.Prefixes) != 2 || len(got.Routers) != 0 {
		t.Fatalf("at the end: %+v", got)
	}
	s.advance(1000 * 24 * time.Hour)
	if got := s.last(); len(got.Prefixes) != 1 || got.Prefixes[0].OnLinkUntil != clock.Never {
		t.Fatalf("after years: %+v", got)
	}
}

// TestDNSEndsByItsOwnLifetime: H-8106-07, whatever becomes of the router that announced it.
func TestDNSEndsByItsOwnLifetime(t *testing.T) {
	s := newSim(t, 1)
	s.up()
	s.hear("fe80::1", "lifetime 10m dns 2001:db8::53 1h search lab.example 2h")
	for _, tt := range []struct {
		after            time.Duration
		routers, servers int
		domains          int
	}{
		{10*time.Minute - 1, 1, 1, 1},
		{1, 0, 1, 1},
		{50*time.Minute - 1, 0, 1, 1},
		{1, 0, 0, 1},
		{time.Hour - 1, 0, 0, 1},
		{1, 0, 0, 0},
	} {
		s.advance(tt.after)
		if got := s.e.Snapshot(); len(got.Routers) != tt.routers || len(got.DNS) != tt.servers || len(got.Search) != tt.domains {
			t.Errorf("%s: %+v, want %d routers, %d servers, %d domains", since(s.now), got, tt.routers, tt.servers, tt.domains)
		}
	}
}

// TestSuspend: H-6.3.5-02. Time passes while the machine sleeps; what has ended goes in one step.
func TestSuspend(t *testing.T) {
	s := newSim(t, 1)
	s.up()
	s.hear("fe80::1", "lifetime 30m prefix 2001:db8::/64=L 0s 1h dns 2001:db8::53 1h")
	s.now = s.now.Add(8 * time.Hour)
	s.do(Expired{})
	if got := s.last(); len(got.Prefixes)+len(got.Routers)+len(got.DNS) != 0 {
		t.Errorf("%+v", got)
	}
}

// TestEqualAdvertisements: H-7772-02. A thousand equal ones a second are no more news than one.
func TestEqualAdvertisements(t *testing.T) {
	s := newSim(t, 1)
	s.up()
	for range 1000 {
		s.hear("fe80::1", "M lifetime 30m prefix 2001:db8::/64=LA 1h 1h dns 2001:db8::53 30m search lab.example 30m")
		s.advance(time.Millisecond)
	}
	if len(s.told) != 1 || len(s.report) != 1 {
		t.Errorf("told %d times, %d reports", len(s.told), len(s.report))
	}
}

// TestFlood: 10,000 advertisements a second for ten seconds, from strangers that say anything. What is
// kept, told and reported stays under its bounds, and the router that was there stays.
func TestFlood(t *testing.T) {
	s := newSim(t, 1)
	s.up()
	s.do(Addresses{Held: []netip.Addr{netip.MustParseAddr("2001:db8::38")}})
	s.hear("fe80::1", "M lifetime 30m prefix 2001:db8::/64=L 4h 24h dns 2001:db8::53 30m")
	r := rand.New(rand.NewPCG(1, 2))
	var packets []ra.Packet
	for i := range 200 {
		var a ra.Advertisement
		a.Managed, a.Other, a.RouterLifetime = r.IntN(2) == 0, r.IntN(2) == 0, time.Duration(r.IntN(3))*time.Second
		for range 25 {
			p := netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(r.Uint32()), byte(r.Uint32())}), 64)
			if r.IntN(10) == 0 { // or one that holds the address, too
				p = netip.PrefixFrom(netip.MustParseAddr("2001:db8::38"), 64+r.IntN(64)).Masked()
			}
			a.Prefixes = append(a.Prefixes, ra.Prefix{Prefix: p, OnLink: true, Autonomous: r.IntN(2) == 0, Valid: time.Duration(r.IntN(1<<20)) * time.Second})
		}
		a.DNSSL = []ra.DNSSL{{Lifetime: time.Duration(r.IntN(100)) * time.Second, Domains: []string{fmt.Sprint("n", i), "a", "b", "c"}}}
		a.RDNSS = []ra.RDNSS{{Lifetime: time.Duration(r.IntN(100)) * time.Second, Servers: []netip.Addr{netip.AddrFrom16([16]byte{0x20, 1, 15: byte(i)})}}}
		b, err := a.Marshal(1500)
		if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, ra.Packet{Data: b[0], From: netip.AddrFrom16([16]byte{0xfe, 0x80, 15: byte(r.IntN(50) + 2)}), HopLimit: 255})
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 100_000 {
		s.advance(100 * time.Microsecond)
		s.do(Received{packets[i%len(packets)]})
	}
	s.told = s.told[len(s.told)-1:]
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("%d bytes of heap more", grown)
	}
	if len(s.toldAt) > 30 || len(s.report) > 80 {
		t.Errorf("told %d times, %d reports", len(s.toldAt), len(s.report))
	}
	got := s.e.Snapshot()
	if len(got.Routers) > MaxRouters || len(got.Prefixes) > MaxPrefixes || len(got.DNS) > MaxServers || len(got.Search) > MaxDomains {
		t.Errorf("%d routers, %d prefixes, %d servers, %d domains", len(got.Routers), len(got.Prefixes), len(got.DNS), len(got.Search))
	}
	want := []netip.Prefix{netip.MustParsePrefix("2001:db8::/64")}
	if len(got.Routers) == 0 || got.Routers[0].Addr != netip.MustParseAddr("fe80::1") || !cmp.Equal(want, got.Routers[0].Prefixes, compareAddrs) {
		t.Errorf("the true router: %+v", got.Routers)
	}
}

// BenchmarkFlood is one advertisement of a stranger with all that fits 1500 bytes.
func BenchmarkFlood(b *testing.B) {
	e, err := New(Config{Rand: rand.New(rand.NewPCG(1, 2))})
	if err != nil {
		b.Fatal(err)
	}
	a := ra.Advertisement{RouterLifetime: time.Hour}
	for i := range 40 {
		a.Prefixes = append(a.Prefixes, ra.Prefix{Prefix: netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, byte(i)}), 64), OnLink: true, Valid: time.Hour})
	}
	packets, err := a.Marshal(1500)
	if err != nil {
		b.Fatal(err)
	}
	now := boot
	for b.Loop() {
		now = now.Add(100 * time.Microsecond)
		e.Step(now, Received{ra.Packet{Data: packets[0], From: linkLocal, HopLimit: 255}})
	}
}

// FuzzReceived: no packet makes the engine panic, want an endless row of steps, or keep too much.
func FuzzReceived(f *testing.F) {
	a := ra.Advertisement{Managed: true, RouterLifetime: time.Hour, Prefixes: []ra.Prefix{{Prefix: netip.MustParsePrefix("2001:db8::/64"), OnLink: true, Autonomous: true, Valid: time.Hour}}}
	packets, err := a.Marshal(1500)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packets[0], byte(1), byte(2))
	f.Fuzz(func(t *testing.T, b []byte, from, again byte) {
		s := newSim(t, 1)
		s.up()
		s.hear("fe80::1", "M lifetime 30m prefix 2001:db8::/64=LA 1h 1h dns 2001:db8::53 30m")
		for _, source := range []byte{from, again, from} {
			s.do(Received{ra.Packet{Data: b, From: netip.AddrFrom16([16]byte{0xfe, 0x80, 15: source}), HopLimit: 255}})
			s.advance(time.Duration(again) * time.Minute)
		}
		if got := s.e.Snapshot(); len(got.Routers) > MaxRouters || len(got.Prefixes) > MaxPrefixes || len(got.Routes) > MaxRoutes ||
			len(got.DNS) > MaxServers || len(got.Search) > MaxDomains || len(got.PREF64) > MaxPREF64 {
			t.Errorf("%+v", got)
		}
		s.advance(200 * 365 * 24 * time.Hour / 2)
	})
}
