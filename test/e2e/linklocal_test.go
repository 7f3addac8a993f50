package e2e

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// The segment lets nothing through that leaves from, or goes to, a link-local address of the guest other
// than the EUI-64 one, as the rules of CloudStack and Neutron do.
func TestAGuestWithAPrivateLinkLocalWorksBehindACloudsRules(t *testing.T) {
	t.Parallel()
	const mac, eui = "06:a0:f0:00:00:38", "fe80::4a0:f0ff:fe00:38"
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.Dnsmasq, 1)
	check(t, c.Nets[0].Segment.Drop(ctx,
		"ether saddr "+mac+" ip6 saddr fe80::/10 ip6 saddr != "+eui,
		"ether daddr "+mac+" ip6 daddr fe80::/10 ip6 daddr != "+eui))
	const random = "3" // addr_gen_mode: a link-local address that does not show the MAC
	check(t, c.Guest.Sysctl("net/ipv6/conf/eth0/addr_gen_mode", random))
	bound, p := agent(ctx, t, c, "ra = agent\n")
	usable(bound, t, c, "eth0", c.Nets[0].Reserved.Addr)
	s, err := c.Guest.Await(bound, "a default route", func(s lab.State) bool { return len(s.Default()) == 1 })
	check(t, err)
	own := func(a lab.Addr) bool {
		return a.NIC == "eth0" && a.Prefix.Addr().IsLinkLocalUnicast() && a.Prefix.Addr().String() != eui
	}
	if i := slices.IndexFunc(s.Addrs, own); i < 0 {
		t.Errorf("the stack's own link-local address is gone: %s", s)
	} else { // else the rules would show nothing
		private := s.Addrs[i].Prefix.Addr().String()
		r, err := c.Guest.Run(bound, "ping", "-n", "-c1", "-W1", "-I", private+"%eth0", c.Nets[0].RouterLL.String()+"%eth0")
		check(t, err)
		if r.Code == 0 {
			t.Errorf("the rules let %s through: %s", private, r.Stdout)
		}
		command(bound, t, c.Guest, "ping", "-n", "-c1", "-w10", "-I", eui+"%eth0", c.Nets[0].RouterLL.String()+"%eth0")
	}
	ping(ctx, t, c.Guest, c.Nets[0].Neighbor6)
	ping(ctx, t, c.Nets[0].Neighbour, c.Nets[0].Reserved.Addr)

	// It stays with the leased address when the agent is stopped, until somebody wants all as it was.
	_, err = p.Stop(ctx)
	check(t, err)
	s, err = c.Guest.State()
	check(t, err)
	if !s.Has("eth0", netip.MustParseAddr(eui)) || !s.Has("eth0", c.Nets[0].Reserved.Addr) {
		t.Errorf("after the stop: %s", s)
	}
	if got := must(ctx, t, c, "v6guest", "restore", "--apply=live"); !strings.Contains(got, "ip -6 addr del "+eui+" dev eth0") {
		t.Errorf("restore says\n%s", got)
	}
	s, err = c.Guest.State()
	check(t, err)
	if s.Has("eth0", netip.MustParseAddr(eui)) || !slices.ContainsFunc(s.Addrs, own) {
		t.Errorf("after restore: %s", s)
	}
	for name, want := range map[string]string{"accept_ra": "1", "autoconf": "1"} {
		if got, err := c.Guest.ReadSysctl("net/ipv6/conf/eth0/" + name); err != nil || got != want {
			t.Errorf("after restore: %s = %s, %v", name, got, err)
		}
	}
}
