package ra

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	optionMAC     = option(1, mac...)
	optionPrefix1 = option(3, concat([][]byte{{64, 0xc0}, {0, 1, 0x51, 0x80}, {0, 0, 0x38, 0x40}, {0, 0, 0, 0}, addrBytes("2001:db8:1::")})...)
	optionMTU1400 = option(5, 0, 0, 0, 0, 5, 0x78)
	optionUnknown = option(200, 1, 2, 3, 4, 5, 6)
)

// TestDropped holds what is dropped as a whole.
func TestDropped(t *testing.T) {
	long := func(o []byte) []byte { o = slices.Clone(o); o[1]++; return o }
	zero := option(200, make([]byte, 6)...)
	zero[1] = 0
	for _, tt := range []struct {
		name   string
		packet Packet
		want   string
	}{
		{"R-6.1.1-01 solicitation, hop limit 254", Packet{Data: solicitation(), From: router, HopLimit: 254}, "hop limit is not 255"},
		{"R-6.1.1-01 solicitation, hop limit 64", Packet{Data: solicitation(), From: router, HopLimit: 64}, "hop limit is not 255"},
		{"R-6.1.1-01 solicitation, hop limit unknown", Packet{Data: solicitation(), From: router, HopLimit: -1}, "hop limit is not 255"},
		{"R-6.1.1-03 solicitation, code 1", packet([]byte{133, 1, 0, 0, 0, 0, 0, 0}), "code is not 0"},
		{"R-6.1.1-04 solicitation of 4 octets", packet(solicitation()[:4]), "too short"},
		{"R-6.1.1-04 solicitation of 7 octets", packet(solicitation()[:7]), "too short"},
		{"R-6.1.1-05 solicitation, length 0 first", packet(solicitation(zero, optionMAC)), "option of length 0"},
		{"R-6.1.1-05 solicitation, length 0 last", packet(solicitation(optionMAC, zero)), "option of length 0"},
		{"R-6.1.1-06 link-layer address from ::", Packet{Data: solicitation(optionMAC), From: netip.IPv6Unspecified(), HopLimit: 255}, "link-layer address from the unspecified address"},
		{"R-6.1.1-09 solicitation, option over the end", packet(solicitation(long(optionMAC))), "option runs over the end"},
		{"R-6.1.1-09 solicitation, one byte behind", packet(solicitation(optionMAC, []byte{1})), "option runs over the end"},
		{"solicitation from a group", Packet{Data: solicitation(), From: AllNodes, HopLimit: 255}, "source address is no unicast address"},
		{"R-6980-02 fragmented solicitation", Packet{Data: solicitation(), From: router, HopLimit: 255, Fragmented: true}, "fragmented"},

		{"H-6.1.2-01 global source", Packet{Data: advertisement(), From: netip.MustParseAddr("2001:db8::1"), HopLimit: 255}, "source address is not link-local"},
		{"H-6.1.2-01 unspecified source", Packet{Data: advertisement(), From: netip.IPv6Unspecified(), HopLimit: 255}, "source address is not link-local"},
		{"H-6.1.2-01 multicast source", Packet{Data: advertisement(), From: AllNodes, HopLimit: 255}, "source address is not link-local"},
		{"H-6.1.2-01 no source", Packet{Data: advertisement(), HopLimit: 255}, "source address is not link-local"},
		{"H-6.1.2-02 hop limit 254", Packet{Data: advertisement(), From: router, HopLimit: 254}, "hop limit is not 255"},
		{"H-6.1.2-02 hop limit missing", Packet{Data: advertisement(), From: router, HopLimit: -1}, "hop limit is not 255"},
		{"H-6.1.2-04 code 1", packet(append([]byte{134, 1}, advertisement()[2:]...)), "code is not 0"},
		{"H-6.1.2-05 nothing", packet(nil), "another ICMPv6 type"},
		{"H-6.1.2-05 one octet", packet(advertisement()[:1]), "too short"},
		{"H-6.1.2-05 15 octets", packet(advertisement()[:15]), "too short"},
		{"H-6.1.2-07 solicitation where an advertisement is read", packet(solicitation()), "another ICMPv6 type"},
		{"H-4.6-01 length 0 first", packet(advertisement(zero, optionMAC, optionMTU1400)), "option of length 0"},
		{"H-4.6-01 length 0 in the middle", packet(advertisement(optionMAC, zero, optionMTU1400)), "option of length 0"},
		{"H-4.6-01 length 0 last", packet(advertisement(optionMAC, optionMTU1400, zero)), "option of length 0"},
		{"H-4.6-07 option over the end", packet(advertisement(long(optionPrefix1))), "option runs over the end"},
		{"H-6980-01 fragmented", Packet{Data: advertisement(), From: router, HopLimit: 255, Fragmented: true}, "fragmented"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var err error
			if tt.packet.Type() == TypeSolicitation && tt.want != "another ICMPv6 type" {
				_, err = tt.packet.Solicitation()
			} else {
				_, err = tt.packet.Advertisement()
			}
			var bad *MalformedError
			if !errors.As(err, &bad) || bad.Reason != tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestReadSolicitation(t *testing.T) {
	reserved := solicitation(optionUnknown, optionMAC, optionPrefix1)
	copy(reserved[4:], []byte{1, 2, 3, 4})
	for _, tt := range []struct {
		name   string
		packet Packet
		want   Solicitation
	}{
		{"R-6.1.1-06 from :: without a link-layer address", Packet{Data: solicitation(), From: netip.IPv6Unspecified(), HopLimit: 255}, Solicitation{}},
		{"R-6.1.1-07 R-6.1.1-08 reserved field, unknown and foreign options", packet(reserved), Solicitation{SourceLinkLayer: mac}},
		{
			"a link-layer address of another length", packet(solicitation(option(1, make([]byte, 14)...))),
			Solicitation{Flaws: []Flaw{{1, "wrong length for its kind"}}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.packet.Solicitation()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got, compareAddrs); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadAdvertisement(t *testing.T) {
	header := func(b ...byte) []byte { return append([]byte{134, 0, 0, 0}, b...) }
	bad := func(kind uint8, reason string) Advertisement {
		return Advertisement{MTU: 1400, Flaws: []Flaw{{kind, reason}}}
	}
	day, four := 24*time.Hour, 4*time.Hour
	for _, tt := range []struct {
		name string
		b    []byte
		want Advertisement
	}{
		{"H-4.2-04 all bits set", header(255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255), Advertisement{
			HopLimit: 255, Managed: true, Other: true, Preference: Low, RouterLifetime: 65535 * time.Second,
			ReachableTime: 0xffffffff * time.Millisecond, RetransTimer: 0xffffffff * time.Millisecond,
		}},
		{"H-4.2-02 lifetime above 9000 s", header(0, 0, 0x23, 0x29, 0, 0, 0, 0, 0, 0, 0, 0), Advertisement{RouterLifetime: 9001 * time.Second}},
		{"H-4191-01 preference high", header(0, 0x08, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0), Advertisement{Preference: High, RouterLifetime: 9 * time.Second}},
		{"H-4191-01 reserved preference is medium", header(0, 0x10, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0), Advertisement{RouterLifetime: 9 * time.Second}},
		{"H-4191-01 preference without lifetime is ignored", header(0, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), Advertisement{}},
		{"prefix", advertisement(optionPrefix1), Advertisement{Prefixes: []Prefix{
			{Prefix: pfx("2001:db8:1::/64"), OnLink: true, Autonomous: true, Valid: day, Preferred: four},
		}}},
		{
			"H-4.6-06 bits behind the prefix length",
			advertisement(option(3, concat([][]byte{{64, 0x3f}, {255, 255, 255, 255}, {255, 255, 255, 255}, {1, 2, 3, 4}, addrBytes("2001:db8::1")})...)),
			Advertisement{Prefixes: []Prefix{{Prefix: pfx("2001:db8::/64"), Valid: Infinite, Preferred: Infinite}}},
		},
		{"H-4.6-07 short prefix", advertisement(option(3, make([]byte, 22)...), optionMTU1400), bad(3, wrongLength)},
		{"prefix of 129 bits", advertisement(option(3, append([]byte{129}, make([]byte, 29)...)...), optionMTU1400), bad(3, longPrefix)},
		{"H-6.1.2-06 options of other messages", advertisement(option(2, mac...), option(4, make([]byte, 46)...), optionMTU1400), Advertisement{MTU: 1400}},
		{"H-6.3.4-02 the latest MTU", advertisement(option(5, 0, 0, 0, 0, 5, 0xdc), optionMTU1400), Advertisement{MTU: 1400}},
		{"long MTU", advertisement(option(5, make([]byte, 14)...), optionMTU1400), bad(5, wrongLength)},
		{"H-4191-02 route, bits behind the prefix", advertisement(option(24, concat([][]byte{{60, 0xef}, {0, 0, 0, 9}, addrBytes("2001:db8:0:7f::")[:8]})...)), Advertisement{
			Routes: []Route{{pfx("2001:db8:0:70::/60"), High, 9 * time.Second}},
		}},
		{"default route in one unit", advertisement(option(24, 0, 0x18, 255, 255, 255, 255)), Advertisement{Routes: []Route{{pfx("::/0"), Low, Infinite}}}},
		{"H-4191-02 route of reserved preference", advertisement(option(24, 0, 0x10, 0, 0, 0, 9), optionMTU1400), bad(24, reservedPreference)},
		{"route too short for its prefix", advertisement(option(24, append([]byte{65, 0}, make([]byte, 12)...)...), optionMTU1400), bad(24, wrongLength)},
		{"route of 129 bits", advertisement(option(24, append([]byte{129, 0}, make([]byte, 20)...)...), optionMTU1400), bad(24, longPrefix)},
		{"H-8106-03 RDNSS of length 1", advertisement(option(25, make([]byte, 6)...), optionMTU1400), bad(25, wrongLength)},
		{"H-8106-03 RDNSS of length 2", advertisement(option(25, make([]byte, 14)...), optionMTU1400), bad(25, wrongLength)},
		{"H-8106-03 RDNSS of length 4", advertisement(option(25, make([]byte, 30)...), optionMTU1400), bad(25, wrongLength)},
		{"H-8106-03 multicast server", advertisement(option(25, append(make([]byte, 6), addrBytes("ff02::1")...)...), optionMTU1400), bad(25, "address of no server")},
		{"H-8106-03 loopback server", advertisement(option(25, append(make([]byte, 6), addrBytes("::1")...)...), optionMTU1400), bad(25, "address of no server")},
		{"RDNSS", advertisement(option(25, concat([][]byte{{0, 0, 0, 0, 0, 9}, addrBytes("2001:db8::53"), addrBytes("fe80::53")})...)), Advertisement{
			RDNSS: []RDNSS{{9 * time.Second, []netip.Addr{netip.MustParseAddr("2001:db8::53"), netip.MustParseAddr("fe80::53")}}},
		}},
		{"H-8106-03 DNSSL of length 1", advertisement(option(31, make([]byte, 6)...), optionMTU1400), bad(31, wrongLength)},
		{"H-8106-09 DNSSL", advertisement(dnssl("\x03lab\x07example\x00\x01a\x00\x00\x00")), Advertisement{DNSSL: []DNSSL{{9 * time.Second, []string{"lab.example", "a"}}}}},
		{"H-8106-09 compression pointer", advertisement(dnssl("\x03lab\xc0\x08\x00\x00"), optionMTU1400), bad(31, "compression pointer, or label longer than 63 bytes")},
		{"H-8106-09 label over the end", advertisement(dnssl("\x3flab\x00\x00\x00\x00"), optionMTU1400), bad(31, "label runs over the end")},
		{"H-8106-09 name without end", advertisement(dnssl("\x07example"), optionMTU1400), bad(31, "name without end")},
		{"H-8106-09 no name", advertisement(dnssl("\x00\x00\x00\x00\x00\x00\x00\x00"), optionMTU1400), bad(31, "no name")},
		{"H-8106-09 zero within a label", advertisement(dnssl("\x03a\x00b\x00\x00\x00\x00"), optionMTU1400), bad(31, "character that no domain name has")},
		{"H-8106-09 newline", advertisement(dnssl("\x03a\nb\x00\x00\x00\x00"), optionMTU1400), bad(31, "character that no domain name has")},
		{"H-8106-09 space", advertisement(dnssl("\x03a b\x00\x00\x00\x00"), optionMTU1400), bad(31, "character that no domain name has")},
		{"H-8106-09 semicolon", advertisement(dnssl("\x03a;b\x00\x00\x00\x00"), optionMTU1400), bad(31, "character that no domain name has")},
		{"H-8106-09 dot", advertisement(dnssl("\x03a.b\x00\x00\x00\x00"), optionMTU1400), bad(31, "character that no domain name has")},
		{"hyphen first", advertisement(dnssl("\x02-a\x00\x00\x00\x00\x00"), optionMTU1400), bad(31, "label starts or ends with a hyphen")},
		{"a name behind the padding", advertisement(dnssl("\x01a\x00\x00\x01b\x00\x00"), optionMTU1400), bad(31, "padding is not zero")},
		{"H-8781-01 PREF64 of length 3", advertisement(option(38, make([]byte, 22)...), optionMTU1400), bad(38, wrongLength)},
		{"H-8781-01 PREF64 of code 6", advertisement(option(38, append([]byte{0, 6}, make([]byte, 12)...)...), optionMTU1400), bad(38, "unknown prefix length code")},
		{"H-8781-02 PREF64", advertisement(option(38, append([]byte{7, 8}, addrBytes("64:ff9b::")[:12]...)...)), Advertisement{
			PREF64: []PREF64{{pfx("64:ff9b::/96"), 1800 * time.Second}},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := packet(tt.b).Advertisement()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got, compareAddrs); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// dnssl is an option with lifetime 9 s, padded.
func dnssl(names string) []byte {
	value := append([]byte{0, 0, 0, 0, 0, 9}, names...)
	return option(31, append(value, make([]byte, -(len(value)+2)&7)...)...)
}

// TestOptionsInAnyOrder: H-4.6-02, H-4.6-03, H-4.6-04 and R-4.6-05. Unknown options in between and the
// order of the known ones change nothing, but the order of lists.
func TestOptionsInAnyOrder(t *testing.T) {
	known := [][]byte{
		optionMAC, optionPrefix1, optionMTU1400,
		option(24, 0, 0, 0, 0, 0, 9), dnssl("\x01a\x00\x00\x00\x00\x00\x00"),
		option(25, append(make([]byte, 6), addrBytes("2001:db8::53")...)...),
		option(38, append([]byte{7, 8}, addrBytes("64:ff9b::")[:12]...)...),
	}
	want, err := packet(advertisement(known...)).Advertisement()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		options := slices.Clone(known)
		for range r.IntN(6) {
			kind := []byte{2, 4, 14, 26, 37, 144, 200, 255}[r.IntN(8)]
			unknown := option(kind, bytes.Repeat([]byte{byte(r.Uint32())}, 6+8*r.IntN(32))...)
			options = append(options, unknown)
		}
		r.Shuffle(len(options), func(i, j int) { options[i], options[j] = options[j], options[i] })
		got, err := packet(advertisement(options...)).Advertisement()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, compareAddrs); diff != "" {
			t.Fatalf("%x (-want +got):\n%s", options, diff)
		}
	}
}

// TestManyOptions: a packet of options only is read up to a bound, and so are its flaws.
func TestManyOptions(t *testing.T) {
	var options [][]byte
	for range 280 {
		options = append(options, optionPrefix1)
	}
	a, err := packet(advertisement(options...)).Advertisement()
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Prefixes) != MaxOptions || len(a.Flaws) != 1 || a.Flaws[0].Reason != "too many options" {
		t.Errorf("%d prefixes, flaws %v", len(a.Prefixes), a.Flaws)
	}
	options = nil
	for range 100 {
		options = append(options, option(3, make([]byte, 6)...))
	}
	if a, err = packet(advertisement(options...)).Advertisement(); err != nil || len(a.Flaws) != MaxFlaws {
		t.Errorf("%d flaws (%v), want %d", len(a.Flaws), err, MaxFlaws)
	}
}

// TestCaptures reads what others really send.
func TestCaptures(t *testing.T) {
	minute := time.Minute
	for _, tt := range []struct {
		file string
		want *Advertisement
	}{
		{"dnsmasq-advertisement.bin", &Advertisement{
			HopLimit: 64, Managed: true, Other: true, RouterLifetime: 30 * minute, MTU: 1500, SourceLinkLayer: mac,
			Prefixes: []Prefix{{Prefix: pfx("2001:db8:1::/64"), OnLink: true, Valid: Infinite, Preferred: Infinite}},
			DNSSL:    []DNSSL{{Infinite, []string{"lab.example"}}},
			RDNSS:    []RDNSS{{Infinite, []netip.Addr{netip.MustParseAddr("2001:db8:1::53")}}},
		}},
		{"kea-advertisement.bin", &Advertisement{
			HopLimit: 64, Managed: true, Other: true, RouterLifetime: 30 * minute, SourceLinkLayer: mac,
			Prefixes: []Prefix{{Prefix: pfx("2001:db8:1::/64"), OnLink: true, Valid: 1440 * minute, Preferred: 240 * minute}},
		}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join("testdata/captures", tt.file))
			if err != nil {
				t.Fatal(err)
			}
			got, err := packet(b).Advertisement()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, compareAddrs); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			written, err := got.Marshal(1500)
			if err != nil || len(written) != 1 {
				t.Fatalf("%d packets, %v", len(written), err)
			}
			if len(written[0]) != len(b) { // only the order of the options is another
				t.Errorf("written anew it has %d bytes, not %d", len(written[0]), len(b))
			}
		})
	}
	b, err := os.ReadFile("testdata/captures/kernel-solicitation.bin")
	if err != nil {
		t.Fatal(err)
	}
	s, err := packet(b).Solicitation()
	if err != nil || s.SourceLinkLayer.String() != "06:a0:f0:00:00:38" {
		t.Errorf("the kernel's solicitation: %+v, %v", s, err)
	}
}

func TestPacketAsOneLine(t *testing.T) {
	all := Advertisement{
		HopLimit: 64, Managed: true, Other: true, Preference: High, RouterLifetime: 30 * time.Minute, ReachableTime: time.Second,
		RetransTimer: time.Second, MTU: 1500, SourceLinkLayer: mac,
		Prefixes: []Prefix{{Prefix: pfx("2001:db8:1::/64"), OnLink: true, Autonomous: true, Preferred: time.Hour, Valid: Infinite}},
		Routes:   []Route{{pfx("2001:db8::/32"), Low, time.Hour}},
		RDNSS:    []RDNSS{{time.Hour, []netip.Addr{netip.MustParseAddr("2001:db8::53"), netip.MustParseAddr("2001:db8::54")}}},
		DNSSL:    []DNSSL{{0, []string{"a.example", "b.example"}}}, PREF64: []PREF64{{pfx("64:ff9b::/96"), 8 * time.Second}},
	}
	written, err := all.Marshal(1500)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		packet Packet
		want   string
	}{
		{
			"everything", packet(written[0]),
			"router advertisement, M, O, lifetime 30m0s, high preference, hop limit 64, reachable 1s, retransmit 1s, mac 06:a0:f0:00:00:01, " +
				"mtu 1500, prefix 2001:db8:1::/64 L A preferred 1h0m0s valid ever, route 2001:db8::/32 low for 1h0m0s, " +
				"dns 2001:db8::53 2001:db8::54 for 1h0m0s, search a.example b.example for 0s, nat64 64:ff9b::/96 for 8s",
		},
		{"nothing", packet(advertisement()), "router advertisement, lifetime 0s"},
		{
			"a flaw", packet(advertisement(option(3, make([]byte, 6)...))),
			"router advertisement, lifetime 0s, option 3 left out (wrong length for its kind)",
		},
		{"a forwarded one", Packet{Data: advertisement(), From: router, HopLimit: 64}, "router advertisement, dropped: hop limit is not 255"},
		{"a solicitation", packet(solicitation(optionMAC)), "router solicitation, mac 06:a0:f0:00:00:01"},
		{"a forwarded solicitation", Packet{Data: solicitation(), From: router}, "router solicitation, dropped: hop limit is not 255"},
		{"something else", packet([]byte{135}), "ICMPv6 type 135"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.packet.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
