package guest

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/pkg/ra"
)

func TestAnAdvertisementIsOneReadableLine(t *testing.T) {
	a := ra.Advertisement{
		Managed: true, RouterLifetime: 30 * time.Minute,
		Prefixes: []ra.Prefix{{Prefix: netip.MustParsePrefix("2001:db8::/64"), OnLink: true, Preferred: time.Hour, Valid: ra.Infinite}},
		DNSSL:    []ra.DNSSL{{Lifetime: time.Hour, Domains: []string{"example.org"}}},
	}
	packets, err := a.Marshal(1500)
	if err != nil {
		t.Fatal(err)
	}
	from := netip.MustParseAddr("fe80::1")
	for _, tt := range []struct {
		name   string
		packet ra.TracedPacket
		want   string
	}{
		{
			"advertisement",
			ra.TracedPacket{Packet: ra.Packet{Data: packets[0], From: from, HopLimit: ra.HopLimit}},
			"eth0 < Router Advertisement from fe80::1 lifetime 30m0s preference medium M [2001:db8::/64 L pref 1h0m0s valid infinite] search domains: 1",
		},
		{
			"forged",
			ra.TracedPacket{Packet: ra.Packet{Data: packets[0], From: from, HopLimit: 64}},
			"eth0 < Router Advertisement from fe80::1: dropped: hop limit is not 255",
		},
		{
			"solicitation",
			ra.TracedPacket{Sent: true, Packet: ra.Packet{From: from}, To: ra.AllRouters},
			"eth0 > Router Solicitation from fe80::1 to ff02::2",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, RouterLine("eth0", tt.packet)); diff != "" {
				t.Errorf("line (-want +got):\n%s", diff)
			}
		})
	}
}
