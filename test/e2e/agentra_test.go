package e2e

import (
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

func TestTheAgentItselfFollowsThePinnedRouter(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.Kea, 2)
	router := c.Nets[0].RouterLL
	ctx, _ = agent(ctx, t, c, "default_nic = eth0\n[nic eth0]\nrouters = "+router.String()+"\n")
	_, err := c.Guest.Await(ctx, "one default route, made by v6guest, and the on-link routes", func(s lab.State) bool {
		d := s.DefaultNICs()
		return len(d) == 1 && d[0] == "eth0" && s.Route(c.Nets[0].Prefix, "eth0") && s.Route(c.Nets[1].Prefix, "eth1") &&
			s.Usable("eth0", c.Nets[0].Reserved.Addr) && s.Usable("eth1", c.Nets[1].Reserved.Addr)
	})
	check(t, err)
	got, err := c.Guest.ReadSysctl("net/ipv6/conf/eth0/accept_ra")
	check(t, err)
	if got != "0" {
		t.Errorf("accept_ra of eth0 = %s: the kernel would take any router", got)
	}
	ping(ctx, t, c.Guest, cloud.Outside)
	ping(ctx, t, c.Guest, c.Nets[0].Neighbor6)
}

func TestARouterThatIsNotPinnedNeverHasARoute(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.Dnsmasq, 1)
	ctx, _ = agent(ctx, t, c, "routers = fe80::99\n")
	usable(ctx, t, c, "eth0", c.Nets[0].Reserved.Addr)
	for _, change := range c.Guest.Changes() {
		if change.Route && change.Prefix.Bits() == 0 && !change.Gone {
			t.Errorf("a default route by %s, for however short a time", change.NIC)
		}
	}
}
