package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	server "github.com/v6guest/v6guest/pkg/responder"
	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// unreserved is a machine without a reservation that leases by v6guest.
func unreserved(ctx context.Context, t *testing.T, c *cloud.Cloud, last byte) *lab.Machine {
	t.Helper()
	m, err := c.Machine(ctx, c.Nets[0], fmt.Sprintf("unreserved%d", last), net.HardwareAddr{0x06, 0xa0, 0xf0, 0, 0x0b, last}, netip.Addr{})
	check(t, err)
	check(t, m.WriteFile("/etc/v6guest/v6guest.conf", "[agent]\nnics = eth0\n"))
	return m
}

// responderStatus asks the server on a router.
func responderStatus(ctx context.Context, t *testing.T, n *cloud.Net) (st server.Status) {
	t.Helper()
	r, err := n.Router.Run(ctx, "v6responder", "status", "--json")
	check(t, err)
	if r.Code != 0 {
		t.Fatalf("status: exit code %d: %s", r.Code, r.Stderr)
	}
	check(t, json.Unmarshal([]byte(r.Stdout), &st))
	return st
}

// TestTheServerNeedsAUserAndTwoCapabilitiesOnly: as its unit has it, but started by setpriv. It leases,
// advertises, keeps its store, reads changed hosts and answers its commands.
func TestTheServerNeedsAUserAndTwoCapabilitiesOnly(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	c := newCloud(ctx, t, 1)
	n := c.Nets[0]
	check(t, n.Router.WriteFile("/etc/v6responder/v6responder.conf", fmt.Sprintf(
		"[server]\nhosts = %s\n[network guests]\ninterface = eth0\nprefix = %s\nrouter_lifetime = 30m\npool = %s-%s\n",
		peer.ResponderHosts, n.Prefix, n.Host(0x1000), n.Host(0x100f))))
	check(t, n.Router.WriteFile(peer.ResponderHosts, ""))
	const user = 4711
	for _, dir := range []string{"/var/lib/v6responder", "/run/v6responder"} {
		check(t, os.MkdirAll(n.Router.Path(dir), 0o700))
		check(t, os.Chown(n.Router.Path(dir), user, user))
	}
	const rights = "+net_bind_service,+net_raw"
	p, err := n.Router.Start("setpriv", "--reuid="+strconv.Itoa(user), "--regid="+strconv.Itoa(user), "--clear-groups", "--no-new-privs",
		"--inh-caps=-all,"+rights, "--ambient-caps=-all,"+rights, "--bounding-set=-all,"+rights, "v6responder", "serve")
	check(t, err)
	_, err = p.AwaitLine(ctx, 0, "serving")
	check(t, err)
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.PID()), "status"))
	check(t, err)
	for _, want := range []string{"Uid:\t4711\t4711\t4711\t4711", "CapPrm:\t0000000000002400", "CapEff:\t0000000000002400", "CapBnd:\t0000000000002400", "NoNewPrivs:\t1", "Name:\tv6responder"} {
		if !strings.Contains(string(b), want+"\n") {
			t.Errorf("no %q in\n%s", want, b)
		}
	}

	first := unreserved(ctx, t, c, 1)
	leases(ctx, t, first, 0) // a pool's address, which is stored
	watched(ctx, t, n, first)
	r, err := n.Neighbour.Run(ctx, "rdisc6", "-1", "-r", "20", "eth0")
	check(t, err)
	if !strings.Contains(r.Stdout, n.Prefix.String()) {
		t.Errorf("rdisc6: %s%s", r.Stdout, r.Stderr)
	}
	ready(ctx, t, c)
	check(t, n.Router.WriteFile(peer.ResponderHosts, peer.Hosts([]peer.Guest{n.Reserved})))
	r, err = n.Router.Run(ctx, "v6responder", "reload")
	check(t, err)
	if r.Code != 0 {
		t.Errorf("reload: %s", r.Stderr)
	}
	leases(ctx, t, c.Guest, 0)
	if st := responderStatus(ctx, t, n); st.Leases != 1 || st.HostsLines != 1 || len(st.Problems) != 0 || st.Store == nil {
		t.Errorf("status: %+v", st)
	}
	code, err := p.Stop(ctx)
	check(t, err)
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// watched has a guest give its address back and lease anew until those who watch the server have seen it:
// none of them says that it has begun.
func watched(ctx context.Context, t *testing.T, n *cloud.Net, guest *lab.Machine) {
	t.Helper()
	type watcher struct {
		*lab.Process
		wants []string
	}
	var all []watcher
	for _, tt := range []struct{ command, wants []string }{
		{[]string{"leases", "list", "--watch", n.Prefix.Addr().String()}, []string{"released", "leased"}},
		{[]string{"leases", "list", "--watch", "--json"}, []string{`"event":"released"`, `"event":"leased"`}},
		{[]string{"trace", "eth0"}, []string{"eth0 < ", "Release", "eth0 > ", "Reply"}},
	} {
		p, err := n.Router.Start(append([]string{"v6responder"}, tt.command...)...)
		check(t, err)
		all = append(all, watcher{p, tt.wants})
	}
	seen := func(w watcher) bool {
		return !slices.ContainsFunc(w.wants, func(want string) bool { return !strings.Contains(w.Output(), want) })
	}
	for slices.ContainsFunc(all, func(w watcher) bool { return !seen(w) }) {
		check(t, ctx.Err())
		r, err := guest.Run(ctx, "v6guest", "release", "eth0")
		check(t, err)
		if r.Code != 0 {
			t.Fatalf("release: %s", r.Stderr)
		}
		leases(ctx, t, guest, 0)
	}
	for _, w := range all {
		code, err := w.Stop(ctx)
		check(t, err)
		if code != 0 {
			t.Errorf("%v: exit code %d: %s", w.wants, code, w.Output())
		}
	}
}

// TestStoreThatCannotBeWritten: a file that may not grow, as on a full disk. Who has a reservation is
// served as ever, nobody gets an address that is not stored, status and log say why; with room again all
// goes on. A damaged file then is told, not touched, and the cure that is named works.
func TestStoreThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	c := newCloud(ctx, t, 1)
	n := c.Nets[0]
	p := responder(ctx, t, c, func(p *peer.Network) {
		p.NetworkOptions = []string{"pool = " + n.Host(0x1000).String() + "-" + n.Host(0x100f).String()}
	})
	limit := func(size uint64) {
		t.Helper()
		check(t, unix.Prlimit(p.PID(), unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: unix.RLIM_INFINITY}, nil))
	}
	first, second := unreserved(ctx, t, c, 1), unreserved(ctx, t, c, 2)
	leases(ctx, t, first, 0)
	ready(ctx, t, c)

	limit(4096)
	if _, r := lease(ctx, t, second, "eth0", "--timeout", "4s"); r.Code != 3 {
		t.Errorf("exit code %d, want 3: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	_, err := p.AwaitLine(ctx, 0, "bindings are not stored")
	check(t, err)
	if st := responderStatus(ctx, t, n); st.Store.Error == "" || len(st.Problems) != 1 || !strings.Contains(st.Problems[0].What, "not stored") {
		t.Errorf("status: %+v, store %+v", st.Problems, st.Store)
	}
	leases(ctx, t, c.Guest, 0)

	limit(unix.RLIM_INFINITY)
	leases(ctx, t, second, 0)
	_, err = p.AwaitLine(ctx, 0, "bindings are stored again")
	check(t, err)
	if st := responderStatus(ctx, t, n); st.Store.Error != "" || st.Leases != 2 {
		t.Errorf("status: %d leases, store %+v", st.Leases, st.Store)
	}

	_, err = p.Stop(ctx)
	check(t, err)
	file := n.Router.Path("/var/lib/v6responder/leases.db")
	b, err := os.ReadFile(file)
	check(t, err)
	for i := 4096; i < len(b); i += 2 {
		b[i] ^= 0x55
	}
	for i := range 4096 {
		b[i] ^= 0x55
	}
	check(t, os.WriteFile(file, b, 0o600))
	r, err := n.Router.Run(ctx, "v6responder", "serve")
	check(t, err)
	if r.Code != 1 || !strings.Contains(r.Stderr, "/var/lib/v6responder/leases.db") || !strings.Contains(r.Stderr, "or rename it (keep it) and start") {
		t.Errorf("exit code %d: %s", r.Code, r.Stderr)
	}
	if after, err := os.ReadFile(file); err != nil || string(after) != string(b) {
		t.Errorf("the damaged file is another: %v", err)
	}
	check(t, os.Rename(file, file+".damaged"))
	p, err = n.Router.Start("v6responder", "serve")
	check(t, err)
	_, err = p.AwaitLine(ctx, 0, "serving")
	check(t, err)
	leases(ctx, t, c.Guest, 0)
}

// TestAnotherServerOnTheLinkIsNoticed: dnsmasq on another machine has the guest's reservation, and the
// guest takes that offer.
func TestAnotherServerOnTheLinkIsNoticed(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := newCloud(ctx, t, 1)
	n := c.Nets[0]
	p := responder(ctx, t, c, func(p *peer.Network) { p.Guests = nil })
	m, err := c.Machine(ctx, n, "another", net.HardwareAddr{0x06, 0xa0, 0xf0, 0, 0x0c, 0x01}, n.Host(0x99))
	check(t, err)
	network := n.Network()
	network.NoRA = true
	_, err = peer.Serve(ctx, peer.Dnsmasq, m, network)
	check(t, err)
	ready(ctx, t, c)
	_, err = c.Guest.Start("dhclient", "-6", "-d", "-v", "-D", "LL", "eth0") // without Rapid Commit: it sends a Request
	check(t, err)
	usable(ctx, t, c, "eth0", n.Reserved.Addr)
	_, err = p.AwaitLine(ctx, 0, "another DHCPv6 server is on the link")
	check(t, err)
	st := responderStatus(ctx, t, n)
	if len(st.OtherServers) != 1 || st.OtherServers[0].Interface != "eth0" || st.OtherServers[0].DUID == st.DUID {
		t.Errorf("status: %+v", st.OtherServers)
	}
}
