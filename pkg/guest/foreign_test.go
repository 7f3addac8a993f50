package guest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/client"
	"github.com/v6guest/v6guest/pkg/distro"
	"github.com/v6guest/v6guest/pkg/holder"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra/listener"
)

// taken is two NICs, on the first of which a client of a stack's has the port.
func taken(who string, found distro.Finding) func() *fakeMachine {
	return func() *fakeMachine {
		m := two()
		m.taken[2] = &client.PortTakenError{NIC: "eth0", Port: client.Port, Holder: holder.Process{PID: 812, Name: who}}
		m.inCharge = found
		return m
	}
}

func TestAForeignClientIsNamedAndWaitedForAndTakenOverFromOnTheEvent(t *testing.T) {
	networkd := distro.Finding{NIC: "eth0", Stack: distro.Networkd, Reasons: []string{"its mark"}}
	for _, tt := range []struct {
		name  string
		m     func() *fakeMachine
		state string
		cure  string
		hears bool // Router Advertisements meanwhile
	}{
		{"a stack", taken("systemd-networkd", networkd), "waiting: systemd-networkd (pid 812) is the DHCPv6 client there, until reboot or `v6guest configure --apply=live`", "apply=live", false},
		{"a program by hand", taken("dhclient", distro.Finding{Stack: distro.None}), "waiting: dhclient (pid 812) is the DHCPv6 client there, until it ends", "stop the other", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, "", tt.m, func(s *stage) {
				s.wait(time.Hour)
				s.wantState("eth0", tt.state)
				s.wantState("eth1", "bound")
				if st := s.status("eth0"); !strings.Contains(st.Problem, "546") || !strings.Contains(st.Cure, tt.cure) {
					s.Errorf("problem %q, cure %q", st.Problem, st.Cure)
				}
				if n := strings.Count(s.out.String(), "another DHCPv6 client has the NIC"); n != 1 {
					s.Errorf("logged %d times:\n%s", n, s.out.String())
				}
				s.m.mu.Lock()
				_, hears := s.m.tell[2]
				s.m.mu.Unlock()
				if hears != tt.hears {
					s.Errorf("Router Advertisements are listened to: %t, want %t", hears, tt.hears)
				}
				s.m.free(2)
				s.wait(3 * time.Second) // no pause: the exchange with its random delay and duplicate detection
				s.wantState("eth0", "bound")
				if st := s.status("eth0"); st.Problem != "" {
					s.Errorf("problem %q", st.Problem)
				}
				if !strings.Contains(s.out.String(), "v6guest takes over") {
					s.Error("the log does not say that v6guest takes over")
				}
			})
		})
	}
}

func TestAFightForAnAddressNamesTheOpponentOnce(t *testing.T) {
	m := func() *fakeMachine {
		m := two()
		m.inCharge = distro.Finding{NIC: "eth0", Stack: distro.Networkd, Reasons: []string{"its mark"}}
		return m
	}
	play(t, "", m, func(s *stage) {
		s.wait(3 * time.Second)
		s.wantState("eth0", "bound")
		for range 8 {
			s.m.takeAddr(2, addr0)
			s.wait(2 * time.Second)
		}
		if n := strings.Count(s.out.String(), "eth0: networkd: its mark"); n != 1 {
			s.Errorf("the opponent is named %d times:\n%s", n, s.out.String())
		}
	})
}

// Where a stack keeps the NIC, what v6guest would do about routes waits with it; the loop must not turn
// meanwhile, which in simulated time would be for ever.
func TestTheAgentIsIdleWhileAForeignStackHasANIC(t *testing.T) {
	m := func() *fakeMachine {
		m := taken("systemd-networkd", distro.Finding{NIC: "eth0", Stack: distro.Networkd, Reasons: []string{"its mark"}})()
		m.taken[3] = m.taken[2] // a secondary NIC, too
		return m
	}
	play(t, "", m, func(s *stage) {
		s.wait(time.Minute)
		s.m.addRoute(raDefault(3))
		s.m.change(2, func(n *link.NIC) { n.Up = false })
		s.wait(time.Minute)
		s.m.change(2, func(n *link.NIC) { n.Up = true })
		s.wait(time.Minute)
		if n := len(s.m.done()); n > 20 {
			s.Errorf("%d things were done", n)
		}
		s.m.free(2)
		s.m.free(3)
		s.wait(3 * time.Second)
		s.wantState("eth0", "bound")
		s.wantState("eth1", "bound")
		if routes, _ := s.m.Routes(t.Context(), 3); slices.ContainsFunc(routes, link.Route.Default) {
			s.Errorf("a default route through the secondary NIC is still there: %v", routes)
		}
	})
}

func TestTheAgentTakesOverAlsoWhereItWaitedForAManagedRA(t *testing.T) {
	m := taken("systemd-networkd", distro.Finding{NIC: "eth0", Stack: distro.Networkd, Reasons: []string{"its mark"}})
	play(t, "[agent]\nstart = on-managed-ra\n", m, func(s *stage) {
		s.wait(time.Second)
		s.m.tell[2](listener.Snapshot{Heard: true, Managed: true})
		s.wait(time.Second)
		if st := s.status("eth0").State; !strings.HasPrefix(st, "waiting: systemd-networkd") {
			s.Fatalf("state %q", st)
		}
		s.m.free(2)
		s.wait(3 * time.Second)
		s.wantState("eth0", "bound")
	})
}

func TestAForeignClientThatFollowsAnotherIsTakenForWhatItIs(t *testing.T) {
	play(t, "", taken("dhclient", distro.Finding{Stack: distro.None}), func(s *stage) {
		s.wait(time.Second)
		s.wantState("eth0", "waiting: dhclient (pid 812) is the DHCPv6 client there, until it ends")
		s.m.mu.Lock()
		s.m.taken[2] = &client.PortTakenError{NIC: "eth0", Port: client.Port, Holder: holder.Process{PID: 900, Name: "systemd-networkd"}}
		s.m.inCharge = distro.Finding{NIC: "eth0", Stack: distro.Networkd, Reasons: []string{"its mark"}}
		s.m.mu.Unlock()
		s.wait(10 * time.Minute) // it is tried now and then
		s.wantState("eth0", "waiting: systemd-networkd (pid 900) is the DHCPv6 client there, until reboot or `v6guest configure --apply=live`")
		s.m.free(2)
		s.wait(3 * time.Second)
		s.wantState("eth0", "bound")
	})
}
