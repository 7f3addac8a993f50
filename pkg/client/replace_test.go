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
	t.Run("its lease ends before detection does: the old one comes back", func(t *testing.T) {
		s, a := leaseSim(t, 100*time.Second, 200*time.Second, addr38)
		a.silent, s.dad = true, 3*time.Second
		b := s.server("B", addr39)
		b.preferred, b.valid = time.Second, time.Second
		s.do(LeaseNow{})
		s.after(10 * time.Second)
		if len(s.of(request)) != 1 || !s.has(addr38) || s.has(addr39) || s.state != StateBound {
			t.Fatalf("%s, on the NIC %v, sent %v", s.state, s.nic, s.types(0))
		}
		if s.saved == nil || s.saved.From != a.from {
			t.Errorf("a restart would find %+v", s.saved)
		}
		s.run(reception.Add(101 * time.Second))
		if last := s.last(); last.Type != renew || last.ServerID != a.duid {
			t.Errorf("T1 sends %s", last)
		}
	})
	t.Run("the old one ends first: a restart finds the new one", func(t *testing.T) {
		s, a := leaseSim(t, 100*time.Second, 7200*time.Second, addr38)
		a.silent, s.dad = true, 3*time.Hour
		b := s.server("B", addr39)
		b.preferred, b.valid = 24*time.Hour, 24*time.Hour
		s.do(LeaseNow{})
		s.after(10 * time.Second)
		if s.saved == nil || s.saved.From != a.from {
			t.Errorf("before the new address is usable a restart would find %+v", s.saved)
		}
		s.after(4 * time.Hour)
		if s.has(addr38) || !s.has(addr39) || s.saved == nil || s.saved.From != b.from {
			t.Errorf("on the NIC %v, a restart would find %+v", s.nic, s.saved)
		}
	})
}

// Leases that end before they can be used, one after the other, make no storm of messages and lines.
func TestLeasesTooShortToUse(t *testing.T) {
	s := newSim(t, 1)
	srv := s.server("A", addr38)
	srv.rapid, srv.preferred, srv.valid = true, time.Second, time.Second
	s.dad = 2 * time.Second
	s.up()
	s.after(time.Hour)
	if len(s.sent) > 40 || len(s.reports) > 100 {
		t.Errorf("%d messages and %d reports in an hour", len(s.sent), len(s.reports))
	}
}
