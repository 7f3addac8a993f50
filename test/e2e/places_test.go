package e2e

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/cloud"
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

// What 64 NICs may cost until each has its address, as docs/networks.md states it.
const (
	manyCPU    = 3 * time.Second // of one core
	manyMemory = 32 << 20        // resident at the most, in bytes
	manyLines  = 8 * 64          // of log
)

// All in one network, where every advertisement comes in 64 times and all claim the same prefix; and each in one
// of its own, with a router's NIC at the other end of its cable.
func TestSixtyFourNICs(t *testing.T) {
	rough(t)
	t.Run("one network", func(t *testing.T) {
		ctx := within(t, 2*time.Minute)
		c := newCloud(ctx, t, 1)
		n := c.Nets[0]
		network := n.Network()
		nics := map[string]netip.Addr{n.NIC: n.Reserved.Addr}
		for i := 1; i < 64; i++ {
			g := peer.Guest{Name: fmt.Sprintf("vm-1-%d", i), MAC: net.HardwareAddr{0x06, 0xa0, 0xf1, 0, 0, byte(i)}, Addr: n.Host(uint16(0x1000 + i)), Secondary: true}
			network.Guests, nics[fmt.Sprintf("eth%d", i)] = append(network.Guests, g), g.Addr
		}
		check(t, n.Serve(ctx, peer.V6responder, network))
		check(t, c.StartGuest())
		for i, g := range network.Guests[1:] {
			_, err := c.Guest.Plug(n.Segment, fmt.Sprintf("eth%d", i+1), g.MAC)
			check(t, err)
		}
		manyNICs(ctx, t, c, nics, func(s lab.State) bool { return s.Route(n.Prefix, n.NIC) })
		for _, addr := range nics {
			ping(ctx, t, n.Neighbour, addr)
		}
	})
	t.Run("64 networks", func(t *testing.T) {
		ctx := within(t, 2*time.Minute)
		c := newCloud(ctx, t, 0)
		check(t, c.StartGuest())
		router, err := c.Boot("router")
		check(t, err)
		check(t, router.Sysctl("net/ipv6/conf/all/forwarding", "1"))
		conf, hosts := "[server]\nhosts = "+peer.ResponderHosts+"\n", ""
		nics, prefixes := map[string]netip.Addr{}, map[string]netip.Prefix{}
		for i := range 64 {
			nic, mac := fmt.Sprintf("eth%d", i), net.HardwareAddr{0x06, 0xa0, 0xf1, 0, byte(i), 0x38}
			check(t, lab.Cable(router, nic, net.HardwareAddr{0x06, 0xa0, 0xf1, 0, byte(i), 1}, c.Guest, nic, mac))
			check(t, router.Up(nic))
			prefix := fmt.Sprintf("2001:db8:%d::", i+1)
			check(t, router.AddAddress(nic, prefix+"1/64"))
			conf += fmt.Sprintf("[network n%d]\ninterface = %s\nprefix = %s/64\nrouter_lifetime = 30m\n", i, nic, prefix)
			hosts += fmt.Sprintf("id:00:03:00:01:%s,[%s38],vm-%d,infinite\n", mac, prefix, i)
			nics[nic], prefixes[nic] = netip.MustParseAddr(prefix+"38"), netip.MustParsePrefix(prefix+"/64")
		}
		check(t, router.WriteFile("/etc/v6responder/v6responder.conf", conf))
		check(t, router.WriteFile(peer.ResponderHosts, hosts))
		_, err = router.Start("v6responder", "serve")
		check(t, err)
		manyNICs(ctx, t, c, nics, func(s lab.State) bool {
			for nic, p := range prefixes {
				if !s.Route(p, nic) {
					return false
				}
			}
			return true
		})
		for _, addr := range nics {
			ping(ctx, t, router, addr)
		}
	})
}

// manyNICs starts the agent and waits until each NIC has its address and the first has the only default route.
func manyNICs(ctx context.Context, t *testing.T, c *cloud.Cloud, nics map[string]netip.Addr, onLink func(lab.State) bool) {
	t.Helper()
	check(t, c.Guest.WriteFile("/etc/v6guest/v6guest.conf", "[agent]\nnics = eth*\ndefault_nic = eth0\n"))
	p, err := c.Guest.Start("v6guest", "run")
	check(t, err)
	ctx, cancel := p.Guard(ctx)
	defer cancel()
	_, err = c.Guest.Await(ctx, "64 reserved addresses, on-link routes, one default route", func(s lab.State) bool {
		for nic, addr := range nics {
			if !s.Usable(nic, addr) {
				return false
			}
		}
		return len(nics) == 64 && len(s.Global("")) == 64 && slices.Equal(s.DefaultNICs(), []string{"eth0"}) && onLink(s)
	})
	check(t, err)
	cpu, memory := cpuTime(t, p), peakMemory(t, p)
	t.Logf("%d NICs: %s of CPU, at most %d KiB resident, %d lines of log", len(nics), cpu, memory>>10, len(p.Lines()))
	if cpu > manyCPU || memory > manyMemory || len(p.Lines()) > manyLines {
		t.Errorf("stated are at most %s of CPU, %d KiB and %d lines", manyCPU, manyMemory>>10, manyLines)
	}
}
