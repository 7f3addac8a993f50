package e2e

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/peer"
)

// TestOptionsByTagReachARealClient: ISC's dhclient asks for the URL of a boot file, which the configuration gives by
// its code: one guest gets it, one of another class gets another, and a nondefault6 NIC gets neither it nor DNS.
func TestOptionsByTagReachARealClient(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := newCloud(ctx, t, 1)
	n := c.Nets[0]
	network := n.Network()
	network.Guests = nil
	network.NetworkOptions = []string{
		"option.59 = 68:74:74:70:3a:2f:2f:61", // http://a
		"[class rescue]", "option.59 = 68 74 74 70 3a 2f 2f 62",
	}
	check(t, n.Serve(ctx, peer.V6responder, network))
	guests := []struct{ name, tag, url, dns string }{
		{"plain", "", `bootfile-url "http://a";`, "name-servers"},
		{"rescue", ",set:rescue", `bootfile-url "http://b";`, "name-servers"},
		{"second", ",set:nondefault6", "", ""},
	}
	var lines strings.Builder
	for i, g := range guests {
		lines.WriteString("06:a0:f0:00:0e:0" + string(rune('0'+i)) + ",[" + n.Host(uint16(0xe0+i)).String() + "]" + g.tag + "\n")
	}
	check(t, n.Router.WriteFile(peer.ResponderHosts, lines.String()))
	r, err := n.Router.Run(ctx, "v6responder", "reload")
	check(t, err)
	if r.Code != 0 {
		t.Fatalf("reload: %s%s", r.Stdout, r.Stderr)
	}
	for i, g := range guests {
		m, err := c.Machine(ctx, n, g.name, net.HardwareAddr{0x06, 0xa0, 0xf0, 0, 0x0e, byte(i)}, netip.Addr{})
		check(t, err)
		check(t, m.WriteFile("/etc/dhcp/dhclient.conf", "request dhcp6.name-servers, dhcp6.domain-search, dhcp6.bootfile-url;\n"))
		p, err := m.Start("dhclient", "-6", "-1", "-d", "-v", "-D", "LL", "-lf", "/var/lib/dhcp/options.leases", "eth0")
		check(t, err)
		_, err = p.AwaitLine(ctx, 0, "Bound to lease")
		check(t, err)
		_, err = p.Stop(ctx)
		check(t, err)
		r, err := m.Run(ctx, "cat", "/var/lib/dhcp/options.leases")
		check(t, err)
		if !strings.Contains(r.Stdout, n.Host(uint16(0xe0+i)).String()) {
			t.Fatalf("%s: no lease: %s", g.name, r.Stdout)
		}
		for name, want := range map[string]string{"bootfile-url": g.url, "name-servers": g.dns} {
			if has := strings.Contains(r.Stdout, name); has != (want != "") || !strings.Contains(r.Stdout, want) {
				t.Errorf("%s: %s: %s", g.name, name, r.Stdout)
			}
		}
	}
}
