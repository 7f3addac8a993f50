package listener

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/v6guest/v6guest/pkg/clock"
)

// TestOnLink: decision 4 of the design, H-6.3.4-17, H-5942-01, H-5942-02.
func TestOnLink(t *testing.T) {
	const own = "2001:db8:2::38"
	elsewhere := []Claim{
		{netip.MustParsePrefix("2001:db8:1::38/128"), "address of eth0"},
		{netip.MustParsePrefix("2001:db8:1::/64"), "prefix of eth0"},
		{netip.MustParsePrefix("2001:db8:2::53/128"), "DNS server of eth0"},
	}
	nic0 := elsewhere[:2]
	for _, tt := range []struct {
		name      string
		prefix    string
		notOnLink bool
		own       []string
		elsewhere []Claim
		install   bool
		reason    string
	}{
		{"the NIC's own network", "2001:db8:2::/64", false, []string{own}, nic0, true, "on-link and holds 2001:db8:2::38"},
		{"a unique local one", "fd00:2::/64", false, []string{"fd00:2::38"}, nic0, true, "on-link and holds fd00:2::38"},
		{"part of a /64", "2001:db8:2::/120", false, []string{own}, nic0, true, "on-link and holds 2001:db8:2::38"},
		{"no other NIC", "2001:db8:2::/64", false, []string{own}, nil, true, "on-link and holds 2001:db8:2::38"},
		{"H-5942-01 L 0", "2001:db8:2::/64", true, []string{own}, nic0, false, "no router says that it is on-link"},
		{"no address yet", "2001:db8:2::/64", false, nil, nic0, false, "holds no address of this NIC"},
		{"only a link-local address", "2001:db8:2::/64", false, []string{"fe80::38"}, nic0, false, "holds no address of this NIC"},
		{"an address of another network", "2001:db8:3::/64", false, []string{own}, nic0, false, "holds no address of this NIC"},
		{"hostile: the other NIC's network", "2001:db8:1::/64", false, []string{own}, nic0, false, "2001:db8:1::38, address of eth0, is in the way"},
		{"hostile: part of the other NIC's network", "2001:db8:1::8000:0:0:0/65", false, []string{own}, nic0, false, "2001:db8:1::/64, prefix of eth0, is in the way"},
		{"hostile: the DNS server of the other NIC", "2001:db8:2::/64", false, []string{own}, elsewhere, false, "2001:db8:2::53, DNS server of eth0, is in the way"},
		{"hostile: a /63 around both", "2001:db8:2::/63", false, []string{own}, nil, false, "shorter than /64"},
		{"hostile: a /32 around everything", "2001:db8::/32", false, []string{own}, nic0, false, "shorter than /64"},
		{"H-5942-02 hostile: everything", "::/0", false, []string{own}, nic0, false, "shorter than /64"},
		{"hostile: half of everything", "2000::/3", false, []string{own}, nil, false, "shorter than /64"},
		{"hostile: an address of the other NIC", "2001:db8:1::38/128", false, []string{own}, nic0, false, "2001:db8:1::38, address of eth0, is in the way"},
		{"two NICs in one network", "2001:db8:1::/64", false, []string{"2001:db8:1::39"}, nic0, false, "2001:db8:1::38, address of eth0, is in the way"},
		{"hostile: link-local", "fe80::/64", false, []string{"fe80::38"}, nil, false, "neither global unicast nor unique local"},
		{"hostile: multicast", "ff02::/64", false, []string{own}, nil, false, "neither global unicast nor unique local"},
		{"hostile: loopback", "::1/128", false, []string{"::1"}, nil, false, "neither global unicast nor unique local"},
		{"hostile: IPv4 in IPv6", "::ffff:192.0.2.0/120", false, []string{"::ffff:192.0.2.1"}, nil, false, "neither global unicast nor unique local"},
		{"hostile: unspecified", "::/64", false, []string{own}, nil, false, "neither global unicast nor unique local"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := Prefix{Prefix: netip.MustParsePrefix(tt.prefix).Masked(), OnLink: !tt.notOnLink, OnLinkUntil: clock.Never}
			var own []netip.Addr
			for _, a := range tt.own {
				own = append(own, netip.MustParseAddr(a))
			}
			want := []Verdict{{p.Prefix, tt.install, tt.reason, strings.HasSuffix(tt.reason, "is in the way")}}
			if diff := cmp.Diff(want, OnLink([]Prefix{p}, own, tt.elsewhere), compareAddrs); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
