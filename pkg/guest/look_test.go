package guest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/ra/listener"
)

// beforeLook is a machine whose NICs NetworkManager has yet to look at.
func beforeLook(m func() *fakeMachine) func() *fakeMachine {
	return func() *fakeMachine {
		m := m()
		m.unlooked = true
		m.servers[4] = reserves("2001:db8:2::40", time.Hour) // for a NIC that comes later
		return m
	}
}

func TestNoGlobalAddressIsPutOnANICBeforeNetworkManagerHasLooked(t *testing.T) {
	for _, tt := range []struct {
		name  string
		m     func() *fakeMachine
		addr  string
		state string // meanwhile
	}{
		{"leased", two, addr0, "waiting: " + unlooked},
		{"made of a prefix", silent, made0, "soliciting"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, "[agent]\nlink_local = keep", beforeLook(tt.m), func(s *stage) {
				s.wait(time.Second)
				s.m.tell[2](listener.Snapshot{Heard: true, Prefixes: []listener.Prefix{s.advertised("2001:db8::/64", time.Hour, 4*time.Hour)}})
				s.wait(20 * time.Second)
				s.wantNot(s.m.done(), "install")
				s.wantState("eth0", tt.state)
				s.m.look()
				s.m.looks <- nil
				s.wait(2 * time.Second)
				if !s.has(2, tt.addr) {
					s.Error("there is no address although NetworkManager has looked")
				}
				if strings.Contains(s.out.String(), "by somebody") || !strings.Contains(s.out.String(), "NetworkManager has looked") {
					s.Errorf("the log:\n%s", s.out.String())
				}
				if s.a.looks.end != nil {
					s.Error("the watch goes on")
				}
				s.m.plug(virtio(4, "eth2", "06:a0:f0:00:00:40", "0000:00:05.0"))
				s.wait(5 * time.Second)
				if !s.has(4, "2001:db8:2::40") {
					s.Error("a NIC that comes after that waits")
				}
			})
		})
	}
}

func TestANetworkManagerThatNeverLooksCostsAMinuteAtTheMost(t *testing.T) {
	play(t, "", beforeLook(two), func(s *stage) {
		s.wait(maxLook - time.Millisecond)
		if s.has(2, addr0) {
			s.Error("the address did not wait")
		}
		s.wait(2 * time.Second)
		s.wantState("eth0", "bound")
		s.wantState("eth1", "bound")
		if !strings.Contains(s.out.String(), "NetworkManager has not looked at the NIC: addresses wait no longer") {
			s.Errorf("the log:\n%s", s.out.String())
		}
	})
}

func TestALookThatTheKernelDoesNotTellIsFound(t *testing.T) {
	play(t, "", beforeLook(two), func(s *stage) {
		s.m.looks <- errors.New("no inotify")
		s.wait(20 * time.Second)
		s.m.look()
		s.wait(lookPause + time.Second)
		s.wantState("eth0", "bound")
	})
}

// An agent that is started again finds its address on the NIC: what NetworkManager makes of that cannot be
// helped any more.
func TestANICThatHasItsAddressWaitsForNobody(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.wait(5 * time.Second)
		cfg := s.a.cfg
		s.stop()
		s.m.mu.Lock()
		s.m.unlooked = true
		s.m.mu.Unlock()
		s.start(cfg)
		s.wait(5 * time.Second)
		s.wantState("eth0", "bound")
	})
}
