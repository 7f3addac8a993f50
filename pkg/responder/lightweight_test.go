package responder

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv6"
)

// TestIdentityBehindALightweightRelay: the frame is the client's own, and proves who he is; nobody need be trusted
// for that. S-6221-03.
func TestIdentityBehindALightweightRelay(t *testing.T) {
	const to = " through 1 relays to [fe80::38]:547"
	pooled := "pool = 2001:db8:1::1000-2001:db8:1::100f\n"
	for _, tt := range []struct{ name, server, network, send, want string }{
		{"as if not relayed", "", "", "Solicit mac=38 ia=1 from=fe80::38 relay=::,fe80::38 frame=38", "Advertise IA 1 " + lease38 + to},
		{
			"two switches in a row", "", "", "Solicit mac=38 ia=1 from=fe80::38 relay=::,fe80::38 relay=::,fe80::38 frame=38",
			"Advertise IA 1 " + lease38 + " through 2 relays to [fe80::38]:547",
		},
		{"a forged DUID-LL", "", "", "Solicit mac=38 ia=1 from=fe80::38 relay=::,fe80::38 frame=99", "Advertise IA 1 NoAddrsAvail" + to},
		{"option 79 of somebody", "", "", "Solicit mac=38 ia=1 from=fe80::38 relay=::,fe80::38,38 frame=99", "Advertise IA 1 NoAddrsAvail" + to},
		{
			"option 79 where such switches are trusted", "trusted_relays = ::", "", "Solicit mac=38 ia=1 from=fe80::38 relay=::,fe80::38,38 frame=99",
			"Advertise IA 1 " + lease38 + to,
		},
		{"a trusted switch that names no MAC", "trusted_relays = ::", "", "Solicit mac=38 ia=1 from=fe80::38 relay=::,fe80::38 frame=38", "Advertise IA 1 " + lease38 + to},
		{"another's address as the peer", "", "", "Solicit mac=38 ia=1 from=fe80::38 relay=::,fe80::39 frame=38", "nothing"},
		{"a global source", "", "", "Solicit mac=38 ia=1 from=2001:db8:1::38 relay=::,2001:db8:1::38 frame=38", "nothing"},
		{"a link-address", "trusted_relays = 2001:db8:f::1", "", "Solicit mac=38 ia=1 from=fe80::38 relay=2001:db8:1::1,fe80::38 frame=38", "Advertise IA 1 NoAddrsAvail" + to},
		{
			"behind a relay, whose word counts", "trusted_relays = 2001:db8:f::1 ::", "",
			"Solicit mac=38 ia=1 from=2001:db8:f::1 relay=2001:db8:1::1,fe80::38 relay=::,fe80::38,38", "Advertise IA 1 " + lease38 + " through 2 relays to [2001:db8:f::1]:547",
		},
		{
			"behind a relay, whose word alone counts", "trusted_relays = 2001:db8:f::1", "",
			"Solicit mac=38 ia=1 from=2001:db8:f::1 relay=2001:db8:1::1,fe80::38 relay=::,fe80::38,38", "Advertise IA 1 NoAddrsAvail through 2 relays to [2001:db8:f::1]:547",
		},
		{"identity = frame", "identity = frame", "", "Solicit duid=00020000ab11 ia=1 from=fe80::38 relay=::,fe80::38 frame=38", "Advertise IA 1 2001:db8:1::38 inf/inf T1 inf T2 inf" + to},
		{"of a pool", "", pooled, "Solicit mac=55 ia=1 from=fe80::38 relay=::,fe80::38 frame=55", "Advertise IA 1 2001:db8:1::100a 12h/24h T1 4h53m12s T2 7h49m7s" + to},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := strings.Replace(plain, "[server]", "[server]\n"+tt.server, 1) + tt.network
			if got := newBench(t, afarIf(tt.send, config), reserved).send(tt.send); got != tt.want {
				t.Errorf("%s:\n%s, want\n%s", tt.send, got, tt.want)
			}
		})
	}
}

// TestWhatALightweightRelayWrapsIsTheClientsFrame: what the packet socket answers, the UDP socket does not.
func TestWhatALightweightRelayWrapsIsTheClientsFrame(t *testing.T) {
	src := netip.MustParseAddr("fe80::38")
	forward := func(link, peer netip.Addr) []byte {
		b := append([]byte{byte(dhcpv6.MessageTypeRelayForward), 0}, link.AsSlice()...)
		return append(append(b, peer.AsSlice()...), 0, 9, 0, 0)
	}
	none := netip.IPv6Unspecified()
	reply := forward(none, src)
	reply[0] = byte(dhcpv6.MessageTypeRelayReply)
	for _, tt := range []struct {
		name    string
		payload []byte
		src     netip.Addr
		want    bool
	}{
		{"an LDRA's", forward(none, src), src, true},
		{"a Relay-reply", reply, src, false},
		{"a link-address", forward(src, src), src, false},
		{"another's address", forward(none, netip.MustParseAddr("fe80::39")), src, false},
		{"a global source", forward(none, netip.MustParseAddr("2001:db8::1")), netip.MustParseAddr("2001:db8::1"), false},
		{"cut off", forward(none, src)[:33], src, false},
		{"empty", nil, src, false},
	} {
		if got := lightweight(tt.payload, tt.src); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
