package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// A story is the demo on its way.
type story struct {
	out       *screen
	kind      peer.Kind
	root, bin string
	logs      io.Writer

	c     *cloud.Cloud
	seen  []int // packets of each network that were shown already
	times []timing
}

// A timing is how long a NIC took from the start of v6guest until its address could be used.
type timing struct {
	when string
	took []time.Duration
}

// end takes everything away.
func (s *story) end() error {
	if s.c == nil {
		return nil
	}
	return s.c.Close()
}

func (s *story) tell(ctx context.Context) error {
	for _, part := range []func(context.Context) error{s.scene, s.before, s.start, s.reach, s.restart} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	s.summary()
	return nil
}

var servers = map[peer.Kind]string{
	peer.V6responder: "v6responder (ours)", peer.Dnsmasq: "dnsmasq", peer.Kea: "Kea, with radvd for the Router Advertisements",
}

func (s *story) scene(ctx context.Context) (err error) {
	s.out.step("The scene: two shared networks of a cloud, and a virtual machine with a NIC in each")
	s.c, err = cloud.New(ctx, cloud.Options{Root: s.root, Bin: s.bin, Networks: 2, Output: s.logs})
	if err != nil {
		return err
	}
	s.seen = make([]int, len(s.c.Nets))
	if err := s.c.Serve(ctx, s.kind); err != nil {
		return err
	}
	s.out.say("Each network has a router that sends Router Advertisements with a default route and the M flag,")
	s.out.say("and serves DHCPv6 for reserved addresses only: %s.", servers[s.kind])
	var table strings.Builder
	for i, n := range s.c.Nets {
		fmt.Fprintf(&table, "network %d  %s  router %s (%s)  neighbour %s\n", i+1, n.Prefix, n.Gateway, n.RouterLL, n.Neighbor6)
	}
	s.out.show("networks", table.String())
	s.out.show("reservations: each NIC is known by the MAC inside its DUID-LL", peer.Hosts([]peer.Guest{s.c.Nets[0].Reserved, s.c.Nets[1].Reserved}))
	return nil
}

func (s *story) before(ctx context.Context) error {
	s.out.step("Before: the machine starts, and nobody has configured anything")
	if err := s.c.StartGuest(); err != nil {
		return err
	}
	if err := s.c.GuestUp(); err != nil {
		return err
	}
	state, err := s.c.Guest.Await(ctx, "a default route on both NICs", func(st lab.State) bool {
		return slices.Equal(st.DefaultNICs(), []string{"eth0", "eth1"}) && st.LinkLocal("eth0").IsValid() && st.LinkLocal("eth1").IsValid()
	})
	if err != nil {
		return err
	}
	if err := s.show(ctx, "ip -6 route show default", "ip -6 address show scope global"); err != nil {
		return err
	}
	if have := state.Global(""); len(have) != 0 {
		return fmt.Errorf("the guest has an address before anybody asked for one: %v", have)
	}
	s.out.say("Two routers, so two default routes: answers leave by the wrong NIC. And no address at all:")
	s.out.say("the routers say \"ask DHCPv6\" (M flag), and nobody asks.")
	return nil
}

// start runs v6guest for the first time.
func (s *story) start(ctx context.Context) error {
	s.out.step("v6guest starts (v6guest run)")
	s.markPackets()
	return s.runAgent(ctx, "first start, NICs up")
}

// runAgent starts the agent and waits until the guest is as it should be.
func (s *story) runAgent(ctx context.Context, when string) error {
	if err := s.c.Guest.WriteFile("/etc/v6guest/v6guest.conf", "[agent]\nnics = eth0 eth1\n"); err != nil {
		return err
	}
	p, err := s.c.Guest.Start("v6guest", "run")
	if err != nil {
		return err
	}
	ctx, cancel := p.Guard(ctx)
	defer cancel()
	if _, err := s.c.Guest.Await(ctx, "both reserved addresses, both networks on the link and one default route", s.asItShouldBe); err != nil {
		return err
	}
	t := timing{when: when}
	for _, n := range s.c.Nets {
		took, ok := s.usableAfter(p, n.NIC, n.Reserved.Addr)
		if !ok {
			return fmt.Errorf("the kernel never told of %s", n.Reserved.Addr)
		}
		t.took = append(t.took, took)
		s.out.good("%s has its reserved address %s, %s after the start", n.NIC, n.Reserved.Addr, round(took))
	}
	s.times = append(s.times, t)
	s.out.good("one default route, by eth0")
	s.showPackets()
	return s.show(ctx, "ip -6 address show scope global", "ip -6 route show", "sysctl net.ipv6.conf.eth0.accept_ra net.ipv6.conf.eth1.accept_ra", "v6guest status")
}

// asItShouldBe says whether both NICs have their reserved address and nothing else and the way to
// their neighbours, and only the default NIC has a default route.
func (s *story) asItShouldBe(st lab.State) bool {
	for _, n := range s.c.Nets {
		if len(st.Global(n.NIC)) != 1 || !st.Usable(n.NIC, n.Reserved.Addr) || !st.Route(n.Prefix, n.NIC) {
			return false
		}
	}
	return slices.Equal(st.DefaultNICs(), []string{"eth0"})
}

// usableAfter returns how long after the start of a process an address became usable.
func (s *story) usableAfter(p *lab.Process, nic string, addr netip.Addr) (time.Duration, bool) {
	for _, c := range s.c.Guest.Changes() {
		if c.NIC == nic && !c.Route && c.Usable && c.Prefix.Addr() == addr && c.At.After(p.Started) {
			return c.At.Sub(p.Started), true
		}
	}
	return 0, false
}

func (s *story) reach(ctx context.Context) error {
	s.out.step("Who can be reached")
	return s.ping(ctx)
}

// ping asks everybody for an answer.
func (s *story) ping(ctx context.Context) error {
	for _, to := range []struct {
		addr netip.Addr
		what string
	}{
		{s.c.Nets[0].Neighbor6, "the neighbour in network 1"},
		{s.c.Nets[1].Neighbor6, "the neighbour in network 2"},
		{cloud.Outside, "an address outside, by the default route"},
	} {
		r, err := s.c.Guest.Run(ctx, "ping", "-n", "-c1", "-w10", to.addr.String())
		if err != nil {
			return err
		}
		if r.Code != 0 {
			return fmt.Errorf("%s does not answer ping:\n%s", to.what, r.Stdout)
		}
		s.out.good("%s answers: %s", to.what, strings.Split(r.Stdout, "\n")[1])
	}
	return nil
}

func (s *story) restart(ctx context.Context) error {
	s.out.step("The machine is stopped and started: its namespaces are thrown away and made again, with the same MACs and disk")
	if err := s.c.StopGuest(); err != nil {
		return err
	}
	if err := s.c.StartGuest(); err != nil {
		return err
	}
	state, err := s.c.Guest.State()
	if err != nil {
		return err
	}
	if len(state.Global("")) != 0 {
		return fmt.Errorf("the new guest already has addresses: %v", state.Global(""))
	}
	s.out.say("A new kernel's network: no address, no route, both NICs down. v6guest starts, as at every boot.")
	s.markPackets()
	if err := s.runAgent(ctx, "after stop and start, NICs down"); err != nil {
		return err
	}
	return s.ping(ctx)
}

func (s *story) summary() {
	s.out.step("From the start of v6guest to a usable address")
	var table strings.Builder
	for _, t := range s.times {
		fmt.Fprintf(&table, "%-34s", t.when)
		for i, took := range t.took {
			fmt.Fprintf(&table, "  %s %-7s", s.c.Nets[i].NIC, round(took))
		}
		table.WriteString("\n")
	}
	s.out.show("times; the kernel's duplicate address detection takes 1 to 2 s of each, and with NICs down as much again", table.String())
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }
