package guest

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/ra/listener"
)

// One forged word during duplicate address detection keeps no guest without its address.
func TestAMadeAddressThatAnotherNodeHasIsTriedAgainWithGrowingPauses(t *testing.T) {
	play(t, "", silent, func(s *stage) {
		claimed := func(on bool) {
			s.m.mu.Lock()
			defer s.m.mu.Unlock()
			s.m.used[netip.MustParseAddr(made0)] = on
		}
		claimed(true)
		p := s.advertised(net0, 0, 0)
		p.PreferredUntil, p.ValidUntil, p.OnLinkUntil = clock.Never, clock.Never, clock.Never
		s.wait(time.Second)
		s.m.tell[2](listener.Snapshot{Heard: true, Prefixes: []listener.Prefix{p}})
		tries := func() int {
			return len(slices.DeleteFunc(s.m.done(), func(l string) bool { return l != "install "+made0+" on eth0" }))
		}
		s.wait(30 * time.Second)
		if n := tries(); n != 1 {
			s.Errorf("%d tries at first", n)
		}
		if st := s.status("eth0"); !strings.Contains(st.Problem, made0+" is in use by another node") || !strings.Contains(st.Cure, "neigh") {
			s.Errorf("problem %q, cure %q", st.Problem, st.Cure)
		}
		s.wait(time.Hour)
		if n := tries(); n != 5 { // after 1, 2, 4, 8, 16 and 32 minutes, the last one not yet
			s.Errorf("%d tries in an hour", n)
		}
		s.wait(24 * time.Hour)
		if n := tries(); n < 23 || n > 26 {
			s.Errorf("%d tries in a day", n)
		}
		claimed(false)
		s.wait(time.Hour + time.Minute)
		if st := s.status("eth0"); !s.has(2, made0) || strings.Contains(st.Problem, "in use") {
			s.Errorf("addresses %v, problem %q", s.m.addrs[2], st.Problem)
		}
		s.stop()
		if lines := strings.Count(s.out.String(), "in use by another node"); lines > 27 {
			s.Errorf("%d lines of log", lines)
		}
	})
}
