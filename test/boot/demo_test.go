package boot

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"
)

var demo = flag.Bool("demo", false, "run the demonstration, which tells each step in plain words")

// A teller tells the person who watches the demonstration.
type teller struct {
	began time.Time
	*machine
}

func (s teller) tell(format string, args ...any) {
	fmt.Printf("\n%3.0f s  %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

// show runs a command in the guest and shows what it prints.
func (s teller) show(argv ...string) {
	s.t.Helper()
	out := s.say(argv...)
	if out == "" {
		out = "(nothing)"
	}
	fmt.Printf("       guest# %s\n         %s\n", strings.Join(argv, " "), strings.ReplaceAll(out, "\n", "\n         "))
}

// TestDemonstration is `make demo-vm`: what a doubter wants to see.
func TestDemonstration(t *testing.T) {
	if !*demo {
		t.Skip("a demonstration: make demo-vm")
	}
	tt := caseOf("debian13-ifupdown-dhcpcd")
	s := teller{began: time.Now()}
	s.tell("A cloud with two networks: on each a router (v6responder, and dnsmasq for IPv4) and a neighbour. The cloud has reserved an address for each NIC.")
	go func() { _, _ = thisVersion() }() // beside what comes before it is needed, where its error is looked at
	root := need(t, tt.spec)
	ctx := within(t, 20*time.Minute)
	c := networks(ctx, t, tt.way)
	dir, err := thisVersion()
	check(t, err)
	deb := debFile(dir, "v6guest", version)
	disk := diskOf(ctx, t, root, asItComes, []file{fileOf(t, "/root/v6guest.deb", deb)}, tt.files)
	for _, n := range c.Nets {
		fmt.Printf("       %s: MAC %s, reserved %s\n", n.NIC, n.Reserved.MAC, n.Reserved.Addr)
	}

	s.tell("A Debian 13 as it comes (ifupdown and dhcpcd) is booted on both, as a virtual machine. Emulated: some 40 s.")
	s.machine = start(ctx, t, c, root, disk)
	for _, n := range c.Nets {
		// Not one of 169.254.0.0/16, which dhcpcd makes while a busy machine's server is slow.
		s.await("IPv4 address on "+n.NIC, "ip -4 addr show dev "+n.NIC+" | grep -qF 'inet 10.'")
		_, err := n.Server.Processes()[0].AwaitLine(ctx, 0, "no address for client")
		check(t, err)
	}
	s.tell("It is up. IPv4 is there; of IPv6 there is no address but the link's own:")
	s.show("ip", "-br", "address")
	s.show("ip", "-6", "address", "show", "scope", "global")
	for _, n := range c.Nets {
		s.hasNot("inet6", "ip", "-6", "address", "show", "dev", n.NIC, "scope", "global")
	}
	s.tell("Why? The routers' logs say it: on both NICs the guest speaks with one DUID of its own making, which the cloud knows nothing of.")
	for _, n := range c.Nets {
		for _, line := range n.Server.Processes()[0].Lines() {
			if strings.Contains(line.Text, "no address for client") {
				fmt.Printf("       router of %s: %s\n", n.NIC, line.Text)
				break
			}
		}
	}

	s.tell("v6guest's package is installed, and the guest is stopped and started.")
	s.show("dpkg", "-i", "/root/v6guest.deb")
	s.reboot()
	s.tell("It is up again:")
	s.asReserved(tt)
	s.show("ip", "-br", "address")
	s.show("ip", "-6", "route", "show", "default")
	s.show("ping", "-c", "1", "-w", "10", c.Nets[1].Neighbor6.String())
	s.show("ping", "-c", "1", "-w", "10", "2001:db8:ffff::1")
	s.show("v6guest", "status")
	if t.Failed() {
		s.tell("It did not work: see below.")
		return
	}
	s.tell("It works: both NICs have their reserved addresses, there is one IPv6 default route, the neighbour on the second network and the world behind the router answer.")
}
