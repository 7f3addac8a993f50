package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// A client starts a DHCPv6 client on a NIC of the guest that is up and has its link-local address.
type client struct {
	name  string
	start func(context.Context, *cloud.Cloud) (*lab.Process, error)
}

var clients = []client{
	{"dhclient", func(_ context.Context, c *cloud.Cloud) (*lab.Process, error) {
		return peer.StartDhclient(c.Guest, "eth0")
	}},
	{"dhcpcd", func(_ context.Context, c *cloud.Cloud) (*lab.Process, error) {
		return peer.StartDhcpcd(c.Guest, "eth0")
	}},
	{"v6guest", func(_ context.Context, c *cloud.Cloud) (*lab.Process, error) { return startAgent(c, "") }},
}

func TestEveryClientGetsItsReservedAddressFromEveryServer(t *testing.T) {
	for _, kind := range peer.Kinds {
		for _, cl := range clients {
			t.Run(cl.name+" and "+string(kind), func(t *testing.T) {
				t.Parallel()
				ctx := within(t, time.Minute)
				c := served(ctx, t, kind, 1)
				n := c.Nets[0]
				check(t, c.GuestUp())
				_, err := c.Guest.Await(ctx, "a link-local address and a default route", func(s lab.State) bool {
					return s.LinkLocal("eth0").IsValid() && len(s.Default()) == 1
				})
				check(t, err)
				_, err = cl.start(ctx, c)
				check(t, err)
				s := usable(ctx, t, c, "eth0", n.Reserved.Addr)
				if got := s.Global("eth0"); len(got) != 1 || got[0].Prefix.Bits() != 128 {
					t.Errorf("addresses: %+v, want the reserved one as /128", got)
				}
				ping(ctx, t, c.Guest, n.Gateway)
				ping(ctx, t, c.Guest, cloud.Outside)
				ping(ctx, t, n.Neighbour, n.Reserved.Addr)
			})
		}
	}
}
