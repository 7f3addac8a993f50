package e2e

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// An LXC or Docker container: its NICs are veths whose other ends are outside, and it may set no switch.
func TestAContainerWithAReadOnlyProcSysHasItsAddresses(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.Dnsmasq, 2)
	check(t, c.Guest.WriteFile("/run/systemd/container", "lxc\n"))
	must(ctx, t, c, "sh", "-c", "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys")
	p, err := c.Guest.Start("v6guest", "run") // nics = auto
	check(t, err)
	ctx, cancel := p.Guard(ctx)
	defer cancel()
	asReserved(ctx, t, c)
	reachesAll(ctx, t, c)
	s := must(ctx, t, c, "v6guest", "status")
	for _, words := range []string{"the way out of this container (lxc, veth)", "v6guest processes Router Advertisements: /proc/sys is read-only"} {
		if !strings.Contains(s, words) {
			t.Errorf("status does not say %q:\n%s", words, s)
		}
	}
}

func TestSixtyFourNICs(t *testing.T) {
	rough(t)
	ctx := within(t, 2*time.Minute)
	c := newCloud(ctx, t, 1)
	n := c.Nets[0]
	network := n.Network()
	nics := map[string]peer.Guest{n.NIC: n.Reserved}
	for i := 1; i < 64; i++ {
		g := peer.Guest{Name: fmt.Sprintf("vm-1-%d", i), MAC: net.HardwareAddr{0x06, 0xa0, 0xf1, 0, 0, byte(i)}, Addr: n.Host(uint16(0x1000 + i)), Secondary: true}
		network.Guests, nics[fmt.Sprintf("eth%d", i)] = append(network.Guests, g), g
	}
	check(t, n.Serve(ctx, peer.V6responder, network))
	check(t, c.StartGuest())
	for nic, g := range nics {
		if nic != n.NIC {
			_, err := c.Guest.Plug(n.Segment, nic, g.MAC)
			check(t, err)
		}
	}
	check(t, c.Guest.WriteFile("/etc/v6guest/v6guest.conf", "[agent]\nnics = eth*\ndefault_nic = eth0\n"))
	p, err := c.Guest.Start("v6guest", "run")
	check(t, err)
	ctx, cancel := p.Guard(ctx)
	defer cancel()
	_, err = c.Guest.Await(ctx, "64 reserved addresses", func(s lab.State) bool {
		for nic, g := range nics {
			if !s.Usable(nic, g.Addr) {
				return false
			}
		}
		return len(s.Global("")) == len(nics) && slices.Equal(s.DefaultNICs(), []string{"eth0"})
	})
	check(t, err)
	cpu, memory := cpuTime(t, p), peakMemory(t, p)
	t.Logf("%d NICs: %s of CPU, at most %d KiB resident, %d lines of log", len(nics), cpu, memory>>10, len(p.Lines()))
	if cpu > 10*time.Second || memory > 64<<20 {
		t.Errorf("%d NICs cost %s of CPU and %d KiB", len(nics), cpu, memory>>10)
	}
}
