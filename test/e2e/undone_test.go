package e2e

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
	"github.com/v6guest/v6guest/test/roots"
)

// ifreload deletes every address that its file does not know, and so does each further one.
func TestAnAddressThatIfreloadDeletesIsBackAtOnce(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	c := withRoot(ctx, t, roots.Ifupdown2, 1)
	const stanza = "auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet static\n    address 10.0.0.5/24\n"
	check(t, c.Guest.WriteFile("/etc/network/interfaces", stanza))
	must(ctx, t, c, "mkdir", "-p", "/run/network")
	must(ctx, t, c, "ifup", "-a")
	ctx, a := agent(ctx, t, c, "")
	asReserved(ctx, t, c)
	undone(ctx, t, c, a, func(mtu string) {
		check(t, c.Guest.WriteFile("/etc/network/interfaces", stanza+"    mtu "+mtu+"\n"))
		must(ctx, t, c, "ifreload", "-a")
	})
}

// undone has a stack's own means take v6guest's address away six times, which is a fight.
func undone(ctx context.Context, t *testing.T, c *cloud.Cloud, a *lab.Process, undo func(again string)) {
	t.Helper()
	addr := c.Nets[0].Reserved.Addr
	for i, again := range strings.Fields("1490 1480 1490 1480 1490 1480") {
		undo(again)
		asReserved(ctx, t, c)
		if i == 0 && len(history(c.Guest, addr)) < 4 {
			t.Errorf("the address was not taken away: %v", history(c.Guest, addr))
		}
	}
	_, err := a.AwaitLine(ctx, 0, "again and again")
	check(t, err)
}

// networkManager starts NetworkManager with its bus.
func networkManager(ctx context.Context, t *testing.T, c *cloud.Cloud) *lab.Process {
	t.Helper()
	must(ctx, t, c, "mount", "-o", "remount,ro", "/sys") // else it waits for udev
	must(ctx, t, c, "mkdir", "-p", "/run/dbus")
	_, err := c.Guest.Start("dbus-daemon", "--system", "--nofork", "--nopidfile")
	check(t, err)
	must(ctx, t, c, "sh", "-c", "until test -S /run/dbus/system_bus_socket; do :; done")
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

// NetworkManager deletes every address that its profile does not know when that is applied anew.
func TestAnAddressThatNetworkManagersReapplyDeletesIsBackAtOnce(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	c := withRoot(ctx, t, roots.NetworkManager, 1)
	profile(t, c, "link-local")
	p := networkManager(ctx, t, c)
	_, err := p.AwaitLine(ctx, 0, "Activation: successful, device activated")
	check(t, err)
	ctx, a := agent(ctx, t, c, "")
	asReserved(ctx, t, c)
	undone(ctx, t, c, a, func(mtu string) {
		must(ctx, t, c, "nmcli", "connection", "modify", "eth0", "802-3-ethernet.mtu", mtu)
		must(ctx, t, c, "nmcli", "device", "reapply", "eth0")
	})
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
