package e2e

import (
	"encoding/json"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	server "github.com/v6guest/v6guest/pkg/responder"
	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
	"github.com/v6guest/v6guest/test/roots"
)

// TestFourKindsOfClientsShareAPool at once on one link: networkd with its DUID-EN, dhclient, dhcpcd as it comes,
// and v6guest. Each has an address of its own, which is the same after the server has been killed.
func TestFourKindsOfClientsShareAPool(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	c, err := cloud.New(ctx, cloud.Options{
		Root: root(t, roots.Peers), GuestRoot: root(t, roots.Stacks), Bin: programs(t), Networks: 1, Output: t.Output(),
	})
	check(t, err)
	closeAfter(t, c)
	n := c.Nets[0]
	network := n.Network()
	network.Guests = nil
	network.NetworkOptions = []string{"pool = " + n.Host(0x1000).String() + "-" + n.Host(0x100f).String(), "preferred_lifetime = 2m", "valid_lifetime = 4m"}
	check(t, n.Serve(ctx, peer.V6responder, network))
	pool := func(a lab.Addr) bool {
		return a.NIC == "eth0" && a.Usable() && !a.Prefix.Addr().Less(n.Host(0x1000)) && !n.Host(0x100f).Less(a.Prefix.Addr())
	}

	machines := map[string]*lab.Machine{}
	for i, name := range []string{"dhclient", "dhcpcd", "v6guest"} {
		m, err := c.Machine(ctx, n, name, net.HardwareAddr{0x06, 0xa0, 0xf0, 0, 0x0a, byte(i)}, netip.Addr{})
		check(t, err)
		machines[name] = m
	}
	check(t, c.StartGuest())
	machines["networkd"] = c.Guest
	check(t, c.Guest.WriteFile("/etc/machine-id", "0123456789abcdef0123456789abcdef\n"))
	check(t, c.Guest.WriteFile("/etc/systemd/network/10-eth0.network", "[Match]\nName=eth0\n[Network]\nDHCP=ipv6\nIPv6AcceptRA=yes\n[DHCPv6]\nWithoutRA=solicit\n"))
	check(t, machines["v6guest"].WriteFile("/etc/v6guest/v6guest.conf", "[agent]\nnics = eth0\n"))

	networkd(ctx, t, c)
	_, err = machines["dhclient"].Start("dhclient", "-6", "-d", "-v", "eth0")
	check(t, err)
	_, err = machines["dhcpcd"].Start("dhcpcd", "--nobackground", "--nodev", "-6", "eth0")
	check(t, err)
	_, err = machines["v6guest"].Start("v6guest", "run")
	check(t, err)

	given := map[netip.Addr]string{}
	for name, m := range machines {
		_, err := m.Await(ctx, "an address of the pool for "+name, func(s lab.State) bool {
			for _, a := range s.Addrs {
				if pool(a) {
					if other := given[a.Prefix.Addr()]; other != "" && other != name {
						t.Errorf("%s has %s, as %s has", name, a.Prefix.Addr(), other)
					}
					given[a.Prefix.Addr()] = name
					return true
				}
			}
			return false
		})
		check(t, err)
	}
	leases := func() map[string]server.Lease {
		t.Helper()
		r, err := n.Router.Run(ctx, "v6responder", "leases", "list", "--json")
		check(t, err)
		var list server.Leases
		check(t, json.Unmarshal([]byte(r.Stdout), &list))
		out := map[string]server.Lease{}
		for _, l := range list.Leases {
			out[l.Address] = l
		}
		return out
	}
	before := leases()
	kinds := map[string]bool{}
	for a, name := range given {
		l, ok := before[a.String()]
		if !ok || l.State != "bound" {
			t.Errorf("%s has %s, which the server does not list", name, a)
			continue
		}
		kinds[string(l.DUID[:2])] = true
	}
	if len(given) != 4 || len(before) != 4 || len(kinds) < 2 {
		t.Errorf("%d addresses, %d leases, %d kinds of DUIDs: %v", len(given), len(before), len(kinds), before)
	}

	// kill -9, and another one takes over.
	check(t, n.Server.Processes()[0].Kill())
	p, err := n.Router.Start("v6responder", "serve")
	check(t, err)
	_, err = p.AwaitLine(ctx, 0, "serving")
	check(t, err)
	for a, l := range leases() {
		if b := before[a]; b.DUID != l.DUID || b.MAC != l.MAC || b.IAID != l.IAID {
			t.Errorf("%s was %+v and is %+v", a, b, l)
		}
	}
	r, err := machines["v6guest"].Run(ctx, "v6guest", "release", "eth0")
	check(t, err)
	if _, err := p.AwaitLine(ctx, 0, "lease released"); err != nil || r.Code != 0 {
		t.Errorf("release: %v, %s%s", err, r.Stdout, r.Stderr)
	}
	if after := leases(); len(after) != 3 {
		t.Errorf("after the release: %v", after)
	}
	if out, err := n.Router.Run(ctx, "v6responder", "leases", "list", "bound"); err != nil || !strings.Contains(out.Stdout, "3 leases, 0 clients without one") {
		t.Errorf("leases list: %v %s", err, out.Stdout)
	}
}
