package client

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/v6guest/v6guest/pkg/wire"
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
		a.silent, s.dad = true, 25*time.Second
		b := s.server("B", addr39)
		b.preferred, b.valid = leastValid, leastValid
		b.t1, b.t2 = time.Hour, time.Hour
		s.do(LeaseNow{})
		s.after(30 * time.Second)
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

// A server that has another reservation ends the old address and gives the new one in the same Reply.
func TestRenewBringsAnotherAddress(t *testing.T) {
	gives := func(addr string) func(req, resp *wire.Message) *wire.Message {
		return func(req, resp *wire.Message) *wire.Message {
			if req.Type == renew {
				a := &resp.IANAs[0].Addresses
				(*a)[0].Preferred, (*a)[0].Valid = 0, 0
				*a = append(*a, wire.Address{Addr: ip(addr), Preferred: time.Hour, Valid: time.Hour})
			}
			return resp
		}
	}
	renewed := func(t *testing.T, taken int) *sim {
		s, a := leaseSim(t, 100*time.Second, 200*time.Second, addr38)
		a.edit, s.taken[ip(addr39)] = gives(addr39), taken
		s.run(reception.Add(100500 * time.Millisecond))
		if !s.usable[ip(addr38)] || !s.has(addr39) {
			t.Fatalf("while detection runs on the NIC: %v", s.nic)
		}
		return s
	}
	t.Run("the old one stays until that is usable", func(t *testing.T) {
		s := renewed(t, 0)
		s.after(time.Second)
		if s.has(addr38) || !s.usable[ip(addr39)] || !bytes.Contains(s.saved.Reply, ip(addr39).AsSlice()) {
			t.Errorf("on the NIC %v, saved %v", s.nic, s.saved)
		}
	})
	t.Run("but not for long: the new one is a duplicate", func(t *testing.T) {
		s := renewed(t, 1)
		s.servers[0].silent = true
		s.after(endedGrace)
		if len(s.nic) != 0 || s.state != StateDeclining && s.state != StateSoliciting {
			t.Errorf("%s, on the NIC %v", s.state, s.nic)
		}
	})
	t.Run("and no longer where another is usable", func(t *testing.T) {
		s, a := leaseSim(t, 100*time.Second, 200*time.Second, addr38, "2001:db8::40")
		a.edit = gives(addr39)
		s.run(reception.Add(100500 * time.Millisecond))
		if s.has(addr38) || !s.has("2001:db8::40") {
			t.Errorf("on the NIC %v", s.nic)
		}
	})
	t.Run("an address at 0 and at an hour in one Reply counts once", func(t *testing.T) {
		s, a := leaseSim(t, 100*time.Second, 200*time.Second, addr38, addr39)
		a.edit = gives(addr38)
		s.run(reception.Add(100500 * time.Millisecond))
		if s.has(addr38) || !s.has(addr39) {
			t.Errorf("on the NIC %v", s.nic)
		}
	})
}

// A server gives a new address, and in answer to a Renew the old one as well, before that is removed.
func TestRenewBringsBackWhatIsReplaced(t *testing.T) {
	s, a := leaseSim(t, 100*time.Second, 200*time.Second, addr38)
	a.reserve(addr39)
	a.t1 = leastRenewal
	s.dad = leastRenewal + 2*time.Second
	a.edit = func(req, resp *wire.Message) *wire.Message {
		if req.Type == renew {
			a.grant(req, resp, []netip.Addr{ip(addr38), ip(addr39)})
		}
		return resp
	}
	s.do(LeaseNow{})
	s.after(2 * leastRenewal)
	if !s.usable[ip(addr38)] || !s.usable[ip(addr39)] {
		t.Errorf("on the NIC %v, sent %v", s.nic, s.types(0))
	}
	for _, act := range s.acts {
		if r, ok := act.(Remove); ok {
			t.Errorf("%s removed: %s", r.Addr, r.Why)
		}
	}
}

// Leases that are of no use, one after the other, make no storm of messages and lines.
func TestLeasesOfNoUse(t *testing.T) {
	for name, tt := range map[string]struct {
		dad, valid, t1 time.Duration
		edit           func(req, resp *wire.Message) *wire.Message
	}{
		"over before detection is":       {dad: 25 * time.Second, valid: leastValid, t1: time.Hour},
		"over soon after it":             {dad: 10 * time.Millisecond, valid: leastValid, t1: time.Hour},
		"too short to be taken":          {dad: 10 * time.Millisecond, valid: time.Second, t1: time.Hour},
		"ended by the server at Renewal": {dad: 10 * time.Millisecond, valid: time.Hour, t1: time.Second, edit: ended},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim(t, 1)
			srv := s.server("A", addr38)
			srv.rapid, srv.preferred, srv.valid, srv.t1, srv.t2 = true, tt.valid, tt.valid, tt.t1, 2*tt.t1
			srv.edit, s.dad = tt.edit, tt.dad
			s.up()
			s.after(time.Hour)
			if len(s.sent) > 40 || len(s.reports) > 120 {
				t.Errorf("%d messages and %d reports in an hour", len(s.sent), len(s.reports))
			}
		})
	}
}

// ended is a server that ends at Renewal what it gave.
func ended(req, resp *wire.Message) *wire.Message {
	if req.Type == renew {
		resp.IANAs[0].Addresses[0].Preferred, resp.IANAs[0].Addresses[0].Valid = 0, 0
	}
	return resp
}

// What the kernel refuses is tried again, although no server ever speaks of an infinite lease again.
func TestInstallIsTriedAgain(t *testing.T) {
	s := newSim(t, 1)
	s.server("A", addr38).infinite().rapid = true
	s.dad = time.Hour
	s.up()
	s.after(time.Second)
	tries := func() (n int) {
		for _, a := range s.acts {
			if _, ok := a.(Install); ok {
				n++
			}
		}
		return n
	}
	for want := 2; want < 6; want++ {
		s.do(InstallFailed{Addr: ip(addr38), Err: ErrStopped})
		delete(s.nic, ip(addr38))
		pause := s.engine.Deadline().Sub(s.now)
		if low := time.Duration(900<<(want-2)) * time.Millisecond; pause < low || pause > 3*low {
			t.Errorf("try %d after %s", want, pause)
		}
		s.after(pause)
		if got := tries(); got != want {
			t.Errorf("%d tries, want %d", got, want)
		}
	}
	s.after(2 * time.Hour)
	if s.state != StateBound || tries() != 5 || len(s.sent) != 1 {
		t.Errorf("%s after %d tries, sent %v", s.state, tries(), s.types(0))
	}
}

// A duplicate that shows up in the middle of something costs a Decline, and not what was under way.
func TestDuplicateInTheMiddle(t *testing.T) {
	t.Run("of a Confirm: that is carried to its end", func(t *testing.T) {
		s, srv := leaseSim(t, time.Hour, time.Hour, addr38, addr39)
		srv.silent = true
		s.do(LinkChanged{})
		n := len(s.sent)
		s.do(AddressDuplicate{ip(addr39)})
		s.after(5 * time.Second)
		srv.silent = false
		s.after(10 * time.Second)
		got := strings.Join(s.types(n), " ")
		if !strings.HasPrefix(got, "Confirm ") || !strings.HasSuffix(got, "Confirm Decline") || s.state != StateBound {
			t.Errorf("%s, sent %s", s.state, got)
		}
	})
	t.Run("of the command: that ends", func(t *testing.T) {
		s, srv := leaseSim(t, time.Hour, time.Hour, addr38, addr39)
		srv.silent = true
		s.do(LeaseNow{})
		s.do(AddressDuplicate{ip(addr39)})
		srv.silent = false
		s.after(20 * time.Second)
		if len(s.finished) != 1 || s.finished[0].Err != nil || s.state != StateBound {
			t.Errorf("%s, finished %v, sent %v", s.state, s.finished, s.types(0))
		}
	})
}

// What is about to be replaced is given back with the rest.
func TestReleaseDuringReplacement(t *testing.T) {
	s, srv := leaseSim(t, time.Hour, time.Hour, addr38)
	srv.reserve(addr39)
	s.dad = time.Minute
	s.do(LeaseNow{})
	s.after(5 * time.Second)
	if len(s.nic) != 2 {
		t.Fatalf("on the NIC %v", s.nic)
	}
	s.do(ReleaseNow{})
	var got []netip.Addr
	for _, a := range s.last().IANAs[0].Addresses {
		got = append(got, a.Addr)
	}
	if diff := cmp.Diff([]netip.Addr{ip(addr39), ip(addr38)}, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" || len(s.nic) != 0 {
		t.Errorf("on the NIC %v, released (-want +got):\n%s", s.nic, diff)
	}
}
