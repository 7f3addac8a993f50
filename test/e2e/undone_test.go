package e2e

import (
	"context"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
	"github.com/v6guest/v6guest/test/roots"
)

// A stackThatUndoes is one that deletes every address of the NIC that its configuration does not know.
type stackThatUndoes struct {
	name string // as v6guest calls it
	root roots.Spec
	// start starts it on eth0, and returns what makes it delete.
	start func(ctx context.Context, t *testing.T, c *cloud.Cloud) (undo func(again int))
}

var stacksThatUndo = []stackThatUndoes{
	{"ifupdown2", roots.Ifupdown2, func(ctx context.Context, t *testing.T, c *cloud.Cloud) func(int) {
		stanza(t, c, 0)
		must(ctx, t, c, "mkdir", "-p", "/run/network")
		must(ctx, t, c, "ifup", "-a")
		return func(again int) {
			stanza(t, c, again)
			must(ctx, t, c, "ifreload", "-a")
		}
	}},
	{"NetworkManager", roots.NetworkManager, func(ctx context.Context, t *testing.T, c *cloud.Cloud) func(int) {
		profile(t, c, "link-local")
		p := networkManager(ctx, t, c)
		_, err := p.AwaitLine(ctx, 0, "Activation: successful, device activated")
		check(t, err)
		return func(again int) {
			must(ctx, t, c, "nmcli", "connection", "modify", "eth0", "802-3-ethernet.mtu", mtu(again))
			must(ctx, t, c, "nmcli", "device", "reapply", "eth0")
		}
	}},
	{"networkd", roots.NetworkManager, func(ctx context.Context, t *testing.T, c *cloud.Cloud) func(int) {
		networkdOnBus(ctx, t, c)
		return func(int) { must(ctx, t, c, "networkctl", "reconfigure", "eth0") }
	}},
}

// mtu is another one each time: there has to be something that a stack has to do.
func mtu(again int) string { return []string{"1490", "1480"}[again%2] }

func stanza(t *testing.T, c *cloud.Cloud, again int) {
	t.Helper()
	check(t, c.Guest.WriteFile("/etc/network/interfaces",
		"auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet static\n    address 10.0.0.5/24\n    mtu "+mtu(again)+"\n"))
}

// Three times it is back on the very event: no pause was made, and whoever asks the agent after the stack
// has done its work finds it there. One that goes on is named, and has to wait longer and longer.
func TestAnAddressThatAStackDeletesIsBackAtOnce(t *testing.T) {
	for _, s := range stacksThatUndo {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t, 2*time.Minute)
			c := withRoot(ctx, t, s.root, 1)
			addr := c.Nets[0].Reserved.Addr
			undo := s.start(ctx, t, c)
			ctx, a := agent(ctx, t, c, "")
			asReserved(ctx, t, c)
			for again := 1; lost(c.Guest, addr) < 3; again++ {
				before := lost(c.Guest, addr)
				undo(again)
				_, err := c.Guest.Await(ctx, "the deletion of "+addr.String(), func(lab.State) bool { return lost(c.Guest, addr) > before })
				check(t, err)
				for range 5 { // what is to be done at an event is done by then
					must(ctx, t, c, "v6guest", "status")
				}
				if st, err := c.Guest.State(); err != nil || !st.Has("eth0", addr) && lost(c.Guest, addr) <= 3 {
					t.Errorf("%s is not back: %v\n%s", addr, err, st)
				}
			}
			for again := 0; len(putBack(a)) < 3 || !strings.Contains(a.Output(), "again and again"); again++ {
				undo(again)
				_, err := c.Guest.Await(ctx, addr.String(), func(st lab.State) bool { return st.Has("eth0", addr) })
				check(t, err)
			}
			if got := putBack(a)[:3]; !slices.Equal(got, []string{"0s", "0s", "0s"}) {
				t.Errorf("pauses before it was put back: %v", got)
			}
			named(t, a, "leased address", "eth0: "+s.name+": ")
			asReserved(ctx, t, c)
		})
	}
}

// lost is how many times the kernel has told that an address is gone.
func lost(m *lab.Machine, addr netip.Addr) (times int) {
	for _, ch := range m.Changes() {
		if !ch.Route && ch.Gone && ch.Prefix.Addr() == addr {
			times++
		}
	}
	return times
}

// putBack are the pauses that the agent made before it put leased addresses back, as it says itself.
func putBack(a *lab.Process) (pauses []string) {
	for _, l := range a.Lines() {
		if _, pause, ok := strings.Cut(l.Text, " pause="); ok && strings.Contains(l.Text, "a leased address was taken off by somebody and is put back") {
			pauses = append(pauses, pause)
		}
	}
	return pauses
}

// named checks that the agent tells once of a fight over something, and with whom.
func named(t *testing.T, a *lab.Process, what, opponent string) {
	t.Helper()
	var told []string
	for _, l := range a.Lines() {
		if strings.Contains(l.Text, "again and again") && strings.Contains(l.Text, `what="`+what+`"`) {
			told = append(told, l.Text)
		}
	}
	if len(told) != 1 || !strings.Contains(told[0], `stack="`+opponent) {
		t.Errorf("want one line of a fight over the %s with %q:\n%s", what, opponent, strings.Join(told, "\n"))
	}
}

// networkdOnBus starts systemd-networkd on eth0 as its unit does, by its own user, and with the bus that
// networkctl needs.
func networkdOnBus(ctx context.Context, t *testing.T, c *cloud.Cloud) *lab.Process {
	t.Helper()
	check(t, c.Guest.WriteFile("/etc/systemd/network/10-eth0.network",
		"[Match]\nName=eth0\n[Network]\nAddress=10.0.0.5/24\nIPv6AcceptRA=yes\n[IPv6AcceptRA]\nDHCPv6Client=no\nUseAutonomousPrefix=no\n"))
	bus(ctx, t, c)
	must(ctx, t, c, "install", "-d", "-o", "systemd-network", "/run/systemd/netif", "/run/systemd/netif/links", "/run/systemd/netif/leases", "/run/systemd/netif/lldp")
	return networkdUnit(ctx, t, c)
}

func networkdUnit(ctx context.Context, t *testing.T, c *cloud.Cloud) *lab.Process {
	t.Helper()
	const capabilities = "+net_admin,+net_bind_service,+net_broadcast,+net_raw"
	p, err := c.Guest.Start("setpriv", "--reuid=systemd-network", "--regid=systemd-network", "--clear-groups", "--inh-caps="+capabilities, "--ambient-caps="+capabilities,
		"env", "SYSTEMD_LOG_LEVEL=debug", "SYSTEMD_LOG_TARGET=console", "/lib/systemd/systemd-networkd")
	check(t, err)
	_, err = p.AwaitLine(ctx, 0, "eth0: State changed: configuring -> configured")
	check(t, err)
	return p
}

// networkd may delete addresses when it is started anew too; whether it does depends on its version.
func TestAddressAndRouteAreThereAfterARestartOfNetworkd(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	c := withRoot(ctx, t, roots.NetworkManager, 1)
	p := networkdOnBus(ctx, t, c)
	ctx, a := agent(ctx, t, c, "")
	asReserved(ctx, t, c)
	for _, kill := range []bool{false, true} {
		if kill {
			check(t, p.Kill())
		} else {
			_, err := p.Stop(ctx)
			check(t, err)
		}
		p = networkdUnit(ctx, t, c)
		asReserved(ctx, t, c)
		ping(ctx, t, c.Nets[0].Neighbour, c.Nets[0].Reserved.Addr)
	}
	for _, pause := range putBack(a) {
		if pause != "0s" {
			t.Errorf("put back after a pause of %s", pause)
		}
	}
	t.Logf("%d times put back", len(putBack(a)))
}

// bus starts a message bus, for programs that else wait for udev.
func bus(ctx context.Context, t *testing.T, c *cloud.Cloud) {
	t.Helper()
	must(ctx, t, c, "mount", "-o", "remount,ro", "/sys") // else they wait for udev
	must(ctx, t, c, "mkdir", "-p", "/run/dbus")
	_, err := c.Guest.Start("dbus-daemon", "--system", "--nofork", "--nopidfile")
	check(t, err)
	must(ctx, t, c, "sh", "-c", "until test -S /run/dbus/system_bus_socket; do :; done")
}

// networkManager starts NetworkManager with its bus.
func networkManager(ctx context.Context, t *testing.T, c *cloud.Cloud) *lab.Process {
	t.Helper()
	bus(ctx, t, c)
	p, err := c.Guest.Start("NetworkManager", "--no-daemon", "--debug")
	check(t, err)
	return p
}

// profile is NetworkManager's of the guest's NIC.
func profile(t *testing.T, c *cloud.Cloud, ipv6 string) {
	t.Helper()
	const name = "/etc/NetworkManager/system-connections/eth0.nmconnection"
	check(t, c.Guest.WriteFile(name, "[connection]\nid=eth0\nuuid=6e9d6a0e-4f0c-4b65-9c19-000000000000\ntype=ethernet\ninterface-name=eth0\n\n"+
		"[ipv4]\nmethod=manual\naddress1=10.0.0.5/24\n\n[ipv6]\nmethod="+ipv6+"\n"))
	check(t, os.Chmod(c.Guest.Path(name), 0o600))
}

// Somebody sets accept_ra by hand, on the NIC that keeps its default route and on the one that has none.
func TestASwitchThatSomebodyFlipsIsSetBackAtOnce(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.V6responder, 2)
	ctx, p := agent(ctx, t, c, "default_nic = eth0\n")
	asReserved(ctx, t, c)
	next := 0
	for _, flip := range []struct{ nic, value, want string }{{"eth1", "2", "0"}, {"eth0", "0", "2"}} {
		name := "net/ipv6/conf/" + flip.nic + "/accept_ra"
		check(t, c.Guest.Sysctl(name, flip.value))
		var err error
		next, err = p.AwaitLine(ctx, next, "a switch was changed by somebody and is set back")
		check(t, err)
		must(ctx, t, c, "v6guest", "status") // what the agent does after its line it has done when it answers
		got, err := c.Guest.ReadSysctl(name)
		check(t, err)
		if got != flip.want {
			t.Errorf("accept_ra of %s = %s, want %s", flip.nic, got, flip.want)
		}
	}
	untouched(ctx, t, c)
}
