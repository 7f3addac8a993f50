package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// From an address that the guest made to one that a server leases, the same one or another, on the default
// NIC and on a secondary one: pings that go on all the while never miss an answer.
func TestAPingNeverStopsOnTheWayFromSLAACToDHCPv6(t *testing.T) {
	for i, role := range []string{"default", "secondary"} {
		for _, same := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s NIC, same address %v", role, same), func(t *testing.T) {
				t.Parallel()
				passage(within(t, 2*time.Minute), t, i, same)
			})
		}
	}
}

// passage is that of the NIC with that number; those before it stay with what they made.
func passage(ctx context.Context, t *testing.T, number int, same bool) {
	c := newCloud(ctx, t, number+1)
	for _, n := range c.Nets {
		startRadvd(ctx, t, n, "AdvDefaultLifetime 1800; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; prefix "+n.Prefix.String()+" { AdvOnLink on; AdvAutonomous on; };")
	}
	check(t, c.StartGuest())
	ctx, p := agent(ctx, t, c, "default_nic = eth0\n")
	_, err := c.Guest.Await(ctx, "the made addresses, the networks on-link, one default route", func(s lab.State) bool {
		return slices.Equal(s.DefaultNICs(), []string{"eth0"}) && !slices.ContainsFunc(c.Nets, func(n *cloud.Net) bool {
			return !s.Usable(n.NIC, made(n)) || !s.Route(n.Prefix, n.NIC)
		})
	})
	check(t, err)
	n := c.Nets[number]
	old := made(n)
	going := map[string]*pinger{"to the neighbour": pinging(t, c.Guest, n.Neighbor6)}
	if same {
		n.Reserved.Addr = old
		going["from the neighbour"] = pinging(t, n.Neighbour, old)
	}
	if number > 0 { // what happens there is nothing to the default NIC
		going["to the outside"] = pinging(t, c.Guest, cloud.Outside)
	}
	network := n.Network()
	network.NoRA = true
	check(t, n.Serve(ctx, peer.Dnsmasq, network))
	_, err = p.AwaitLine(ctx, 0, "msg=bound nic="+n.NIC)
	check(t, err)
	s, err := c.Guest.Await(ctx, "the leased address alone", func(s lab.State) bool {
		g := s.Global(n.NIC)
		return s.Usable(n.NIC, n.Reserved.Addr) && len(g) == 1 && g[0].Valid == 0xffffffff
	})
	check(t, err)
	if got := s.DefaultNICs(); !slices.Equal(got, []string{"eth0"}) || len(s.Global("")) != len(c.Nets) {
		t.Errorf("afterwards:\n%s", s)
	}
	ping(ctx, t, n.Neighbour, n.Reserved.Addr)
	for which, p := range going {
		if lost := p.stop(ctx, t); lost > 0 {
			t.Errorf("%d pings %s without an answer", lost, which)
		}
	}
	if h := history(c.Guest, n.Reserved.Addr); !cmp.Equal(h, []string{"came", "usable"}) && !cmp.Equal(h, []string{"usable"}) {
		t.Errorf("history of %s: %v", n.Reserved.Addr, h)
	}
	if !same {
		oldWentAfterNew(ctx, t, c, n.NIC, old, n.Reserved.Addr)
	}
	for _, ch := range c.Guest.Changes() {
		if ch.Route && ch.Prefix.Bits() == 0 && (ch.NIC != "eth0" || ch.Gone) {
			t.Errorf("the default route on the way: %+v", ch)
		}
	}
}
