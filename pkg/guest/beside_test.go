package guest

import (
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
)

// dhcpcd as manager has the port for all NICs; when it has ended, the port is the client's own.
func TestThePortIsTheClientsOwnWhenTheProgramThatHadItForAllNICsHasEnded(t *testing.T) {
	m := func() *fakeMachine {
		m := two()
		m.manager = 812
		return m
	}
	play(t, "[agent]\nnics = eth0\n", m, func(s *stage) {
		s.wait(3 * time.Second)
		s.wantDid(s.m.done(), "beside another on eth0", "install "+addr0+" on eth0")
		s.m.mu.Lock()
		s.m.heard = nil
		s.m.mu.Unlock()
		s.m.managerEnds()
		s.wait(3 * time.Second)
		log := s.m.done()
		s.wantNot(log, "beside")
		s.wantNot(log, "remove")
		s.wantState("eth0", "bound")
		s.m.mu.Lock()
		defer s.m.mu.Unlock()
		if len(s.m.heard) == 0 || s.m.heard[0] != dhcpv6.MessageTypeConfirm {
			s.Errorf("heard %v", s.m.heard)
		}
	})
}
