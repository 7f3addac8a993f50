package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	server "github.com/v6guest/v6guest/pkg/responder"
	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// keaPools is a configuration of Kea with all that an import speaks of: a pool, prefixes, reservations by MAC and by
// DUID with what cannot be taken over, comments.
const keaPools = `{ // as its users write it
"Dhcp6": {
  "interfaces-config": { "interfaces": [ "eth0" ] },
  "lease-database": { "type": "memfile", "persist": true, "name": "/var/lib/kea/kea-leases6.csv", "lfc-interval": 0 },
  "valid-lifetime": 4000, "preferred-lifetime": 3000, # two kinds of comments
  "mac-sources": [ "any" ],
  "subnet6": [ {
    "id": 1, "subnet": "%[1]s", "interface": "eth0", "rapid-commit": true,
    "pools": [ { "pool": "%[2]s-%[3]s" } ],
    "pd-pools": [ { "prefix": "2001:db8:8000::", "prefix-len": 40, "delegated-len": 56 } ],
    "reservations": [
      { "hw-address": "06:a0:f0:00:0d:00", "ip-addresses": [ "%[4]s" ], "hostname": "reserved" },
      { "duid": "00:02:00:00:ab:11:01", "ip-addresses": [ "%[5]s" ], "prefixes": [ "2001:db8:9000::/56" ] }
    ]
  } ],
  "loggers": [ { "name": "kea-dhcp6", "severity": "INFO", "output_options": [ { "output": "stdout", "flush": true } ] } ]
} }
`

// An inheritance is v6responder in another server's place on the same router.
type inheritance struct {
	t      *testing.T
	c      *cloud.Cloud
	n      *cloud.Net
	guests map[string]*lab.Machine
}

// inherit makes the router, and machines for guests by their names.
func inherit(ctx context.Context, t *testing.T, names ...string) *inheritance {
	t.Helper()
	c := newCloud(ctx, t, 1)
	in := &inheritance{t, c, c.Nets[0], map[string]*lab.Machine{}}
	for i, name := range names {
		m, err := c.Machine(ctx, in.n, name, net.HardwareAddr{0x06, 0xa0, 0xf0, 0, 0x0d, byte(i)}, netip.Addr{})
		check(t, err)
		in.guests[name] = m
	}
	return in
}

// addr waits for the leased address of a guest.
func (in *inheritance) addr(ctx context.Context, name string) (out netip.Addr) {
	in.t.Helper()
	_, err := in.guests[name].Await(ctx, "an address for "+name, func(s lab.State) bool {
		for _, a := range s.Global("eth0") {
			if a.Usable() {
				out = a.Prefix.Addr()
			}
		}
		return out.IsValid()
	})
	check(in.t, err)
	return out
}

// take imports a file and returns what was not taken over, and what else is told.
func (in *inheritance) take(ctx context.Context, want, kind, file string) []string {
	in.t.Helper()
	r, _ := in.n.Router.Run(ctx, "v6responder", "import", "--json", kind, file)
	var done server.Imported
	if err := json.Unmarshal([]byte(r.Stdout), &done); err != nil {
		in.t.Fatalf("import: %v: %s%s", err, r.Stdout, r.Stderr)
	}
	if got := fmt.Sprintf("%d leases, %d hosts", done.Leases, done.Hosts); got != want {
		in.t.Errorf("%s of %s: %s, want %s; left %q", kind, file, got, want, done.Left)
	}
	return append(done.Left, done.Notes...)
}

func contains(list []string, text string) bool {
	for _, l := range list {
		if strings.Contains(l, text) {
			return true
		}
	}
	return false
}

// configure writes v6responder's configuration, with the pools that the other server had.
func (in *inheritance) configure(more string) {
	in.t.Helper()
	check(in.t, in.n.Router.WriteFile("/etc/v6responder/v6responder.conf", fmt.Sprintf("[server]\n[network guests]\ninterface = eth0\nprefix = %s\npool = %s-%s\n%s",
		in.n.Prefix, in.n.Host(0x1000), in.n.Host(0x10ff), more)))
}

// TestGuestsOfDnsmasqKeepTheirAddresses: its leases file is as dnsmasq has written it, with leases of the pool and of
// a reservation in it.
func TestGuestsOfDnsmasqKeepTheirAddresses(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	in := inherit(ctx, t, "reserved", "dhclient", "v6guest")
	n := in.n
	check(t, n.Router.WriteFile("/etc/dnsmasq.conf", fmt.Sprintf(`port=0
interface=eth0
bind-interfaces
dhcp-authoritative
dhcp-range=%s,%s,64,1h
dhcp-host=06:a0:f0:00:0d:00,[%s],reserved
dhcp-leasefile=/var/lib/misc/dnsmasq.leases
log-dhcp
user=root
`, n.Host(0x1000), n.Host(0x10ff), n.Host(0x77))))
	dnsmasq, err := n.Router.Start("dnsmasq", "--keep-in-foreground", "--log-facility=-", "--conf-file=/etc/dnsmasq.conf")
	check(t, err)
	_, err = dnsmasq.AwaitLine(ctx, 0, "DHCPv6, IP range")
	check(t, err)
	_, err = peer.StartDhclient(in.guests["reserved"], "eth0")
	check(t, err)
	client, err := in.guests["dhclient"].Start("dhclient", "-6", "-d", "-v", "eth0") // with a DUID-LLT
	check(t, err)
	leases(ctx, t, in.guests["v6guest"], 0)
	before := map[string]netip.Addr{}
	for name := range in.guests {
		before[name] = in.addr(ctx, name)
	}
	if before["reserved"] != n.Host(0x77) {
		t.Fatalf("dnsmasq has given %v", before)
	}
	_, err = dnsmasq.Stop(ctx)
	check(t, err)

	in.configure("")
	left := in.take(ctx, "2 leases, 0 hosts", "dnsmasq", "/var/lib/misc/dnsmasq.leases")
	if !contains(left, "the server's DUID is kept by duid = ") || !contains(left, n.Host(0x77).String()+" is not in the pool of network guests") {
		t.Errorf("left: %q", left)
	}
	p, err := n.Router.Start("v6responder", "serve")
	check(t, err)
	_, err = p.AwaitLine(ctx, 0, "serving")
	check(t, err)
	leases(ctx, t, in.guests["v6guest"], 0)
	check(t, client.Kill())
	again, err := in.guests["dhclient"].Start("dhclient", "-6", "-d", "-v", "eth0")
	check(t, err)
	_, err = again.AwaitLine(ctx, 0, "RCV: Reply message")
	check(t, err)
	now := leasesOf(ctx, t, n)
	for _, name := range []string{"dhclient", "v6guest"} {
		if a := in.addr(ctx, name); a != before[name] || now[a.String()].State != "bound" {
			t.Errorf("%s had %s and has %s", name, before[name], a)
		}
	}
	if len(now) != 2 {
		t.Errorf("leases %v", now)
	}
}

// TestGuestsOfKeaKeepTheirAddressesAndPrefixes: the lease file is as Kea's memfile has written it, the reservations stand
// in the configuration that Kea has run with.
func TestGuestsOfKeaKeepTheirAddressesAndPrefixes(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	in := inherit(ctx, t, "reserved", "dhclient", "v6guest")
	n := in.n
	check(t, n.Router.WriteFile("/etc/kea/kea-dhcp6.conf", fmt.Sprintf(keaPools, n.Prefix, n.Host(0x1000), n.Host(0x10ff), n.Host(0x77), n.Host(0x78))))
	check(t, n.Router.WriteFile("/run/kea/made", ""))
	check(t, n.Router.WriteFile("/var/lib/kea/made", ""))
	kea, err := n.Router.Start("kea-dhcp6", "-c", "/etc/kea/kea-dhcp6.conf")
	check(t, err)
	_, err = kea.AwaitLine(ctx, 0, "DHCP6_STARTED")
	check(t, err)
	leases(ctx, t, in.guests["reserved"], 0)
	dhclient := []string{"dhclient", "-6", "-d", "-v", "-P", "-N", "-lf", "/var/lib/dhcp/pd.leases", "-pf", "/run/dhclient-pd.pid", "eth0"}
	client, err := in.guests["dhclient"].Start(dhclient...)
	check(t, err)
	leases(ctx, t, in.guests["v6guest"], 0)
	before := map[string]netip.Addr{}
	for name := range in.guests {
		before[name] = in.addr(ctx, name)
	}
	if before["reserved"] != n.Host(0x77) {
		t.Fatalf("Kea has given %v", before)
	}
	_, err = kea.Stop(ctx)
	check(t, err)

	in.configure("pd_pool = 2001:db8:8000::/40\npd_length = 56\n")
	left := in.take(ctx, "3 leases, 0 hosts", "kea-leases", "/var/lib/kea/kea-leases6.csv")
	if !contains(left, n.Host(0x77).String()+" is not in the pool of network guests") {
		t.Errorf("left: %q", left)
	}
	left = in.take(ctx, "0 leases, 2 hosts", "kea-config", "/etc/kea/kea-dhcp6.conf")
	if len(left) != 2 || !contains(left, "taken over without its prefixes") || !contains(left, "any guest can claim it") {
		t.Errorf("left: %q", left)
	}
	p, err := n.Router.Start("v6responder", "serve")
	check(t, err)
	_, err = p.AwaitLine(ctx, 0, "serving")
	check(t, err)
	for _, name := range []string{"reserved", "v6guest"} {
		leases(ctx, t, in.guests[name], 0)
	}
	check(t, client.Kill())
	again, err := in.guests["dhclient"].Start(dhclient...)
	check(t, err)
	_, err = again.AwaitLine(ctx, 0, "RCV: Reply message")
	check(t, err)
	delegated := prefixes(leasesOf(ctx, t, n))
	for text := range delegated {
		if _, err := again.AwaitLine(ctx, 0, "IAPREFIX "+text); err != nil {
			t.Errorf("dhclient has not its prefix %s: %v", text, err)
		}
	}
	now := leasesOf(ctx, t, n)
	for name, was := range before {
		a := in.addr(ctx, name)
		if _, of := now[a.String()]; a != was || of != (name != "reserved") {
			t.Errorf("%s had %s and has %s: %v", name, was, a, now)
		}
	}
	if len(now) != 3 || len(delegated) != 1 {
		t.Errorf("leases %v", now)
	}
}
