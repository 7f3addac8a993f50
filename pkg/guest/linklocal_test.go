package guest

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/wire"
)

const ll0, private0 = "fe80::4a0:f0ff:fe00:38", "fe80::1234:5678:9abc:def0"

// private is a machine whose stack makes link-local addresses that do not show the MAC.
func private() *fakeMachine {
	m := two()
	delete(m.addrs[2], netip.MustParseAddr(ll0))
	addr := netip.MustParseAddr(private0)
	m.addrs[2][addr] = link.Addr{Index: 2, Addr: addr, Bits: 64, Permanent: true, Preferred: wire.Infinite, Valid: wire.Infinite}
	return m
}

func TestAStableLinkLocalGetsTheEUI64OneBesideIt(t *testing.T) {
	play(t, "[agent]\nnics = eth0\nstart_delay = none\n", private, func(s *stage) {
		s.wantDid(s.m.done(), "install "+ll0+" on eth0")
		s.wait(s.m.dad - time.Millisecond)
		s.m.mu.Lock()
		if len(s.m.heard) > 0 {
			t.Errorf("the client sent %v before its link-local address was usable", s.m.heard)
		}
		s.m.mu.Unlock()
		s.wait(3 * time.Second)
		s.wantState("eth0", "bound")
		s.wantNot(s.m.done(), private0)
	})
}

func TestKeepLeavesTheLinkLocalAddressToTheStack(t *testing.T) {
	play(t, "[agent]\nlink_local = keep\n", private, func(s *stage) {
		s.wait(3 * time.Second)
		s.wantState("eth0", "bound")
		s.wantNot(s.m.done(), ll0)
	})
}

func TestALinkLocalAddressThatSomebodyTakesOffIsPutBackWithPauses(t *testing.T) {
	play(t, "", private, func(s *stage) {
		s.wait(5 * time.Second)
		s.m.done()
		for range 100 {
			s.m.takeAddr(2, ll0)
			s.wait(100 * time.Millisecond)
		}
		log, back := s.m.done(), 0
		for range log {
			i := slices.Index(log, "install "+ll0+" on eth0")
			if i < 0 {
				break
			}
			back, log = back+1, log[i+1:]
		}
		if back < 3 || back > 8 {
			t.Errorf("put back %d times in 10 s, want at once three times and then with growing pauses", back)
		}
	})
}

func TestADuplicateLinkLocalAddressLeavesTheStacksOwn(t *testing.T) {
	machine := func() *fakeMachine {
		m := private()
		m.used[netip.MustParseAddr(ll0)] = true
		return m
	}
	play(t, "", machine, func(s *stage) {
		s.wait(5 * time.Second)
		s.wantState("eth0", "bound")
		if got := s.status("eth0").Problem; got == "" {
			t.Error("nobody is told that another node has the address")
		}
	})
}

func TestALinkLocalAddressGoesWithItsMAC(t *testing.T) {
	play(t, "", private, func(s *stage) {
		s.wait(5 * time.Second)
		s.stop() // another agent knows which one it is
		s.start(DefaultConfig())
		s.m.done()
		s.m.change(2, func(n *link.NIC) { n.MAC = mac("06:a0:f0:00:00:99") })
		s.wait(5 * time.Second)
		s.wantDid(s.m.done(), "remove "+ll0+" from eth0", "install fe80::4a0:f0ff:fe00:99 on eth0")
	})
}

// It stays when the agent stops, as the leased address does, and goes where that is released.
func TestTheLinkLocalAddressThatWasAddedGoesWithTheLeasedOne(t *testing.T) {
	for config, stays := range map[string]bool{"": true, "[agent]\nrelease_on_stop = yes\n": false} {
		play(t, config, private, func(s *stage) {
			s.wait(5 * time.Second)
			s.m.done()
			s.stop()
			if s.has(2, ll0) != stays || !s.has(2, private0) || s.has(2, addr0) != stays {
				s.Errorf("%q: after the stop: %v", config, s.m.done())
			}
		})
	}
}

// slow is a machine whose eth0 is down; the kernel makes its link-local address when it is set up, and tells
// of that only when duplicate address detection, which is longer than ownTime, has ended.
func slow() *fakeMachine {
	m := two()
	m.slowLinkLocal = 2 * time.Second
	m.change(2, func(n *link.NIC) { n.Up, n.Carrier = false, false })
	return m
}

func TestALinkLocalAddressThatTheKernelMadeIsNeitherClaimedNorTakenAway(t *testing.T) {
	play(t, "[agent]\nrelease_on_stop = yes\n", slow, func(s *stage) {
		s.wait(6 * time.Second)
		s.wantDid(s.m.done(), "up eth0")
		s.wantState("eth0", "bound")
		if made := s.a.added.of(2); made.IsValid() {
			t.Errorf("%s is noted as added", made)
		}
		s.stop()
		s.wantNot(s.m.done(), "remove "+ll0)
		if !s.has(2, ll0) {
			t.Error("the kernel's own link-local address is away")
		}
	})
}

func TestTheOnlyLinkLocalAddressStaysAtAStop(t *testing.T) {
	play(t, "[agent]\nrelease_on_stop = yes\n", private, func(s *stage) {
		s.wait(5 * time.Second)
		s.wantDid(s.m.done(), "install "+ll0+" on eth0")
		s.m.takeAddr(2, private0)
		s.wait(time.Second)
		s.stop()
		s.wantNot(s.m.done(), "remove "+ll0)
	})
}
