package guest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra/listener"
	"github.com/v6guest/v6guest/pkg/wire"
)

const (
	made0 = "2001:db8::4a0:f0ff:fe00:38" // of mac0 in the first network
	made1 = "2001:db8:1:0:4a0:f0ff:fe00:39"
)

// advertised is a prefix that hosts may make addresses in.
func (s *stage) advertised(prefix string, preferred, valid time.Duration) listener.Prefix {
	now := s.a.clock.Now()
	return listener.Prefix{
		Prefix: netip.MustParsePrefix(prefix), OnLink: true, OnLinkUntil: now.Add(valid),
		Autonomous: true, PreferredUntil: now.Add(preferred), ValidUntil: now.Add(valid),
	}
}

// silent is two NICs on networks without a DHCPv6 server.
func silent() *fakeMachine {
	m := two()
	delete(m.servers, 2)
	delete(m.servers, 3)
	return m
}

// has says which of these addresses a NIC has.
func (s *stage) has(index int, addr string) bool {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	_, ok := s.m.addrs[index][netip.MustParseAddr(addr)]
	return ok
}

// H-4862-05: with the advertised lifetimes.
func TestWithoutAServerAnAdvertisedPrefixMakesTheAddress(t *testing.T) {
	play(t, "", silent, func(s *stage) {
		s.wait(time.Second)
		s.m.tell[2](listener.Snapshot{Heard: true, Prefixes: []listener.Prefix{s.advertised("2001:db8::/64", time.Hour, 4*time.Hour)}})
		s.m.tell[3](listener.Snapshot{Heard: true, Prefixes: []listener.Prefix{s.advertised("2001:db8:1::/64", time.Hour, 4*time.Hour)}})
		s.wait(2900 * time.Millisecond)
		if s.has(2, made0) {
			t.Error("made before a server had the time to answer")
		}
		s.wait(3 * time.Second)
		if !s.has(2, made0) || !s.has(3, made1) {
			t.Errorf("addresses %v", s.m.addrs)
		}
		st := s.status("eth0")
		if st.State != "autoconfigured: no DHCPv6 server has leased an address" {
			t.Errorf("state %q", st.State)
		}
		s.wantDid(s.m.done(), "route 2001:db8:1::/64 on eth1") // a secondary NIC reaches its own network, and gets no default route
		if on, err := s.a.Status(s.Context()); err != nil || !on.Online {
			t.Errorf("online %t, %v", on.Online, err)
		}
	})
}

func TestNoAddressIsMadeWhereItMayNotBe(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config string
		heard  func(s *stage) listener.Snapshot
	}{
		{"switched off", "[agent]\nslaac = off\n", func(s *stage) listener.Snapshot {
			return listener.Snapshot{Heard: true, Prefixes: []listener.Prefix{s.advertised("2001:db8::/64", time.Hour, time.Hour)}}
		}},
		{"the prefix is not for hosts", "", func(s *stage) listener.Snapshot {
			p := s.advertised("2001:db8::/64", time.Hour, time.Hour)
			p.Autonomous = false
			return listener.Snapshot{Heard: true, Prefixes: []listener.Prefix{p}}
		}},
		{"H-4862-04 no /64", "", func(s *stage) listener.Snapshot {
			return listener.Snapshot{Heard: true, Prefixes: []listener.Prefix{s.advertised("2001:db8::/56", time.Hour, time.Hour)}}
		}},
		{"the distribution's client leases", "[agent]\nlease = distro\n", func(s *stage) listener.Snapshot {
			return listener.Snapshot{Heard: true, Prefixes: []listener.Prefix{s.advertised("2001:db8::/64", time.Hour, time.Hour)}}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, tt.config, silent, func(s *stage) {
				s.wait(time.Second)
				s.m.tell[2](tt.heard(s))
				s.wait(time.Minute)
				if s.has(2, made0) {
					t.Errorf("%s was made", made0)
				}
			})
		})
	}
}

func TestAPrefixOfAnotherNICMakesNoAddress(t *testing.T) {
	m := func() *fakeMachine {
		m := two()
		delete(m.servers, 3)
		return m
	}
	play(t, "", m, func(s *stage) {
		s.wait(3 * time.Second) // eth0 has its lease, in 2001:db8::/64
		s.m.tell[3](listener.Snapshot{Heard: true, Prefixes: []listener.Prefix{s.advertised("2001:db8::/64", time.Hour, time.Hour)}})
		s.wait(time.Minute)
		if s.has(3, "2001:db8::4a0:f0ff:fe00:39") {
			t.Error("a hostile network made an address of the other NIC's prefix")
		}
	})
}

func TestALeaseTakesThePlaceOfAMadeAddress(t *testing.T) {
	for _, tt := range []struct {
		name, lease string
		stays       bool
	}{{"another address", addr0, false}, {"the same address", made0, true}} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, "", silent, func(s *stage) {
				s.wait(time.Second)
				s.m.tell[2](listener.Snapshot{Heard: true, Prefixes: []listener.Prefix{s.advertised("2001:db8::/64", time.Hour, 4*time.Hour)}})
				s.wait(10 * time.Second)
				if !s.has(2, made0) {
					t.Fatal("no address was made")
				}
				s.m.done()
				s.m.mu.Lock()
				s.m.servers[2] = reserves(tt.lease, wire.Infinite)
				s.m.mu.Unlock()
				for range 200 { // Solicits go on, with growing pauses
					if s.wait(time.Second); s.status("eth0").State == "bound" {
						break
					}
				}
				s.wait(5 * time.Second)
				if s.has(2, made0) != tt.stays || !s.has(2, tt.lease) {
					t.Errorf("made address is there: %t; leased one: %t", s.has(2, made0), s.has(2, tt.lease))
				}
				log := s.m.done()
				if i, j := slices.IndexFunc(log, func(l string) bool { return strings.HasSuffix(l, tt.lease+" on eth0") }), slices.Index(log, "remove "+made0+" from eth0"); i < 0 || j >= 0 && j < i {
					t.Errorf("removed before its replacement was there: %v", log)
				}
			})
		})
	}
}

func TestAMadeAddressIsPutBackAndADuplicateIsNotAtOnce(t *testing.T) {
	play(t, "", silent, func(s *stage) {
		s.wait(time.Second)
		s.m.tell[2](listener.Snapshot{Heard: true, Prefixes: []listener.Prefix{s.advertised("2001:db8::/64", time.Hour, 4*time.Hour)}})
		s.m.mu.Lock()
		s.m.used[netip.MustParseAddr(made1)] = true
		s.m.mu.Unlock()
		s.m.tell[3](listener.Snapshot{Heard: true, Prefixes: []listener.Prefix{s.advertised("2001:db8:1::/64", time.Hour, 4*time.Hour)}})
		s.wait(10 * time.Second)
		if err := s.m.RemoveAddress(s.Context(), 2, netip.MustParseAddr(made0)); err != nil {
			t.Fatal(err)
		}
		s.wait(2 * time.Second)
		if !s.has(2, made0) {
			t.Error("an address that somebody took off was not put back")
		}
		installs := 0
		for _, l := range s.m.done() {
			if l == "install "+made1+" on eth1" {
				installs++
			}
		}
		if installs != 1 {
			t.Errorf("a duplicate was installed %d times", installs)
		}
	})
}

func TestOtherWithoutAServerAsksForInformation(t *testing.T) {
	play(t, "", silent, func(s *stage) {
		s.wait(time.Second)
		s.m.tell[2](listener.Snapshot{Heard: true, Other: true, Prefixes: []listener.Prefix{s.advertised("2001:db8::/64", time.Hour, 4*time.Hour)}})
		s.wait(10 * time.Second)
		s.m.mu.Lock()
		defer s.m.mu.Unlock()
		if !slices.Contains(s.m.heard, dhcpv6.MessageTypeInformationRequest) || !s.m.addrs[2][netip.MustParseAddr(made0)].Addr.IsValid() {
			t.Errorf("heard %v, addresses %v", s.m.heard, s.m.addrs[2])
		}
	})
}

// H-4862-06: a stranger's advertisement cannot end an address at once (RFC 4862, section 5.5.3 e).
func TestLifetimesFollowTheTwoHourRule(t *testing.T) {
	const now = clock.Instant(24 * time.Hour)
	at := func(d time.Duration) clock.Instant { return now.Add(d) }
	for _, tt := range []struct {
		name            string
		left, said      time.Duration // valid lifetimes
		withdrawn       bool
		want, preferred time.Duration
	}{
		{"longer", time.Hour, 24 * time.Hour, false, 24 * time.Hour, 24 * time.Hour},
		{"longer than what is left", time.Hour, 90 * time.Minute, false, 90 * time.Minute, 90 * time.Minute},
		{"shorter, and two hours or less are left", time.Hour, time.Minute, false, time.Hour, time.Minute},
		{"shorter than two hours", 24 * time.Hour, time.Minute, false, 2 * time.Hour, time.Minute},
		{"shorter, more than two hours", 24 * time.Hour, 3 * time.Hour, false, 3 * time.Hour, 3 * time.Hour},
		{"withdrawn", 24 * time.Hour, 0, true, 2 * time.Hour, -24 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			old := madeAddr{preferredUntil: at(tt.left), validUntil: at(tt.left), saidPreferred: 1, saidValid: 1}
			next, news := old.renewed(now, listener.Prefix{PreferredUntil: at(tt.said), ValidUntil: at(tt.said)}, !tt.withdrawn)
			if diff := cmp.Diff([]any{true, at(tt.want), at(tt.preferred)}, []any{news, next.validUntil, next.preferredUntil}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if _, again := next.renewed(now, listener.Prefix{PreferredUntil: at(tt.said), ValidUntil: at(tt.said)}, !tt.withdrawn); again {
				t.Error("the same again is news")
			}
		})
	}
}

// A router that withdraws what it has just announced and announces something else makes room in the
// listener each time; the addresses would stay for two hours.
func TestPrefixesThatTakeTurnsMakeNoMoreThanABoundOfAddresses(t *testing.T) {
	play(t, "", silent, func(s *stage) {
		s.wait(time.Second)
		for i := range 100 {
			var prefixes []listener.Prefix
			for j := range listener.MaxPrefixes {
				prefixes = append(prefixes, s.advertised(fmt.Sprintf("2001:db8:%x:%x::/64", i, j), time.Hour, 4*time.Hour))
			}
			s.m.tell[2](listener.Snapshot{Heard: true, Prefixes: prefixes})
			s.wait(5 * time.Second)
		}
		s.m.mu.Lock()
		n := len(s.m.addrs[2]) - 1 // the link-local one
		s.m.mu.Unlock()
		if n != maxMade {
			t.Errorf("%d addresses, want %d", n, maxMade)
		}
		if lines := strings.Count(s.out.String(), "address autoconfigured"); lines > 2*maxMade {
			t.Errorf("%d lines of log", lines)
		}
	})
}

func TestARouterThatTogglesFillsNoLog(t *testing.T) {
	play(t, "[agent]\ndefault_nic = eth0\nra = agent\n", two, func(s *stage) {
		s.wait(3 * time.Second)
		before := strings.Count(s.out.String(), "\n")
		for range 500 {
			now := s.a.clock.Now()
			s.m.tell[2](listener.Snapshot{Heard: true, Routers: []listener.Router{{Addr: netip.MustParseAddr("fe80::bd"), Default: true, Until: now.Add(time.Hour)}}})
			s.m.tell[3](listener.Snapshot{Heard: true, Prefixes: []listener.Prefix{s.advertised("2001:db8:1::/64", time.Hour, time.Hour)}})
			s.wait(time.Second)
			s.m.tell[2](listener.Snapshot{Heard: true})
			s.m.tell[3](listener.Snapshot{Heard: true})
			s.wait(time.Second)
		}
		if n := strings.Count(s.out.String(), "\n") - before; n > 20 {
			t.Errorf("%d lines of log", n)
		}
	})
}

// The address that a MAC made is nobody's when the NIC has another MAC.
func TestTheMadeAddressOfAnOldMACGoesAtOnce(t *testing.T) {
	play(t, "", silent, func(s *stage) {
		s.wait(time.Second)
		say := func() {
			s.m.tell[2](listener.Snapshot{Heard: true, Prefixes: []listener.Prefix{s.advertised("2001:db8::/64", time.Hour, 4*time.Hour)}})
		}
		say()
		s.wait(5 * time.Second)
		if !s.has(2, made0) {
			t.Fatalf("addresses %v", s.m.addrs)
		}
		s.m.change(2, func(n *link.NIC) { n.MAC = mac("06:a0:f0:00:00:99") })
		s.wait(time.Millisecond)
		if s.has(2, made0) {
			t.Error("the address of the old MAC is still there")
		}
		say()
		s.wait(time.Second)
		if !s.has(2, "2001:db8::4a0:f0ff:fe00:99") {
			t.Errorf("addresses %v", s.m.addrs)
		}
	})
}
