package e2e

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/wire"
	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
	"github.com/v6guest/v6guest/test/roots"
)

// relayMachine boots a machine from a root between two networks: eth0 is towards the guests and has the
// address down, eth1 is towards the server and has the address up.
func relayMachine(ctx context.Context, t *testing.T, c *cloud.Cloud, r roots.Spec, name string, low, high *cloud.Net, down, up netip.Addr) *lab.Machine {
	t.Helper()
	m, err := c.Lab.Boot(lab.Config{Name: name, Root: root(t, r), Output: t.Output()})
	check(t, err)
	check(t, m.Sysctl("net/ipv6/conf/all/forwarding", "1"))
	check(t, m.Sysctl("net/ipv6/conf/default/accept_dad", "0"))
	for i, side := range []struct {
		net  *cloud.Net
		addr netip.Addr
	}{{low, down}, {high, up}} {
		nic := []string{"eth0", "eth1"}[i]
		mac := net.HardwareAddr{0x06, 0xa0, 0xf0, byte(i + 1), low.RouterMAC[4], high.RouterMAC[4]}
		_, err := m.Plug(side.net.Segment, nic, mac)
		check(t, err)
		check(t, m.Up(nic))
		check(t, m.AddAddress(nic, side.addr.String()+"/64"))
		_, err = m.Await(ctx, "a link-local address", func(s lab.State) bool { return s.LinkLocal(nic).IsValid() })
		check(t, err)
	}
	return m
}

// iscRelay starts ISC's dhcrelay, which names no MAC (option 79); it tells its NICs apart by Interface-Id.
func iscRelay(ctx context.Context, t *testing.T, m *lab.Machine, server netip.Addr) *lab.Process {
	t.Helper()
	p, err := m.Start("dhcrelay", "-6", "-d", "-I", "--no-pid", "-l", "eth0", "-u", server.String()+"%eth1")
	check(t, err)
	_, err = p.AwaitLine(ctx, 0, "Sending on   Socket/eth1")
	check(t, err)
	return p
}

// dnsmasqRelay starts dnsmasq as a relay agent, which names the client's MAC.
func dnsmasqRelay(ctx context.Context, t *testing.T, m *lab.Machine, own, server netip.Addr) *lab.Process {
	t.Helper()
	p, err := m.Start("dnsmasq", "--keep-in-foreground", "--log-facility=-", "--conf-file=/dev/null", "--port=0", "--log-dhcp",
		"--user=root", "--dhcp-relay="+own.String()+","+server.String())
	check(t, err)
	_, err = p.AwaitLine(ctx, 0, "DHCP relay from")
	check(t, err)
	return p
}

// throughRelays starts v6responder on the last network of the cloud for guests on the first, where it
// has no NIC.
func throughRelays(ctx context.Context, t *testing.T, c *cloud.Cloud, options ...string) *lab.Process {
	t.Helper()
	far, near := c.Nets[0], c.Nets[len(c.Nets)-1]
	network := near.Network()
	network.Guests = []peer.Guest{far.Reserved}
	network.Options = options
	network.NetworkOptions = []string{"[network far]", "prefix = " + far.Prefix.String()}
	check(t, near.Serve(ctx, peer.V6responder, network))
	return near.Server.Processes()[0]
}

// guestBehind starts the guest with its NIC in the first network alone.
func guestBehind(ctx context.Context, t *testing.T, c *cloud.Cloud) {
	t.Helper()
	check(t, c.StartGuest())
	upWithLinkLocal(ctx, t, c)
}

// relayed waits for a Relay-forward on a network and returns its relay agents, outermost first.
func relayed(ctx context.Context, t *testing.T, n *cloud.Net) []wire.Relay {
	t.Helper()
	var relays []wire.Relay
	_, _, err := n.Segment.Capture.Await(ctx, 0, "a Relay-forward", func(p lab.Packet) bool {
		if p.DstPort != 547 || len(p.Payload) == 0 || dhcpv6.MessageType(p.Payload[0]) != dhcpv6.MessageTypeRelayForward {
			return false
		}
		var err error
		_, relays, err = wire.DecodeRelayed(p.Payload)
		return err == nil
	})
	check(t, err)
	return relays
}

// ISC's relay agent says nothing of the client's MAC, so that only a configuration which believes DUIDs
// gives reserved addresses through it; the log says why others do not.
func TestGuestsBehindISCsRelay(t *testing.T) {
	const upper = "2001:db8:2::9"
	for _, tt := range []struct {
		name    string
		options []string
		code    int
		why     string
	}{
		{"whose word on DUIDs is enough", []string{"trusted_relays = " + upper, "verify_frame = no"}, 0, ""},
		{"which names no MAC to check the DUID by", []string{"trusted_relays = " + upper}, 4, "the trusted relay names no MAC (option 79, RFC 6939)"},
		{"which is not listed", []string{"trusted_relays = 2001:db8:2::8", "verify_frame = no"}, 4, "it came through a relay that is not listed in trusted_relays"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t, time.Minute)
			c := newCloud(ctx, t, 2)
			far, near := c.Nets[0], c.Nets[1]
			m := relayMachine(ctx, t, c, roots.Relays, "relay", far, near, far.Host(9), netip.MustParseAddr(upper))
			iscRelay(ctx, t, m, near.Gateway)
			server := throughRelays(ctx, t, c, tt.options...)
			guestBehind(ctx, t, c)
			leases(ctx, t, c.Guest, tt.code)
			if tt.why != "" {
				_, err := server.AwaitLine(ctx, 0, tt.why)
				check(t, err)
				return
			}
			usable(ctx, t, c, "eth0", far.Reserved.Addr)
			if r := relayed(ctx, t, near); len(r) != 1 || r[0].Interface == nil {
				t.Errorf("relays %+v: the test proves nothing of the Interface-Id", r)
			}
		})
	}
}

// dnsmasq's relay agent names the client's MAC, so that the server checks DUIDs, or does without them.
func TestGuestsBehindARelayThatNamesTheirMAC(t *testing.T) {
	for _, identity := range []string{"duid", "frame"} {
		t.Run("identity = "+identity, func(t *testing.T) {
			t.Parallel()
			ctx := within(t, time.Minute)
			c := newCloud(ctx, t, 2)
			far, near := c.Nets[0], c.Nets[1]
			down := far.Host(9)
			m := relayMachine(ctx, t, c, roots.Peers, "relay", far, near, down, near.Host(9))
			dnsmasqRelay(ctx, t, m, down, near.Gateway)
			throughRelays(ctx, t, c, "trusted_relays = "+near.Host(9).String(), "identity = "+identity)
			guestBehind(ctx, t, c)
			if identity == "frame" {
				must(ctx, t, c, "sh", "-c", "mkdir -p /etc/v6guest; printf '[agent]\\nnics = eth0\\n[nic eth0]\\nduid = 00:02:00:00:ab:11:01:02\\n' > /etc/v6guest/v6guest.conf")
			}
			leases(ctx, t, c.Guest, 0)
			usable(ctx, t, c, "eth0", far.Reserved.Addr)
			r := relayed(ctx, t, near)
			if len(r) != 1 || r[0].ClientLinkLayer == nil {
				t.Errorf("relays %+v: the test proves nothing of option 79", r)
			}
		})
	}
}

// S-13.1-04 S-18.3-06 S-18.3.10-04 S-19.3-01: the relay agent next to the guest names its MAC and link, ISC's
// relays that to the server from a link that no network is configured for. Both must be listed.
func TestGuestsBehindTwoRelaysInARow(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := newCloud(ctx, t, 3)
	far, between, near := c.Nets[0], c.Nets[1], c.Nets[2]
	down := far.Host(9)
	inner := relayMachine(ctx, t, c, roots.Peers, "inner", far, between, down, between.Host(9))
	dnsmasqRelay(ctx, t, inner, down, between.Host(8))
	outer := relayMachine(ctx, t, c, roots.Relays, "outer", between, near, between.Host(8), near.Host(9))
	iscRelay(ctx, t, outer, near.Gateway)
	throughRelays(ctx, t, c, "trusted_relays = "+near.Host(9).String()+" "+between.Host(9).String())
	guestBehind(ctx, t, c)
	leases(ctx, t, c.Guest, 0)
	usable(ctx, t, c, "eth0", far.Reserved.Addr)
	r := relayed(ctx, t, near)
	if len(r) != 2 || far.Prefix.Contains(r[0].LinkAddr) || !far.Prefix.Contains(r[1].LinkAddr) || r[0].Interface == nil {
		t.Errorf("relays %+v: the test proves nothing of nested relays, and which link-address counts", r)
	}
}
