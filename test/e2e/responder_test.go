package e2e

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
	"github.com/v6guest/v6guest/test/roots"
)

// responder starts v6responder on the first network with changes to what it is told.
func responder(ctx context.Context, t *testing.T, c *cloud.Cloud, change func(*peer.Network)) *lab.Process {
	t.Helper()
	network := c.Nets[0].Network()
	change(&network)
	check(t, c.Nets[0].Serve(ctx, peer.V6responder, network))
	return c.Nets[0].Server.Processes()[0]
}

// leases runs `v6guest lease` once and checks its exit code.
func leases(ctx context.Context, t *testing.T, m *lab.Machine, code int) {
	t.Helper()
	if _, r := lease(ctx, t, m, "eth0", "--timeout", "10s"); r.Code != code {
		t.Errorf("lease: exit code %d, want %d: %s%s", r.Code, code, r.Stdout, r.Stderr)
	}
}

// ready starts the guest with its NIC up and waits for its link-local address.
func ready(ctx context.Context, t *testing.T, c *cloud.Cloud) {
	t.Helper()
	check(t, c.StartGuest())
	check(t, c.GuestUp())
	_, err := c.Guest.Await(ctx, "a link-local address", func(s lab.State) bool { return s.LinkLocal("eth0").IsValid() })
	check(t, err)
}

// The guest that nobody changed: Debian 13's dhcpcd sends one DUID-LLT on all its NICs.
func TestIdentityFrameServesDebian13AsItIs(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c, err := cloud.New(ctx, cloud.Options{
		Root: root(t, roots.Peers), GuestRoot: root(t, roots.Trixie), Bin: programs(t), Networks: 2, Output: t.Output(),
	})
	check(t, err)
	closeAfter(t, c)
	for _, n := range c.Nets {
		network := n.Network()
		network.Options = []string{"identity = frame"}
		check(t, n.Serve(ctx, peer.V6responder, network))
	}
	check(t, c.StartGuest())
	check(t, c.GuestUp())
	p, err := c.Guest.Start("dhcpcd", "--nobackground", "--nodev") // no udev runs in the lab
	check(t, err)
	guard, cancel := p.Guard(ctx)
	defer cancel()
	for _, n := range c.Nets {
		usable(guard, t, c, n.NIC, n.Reserved.Addr)
	}
	for _, n := range c.Nets {
		_, _, err := n.Segment.Capture.Await(ctx, 0, "a message with a DUID-LLT", func(p lab.Packet) bool {
			return p.DstPort == 547 && strings.Contains(string(p.Payload), "\x00\x01\x00\x0e\x00\x01\x00\x01")
		})
		check(t, err)
	}
}

func TestForgedDUIDGetsNothingUnlessFramesAreNotVerified(t *testing.T) {
	for verify, code := range map[string]int{"yes": 4, "no": 0} {
		t.Run("verify_frame = "+verify, func(t *testing.T) {
			t.Parallel()
			ctx := within(t, time.Minute)
			c := newCloud(ctx, t, 1)
			n := c.Nets[0]
			responder(ctx, t, c, func(p *peer.Network) { p.Options = []string{"verify_frame = " + verify} })
			m, err := c.Machine(ctx, n, "thief", net.HardwareAddr{0x06, 0xa0, 0xf0, 0, 0, 0x66}, netip.Addr{})
			check(t, err)
			check(t, m.WriteFile("/etc/v6guest/v6guest.conf", "[agent]\nnics = eth0\n[nic eth0]\nduid = "+n.Reserved.DUID()+"\n"))
			leases(ctx, t, m, code)
		})
	}
}

func TestEUI64NeedsNoReservation(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := newCloud(ctx, t, 1)
	n := c.Nets[0]
	check(t, n.Router.WriteFile("/etc/v6responder/v6responder.conf",
		"[server]\n[network guests]\ninterface = eth0\nprefix = "+n.Prefix.String()+"\nassign = eui64\nrouter_lifetime = 30m\n"))
	p, err := n.Router.Start("v6responder", "serve")
	check(t, err)
	_, err = p.AwaitLine(ctx, 0, "serving")
	check(t, err)
	n.Reserved.Addr = netip.MustParseAddr("2001:db8:1:0:4a0:f0ff:fe00:38")
	check(t, c.StartGuest())
	ctx, _ = agent(ctx, t, c, "")
	asReserved(ctx, t, c)
}

func TestOthersReadTheAdvertisementAsItIsConfigured(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := newCloud(ctx, t, 1)
	n := c.Nets[0]
	responder(ctx, t, c, func(p *peer.Network) {
		p.NetworkOptions = strings.Split("router_preference = high|mtu = 1400|other = no|prefix_on_link = no|prefix_autonomous = yes|"+
			"prefix_preferred_lifetime = 1h|prefix_valid_lifetime = 2h|ra_dns_lifetime = 10m|routes = 2001:db8:8000::/33|"+
			"route_preference = low|route_lifetime = 20m|pref64 = 64:ff9b::/96", "|")
	})
	r, err := n.Neighbour.Run(ctx, "rdisc6", "-1", "-r", "20", "eth0")
	check(t, err)
	words := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	for _, want := range []string{
		"Stateful address conf. : Yes", "Stateful other conf. : No", "Router preference : high", "Router lifetime : 1800 (0x00000708) seconds",
		"Prefix : " + n.Prefix.String() + " On-link : No Autonomous address conf.: Yes Valid time : 7200 (0x00001c20) seconds Pref. time : 3600 (0x00000e10) seconds",
		"MTU : 1400 bytes", "Route : 2001:db8:8000::/33 Route preference : low Route lifetime : 1200 (0x000004b0) seconds",
		"Recursive DNS server : " + n.Network().DNS.String() + " DNS server lifetime : 600 (0x00000258) seconds",
		"DNS search list : " + n.Network().Search + " DNS search list lifetime: 600 (0x00000258) seconds",
	} {
		if !strings.Contains(words(r.Stdout), want) {
			t.Errorf("rdisc6 shows no %q:\n%s%s", want, r.Stdout, r.Stderr)
		}
	}
}

func TestHostsFileWhileTheServerRuns(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := newCloud(ctx, t, 1)
	n := c.Nets[0]
	p := responder(ctx, t, c, func(p *peer.Network) { p.Guests = nil })
	ready(ctx, t, c)
	shell := func(script string) {
		t.Helper()
		r, err := n.Router.Run(ctx, "sh", "-ec", script)
		check(t, err)
		if r.Code != 0 {
			t.Fatalf("%s: %s", script, r.Stderr)
		}
	}
	leases(ctx, t, c.Guest, 4)

	// What is appended holds at once, and a broken line before it takes nothing away.
	shell("echo 'id:00:03:00:01:06:a0:f0:00,[2001:db8::zz],broken,infinite' >> " + peer.ResponderHosts)
	_, err := p.AwaitLine(ctx, 0, peer.ResponderHosts+":1")
	check(t, err)
	shell("echo '" + strings.TrimSpace(peer.Hosts([]peer.Guest{n.Reserved})) + "' >> " + peer.ResponderHosts)
	leases(ctx, t, c.Guest, 0)
	r, err := n.Router.Run(ctx, "v6responder", "check-config")
	check(t, err)
	if r.Code != 2 || !strings.Contains(r.Stdout+r.Stderr, peer.ResponderHosts+":1") {
		t.Errorf("check-config: exit code %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}

	// A script that truncates the file and writes it again takes nothing away meanwhile.
	shell("cp " + peer.ResponderHosts + " /tmp/hosts; : > " + peer.ResponderHosts)
	leases(ctx, t, c.Guest, 0)
	shell("head -c 40 /tmp/hosts > " + peer.ResponderHosts)
	leases(ctx, t, c.Guest, 0)
	shell("cat /tmp/hosts > " + peer.ResponderHosts)
	leases(ctx, t, c.Guest, 0)

	// A file that stays empty is meant so.
	from := len(p.Lines())
	shell(": > " + peer.ResponderHosts)
	_, err = p.AwaitLine(ctx, from, "lines=0")
	check(t, err)
	r, err = c.Guest.Run(ctx, "v6guest", "release", "eth0")
	check(t, err)
	if r.Code != 0 {
		t.Errorf("release: exit code %d: %s", r.Code, r.Stderr)
	}
	leases(ctx, t, c.Guest, 4)
}

func TestPort547TakenIsRefusedWithItsHolder(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := newCloud(ctx, t, 1)
	n := c.Nets[0]
	network := n.Network()
	check(t, n.Serve(ctx, peer.Dnsmasq, network))
	check(t, n.Router.WriteFile("/etc/v6responder/v6responder.conf", "[server]\n[network guests]\ninterface = eth0\nprefix = "+n.Prefix.String()+"\nassign = eui64\n"))
	r, err := n.Router.Run(ctx, "v6responder", "serve")
	check(t, err)
	if r.Code == 0 || !strings.Contains(r.Stderr, "547") || !strings.Contains(r.Stderr, "dnsmasq") {
		t.Errorf("exit code %d: %s", r.Code, r.Stderr)
	}
}

func TestRouterThatRestartsKeepsTheGuestsRouteAndOneThatStopsTakesIt(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := newCloud(ctx, t, 1)
	n := c.Nets[0]
	p := responder(ctx, t, c, func(*peer.Network) {})
	check(t, c.StartGuest())
	bound, _ := agent(ctx, t, c, "")
	asReserved(bound, t, c)

	check(t, p.Signal(syscall.SIGUSR1)) // systemd's RestartKillSignal=
	code, err := p.Wait(ctx)
	check(t, err)
	if code != 0 {
		t.Errorf("a restart ends it with exit code %d", code)
	}
	from := len(n.Segment.Capture.Packets())
	p = responder(ctx, t, c, func(*peer.Network) {})
	_, _, err = n.Segment.Capture.Await(ctx, from, "an advertisement of the new server", func(p lab.Packet) bool { return p.ICMP == lab.RouterAdvertisement })
	check(t, err)
	if slices.ContainsFunc(c.Guest.Changes(), func(ch lab.Change) bool { return ch.Route && ch.Gone && ch.Prefix.Bits() == 0 }) {
		t.Error("the default route went while the server restarted")
	}

	check(t, p.Signal(syscall.SIGTERM))
	_, err = c.Guest.Await(ctx, "the default route to go", func(s lab.State) bool { return len(s.Default()) == 0 })
	check(t, err)
	code, err = p.Wait(ctx)
	check(t, err)
	if code != 0 {
		t.Errorf("a stop ends it with exit code %d", code)
	}
	usable(ctx, t, c, "eth0", n.Reserved.Addr) // the address does not depend on the router
}

func TestRouterThatDoesNotForwardIsNoDefaultRoute(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := newCloud(ctx, t, 1)
	n := c.Nets[0]
	responder(ctx, t, c, func(*peer.Network) {})
	check(t, c.StartGuest())
	ctx, _ = agent(ctx, t, c, "")
	asReserved(ctx, t, c)
	check(t, n.Router.Sysctl("net/ipv6/conf/all/forwarding", "0"))
	_, err := c.Guest.Await(ctx, "the default route to go", func(s lab.State) bool { return len(s.Default()) == 0 })
	check(t, err)
	check(t, n.Router.Sysctl("net/ipv6/conf/all/forwarding", "1"))
	asReserved(ctx, t, c)
}
