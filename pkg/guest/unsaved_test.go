package guest

import (
	"os"
	"strings"
	"testing"
	"time"
)

// The file system was full, or read-only: what was leased for ever is kept once there is room.
func TestALeaseThatCouldNotBeSavedIsSavedLater(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.stop()
		if err := os.RemoveAll(s.state); err != nil {
			s.Fatal(err)
		}
		if err := os.WriteFile(s.state, nil, 0o600); err != nil { // nothing can be written below it
			s.Fatal(err)
		}
		s.start(parse(s.T, ""))
		s.wait(time.Hour)
		if !s.has(2, addr0) {
			s.Fatalf("addresses %v", s.m.addrs[2])
		}
		if st := s.status("eth0"); !strings.Contains(st.Problem, keepingLease) {
			s.Errorf("problem %q", st.Problem)
		}
		if err := os.Remove(s.state); err != nil {
			s.Fatal(err)
		}
		s.wait(6 * time.Minute)
		if st := s.status("eth0"); strings.Contains(st.Problem, keepingLease) {
			s.Errorf("problem %q", st.Problem)
		}
		if l := s.a.nics[2].savedLease(s.a.clock.Now()); l == nil {
			s.Error("the lease is not kept")
		}
		s.stop()
		if n := strings.Count(s.out.String(), "cannot "+keepingLease); n != 2 { // one on each NIC
			s.Errorf("%d lines of log", n)
		}
	})
}
