package e2e

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"testing"
	"time"

	server "github.com/v6guest/v6guest/pkg/responder"
	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
	"github.com/v6guest/v6guest/test/roots"
)

// leasesOf asks a network's server for its bindings, by what it has given.
func leasesOf(ctx context.Context, t *testing.T, n *cloud.Net) map[string]server.Lease {
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

// TestS_13_2_01_ThreeKindsOfClientsHavePrefixesDelegated: dhclient -P, dhcpcd and networkd, at once on one link, each
// an address and a prefix, which dhcpcd and networkd make an address of on the network behind them. The server is killed and knows them again;
// then dhclient releases both.
func TestS_13_2_01_ThreeKindsOfClientsHavePrefixesDelegated(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	c, err := cloud.New(ctx, cloud.Options{
		Root: root(t, roots.Peers), GuestRoot: root(t, roots.Stacks), Bin: programs(t), Networks: 2, Output: t.Output(),
	})
	check(t, err)
	closeAfter(t, c)
	n, behind := c.Nets[0], c.Nets[1]
	delegated := netip.MustParsePrefix("2001:db8:8000::/40")
	network := n.Network()
	network.Guests = nil
	network.NetworkOptions = []string{
		"pool = " + n.Host(0x1000).String() + "-" + n.Host(0x100f).String(), "preferred_lifetime = 2m", "valid_lifetime = 4m",
		"pd_pool = " + delegated.String(), "pd_length = 56",
	}
	check(t, n.Serve(ctx, peer.V6responder, network))

	machines := map[string]*lab.Machine{}
	for i, name := range []string{"dhclient", "dhcpcd"} {
		m, err := c.Machine(ctx, n, name, net.HardwareAddr{0x06, 0xa0, 0xf0, 0, 0x0b, byte(i)}, netip.Addr{})
		check(t, err)
		_, err = m.Plug(behind.Segment, "eth1", net.HardwareAddr{0x06, 0xa0, 0xf0, 0, 0x0c, byte(i)})
		check(t, err)
		check(t, m.Up("eth1"))
		machines[name] = m
	}
	check(t, c.StartGuest())
	machines["networkd"] = c.Guest

	check(t, c.Guest.WriteFile("/etc/machine-id", "0123456789abcdef0123456789abcdef\n"))
	check(t, c.Guest.WriteFile("/etc/systemd/network/10-eth0.network",
		"[Match]\nName=eth0\n[Network]\nDHCP=ipv6\nIPv6AcceptRA=yes\n[DHCPv6]\nWithoutRA=solicit\nPrefixDelegationHint=::/56\n"))
	check(t, c.Guest.WriteFile("/etc/systemd/network/20-eth1.network",
		"[Match]\nName=eth1\n[Network]\nIPv6AcceptRA=no\nDHCPPrefixDelegation=yes\n[DHCPPrefixDelegation]\nUplinkInterface=eth0\n"))
	networkd(ctx, t, c)
	check(t, machines["dhcpcd"].WriteFile("/etc/dhcpcd.conf", "ipv6only\nnoipv6rs\ninterface eth0\nia_na 1\nia_pd 2/::/56 eth1/0\n"))
	_, err = machines["dhcpcd"].Start("dhcpcd", "--nobackground", "--nodev", "-6", "eth0", "eth1")
	check(t, err)
	dhclient := []string{"dhclient", "-6", "-d", "-v", "-P", "-N", "-lf", "/var/lib/dhcp/pd.leases", "-pf", "/run/dhclient-pd.pid", "eth0"}
	_, err = machines["dhclient"].Start(dhclient...)
	check(t, err)

	for _, name := range []string{"dhcpcd", "networkd"} {
		_, err := machines[name].Await(ctx, "an address of the delegated prefix on "+name+"'s other NIC", func(s lab.State) bool {
			for _, a := range s.Addrs {
				if a.NIC == "eth1" && a.Usable() && delegated.Contains(a.Prefix.Addr()) {
					return true
				}
			}
			return false
		})
		check(t, err)
	}
	// What each is told of is one line of the server's log.
	log := n.Server.Processes()[0]
	for next := 0; len(prefixes(leasesOf(ctx, t, n))) < 3; {
		next, err = log.AwaitLine(ctx, next, "prefix delegated")
		check(t, err)
	}
	before := prefixes(leasesOf(ctx, t, n))
	// The operator's part: routes, by what the list says.
	for text, l := range before {
		if r, err := n.Router.Run(ctx, "ip", "-6", "route", "add", text, "via", l.Via, "dev", l.Interface); err != nil || r.Code != 0 {
			t.Fatalf("route to %+v: %v %s", l, err, r.Stderr)
		}
	}
	for name, m := range machines {
		s, err := m.State()
		check(t, err)
		for _, a := range s.Addrs {
			if a.NIC != "eth1" || !delegated.Contains(a.Prefix.Addr()) {
				continue
			}
			p, _ := a.Prefix.Addr().Prefix(56)
			if l, ok := before[p.String()]; !ok || l.State != "bound" {
				t.Errorf("%s has made %s, of which the server does not say that it is delegated: %v", name, a.Prefix, before)
			}
			if name == "networkd" { // dhcpcd here hears no router that it could answer through
				ping(ctx, t, n.Router, a.Prefix.Addr())
			}
		}
	}

	// kill -9, and another one takes over.
	check(t, log.Kill())
	p, err := n.Router.Start("v6responder", "serve")
	check(t, err)
	_, err = p.AwaitLine(ctx, 0, "serving")
	check(t, err)
	after := prefixes(leasesOf(ctx, t, n))
	for text, l := range before {
		if b := after[text]; len(after) != len(before) || b.DUID != l.DUID || b.MAC != l.MAC || b.IAID != l.IAID {
			t.Errorf("%s was %+v and is %+v", text, l, b)
		}
	}
	r, err := machines["dhclient"].Run(ctx, append(dhclient, "-r")...)
	check(t, err)
	if _, err := p.AwaitLine(ctx, 0, "prefix released"); err != nil {
		t.Errorf("release: %v, %s%s", err, r.Stdout, r.Stderr)
	}
	if left := prefixes(leasesOf(ctx, t, n)); len(left) != 2 {
		t.Errorf("after the release: %v", left)
	}
}

// prefixes are those leases that are delegated.
func prefixes(all map[string]server.Lease) map[string]server.Lease {
	out := map[string]server.Lease{}
	for text, l := range all {
		if _, err := netip.ParsePrefix(text); err == nil {
			out[text] = l
		}
	}
	return out
}
