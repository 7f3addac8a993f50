package e2e

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

func TestARenamedNICKeepsItsLeaseAndItsSettings(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.Dnsmasq, 2)
	ctx, p := agent(ctx, t, c, "default_nic = eth0\n[nic eth1]\nsecondary_ra = no-default-route\n")
	asReserved(ctx, t, c)
	n := c.Nets[1]
	must(ctx, t, c, "ip", "link", "set", "eth1", "name", "lan1")
	_, err := p.AwaitLine(ctx, 0, "nic=lan1")
	check(t, err)
	type nicStatus struct {
		Name, Role, State string
		Switches          map[string]string
	}
	var status struct{ NICs []nicStatus }
	check(t, json.Unmarshal([]byte(must(ctx, t, c, "v6guest", "status", "--json")), &status))
	i := slices.IndexFunc(status.NICs, func(n nicStatus) bool { return n.Name == "lan1" })
	if i < 0 || status.NICs[i].Role != "secondary" || status.NICs[i].State != "bound" || status.NICs[i].Switches["accept_ra_defrtr"] != "0" {
		t.Errorf("status after the renaming: %+v", status.NICs)
	}
	if result, r := lease(ctx, t, c.Guest, "lan1"); r.Code != 0 || len(result) != 1 || result[0].Address != n.Reserved.Addr {
		t.Errorf("lease: exit code %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	if h := history(c.Guest, n.Reserved.Addr); !cmp.Equal(h, []string{"came", "usable"}) && !cmp.Equal(h, []string{"usable"}) {
		t.Errorf("history of %s through the renaming: %v", n.Reserved.Addr, h)
	}
	ping(ctx, t, c.Guest, n.Neighbor6)
}

// A NIC becomes a port of a bridge that takes its MAC over, as a VF does of its master: the master has the
// lease from then on.
func TestTheMasterWithTheSameMACTakesTheLeaseOver(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.V6responder, 1)
	n := c.Nets[0]
	ctx, _ = agentOn(ctx, t, c, "eth0 br0", "")
	asReserved(ctx, t, c)
	must(ctx, t, c, "ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0")
	must(ctx, t, c, "ip", "link", "set", "eth0", "master", "br0")
	_, err := c.Guest.Await(ctx, "the address on the bridge alone, and the default route by it", func(s lab.State) bool {
		return s.Usable("br0", n.Reserved.Addr) && !s.Has("eth0", n.Reserved.Addr) && slices.Equal(s.DefaultNICs(), []string{"br0"})
	})
	check(t, err)
	ping(ctx, t, c.Guest, n.Neighbor6)
}

func TestWhereIPv6IsOffThereIsNothingToWaitForAndNothingToDo(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.V6responder, 1)
	for _, where := range []string{"all", "default", "eth0"} {
		check(t, c.Guest.Sysctl("net/ipv6/conf/"+where+"/disable_ipv6", "1"))
	}
	ctx, p := agent(ctx, t, c, "")
	_, err := p.AwaitLine(ctx, 0, "IPv6 is disabled on eth0")
	check(t, err)
	must(ctx, t, c, "v6guest", "wait-online") // at once, and no failure: nothing is waited for
	for range 50 {                            // what happens on the NIC is no reason to do more
		must(ctx, t, c, "ip", "link", "set", "eth0", "mtu", "1400")
		must(ctx, t, c, "ip", "link", "set", "eth0", "mtu", "1500")
	}
	if cpu := cpuTime(t, p); cpu > time.Second {
		t.Errorf("%s of CPU where there is nothing to do", cpu)
	}
	if n := len(p.Lines()); n > 20 {
		t.Errorf("%d lines of log", n)
	}
	for _, where := range []string{"all", "default", "eth0"} {
		check(t, c.Guest.Sysctl("net/ipv6/conf/"+where+"/disable_ipv6", "0"))
	}
	asReserved(ctx, t, c)
}

// The kernel takes IPv6 off a NIC whose MTU is below 1280, and makes it anew with switches as they are on any NIC.
func TestSwitchesHoldThroughAnMTUTooSmallForIPv6(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	c := served(ctx, t, peer.V6responder, 2)
	ctx, p := agent(ctx, t, c, "default_nic = eth0\n[nic eth0]\nrouters = "+c.Nets[0].RouterLL.String()+"\n")
	asReserved(ctx, t, c)
	for i := range 6 {
		for _, n := range c.Nets {
			must(ctx, t, c, "ip", "link", "set", n.NIC, "mtu", "1000")
			if i%2 == 0 {
				_, err := c.Guest.Await(ctx, "no address on "+n.NIC, func(s lab.State) bool { return !s.Has(n.NIC, n.Reserved.Addr) })
				check(t, err)
			}
			must(ctx, t, c, "ip", "link", "set", n.NIC, "mtu", "1500")
		}
		asReserved(ctx, t, c)
		for _, n := range c.Nets {
			for _, name := range []string{"accept_ra", "autoconf"} {
				v, err := c.Guest.ReadSysctl("net/ipv6/conf/" + n.NIC + "/" + name)
				check(t, err)
				if v != "0" {
					t.Errorf("round %d: %s of %s is %s", i, name, n.NIC, v)
				}
			}
		}
	}
	if out := p.Output(); strings.Contains(out, "by somebody") {
		t.Errorf("somebody is blamed for what the kernel did:\n%s", out)
	}
	reachesAll(ctx, t, c)
}

// agentOn is agent with another choice of NICs.
func agentOn(ctx context.Context, t *testing.T, c *cloud.Cloud, nics, more string) (context.Context, *lab.Process) {
	t.Helper()
	check(t, c.Guest.WriteFile("/etc/v6guest/v6guest.conf", "[agent]\nnics = "+nics+"\n"+more))
	p, err := c.Guest.Start("v6guest", "run")
	check(t, err)
	ctx, cancel := p.Guard(ctx)
	t.Cleanup(cancel)
	return ctx, p
}
