package ra

import (
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/ndp"
)

func TestWriteSolicitation(t *testing.T) {
	for _, tt := range []struct {
		name string
		s    Solicitation
		want string
	}{
		{"H-4.1-01 H-6980-02 without a link-layer address", Solicitation{}, "85000000 00000000"},
		{"H-4.1-02 H-4.1-03 with one", Solicitation{SourceLinkLayer: mac}, "85000000 00000000 0101 06a0f0000001"},
		{"a MAC that is none is left out", Solicitation{SourceLinkLayer: make([]byte, 20)}, "85000000 00000000"},
	} {
		t.Run(tt.name, func(t *testing.T) { compareHex(t, tt.want, tt.s.Marshal()) })
	}
}

func compareHex(t *testing.T, want string, got []byte) {
	t.Helper()
	want = strings.Join(strings.Fields(want), "")
	if diff := cmp.Diff(want, hex.EncodeToString(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestWriteAdvertisement holds golden bytes: R-4.2-02, R-4.2-03, R-4.6-01, R-6.2.3-01.
func TestWriteAdvertisement(t *testing.T) {
	const empty = "86000000 00000000 00000000 00000000"
	servers := []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")}
	pref64 := func(prefix string, lifetime time.Duration) Advertisement {
		return Advertisement{PREF64: []PREF64{{pfx(prefix), lifetime}}}
	}
	nat64 := func(units, prefix string) string { return empty + "2602" + units + prefix }
	const bits = "20010db8 12345678 9abcdef0"
	for _, tt := range []struct {
		name string
		a    Advertisement
		want string
	}{
		{"R-6.2.3-02 nothing", Advertisement{}, empty},
		{"hop limit", Advertisement{HopLimit: 64}, "86000000 40000000 00000000 00000000"},
		{"M", Advertisement{Managed: true}, "86000000 00800000 00000000 00000000"},
		{"O", Advertisement{Other: true}, "86000000 00400000 00000000 00000000"},
		{"R-4191-01 high", Advertisement{Preference: High, RouterLifetime: time.Second}, "86000000 00080001 00000000 00000000"},
		{"R-4191-01 low", Advertisement{Preference: Low, RouterLifetime: time.Second}, "86000000 00180001 00000000 00000000"},
		{"R-4191-01 a preference that does not exist is high", Advertisement{Preference: 2, RouterLifetime: time.Second}, "86000000 00080001 00000000 00000000"},
		{"R-4191-02 no preference without lifetime", Advertisement{Preference: High}, empty},
		{"lifetime above 65,535 s", Advertisement{RouterLifetime: 65536 * time.Second}, "86000000 0000ffff 00000000 00000000"},
		{"timers", Advertisement{ReachableTime: time.Hour, RetransTimer: time.Second}, "86000000 00000000 0036ee80 000003e8"},
		{"link-layer address and MTU", Advertisement{SourceLinkLayer: mac, MTU: 8950}, empty + "0101 06a0f0000001 0501 0000 000022f6"},
		{
			"R-4.6-02 prefix with host bits, preferred above valid",
			Advertisement{Prefixes: []Prefix{{Prefix: netip.MustParsePrefix("2001:db8::1/64"), OnLink: true, Preferred: Infinite, Valid: time.Hour}}},
			empty + "0304 4080 00000e10 00000e10 00000000 20010db8 00000000 00000000 00000000",
		},
		{
			"R-8028-02 prefix with neither flag",
			Advertisement{Prefixes: []Prefix{{Prefix: pfx("2001:db8::/64"), Preferred: time.Hour, Valid: Infinite}}},
			empty + "0304 4000 ffffffff 00000e10 00000000 20010db8 00000000 00000000 00000000",
		},
		{"R-4191-03 ::/0", Advertisement{Routes: []Route{{pfx("::/0"), Medium, time.Hour}}}, empty + "1801 0000 00000e10"},
		{"R-4191-03 /48", Advertisement{Routes: []Route{{pfx("2001:db8:1::/48"), Low, time.Hour}}}, empty + "1802 3018 00000e10 20010db8 00010000"},
		{"R-4191-03 /64 with host bits", Advertisement{Routes: []Route{{netip.MustParsePrefix("2001:db8:1::1/64"), High, 0}}}, empty + "1802 4008 00000000 20010db8 00010000"},
		{"R-4191-03 /128", Advertisement{Routes: []Route{{pfx("2001:db8::1/128"), Medium, Infinite}}}, empty + "1803 8000 ffffffff 20010db8 00000000 00000000 00000001"},
		{"R-8106-01 two servers", Advertisement{RDNSS: []RDNSS{{time.Hour, servers}}}, empty + "1905 0000 00000e10 20010db8 00000000 00000000 00000001 20010db8 00000000 00000000 00000002"},
		{
			"R-8106-06 two lifetimes",
			Advertisement{RDNSS: []RDNSS{{time.Hour, servers[:1]}, {0, servers[1:]}}},
			empty + "1903 0000 00000e10 20010db8 00000000 00000000 00000001 1903 0000 00000000 20010db8 00000000 00000000 00000002",
		},
		{"R-8106-04 R-8106-05 names", Advertisement{DNSSL: []DNSSL{{time.Hour, []string{"a.example", "b.example."}}}}, empty + "1f04 0000 00000e10 0161 076578616d706c65 00 0162 076578616d706c65 00 0000"},
		{"R-8106-04 a name without padding", Advertisement{DNSSL: []DNSSL{{time.Hour, []string{"abcdef"}}}}, empty + "1f02 0000 00000e10 06616263646566 00"},
		{"R-8781-01 /96", pref64("2001:db8:1234:5678:9abc:def0::/96", 1800*time.Second), nat64("0708", bits)},
		{"R-8781-01 /64", pref64("2001:db8:1234:5678::/64", 1800*time.Second), nat64("0709", "20010db8 12345678 00000000")},
		{"R-8781-01 /56", pref64("2001:db8:1234:5600::/56", 1800*time.Second), nat64("070a", "20010db8 12345600 00000000")},
		{"R-8781-01 /48", pref64("2001:db8:1234::/48", 1800*time.Second), nat64("070b", "20010db8 12340000 00000000")},
		{"R-8781-01 /40", pref64("2001:db8:1200::/40", 1800*time.Second), nat64("070c", "20010db8 12000000 00000000")},
		{"R-8781-01 /32", pref64("2001:db8::/32", 1800*time.Second), nat64("070d", "20010db8 00000000 00000000")},
		{"R-8781-03 1 s", pref64("64:ff9b::/96", time.Second), nat64("0008", "0064ff9b 00000000 00000000")},
		{"R-8781-03 7 s", pref64("64:ff9b::/96", 7*time.Second), nat64("0008", "0064ff9b 00000000 00000000")},
		{"R-8781-03 9 s", pref64("64:ff9b::/96", 9*time.Second), nat64("0010", "0064ff9b 00000000 00000000")},
		{"R-8781-03 65,535 s", pref64("64:ff9b::/96", 65535*time.Second), nat64("fff8", "0064ff9b 00000000 00000000")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.a.Marshal(1500)
			if err != nil || len(got) != 1 {
				t.Fatalf("%d packets, %v", len(got), err)
			}
			compareHex(t, tt.want, got[0])
		})
	}
}

func TestWriteRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		a    Advertisement
		want string
	}{
		{"R-8781-01 NAT64 prefix of 80 bits", Advertisement{PREF64: []PREF64{{pfx("2001:db8::/80"), time.Hour}}}, "none of 32, 40, 48, 56, 64 and 96"},
		{"no prefix", Advertisement{Prefixes: []Prefix{{}}}, "is not an IPv6 prefix"},
		{"IPv4 route", Advertisement{Routes: []Route{{Prefix: pfx("192.0.2.0/24")}}}, "is not an IPv6 prefix"},
		{"multicast server", Advertisement{RDNSS: []RDNSS{{0, []netip.Addr{AllNodes}}}}, "DNS server ff02::1"},
		{"bad name", Advertisement{DNSSL: []DNSSL{{0, []string{"a b"}}}}, `name "a b": character`},
		{"long label", Advertisement{DNSSL: []DNSSL{{0, []string{strings.Repeat("a", 64)}}}}, "longer than 63"},
		{"long name", Advertisement{DNSSL: []DNSSL{{0, []string{strings.Repeat("a.", 128)}}}}, "longer than 255"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tt.a.Marshal(1500); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestWriteSeveralPackets: R-4.6-04, R-6.2.3-06 and R-6980-01. What does not fit one packet is shared
// out, each with the same header and none longer than the MTU allows; read together they are whole.
func TestWriteSeveralPackets(t *testing.T) {
	a := Advertisement{HopLimit: 64, Managed: true, RouterLifetime: time.Hour, SourceLinkLayer: mac, MTU: 1280}
	for i := range 60 {
		addr := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 7: byte(i)})
		a.Prefixes = append(a.Prefixes, Prefix{Prefix: netip.PrefixFrom(addr, 64), OnLink: true, Valid: time.Hour, Preferred: time.Hour})
	}
	var servers []netip.Addr
	var names []string
	for i := range 100 {
		servers = append(servers, netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(i + 1)}))
		names = append(names, strings.Repeat(strings.Repeat("n", 63)+".", 3)+strings.Repeat("n", 10+i%50))
	}
	a.RDNSS, a.DNSSL = []RDNSS{{time.Hour, servers}}, []DNSSL{{time.Hour, names}}
	for _, mtu := range []int{0, 1280, 1500, 9000} {
		packets, err := a.Marshal(mtu)
		if err != nil {
			t.Fatal(err)
		}
		got := a
		got.Prefixes, got.RDNSS, got.DNSSL, got.MTU = nil, nil, nil, 0
		var gotServers []netip.Addr
		var gotNames []string
		for _, b := range packets {
			if len(b)+40 > max(mtu, 1280) {
				t.Fatalf("MTU %d: a packet of %d bytes", mtu, len(b)+40)
			}
			part, err := packet(b).Advertisement()
			if err != nil || len(part.Flaws) > 0 {
				t.Fatal(err, part.Flaws)
			}
			got.Prefixes, got.MTU = append(got.Prefixes, part.Prefixes...), max(got.MTU, part.MTU)
			for _, r := range part.RDNSS {
				gotServers = append(gotServers, r.Servers...)
			}
			for _, d := range part.DNSSL {
				gotNames = append(gotNames, d.Domains...)
			}
			header := *part
			header.Prefixes, header.RDNSS, header.DNSSL, header.MTU = nil, nil, nil, 0
			want := a
			want.Prefixes, want.RDNSS, want.DNSSL, want.MTU = nil, nil, nil, 0
			if diff := cmp.Diff(want, header, compareAddrs); diff != "" {
				t.Fatalf("header (-want +got):\n%s", diff)
			}
		}
		got.RDNSS, got.DNSSL = []RDNSS{{time.Hour, gotServers}}, []DNSSL{{time.Hour, gotNames}}
		if diff := cmp.Diff(a, got, compareAddrs); diff != "" {
			t.Errorf("MTU %d, %d packets (-want +got):\n%s", mtu, len(packets), diff)
		}
		if mtu == 1280 && len(packets) < 2 {
			t.Error("all in one packet of 1280 bytes")
		}
	}
}

// TestRoundTrip: what is written is read back, by us and, where it can, by ndp.
func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		want := random(r)
		packets, err := want.Marshal(9000)
		if err != nil || len(packets) != 1 {
			t.Fatalf("%d packets, %v", len(packets), err)
		}
		got, err := packet(packets[0]).Advertisement()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&want, got, compareAddrs); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		compareWithPeer(t, packets[0], got)
	}
}

// compareWithPeer compares what was read with what ndp reads, but for what it is known to get wrong.
func compareWithPeer(t *testing.T, b []byte, got *Advertisement) {
	t.Helper()
	m, err := ndp.ParseMessage(b)
	if err != nil {
		t.Fatalf("ndp: %v\n%x", err, b)
	}
	theirs, ok := m.(*ndp.RouterAdvertisement)
	if !ok {
		t.Fatalf("ndp: a %T", m)
	}
	peer := Advertisement{
		HopLimit: theirs.CurrentHopLimit, Managed: theirs.ManagedConfiguration, Other: theirs.OtherConfiguration,
		RouterLifetime: theirs.RouterLifetime, ReachableTime: theirs.ReachableTime, RetransTimer: theirs.RetransmitTimer,
	}
	preference := map[ndp.Preference]Preference{ndp.Low: Low, ndp.Medium: Medium, ndp.High: High}
	if peer.RouterLifetime > 0 {
		peer.Preference = preference[theirs.RouterSelectionPreference]
	}
	for _, o := range theirs.Options {
		switch o := o.(type) {
		case *ndp.LinkLayerAddress:
			peer.SourceLinkLayer = o.Addr
		case *ndp.MTU:
			peer.MTU = o.MTU
		case *ndp.PrefixInformation:
			peer.Prefixes = append(peer.Prefixes, Prefix{
				Prefix: netip.PrefixFrom(o.Prefix, int(o.PrefixLength)), OnLink: o.OnLink, Autonomous: o.AutonomousAddressConfiguration,
				Valid: o.ValidLifetime, Preferred: o.PreferredLifetime,
			})
		case *ndp.RouteInformation:
			peer.Routes = append(peer.Routes, Route{netip.PrefixFrom(o.Prefix, int(o.PrefixLength)), preference[o.Preference], o.RouteLifetime})
		case *ndp.RecursiveDNSServer:
			peer.RDNSS = append(peer.RDNSS, RDNSS{o.Lifetime, o.Servers})
		case *ndp.DNSSearchList:
			peer.DNSSL = append(peer.DNSSL, DNSSL{o.Lifetime, o.DomainNames})
		case *ndp.PREF64:
			peer.PREF64 = append(peer.PREF64, PREF64{o.Prefix, o.Lifetime})
		}
	}
	if diff := cmp.Diff(&peer, got, compareAddrs); diff != "" {
		t.Fatalf("%x (-ndp +ours):\n%s", b, diff)
	}
}

// random makes an advertisement of all kinds of options that both codecs can carry.
func random(r *rand.Rand) Advertisement {
	seconds := func(most int64) time.Duration { return time.Duration(r.Int64N(most+1)) * time.Second }
	addr := func() netip.Addr {
		a := [16]byte{0x20, 1, 0xd, 0xb8}
		for i := 4; i < 16; i++ {
			a[i] = byte(r.Uint32())
		}
		return netip.AddrFrom16(a)
	}
	prefix := func(bits int) netip.Prefix { return netip.PrefixFrom(addr(), bits).Masked() }
	a := Advertisement{
		HopLimit: uint8(r.Uint32()), Managed: r.IntN(2) == 0, Other: r.IntN(2) == 0, RouterLifetime: seconds(65535),
		ReachableTime: time.Duration(r.Uint32()) * time.Millisecond, RetransTimer: time.Duration(r.Uint32()) * time.Millisecond,
		MTU: r.Uint32(),
	}
	if a.RouterLifetime > 0 {
		a.Preference = Preference(r.IntN(3) - 1)
	}
	if r.IntN(2) == 0 {
		a.SourceLinkLayer = mac
	}
	for range r.IntN(4) {
		valid := seconds(0xffffffff)
		a.Prefixes = append(a.Prefixes, Prefix{
			Prefix: prefix(r.IntN(129)), OnLink: r.IntN(2) == 0, Autonomous: r.IntN(2) == 0, Valid: valid, Preferred: min(valid, seconds(0xffffffff)),
		})
	}
	for range r.IntN(3) { // ndp loses bits of other lengths
		a.Routes = append(a.Routes, Route{prefix(8 * r.IntN(17)), Preference(r.IntN(3) - 1), seconds(0xffffffff)})
	}
	for range r.IntN(3) {
		servers := make([]netip.Addr, 1+r.IntN(15)) // ndp fails from 16 on
		for i := range servers {
			servers[i] = addr()
		}
		a.RDNSS = append(a.RDNSS, RDNSS{seconds(0xffffffff), servers})
	}
	for range r.IntN(3) {
		names := []string{"example", "a.example", "lab-1.example", "a_b.c.d"}
		r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		a.DNSSL = append(a.DNSSL, DNSSL{seconds(0xffffffff), slices.Clone(names[:1+r.IntN(4)])})
	}
	for range r.IntN(2) {
		a.PREF64 = append(a.PREF64, PREF64{prefix([]int{32, 40, 48, 56, 64, 96}[r.IntN(6)]), 8 * seconds(8191)})
	}
	return a
}
