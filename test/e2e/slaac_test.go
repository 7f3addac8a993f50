package e2e

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// made is the address that a network's prefix and the guest's MAC there make.
func made(n *cloud.Net) netip.Addr {
	a, mac := n.Prefix.Addr().As16(), n.Reserved.MAC
	copy(a[8:], []byte{mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]})
	return netip.AddrFrom16(a)
}

// CloudStack's networks since 2019: no DHCPv6 server, and the cloud knows the address that prefix and
// MAC make. Then a server of the operator's own appears, with another address.
func TestSLAACNetworksAndThePassageToDHCPv6(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	c := newCloud(ctx, t, 2)
	for _, n := range c.Nets {
		startRadvd(ctx, t, n, "AdvDefaultLifetime 1800; MinRtrAdvInterval 3; MaxRtrAdvInterval 10; prefix "+n.Prefix.String()+" { AdvOnLink on; AdvAutonomous on; };")
	}
	check(t, c.StartGuest())
	first, second := c.Nets[0], c.Nets[1]
	// Left to itself, the kernel makes addresses that the cloud does not know: two on each NIC.
	for _, n := range c.Nets {
		check(t, c.Guest.Sysctl("net/ipv6/conf/"+n.NIC+"/addr_gen_mode", "3"))
		check(t, c.Guest.Sysctl("net/ipv6/conf/"+n.NIC+"/use_tempaddr", "2"))
	}
	check(t, c.GuestUp())
	_, err := c.Guest.Await(ctx, "the kernel's addresses", func(s lab.State) bool {
		return len(s.Global("eth0")) == 2 && len(s.Global("eth1")) == 2 && !s.Has("eth0", made(first)) && !s.Has("eth1", made(second))
	})
	check(t, err)
	ctx, _ = agent(ctx, t, c, "default_nic = eth0\n")
	_, err = c.Guest.Await(ctx, "made addresses, one default route, and the second network on-link", func(s lab.State) bool {
		return s.Usable("eth0", made(first)) && s.Usable("eth1", made(second)) && slices.Equal(s.DefaultNICs(), []string{"eth0"}) &&
			s.Route(second.Prefix, "eth1") && len(s.Global("")) == 2
	})
	check(t, err)
	r, err := c.Guest.Run(ctx, "v6guest", "wait-online")
	check(t, err)
	if r.Code != 0 {
		t.Errorf("wait-online: exit code %d: %s", r.Code, r.Stderr)
	}
	ping(ctx, t, c.Guest, first.Neighbor6)
	ping(ctx, t, c.Guest, second.Neighbor6)
	ping(ctx, t, second.Neighbour, made(second))

	network := first.Network()
	network.NoRA = true
	check(t, first.Serve(ctx, peer.Dnsmasq, network))
	_, err = c.Guest.Await(ctx, "the leased address in the place of the made one", func(s lab.State) bool {
		return s.Usable("eth0", first.Reserved.Addr) && !s.Has("eth0", made(first)) && s.Usable("eth1", made(second))
	})
	check(t, err)
	ping(ctx, t, c.Guest, cloud.Outside)
	goneBefore := false
	for _, change := range c.Guest.Changes() {
		if change.Route || change.NIC != "eth0" {
			continue
		}
		switch {
		case change.Prefix.Addr() == made(first) && change.Gone:
			goneBefore = true
		case change.Prefix.Addr() == first.Reserved.Addr && change.Usable && goneBefore:
			t.Error("the made address went before the leased one could be used")
		}
	}
	if got := history(c.Guest, first.Reserved.Addr); !cmp.Equal(got, []string{"came", "usable"}) && !cmp.Equal(got, []string{"usable"}) {
		t.Errorf("history of the leased address: %v", got)
	}

	old := made(second)
	second.Reserved.MAC = net.HardwareAddr{0x06, 0xa0, 0xf0, 0, 1, 0x99}
	check(t, c.Guest.SetMAC("eth1", second.Reserved.MAC))
	_, err = c.Guest.Await(ctx, "the address of the new MAC alone", func(s lab.State) bool {
		return s.Usable("eth1", made(second)) && !s.Has("eth1", old)
	})
	check(t, err)
	ping(ctx, t, c.Guest, second.Neighbor6)
}
