package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// What the whole is for: see also the demo, which tells it to people.
func TestGuestHasItsAddressesAfterEachStartAndOneDefaultRoute(t *testing.T) {
	for _, kind := range peer.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			ctx := within(t, time.Minute)
			c := served(ctx, t, kind, 2)
			check(t, c.GuestUp())
			_, err := c.Guest.Await(ctx, "two default routes", func(s lab.State) bool { return len(s.DefaultNICs()) == 2 })
			check(t, err)
			bound, _ := agent(ctx, t, c, "")
			asReserved(bound, t, c)
			reachesAll(ctx, t, c)

			check(t, c.StopGuest())
			check(t, c.StartGuest())
			bound, _ = agent(ctx, t, c, "")
			asReserved(bound, t, c)
			reachesAll(ctx, t, c)
		})
	}
}

// reachesAll checks that the guest reaches its neighbours on both networks, and the outside.
func reachesAll(ctx context.Context, t *testing.T, c *cloud.Cloud) {
	t.Helper()
	for _, n := range c.Nets {
		_, err := c.Guest.Await(ctx, "a route to "+n.Prefix.String(), func(s lab.State) bool { return s.Route(n.Prefix, n.NIC) })
		check(t, err)
		ping(ctx, t, c.Guest, n.Neighbor6)
		ping(ctx, t, n.Neighbour, n.Reserved.Addr)
	}
	ping(ctx, t, c.Guest, cloud.Outside)
}

func TestOnlyTheDefaultNICTakesRouterAdvertisements(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.Dnsmasq, 2)
	ctx, _ = agent(ctx, t, c, "default_nic = eth1\n")
	_, err := c.Guest.Await(ctx, "a default route by eth1 only", func(s lab.State) bool {
		d := s.DefaultNICs()
		return len(d) == 1 && d[0] == "eth1" && s.Usable("eth0", c.Nets[0].Reserved.Addr) && s.Usable("eth1", c.Nets[1].Reserved.Addr)
	})
	check(t, err)
	for nic, want := range map[string]string{"eth0": "0", "eth1": "2"} {
		got, err := c.Guest.ReadSysctl("net/ipv6/conf/" + nic + "/accept_ra")
		check(t, err)
		if got != want {
			t.Errorf("accept_ra of %s = %s, want %s", nic, got, want)
		}
	}
}
