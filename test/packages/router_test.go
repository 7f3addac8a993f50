package packages

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
	"github.com/v6guest/v6guest/test/roots"
)

// virtualRouter is a network whose router serves it with dnsmasq, as CloudStack's does, and has the responder's
// package; and a guest there.
func virtualRouter(t *testing.T) (router, guest *machine, n *cloud.Net) {
	t.Helper()
	m := boot(t) // skips, or has built what is needed
	dir, err := built()
	check(t, err)
	root, err := roots.Get(m.ctx, roots.Peers, t.Output())
	check(t, err)
	c, err := cloud.New(m.ctx, cloud.Options{Root: root, Networks: 1, Output: t.Output()})
	check(t, err)
	t.Cleanup(func() { check(t, c.Close()) })
	check(t, c.Serve(m.ctx, peer.Dnsmasq))
	check(t, c.StartGuest())
	check(t, c.GuestUp())
	_, err = c.Guest.Await(m.ctx, "a link-local address", func(s lab.State) bool { return s.LinkLocal("eth0").IsValid() })
	check(t, err)
	n = c.Nets[0]
	router, guest = &machine{n.Router, t, m.ctx}, &machine{c.Guest, t, m.ctx}
	check(t, router.WriteFile("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 0\n")) // without an init only that lets scripts be stopped
	check(t, os.Chmod(router.Path("/usr/sbin/policy-rc.d"), 0o755))
	router.put("/tmp/responder.deb", packageFile(t, dir, "v6guest-responder", "deb"))
	router.must("dpkg", "-i", "/tmp/responder.deb")
	return router, guest, n
}

const (
	responderScript = "/etc/init.d/v6responder"
	dnsmasqHosts    = "/etc/dhcphosts.txt"
)

// leases has the guest's client ask for its address, or confirm the one that it has.
func (m *machine) leases(n *cloud.Net) {
	m.t.Helper()
	m.must("dhclient", "-6", "-1", "-D", "LL", "eth0")
	if got := m.must("ip", "-6", "address", "show", "dev", "eth0"); !strings.Contains(got, n.Reserved.Addr.String()) {
		m.t.Errorf("the guest does not have %s:\n%s", n.Reserved.Addr, got)
	}
	m.must("dhclient", "-6", "-x", "eth0") // the client ends and keeps its lease
}

// TestTheResponderTakesDnsmasqsPlace, with the hosts file of dnsmasq's; on a router without systemd, so that the
// start script is what does it.
func TestTheResponderTakesDnsmasqsPlace(t *testing.T) {
	router, guest, n := virtualRouter(t)
	guest.leases(n)
	if out := router.must(responderScript, "start"); !strings.Contains(out, "no [network NAME] yet") {
		t.Errorf("a start without a configuration: %s", out)
	}
	conf := fmt.Sprintf("[server]\nhosts = %s\n[network guests]\ninterface = eth0\nprefix = %s\nrouter_lifetime = 30m\n", dnsmasqHosts, n.Prefix)
	check(t, router.WriteFile("/etc/v6responder/v6responder.conf", conf))
	check(t, os.Chmod(router.Path("/etc/v6responder/v6responder.conf"), 0o644))
	router.must("v6responder", "check-config")

	// dnsmasq has the port, and is named.
	asUser := []string{"setpriv", "--reuid=_v6responder", "--regid=_v6responder", "--clear-groups", "--inh-caps=+net_bind_service,+net_raw", "--ambient-caps=+net_bind_service,+net_raw"}
	for _, argv := range [][]string{{"v6responder", "serve"}, append(asUser, "v6responder", "--run-dir", "/tmp", "--state-dir", "/tmp", "serve")} {
		r := router.do(argv...)
		for _, want := range []string{"dnsmasq (pid ", "547", "try: "} {
			if r.Code == 0 || !strings.Contains(r.Stderr, want) {
				t.Errorf("with dnsmasq there, %v does not say %q (exit code %d):\n%s", argv, want, r.Code, r.Stderr)
			}
		}
	}
	if r := router.do(responderScript, "start"); r.Code != 1 || !strings.Contains(r.Stderr, "v6responder: it ended at once") {
		t.Errorf("the script's start with dnsmasq there: exit code %d, %s", r.Code, r.Stderr)
	}
	if r := router.do(responderScript, "status"); r.Code != 3 {
		t.Errorf("the script's status with dnsmasq there: exit code %d", r.Code)
	}

	check(t, n.Server.Stop(router.ctx))
	router.must(responderScript, "start")
	answers := func() { // as soon as the script has ended
		t.Helper()
		router.must("v6responder", "hosts", "list")
		router.must(responderScript, "status")
	}
	answers()
	guest.leases(n)
	for _, of := range []struct{ argv, want string }{
		{"sh -c ps -o user:20= -p $(cat /run/v6responder.pid)", "_v6responder"},
		{"stat -c %U:%G:%a /var/lib/v6responder /run/v6responder", "_v6responder:_v6responder:700\n_v6responder:_v6responder:755"},
		{"sh -c awk '/^Cap(Eff|Bnd|Amb)/{print$2}' /proc/$(pidof v6responder)/status|sort -u", "0000000000002400"}, // CAP_NET_BIND_SERVICE, CAP_NET_RAW
	} {
		argv := strings.SplitN(of.argv, " ", 3)
		if argv[0] != "sh" {
			argv = strings.Fields(of.argv)
		}
		if got := strings.TrimSpace(router.must(argv...)); got != of.want {
			t.Errorf("%s: %q, want %q", of.argv, got, of.want)
		}
	}

	// A line that a script appends, a reload, a restart.
	router.must("sh", "-c", "echo 'id:00:03:00:01:06:a0:f0:00:00:99,["+n.Host(0x99).String()+"],vm-99,infinite' >>"+dnsmasqHosts)
	router.must(responderScript, "reload")
	if out := router.must("v6responder", "hosts", "list"); !strings.Contains(out, n.Host(0x99).String()) {
		t.Errorf("after a reload:\n%s", out)
	}
	before := router.must("cat", "/run/v6responder.pid")
	router.must(responderScript, "restart")
	answers()
	if router.must("cat", "/run/v6responder.pid") == before {
		t.Error("restart did nothing")
	}
	guest.leases(n)
	router.must("dpkg", "-P", "v6guest-responder")
	if router.exists("/var/lib/v6responder") || router.exists(responderScript) || router.exists("/etc/v6responder/v6responder.conf") {
		t.Error("the purge left something")
	}
	if got := router.do("sh", "-c", "ps -o stat= -C v6responder").Stdout; strings.TrimLeft(strings.TrimSpace(got), "Z+ls\n") != "" {
		t.Errorf("after the removal it still runs: %q", got)
	}
}
