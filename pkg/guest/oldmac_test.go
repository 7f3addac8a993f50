package guest

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/client"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra/listener"
)

func TestTheAddressOfAMACThatChangedWhileNoAgentRanIsTakenOff(t *testing.T) {
	for _, tt := range []struct {
		name string
		m    func() *fakeMachine
		addr string
	}{
		{"leased", two, addr0},
		{"made of a prefix", silent, made0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, "", tt.m, func(s *stage) {
				s.wait(time.Second)
				s.m.tell[2](listener.Snapshot{Heard: true, Prefixes: []listener.Prefix{s.advertised("2001:db8::/64", time.Hour, 4*time.Hour)}})
				s.wait(5 * time.Second)
				if !s.has(2, tt.addr) {
					s.Fatalf("%s is not there", tt.addr)
				}
				cfg := s.a.cfg
				s.stop()
				s.m.mu.Lock()
				nic := s.m.nics[2]
				nic.MAC = mac("06:a0:f0:00:00:99")
				s.m.nics[2] = nic
				delete(s.m.servers, 2)
				s.m.mu.Unlock()
				s.start(cfg)
				s.wait(time.Second)
				if s.has(2, tt.addr) {
					s.Errorf("%s is still there", tt.addr)
				}
				if _, err := os.Stat(client.LeasePath(s.state, link.Key{MAC: mac(mac0)})); !errors.Is(err, os.ErrNotExist) {
					s.Errorf("the old lease: %v", err)
				}
			})
		})
	}
}
