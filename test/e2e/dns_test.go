package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
	"github.com/v6guest/v6guest/test/roots"
)

// dnsCloud is a cloud with a guest of that root: dnsmasq leases and names one DNS server, radvd names
// another, link-local one.
func dnsCloud(ctx context.Context, t *testing.T, guest roots.Spec) (*cloud.Cloud, *lab.Process) {
	t.Helper()
	c, err := cloud.New(ctx, cloud.Options{
		Root: root(t, roots.Peers), GuestRoot: root(t, guest), Bin: programs(t), Networks: 1, Output: t.Output(),
	})
	check(t, err)
	closeAfter(t, c)
	n := c.Nets[0]
	network := n.Network()
	network.NoRA = true
	check(t, n.Serve(ctx, peer.Dnsmasq, network))
	radvd := advertise(ctx, t, n, rdnss(n))
	check(t, c.StartGuest())
	return c, radvd
}

func rdnss(n *cloud.Net) string {
	return "prefix " + n.Prefix.String() + " { AdvOnLink on; AdvAutonomous off; };\n" +
		"RDNSS fe80::53 { AdvRDNSSLifetime 600; FlushRDNSS on; };\nDNSSL ra.example { AdvDNSSLLifetime 600; FlushDNSSL on; };"
}

// handed waits for a line of the agent's that names all of the words, from the line with number from on.
func handed(ctx context.Context, t *testing.T, p *lab.Process, from int, words ...string) (next int) {
	t.Helper()
	for {
		var err error
		from, err = p.AwaitLine(ctx, from, "DNS servers handed over")
		check(t, err)
		line := p.Lines()[from-1].Text
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			return from
		}
	}
}

// read is what a file of the guest says, "" where there is none.
func read(ctx context.Context, t *testing.T, c *cloud.Cloud, name string) string {
	t.Helper()
	r, err := c.Guest.Run(ctx, "cat", name)
	check(t, err)
	return r.Stdout
}

func wantLines(t *testing.T, what, text string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains(text, l+"\n") {
			t.Errorf("%s: no line %q in:\n%s", what, l, text)
		}
	}
}

// toldAndTakenBack is the story that all share: both servers, then the routers' withdrawn, then the agent
// stopped. asked is what programs see, with a line for each server.
func toldAndTakenBack(ctx context.Context, t *testing.T, c *cloud.Cloud, radvd *lab.Process, to string, asked func(what string, leased, routers bool)) {
	t.Helper()
	n := c.Nets[0]
	leased := n.Host(0x53).String()
	bound, p := agent(ctx, t, c, "")
	from := handed(bound, t, p, 0, leased, "fe80::53%eth0", to)
	asked("both", true, true)
	if text := must(ctx, t, c, "v6guest", "status"); !strings.Contains(text, "DNS servers: handed to "+to) || !strings.Contains(text, leased+" fe80::53%eth0") {
		t.Errorf("status:\n%s", text)
	}

	_, err := radvd.Stop(ctx) // which says farewell: lifetime 0 of router, servers and domains
	check(t, err)
	for {
		next, err := p.AwaitLine(bound, from, "DNS servers handed over")
		check(t, err)
		from = next
		if !strings.Contains(p.Lines()[from-1].Text, "fe80::53") {
			break
		}
	}
	asked("the routers' withdrawn", true, false)

	_, err = p.Stop(ctx)
	check(t, err)
	asked("the agent stopped", false, false)

	bound, p = agent(ctx, t, c, "")
	handed(bound, t, p, 0, leased)
	check(t, p.Kill())
	<-p.Ended()
	asked("the agent killed", true, false)
	must(ctx, t, c, "v6guest", "restore")
	asked("restored", false, false)
}

func TestDNSIsWrittenIntoAFileThatNobodyElseOwns(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	c, radvd := dnsCloud(ctx, t, roots.Trixie)
	const original = "# by hand\noptions timeout:1\n"
	check(t, c.Guest.WriteFile("/etc/resolv.conf", original))
	leased := "nameserver " + c.Nets[0].Host(0x53).String()
	toldAndTakenBack(ctx, t, c, radvd, "/etc/resolv.conf", func(what string, byLease, byRouters bool) {
		t.Helper()
		text := read(ctx, t, c, "/etc/resolv.conf")
		switch {
		case byRouters:
			wantLines(t, what, text, leased, "nameserver fe80::53%eth0", "search lab.example ra.example", "options timeout:1")
		case byLease:
			wantLines(t, what, text, leased, "search lab.example", "options timeout:1")
			if strings.Contains(text, "fe80::53") {
				t.Errorf("%s:\n%s", what, text)
			}
		case text != original:
			t.Errorf("%s:\n%s", what, text)
		}
	})
}

func TestAFileWithAServerIsLeftAlone(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c, _ := dnsCloud(ctx, t, roots.Trixie)
	const original = "nameserver 192.0.2.53\n"
	check(t, c.Guest.WriteFile("/etc/resolv.conf", original))
	bound, p := agent(ctx, t, c, "")
	_, err := p.AwaitLine(bound, 0, "DNS servers are not handed over")
	check(t, err)
	if text := read(ctx, t, c, "/etc/resolv.conf"); text != original {
		t.Errorf("the file is now\n%s", text)
	}
	from := len(p.Lines())
	check(t, c.Guest.WriteFile("/etc/resolv.conf", "# no server\n")) // somebody takes his server out
	handed(bound, t, p, from, "/etc/resolv.conf")
}

func TestDNSIsHandedToDebiansResolvconf(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	c, radvd := dnsCloud(ctx, t, roots.Resolvconf)
	must(ctx, t, c, "mkdir", "-p", "/run/resolvconf/interface") // as its unit does at boot
	must(ctx, t, c, "resolvconf", "--enable-updates")
	resolvconf(ctx, t, c, radvd)
}

func TestDNSIsHandedToOpenresolv(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	c, radvd := dnsCloud(ctx, t, roots.Openresolv)
	resolvconf(ctx, t, c, radvd)
}

// resolvconf is the story with either resolvconf, which writes the file that programs read.
func resolvconf(ctx context.Context, t *testing.T, c *cloud.Cloud, radvd *lab.Process) {
	t.Helper()
	r, err := c.Guest.RunInput(ctx, strings.NewReader("nameserver 192.0.2.53\n"), "resolvconf", "-a", "eth0.inet") // of IPv4's client
	check(t, err)
	if r.Code != 0 {
		t.Fatalf("resolvconf: %s", r.Stderr)
	}
	leased := "nameserver " + c.Nets[0].Host(0x53).String()
	toldAndTakenBack(ctx, t, c, radvd, "resolvconf", func(what string, byLease, byRouters bool) {
		t.Helper()
		text := read(ctx, t, c, "/etc/resolv.conf")
		wantLines(t, what, text, "nameserver 192.0.2.53")
		if byLease != strings.Contains(text, leased) || byRouters != strings.Contains(text, "nameserver fe80::53%eth0") || byRouters != strings.Contains(text, "ra.example") {
			t.Errorf("%s:\n%s", what, text)
		}
	})
}

func TestDNSIsHandedToSystemdResolved(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	c, radvd := dnsCloud(ctx, t, roots.Resolved)
	startResolved(ctx, t, c)
	leased := c.Nets[0].Host(0x53).String()
	toldAndTakenBack(ctx, t, c, radvd, "systemd-resolved", func(what string, byLease, byRouters bool) {
		t.Helper()
		servers, domains := must(ctx, t, c, "resolvectl", "dns", "eth0"), must(ctx, t, c, "resolvectl", "domain", "eth0")
		if byLease != strings.Contains(servers, leased) || byRouters != strings.Contains(servers, "fe80::53") ||
			byLease != strings.Contains(domains, "lab.example") || byRouters != strings.Contains(domains, "ra.example") {
			t.Errorf("%s:\n%s%s", what, servers, domains)
		}
	})
}

// Nothing of systemd-resolved is there yet when the agent starts, not even its folder.
func TestASystemdResolvedThatStartsLateIsTold(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	c, _ := dnsCloud(ctx, t, roots.Resolved)
	check(t, c.Guest.WriteFile("/etc/resolv.conf", "# by hand\n"))
	bound, p := agent(ctx, t, c, "")
	leased := c.Nets[0].Host(0x53).String()
	from := handed(bound, t, p, 0, leased, "/etc/resolv.conf")
	startResolved(ctx, t, c)
	handed(bound, t, p, from, leased, "systemd-resolved")
	if got := must(ctx, t, c, "resolvectl", "dns", "eth0"); !strings.Contains(got, leased) {
		t.Errorf("systemd-resolved knows of %s", got)
	}
	if got := read(ctx, t, c, "/etc/resolv.conf"); got != "# by hand\n" {
		t.Errorf("the file is not the original any more:\n%s", got)
	}
}

// The disk of a machine that does not run any more, in which an agent was killed.
func TestDNSIsTakenBackOnAnImage(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c, _ := dnsCloud(ctx, t, roots.Trixie)
	const original = "# by hand\n"
	check(t, c.Guest.WriteFile("/etc/resolv.conf", original))
	bound, p := agent(ctx, t, c, "")
	handed(bound, t, p, 0, c.Nets[0].Host(0x53).String(), "/etc/resolv.conf")
	check(t, p.Kill())
	<-p.Ended()
	must(ctx, t, c, "sh", "-c", "mkdir /image && mount --bind / /image")
	must(ctx, t, c, "v6guest", "restore", "--root", "/image")
	if got := read(ctx, t, c, "/etc/resolv.conf"); got != original {
		t.Errorf("after restore --root:\n%s", got)
	}
}

// startResolved starts systemd-resolved and the bus that it is asked over, as systemd would.
func startResolved(ctx context.Context, t *testing.T, c *cloud.Cloud) {
	t.Helper()
	must(ctx, t, c, "mkdir", "-p", "/run/dbus")
	must(ctx, t, c, "install", "-d", "-o", "systemd-resolve", "-g", "systemd-resolve", "/run/systemd/resolve")
	bus, err := c.Guest.Start("dbus-daemon", "--system", "--nofork", "--nopidfile", "--print-address")
	check(t, err)
	_, err = bus.AwaitLine(ctx, 0, "unix:")
	check(t, err)
	p, err := c.Guest.Start("/lib/systemd/systemd-resolved")
	check(t, err)
	_, err = p.AwaitLine(ctx, 0, "Using system hostname")
	check(t, err)
}
