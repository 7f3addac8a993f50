package e2e

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
	"github.com/v6guest/v6guest/test/roots"
)

// neighbours are clients of all kinds, each as its distribution has it but for what a lab lacks.
var neighbours = []struct {
	name  string
	root  roots.Spec
	start func(ctx context.Context, t *testing.T, c *cloud.Cloud)
}{
	{"dhclient", roots.Peers, func(ctx context.Context, t *testing.T, c *cloud.Cloud) {
		upWithLinkLocal(ctx, t, c)
		_, err := c.Guest.Start("dhclient", "-6", "-d", "-D", "LLT", "eth0")
		check(t, err)
	}},
	{"dhcpcd", roots.Trixie, func(_ context.Context, t *testing.T, c *cloud.Cloud) { dhcpcdManager(t, c, "") }},
	{"networkd", roots.Stacks, func(ctx context.Context, t *testing.T, c *cloud.Cloud) {
		check(t, c.Guest.WriteFile("/etc/systemd/network/10-all.network", "[Match]\nName=eth*\n[Network]\nDHCP=ipv6\nIPv6AcceptRA=yes\n"))
		networkd(ctx, t, c)
	}},
	{"NetworkManager", roots.NetworkManager, func(ctx context.Context, t *testing.T, c *cloud.Cloud) {
		profile(t, c, "auto")
		networkManager(ctx, t, c)
	}},
	{"v6guest", roots.Peers, func(_ context.Context, t *testing.T, c *cloud.Cloud) {
		_, err := startAgent(c, "")
		check(t, err)
	}},
}

// upWithLinkLocal sets the guest's NIC up and waits for its link-local address.
func upWithLinkLocal(ctx context.Context, t *testing.T, c *cloud.Cloud) {
	t.Helper()
	check(t, c.Guest.Up("eth0"))
	_, err := c.Guest.Await(ctx, "a link-local address", func(s lab.State) bool { return s.LinkLocal("eth0").IsValid() })
	check(t, err)
}

// Whatever DUID they send and whenever they speak: each has the address that is reserved for its MAC.
func TestClientsOfAllKindsAtOnceHaveTheirReservedAddresses(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := newCloud(ctx, t, 1)
	n := c.Nets[0]
	var guests []peer.Guest
	for i, nb := range neighbours {
		guests = append(guests, peer.Guest{
			Name: strings.ToLower(nb.name), MAC: net.HardwareAddr{0x06, 0xa0, 0xf0, 0, 9, byte(i)}, Addr: n.Host(uint16(0x900 + i)),
		})
	}
	responder(ctx, t, c, func(p *peer.Network) {
		p.Guests = guests
		p.Options = []string{"identity = frame"}
	})
	machines := make([]*cloud.Cloud, len(neighbours))
	for i, nb := range neighbours {
		m, err := c.Lab.Boot(lab.Config{Name: guests[i].Name, Root: root(t, nb.root), Bin: programs(t), Output: t.Output()})
		check(t, err)
		_, err = m.Plug(n.Segment, "eth0", guests[i].MAC)
		check(t, err)
		machines[i] = &cloud.Cloud{Guest: m, Nets: c.Nets}
	}
	for i, nb := range neighbours {
		nb.start(ctx, t, machines[i])
	}
	for i := range neighbours {
		s := usable(ctx, t, machines[i], "eth0", guests[i].Addr)
		if got := s.Global("eth0"); len(got) != 1 {
			t.Errorf("%s has %v, want %s alone", guests[i].Name, got, guests[i].Addr)
		}
	}
}
