package guest

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/ra/listener"
	"github.com/v6guest/v6guest/pkg/resolver"
	"github.com/v6guest/v6guest/pkg/wire"
)

// says is a server that has an address and these DNS servers.
func says(addr string, life time.Duration, dns ...string) func(*wire.Message) *wire.Message {
	lease := reserves(addr, life)
	return func(m *wire.Message) *wire.Message {
		r := lease(m)
		if m.Type == dhcpv6.MessageTypeRelease {
			return r
		}
		for _, d := range dns {
			r.DNS = append(r.DNS, netip.MustParseAddr(d))
		}
		r.Search = []string{"lab.example"}
		return r
	}
}

func withDNS() *fakeMachine {
	m := two()
	m.servers[2], m.servers[3] = says(addr0, wire.Infinite, "2001:db8::53"), says(addr1, wire.Infinite, "2001:db8:1::53")
	m.names.choice = resolver.Choice{To: resolver.ToResolvconf, Why: "there is one"}
	return m
}

func (s *stage) wantTold(what string, want ...string) {
	s.Helper()
	if diff := cmp.Diff(want, s.m.names.take()); diff != "" {
		s.Errorf("%s: told (-want +got):\n%s", what, diff)
	}
}

// advertises is what a router says of DNS on eth0.
func (s *stage) advertises(servers []string, domains ...string) {
	until := s.a.clock.Now().Add(time.Hour)
	snap := listener.Snapshot{Heard: true}
	for _, x := range servers {
		snap.DNS = append(snap.DNS, listener.Server{Addr: netip.MustParseAddr(x), Until: until})
	}
	for _, d := range domains {
		snap.Search = append(snap.Search, listener.Domain{Name: d, Until: until})
	}
	s.m.tell[2](snap)
	s.wait(11 * time.Second) // and beyond any pause
}

const (
	both     = "eth0 [2001:db8::53] [lab.example];eth1 [2001:db8:1::53] [lab.example];"
	withRA   = "eth0 [2001:db8::53 fe80::53%eth0 2001:db8::54] [lab.example ra.example];eth1 [2001:db8:1::53] [lab.example];"
	onlyEth0 = "eth0 [2001:db8::53] [lab.example];"
)

// H-8106-01, H-8106-02, H-8106-04, H-8106-08: both sources, DHCPv6 first; a withdrawal takes its entries
// alone.
// C-18.2.10.5-04: what one source withdraws the other's stays.
func TestDNSOfServersAndRoutersIsHandedOver(t *testing.T) {
	play(t, "", withDNS, func(s *stage) {
		s.wait(20 * time.Second)
		told := s.m.names.take()
		if len(told) == 0 || told[len(told)-1] != both {
			t.Errorf("told %q", told)
		}
		st, err := s.a.Status(s.Context())
		if err != nil || st.Resolver == nil || st.Resolver.To != "resolvconf" || len(st.NICs[0].DNS) != 1 {
			t.Errorf("status %+v, %v", st, err)
		}
		s.advertises([]string{"fe80::53", "2001:db8::54", "2001:db8::53"}, "ra.example", "lab.example")
		s.wantTold("a router says more", withRA)
		s.advertises([]string{"fe80::53", "2001:db8::54", "2001:db8::53"}, "ra.example", "lab.example")
		s.wantTold("the same again")
		s.advertises(nil)
		s.wantTold("withdrawn", both)
		s.m.unplug(3)
		s.wait(11 * time.Second)
		s.wantTold("a NIC is gone", onlyEth0)
		if _, err := s.a.Release(s.Context(), LeaseRequest{NICs: []string{"eth0"}, Timeout: Seconds(time.Minute)}); err != nil {
			t.Fatal(err)
		}
		s.wait(11 * time.Second)
		s.wantTold("the lease is gone", "nothing")
	})
}

func TestDNSIsTakenBackWhenTheAgentStopsAndNotWhenItRestarts(t *testing.T) {
	play(t, "", withDNS, func(s *stage) {
		s.wait(20 * time.Second)
		s.m.names.take()
		s.why = ErrRestart
		s.stop()
		s.wantTold("a restart")
		s.why = nil
		s.start(parse(t, ""))
		s.wait(20 * time.Second)
		if told := s.m.names.take(); len(told) == 0 || told[0] == "nothing" || told[len(told)-1] != both {
			t.Errorf("the next agent told %q", told)
		}
		s.stop()
		s.wantTold("a stop", "nothing")
	})
}

func TestDNSOffHandsNothingOver(t *testing.T) {
	play(t, "[nic eth1]\ndns = off\n", withDNS, func(s *stage) {
		s.wait(20 * time.Second)
		s.wantTold("off on one NIC", onlyEth0)
	})
	play(t, "[agent]\ndns = off\n", withDNS, func(s *stage) {
		s.wait(20 * time.Second)
		s.wantTold("off: what an earlier agent handed over is taken back", "nothing")
		if st := s.status("eth0"); len(st.DNS) != 1 {
			t.Errorf("the status does not show it: %+v", st.DNS)
		}
	})
}

// With ra = stack the stack takes RDNSS itself; a secondary network's routers are not believed in this.
func TestWhoseRoutersCountForDNS(t *testing.T) {
	play(t, "[agent]\nra = stack\n", withDNS, func(s *stage) {
		s.wait(20 * time.Second)
		s.m.names.take()
		s.advertises([]string{"2001:db8::54"})
		s.wantTold("ra = stack")
		s.m.tell[3](listener.Snapshot{Heard: true, DNS: []listener.Server{{Addr: netip.MustParseAddr("2001:db8:1::bad"), Until: s.a.clock.Now().Add(time.Hour)}}})
		s.wait(11 * time.Second)
		s.wantTold("on a secondary NIC")
	})
}

// A network that toggles what it says costs a program's run now and then, no more.
func TestAFloodOfNewsIsHandedOverWithPauses(t *testing.T) {
	play(t, "", withDNS, func(s *stage) {
		s.wait(30 * time.Second)
		s.m.names.take()
		for i := range 600 {
			s.m.tell[2](listener.Snapshot{Heard: true, DNS: []listener.Server{{Addr: netip.AddrFrom16([16]byte{0x20, 1, 15: byte(i)}), Until: s.a.clock.Now().Add(time.Hour)}}})
			s.wait(time.Second)
		}
		if n := len(s.m.names.take()); n < 3 || n > 15 {
			t.Errorf("told %d times in ten minutes", n)
		}
	})
}

func TestAFailureIsTriedAgainAndShown(t *testing.T) {
	play(t, "", withDNS, func(s *stage) {
		s.m.names.mu.Lock()
		s.m.names.fail = errors.New("exit status 1: no bus")
		s.m.names.mu.Unlock()
		s.wait(20 * time.Second)
		st, err := s.a.Status(s.Context())
		if err != nil || st.Resolver == nil || st.Resolver.Problem != "exit status 1: no bus" {
			t.Errorf("status %+v, %v", st.Resolver, err)
		}
		s.m.names.mu.Lock()
		s.m.names.fail = nil
		s.m.names.mu.Unlock()
		s.wait(2 * longestPause)
		if st, err := s.a.Status(s.Context()); err != nil || st.Resolver == nil || st.Resolver.Problem != "" {
			t.Errorf("status %+v, %v", st.Resolver, err)
		}
	})
}

func TestAnotherResolverIsToldWhenItAppears(t *testing.T) {
	play(t, "", withDNS, func(s *stage) {
		s.wait(20 * time.Second)
		s.m.names.take()
		s.m.resolverChanged()
		s.wait(time.Second)
		s.wantTold("nothing of it is news")
		s.m.names.mu.Lock()
		s.m.names.choice = resolver.Choice{To: resolver.ToResolved, Why: "it runs"}
		s.m.names.mu.Unlock()
		s.m.resolverChanged()
		s.wait(11 * time.Second)
		s.wantTold("systemd-resolved runs now", both)
	})
}

// A stranger's servers that change all the time fill no log.
func TestServersThatChangeAllTheTimeFillNoLog(t *testing.T) {
	play(t, "[agent]\nra = agent\n", two, func(s *stage) {
		s.wait(3 * time.Second)
		for i := range 3000 {
			snap := listener.Snapshot{Heard: true, DNS: []listener.Server{{Addr: netip.MustParseAddr(fmt.Sprintf("2001:db8::bad:%x", i)), Until: clock.Never}}}
			s.m.tell[2](snap)
			s.wait(10 * time.Minute / 1000)
			if i%10 == 9 {
				s.wait(10 * time.Minute) // the pauses are over
			}
		}
		if n := strings.Count(s.out.String(), "DNS servers"); n > 64+60 {
			s.Errorf("%d lines of log in two days", n)
		}
	})
}
