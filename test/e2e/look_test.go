package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/roots"
)

// A NIC that has a global address when NetworkManager first looks at it is somebody else's to it, and gets no
// IPv4: an agent that is first has its lease, and waits with the address.
func TestANICThatNetworkManagerMeetsAfterTheAgentHasIPv4(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	c := withRoot(ctx, t, roots.NetworkManager, 1)
	profile(t, c, "link-local")
	ctx, a := agent(ctx, t, c, "")
	_, err := a.AwaitLine(ctx, 0, "addresses wait until NetworkManager has looked")
	check(t, err)
	_, err = a.AwaitLine(ctx, 0, "msg=bound")
	check(t, err)
	if s := must(ctx, t, c, "v6guest", "status"); !strings.Contains(s, "waiting: NetworkManager has not looked") {
		t.Errorf("status does not say what the NIC waits for:\n%s", s)
	}
	if h := history(c.Guest, c.Nets[0].Reserved.Addr); h != nil {
		t.Errorf("the address before NetworkManager has looked: %v", h)
	}
	p := networkManager(ctx, t, c)
	const activated = "device (eth0): Activation: successful, device activated"
	_, err = p.AwaitLine(ctx, 0, activated)
	check(t, err)
	ipv4 := func() {
		t.Helper()
		if s := must(ctx, t, c, "ip", "-4", "-o", "address", "show", "dev", "eth0"); !strings.Contains(s, "10.0.0.5/24") {
			t.Errorf("IPv4: %q\n%s", s, must(ctx, t, c, "nmcli", "device"))
		}
	}
	ipv4()
	asReserved(ctx, t, c)

	check(t, p.Kill())
	p, err = c.Guest.Start("NetworkManager", "--no-daemon", "--debug")
	check(t, err)
	_, err = p.AwaitLine(ctx, 0, activated)
	check(t, err)
	ipv4()
	asReserved(ctx, t, c)
}
