package e2e

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// flap takes the carrier of the guest's first NIC away and gives it back: the lease is checked then.
func flap(ctx context.Context, t *testing.T, c *cloud.Cloud) {
	t.Helper()
	check(t, c.Ports[0].Carrier(false))
	_, err := c.Guest.Await(ctx, "the carrier to be gone", func(s lab.State) bool { return !s.Carrier("eth0") })
	check(t, err)
	check(t, c.Ports[0].Carrier(true))
}

// kept waits until the re-check has ended as a line of the log says, and checks that the guest kept its
// address all the time.
func kept(ctx context.Context, t *testing.T, c *cloud.Cloud, p *lab.Process, line string) {
	t.Helper()
	_, err := p.AwaitLine(ctx, 0, line)
	check(t, err)
	untouched(ctx, t, c)
}

func TestTheAddressIsKeptWhenAnotherServerAnswersTheRecheckFirst(t *testing.T) {
	for _, kind := range []peer.Kind{peer.V6responder, peer.Dnsmasq} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			ctx := within(t, time.Minute)
			c := served(ctx, t, kind, 1)
			n := c.Nets[0]
			ctx, p := agent(ctx, t, c, "")
			asReserved(ctx, t, c)

			mac := net.HardwareAddr{0x06, 0xa0, 0xf0, 0, 0, 0x02}
			other, err := c.Machine(ctx, n, "other", mac, n.Host(2))
			check(t, err)
			network := n.Network()
			network.NoRA = true
			network.Guests = []peer.Guest{{Name: "vm-1", MAC: n.Reserved.MAC, Addr: n.Host(0x138)}}
			_, err = peer.Serve(ctx, peer.V6responder, other, network)
			check(t, err)

			from := len(n.Segment.Capture.Packets())
			check(t, n.Server.Pause()) // so that the other one is first
			command, err := c.Guest.Start("v6guest", "lease", "eth0")
			check(t, err)
			_, _, err = n.Segment.Capture.Await(ctx, from, "the other server's Advertise", func(p lab.Packet) bool {
				return fromPort(mac, 547)(p) && message(dhcpv6.MessageTypeAdvertise)(p)
			})
			check(t, err)
			check(t, n.Server.Continue())
			code, err := command.Wait(ctx)
			check(t, err)
			if code != 0 {
				t.Errorf("lease: exit code %d: %s", code, command.Output())
			}
			kept(ctx, t, c, p, "reservation unchanged")
		})
	}
}

func TestTheAddressIsKeptWhenTheServerRefusesAtTheRecheck(t *testing.T) {
	for _, kind := range []peer.Kind{peer.V6responder, peer.Dnsmasq} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			ctx := within(t, time.Minute)
			c := served(ctx, t, kind, 1)
			ctx, p := agent(ctx, t, c, "")
			asReserved(ctx, t, c)
			check(t, c.Nets[0].Server.Reserve(ctx, nil))
			flap(ctx, t, c)
			kept(ctx, t, c, p, "re-check refused; the lease is kept")
		})
	}
}

func TestTheAddressIsKeptWhenNobodyAnswersTheRecheck(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.V6responder, 1)
	ctx, p := agent(ctx, t, c, "")
	asReserved(ctx, t, c)
	check(t, c.Nets[0].Server.Pause())
	flap(ctx, t, c)
	kept(ctx, t, c, p, "no answer to the re-check; the lease is kept")
}
