package guest

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/ra/listener"
	"github.com/v6guest/v6guest/pkg/wire"
)

// strangers are prefixes that somebody announces who is no default router.
func (s *stage) strangers(count int) (out []listener.Prefix) {
	for i := range count {
		out = append(out, s.advertised(fmt.Sprintf("2001:db8:bad:%x::/64", i), time.Hour, 4*time.Hour))
	}
	return out
}

// trueRouter announces the first network.
func (s *stage) trueRouter(more ...listener.Prefix) listener.Snapshot {
	r := s.router("fe80::1", time.Hour, ra.Medium)
	p := s.advertised(net0, time.Hour, 4*time.Hour)
	p.Routers = []netip.Addr{r.Addr}
	return listener.Snapshot{Heard: true, Routers: []listener.Router{r}, Prefixes: append(more, p)}
}

// A stranger who speaks first, once, announces as many prefixes as a NIC has addresses of. The listener makes
// room for the true router's, and so do the addresses.
func TestStrangersWhoSpeakFirstLeaveRoomForTheTrueRoutersAddress(t *testing.T) {
	play(t, "", silent, func(s *stage) {
		s.wait(time.Second)
		s.m.tell[2](listener.Snapshot{Heard: true, Prefixes: s.strangers(maxMade)})
		s.wait(5 * time.Second)
		s.m.tell[2](s.trueRouter(s.strangers(maxMade - 1)...))
		s.wait(5 * time.Second)
		if !s.has(2, made0) {
			s.Errorf("no address in the true router's prefix: %v", s.m.addrs[2])
		}
	})
}

func TestTheAddressThatWasThereFirstGivesItsPlaceToNoStrangers(t *testing.T) {
	play(t, "", silent, func(s *stage) {
		s.wait(time.Second)
		s.m.tell[2](s.trueRouter())
		s.wait(5 * time.Second)
		for range 10 {
			s.m.tell[2](listener.Snapshot{Heard: true, Prefixes: s.strangers(maxMade)})
			s.wait(time.Minute)
		}
		if !s.has(2, made0) {
			s.Errorf("addresses %v", s.m.addrs[2])
		}
	})
}

// The agent is updated, and DHCPv6 comes, or the prefix goes, while it does not run.
func TestAddressesThatAnEarlierRunHasMadeEnd(t *testing.T) {
	again := func(t *testing.T, config string, then func(*stage)) {
		play(t, "", silent, func(s *stage) {
			s.wait(time.Second)
			p := s.advertised(net0, 0, 0)
			p.PreferredUntil, p.ValidUntil, p.OnLinkUntil = clock.Never, clock.Never, clock.Never
			s.m.tell[2](listener.Snapshot{Heard: true, Prefixes: []listener.Prefix{p}})
			s.wait(5 * time.Second)
			if !s.has(2, made0) {
				s.Fatal("no address was made")
			}
			s.stop()
			s.start(parse(t, config))
			s.wait(time.Second)
			then(s)
		})
	}
	t.Run("with a lease", func(t *testing.T) {
		again(t, "", func(s *stage) {
			s.m.mu.Lock()
			s.m.servers[2] = reserves(addr0, wire.Infinite)
			s.m.mu.Unlock()
			s.wait(5 * time.Minute)
			if s.has(2, made0) || !s.has(2, addr0) {
				s.Errorf("addresses %v", s.m.addrs[2])
			}
		})
	})
	for name, tt := range map[string]struct {
		config string
		said   func(*stage) []listener.Prefix
	}{
		"with their prefix": {"", func(*stage) []listener.Prefix { return nil }},
		"with slaac = off":  {"[agent]\nslaac = off\n", func(s *stage) []listener.Prefix { return []listener.Prefix{s.advertised(net0, time.Hour, 4*time.Hour)} }},
	} {
		t.Run(name, func(t *testing.T) {
			again(t, tt.config, func(s *stage) {
				s.wait(time.Hour)
				if a := s.status("eth0").Addresses; len(a) != 1 || !a[0].Autoconfigured || !a[0].Valid.Infinite() {
					s.Fatalf("nobody has said anything yet: %+v", a)
				}
				s.m.tell[2](listener.Snapshot{Heard: true, Prefixes: tt.said(s)})
				s.wait(time.Second)
				if a := s.status("eth0").Addresses; !a[0].Valid.Infinite() {
					s.Fatalf("other routers had no time to speak: %+v", a)
				}
				s.wait(5 * time.Second)
				if a := s.status("eth0").Addresses; len(a) != 1 || a[0].Valid > Lifetime(twoHours) {
					s.Errorf("it does not end: %+v", a)
				}
			})
		})
	}
	t.Run("and go on with their prefix", func(t *testing.T) {
		again(t, "", func(s *stage) {
			s.m.done()
			s.m.tell[2](listener.Snapshot{Heard: true, Prefixes: []listener.Prefix{s.advertised(net0, time.Hour, 4*time.Hour)}})
			s.wait(time.Minute)
			if a := s.status("eth0").Addresses; len(a) != 1 || a[0].Valid < Lifetime(3*time.Hour) || a[0].Valid.Infinite() {
				s.Errorf("%+v", a)
			}
		})
	})
}
