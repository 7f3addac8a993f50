package e2e

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/wire"
	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// message accepts DHCPv6 messages of one type.
func message(kind dhcpv6.MessageType) func(lab.Packet) bool {
	return func(p lab.Packet) bool {
		if p.DstPort != 547 && p.DstPort != 546 {
			return false
		}
		m, err := wire.Decode(p.Payload)
		return err == nil && m.Type == kind
	}
}

func TestAddressInUseByANeighbourIsDeclinedAndReported(t *testing.T) {
	for _, kind := range peer.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			ctx := within(t, time.Minute)
			c := served(ctx, t, kind, 1)
			n := c.Nets[0]
			check(t, n.Neighbour.AddAddress("eth0", n.Reserved.Addr.String()+"/64"))
			check(t, c.GuestUp())

			result, r := lease(ctx, t, c.Guest, "eth0", "--timeout", "20s")
			if r.Code != 5 {
				t.Errorf("exit code %d, want 5 (in use): %s%s", r.Code, r.Stdout, r.Stderr)
			}
			if len(result) != 1 || result[0].Fault == nil || !strings.Contains(result[0].Fault.Error, n.Reserved.Addr.String()) {
				t.Errorf("the result does not name the address: %s", r.Stdout)
			}
			_, _, err := n.Segment.Capture.Await(ctx, 0, "a Decline", message(dhcpv6.MessageTypeDecline))
			check(t, err)
			s, err := c.Guest.State()
			check(t, err)
			if have := s.Global("eth0"); len(have) != 0 {
				t.Errorf("the guest keeps %v", have)
			}
			ping(ctx, t, n.Router, n.Reserved.Addr) // the neighbour's still
		})
	}
}

func TestAnotherReservationAfterADeclineIsTaken(t *testing.T) {
	for _, kind := range peer.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			ctx := within(t, 2*time.Minute)
			c := served(ctx, t, kind, 1)
			n := c.Nets[0]
			check(t, n.Neighbour.AddAddress("eth0", n.Reserved.Addr.String()+"/64"))
			bound, _ := agent(ctx, t, c, "")
			_, _, err := n.Segment.Capture.Await(bound, 0, "a Decline", message(dhcpv6.MessageTypeDecline))
			check(t, err)
			n.Reserved.Addr = n.Host(0x138)
			check(t, n.Server.Reserve(ctx, []peer.Guest{n.Reserved}))
			asReserved(bound, t, c)
		})
	}
}

func TestServerThatAnswersAfterTwentySeconds(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	c := newCloud(ctx, t, 1)
	check(t, c.StartGuest())
	ctx, _ = agent(ctx, t, c, "")
	n := c.Nets[0]
	// Solicits leave after about 0, 1, 3, 7, 15 and 31 s (RFC 9915, section 15).
	for next, sent := 0, 0; sent < 5; sent++ {
		p, after, err := n.Segment.Capture.Await(ctx, next, "a Solicit", message(dhcpv6.MessageTypeSolicit))
		check(t, err)
		t.Log(p.At)
		next = after
	}
	check(t, n.Serve(ctx, peer.Dnsmasq, n.Network()))
	asReserved(ctx, t, c)
	for _, p := range n.Segment.Capture.Packets() {
		if m, err := wire.Decode(p.Payload); !message(dhcpv6.MessageTypeReply)(p) || err != nil || len(m.IANAs) == 0 {
			continue // of no address: what the router has may be asked for before
		}
		first, _, err := n.Segment.Capture.Await(ctx, 0, "a Solicit", message(dhcpv6.MessageTypeSolicit))
		check(t, err)
		if after := p.At.Sub(first.At); after < 20*time.Second {
			t.Errorf("the server answered after %v: the test proves nothing", after)
		}
		return
	}
}

func TestThirtyPercentLoss(t *testing.T) {
	for _, kind := range peer.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			ctx := within(t, 3*time.Minute)
			c := served(ctx, t, kind, 2)
			for _, n := range c.Nets {
				check(t, n.Segment.Lose(ctx, 30))
			}
			ctx, _ = agent(ctx, t, c, "")
			asReserved(ctx, t, c)
			for _, n := range c.Nets {
				check(t, n.Segment.Lose(ctx, 0))
			}
			reachesAll(ctx, t, c)
		})
	}
}

func TestWithoutRouterAdvertisementsThereIsAnAddressAllTheSame(t *testing.T) {
	for _, kind := range peer.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			ctx := within(t, time.Minute)
			c := newCloud(ctx, t, 1)
			n := c.Nets[0]
			network := n.Network()
			network.NoRA = true
			check(t, n.Serve(ctx, kind, network))
			check(t, c.StartGuest())
			ctx, _ = agent(ctx, t, c, "")
			s := usable(ctx, t, c, "eth0", n.Reserved.Addr)
			if d := s.Default(); len(d) != 0 {
				t.Errorf("a default route out of nowhere: %v", d)
			}
			if slices.ContainsFunc(n.Segment.Capture.Packets(), func(p lab.Packet) bool { return p.ICMP == lab.RouterAdvertisement }) {
				t.Error("there was a router advertisement: the test proves nothing")
			}
		})
	}
}

// changedReservation is a cloud whose guest has its address from dnsmasq, which then was given another.
func changedReservation(ctx context.Context, t *testing.T) (c *cloud.Cloud, bound context.Context, p *lab.Process, old, changed netip.Addr) {
	t.Helper()
	c = served(ctx, t, peer.Dnsmasq, 1)
	n := c.Nets[0]
	bound, p = agent(ctx, t, c, "")
	asReserved(bound, t, c)
	old, changed = n.Reserved.Addr, n.Host(0x138)
	n.Reserved.Addr = changed
	check(t, n.Server.Reserve(ctx, []peer.Guest{n.Reserved}))
	return c, bound, p, old, changed
}

// oldWentAfterNew checks that the old address was there until the new one could be used.
func oldWentAfterNew(ctx context.Context, t *testing.T, c *cloud.Cloud, nic string, old, changed netip.Addr) {
	t.Helper()
	_, err := c.Guest.Await(ctx, "the new address alone", func(s lab.State) bool {
		return s.Usable(nic, changed) && !s.Has(nic, old)
	})
	check(t, err)
	var usable bool
	for _, ch := range c.Guest.Changes() {
		switch {
		case ch.Route:
		case ch.Prefix.Addr() == changed && ch.Usable:
			usable = true
		case ch.Prefix.Addr() == old && ch.Gone && !usable:
			t.Errorf("the old address went before the new one could be used: %v, %v", history(c.Guest, old), history(c.Guest, changed))
		}
	}
}

func TestChangedReservationIsNoticed(t *testing.T) {
	t.Run("by v6guest lease, with the agent", func(t *testing.T) {
		t.Parallel()
		c, ctx, _, old, changed := changedReservation(within(t, time.Minute), t)
		result, r := lease(ctx, t, c.Guest, "eth0")
		if r.Code != 0 || len(result) != 1 || result[0].Address != changed || result[0].Was != old {
			t.Errorf("lease: exit code %d: %s%s", r.Code, r.Stdout, r.Stderr)
		}
		oldWentAfterNew(ctx, t, c, "eth0", old, changed)
	})
	t.Run("by v6guest lease, without the agent", func(t *testing.T) {
		t.Parallel()
		ctx := within(t, time.Minute)
		c, _, p, old, changed := changedReservation(ctx, t)
		_, err := p.Stop(ctx)
		check(t, err)
		result, r := lease(ctx, t, c.Guest, "eth0")
		if r.Code != 0 || len(result) != 1 || result[0].Address != changed {
			t.Errorf("lease: exit code %d: %s%s", r.Code, r.Stdout, r.Stderr)
		}
		oldWentAfterNew(ctx, t, c, "eth0", old, changed)
	})
	t.Run("when the carrier comes back", func(t *testing.T) {
		t.Parallel()
		c, ctx, _, old, changed := changedReservation(within(t, time.Minute), t)
		check(t, c.Ports[0].Carrier(false))
		_, err := c.Guest.Await(ctx, "the carrier to be gone", func(s lab.State) bool { return !s.Carrier("eth0") })
		check(t, err)
		check(t, c.Ports[0].Carrier(true))
		oldWentAfterNew(ctx, t, c, "eth0", old, changed)
	})
	t.Run("at the next boot", func(t *testing.T) {
		t.Parallel()
		ctx := within(t, time.Minute)
		c, _, _, old, changed := changedReservation(ctx, t)
		check(t, c.StopGuest())
		check(t, c.StartGuest())
		ctx, _ = agent(ctx, t, c, "")
		oldWentAfterNew(ctx, t, c, "eth0", old, changed)
		ping(ctx, t, c.Guest, cloud.Outside)
	})
}
