package guest

import (
	"net/netip"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/ra/listener"
	"github.com/v6guest/v6guest/pkg/wire"
)

// leasedThenMoved leases for ever, and starts again without a server.
func (s *stage) leasedThenMoved() {
	s.wait(5 * time.Second)
	if !s.has(2, addr0) {
		s.Fatalf("no lease: %v", s.m.addrs[2])
	}
	s.stop()
	s.m.mu.Lock()
	delete(s.m.servers, 2)
	s.m.mu.Unlock()
	s.start(parse(s.T, ""))
	s.wait(time.Second)
}

// The machine was moved while it was off, or the operator gave DHCPv6 up: a lease that nobody confirms ends no
// address that works, and gives way to it for new connections.
func TestALeaseThatNobodyConfirmsEndsNoAddressThatWorks(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.leasedThenMoved()
		s.m.tell[2](listener.Snapshot{Heard: true, Prefixes: []listener.Prefix{s.advertised("2001:db8:33::/64", time.Hour, 4*time.Hour)}})
		s.wait(time.Minute)
		const made = "2001:db8:33:0:4a0:f0ff:fe00:38"
		if !s.has(2, made) || !s.has(2, addr0) {
			s.Fatalf("addresses %v", s.m.addrs[2])
		}
		if got := s.a.nics[2].global().String(); got != made {
			s.Errorf("%s is used", got)
		}
		s.m.mu.Lock()
		s.m.servers[2] = reserves(addr0, wire.Infinite)
		s.m.mu.Unlock()
		s.m.moves <- "a test"
		s.wait(time.Minute)
		if s.has(2, made) || s.a.nics[2].global().String() != addr0 {
			s.Errorf("confirmed, and yet %v", s.m.addrs[2])
		}
	})
}

// The server is away for a moment: routers still say that the lease's network is on the link.
func TestALeaseThatNobodyConfirmsCountsInItsOwnNetwork(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.leasedThenMoved()
		s.m.tell[2](listener.Snapshot{Heard: true, Prefixes: []listener.Prefix{s.advertised(net0, time.Hour, 4*time.Hour)}})
		s.wait(time.Minute)
		if s.has(2, made0) || s.a.nics[2].global().String() != addr0 {
			s.Errorf("addresses %v", s.m.addrs[2])
		}
	})
}

// The address that was made goes: what nobody confirms is better than nothing.
func TestALeaseThatWasSetAsideComesBack(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.leasedThenMoved()
		s.m.tell[2](listener.Snapshot{Heard: true, Prefixes: []listener.Prefix{s.advertised("2001:db8:33::/64", time.Minute, time.Minute)}})
		s.wait(30 * time.Second)
		if s.a.nics[2].usable(netip.MustParseAddr(addr0)) {
			s.Error("the lease is not set aside")
		}
		s.m.tell[2](listener.Snapshot{Heard: true})
		s.wait(time.Minute)
		if s.a.nics[2].global().String() != addr0 || s.a.world.addrs[2][s.a.nics[2].global()].Deprecated {
			s.Errorf("addresses %v", s.m.addrs[2])
		}
	})
}
