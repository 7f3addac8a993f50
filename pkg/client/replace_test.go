package client

import (
	"testing"
	"time"
)

// What is held goes before what might replace it.
func TestReplacementFails(t *testing.T) {
	t.Run("no answer to its Request: Rebind comes at T2 all the same", func(t *testing.T) {
		s, a := leaseSim(t, 100*time.Second, 200*time.Second, addr38)
		a.silent = true
		s.server("B", addr39).mute[request] = true
		s.run(reception.Add(150 * time.Second))
		s.do(LeaseNow{})
		s.run(reception.Add(201 * time.Second))
		got := s.of(rebind)
		if len(s.of(request)) < 3 || len(got) != 1 || got[0].at != reception.Add(200*time.Second) {
			t.Errorf("sent %v", s.types(0))
		}
	})
}
