package client

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/v6guest/v6guest/pkg/wire"
)

// On a network that loses, delays, doubles and reorders, with two servers, the client comes to an
// address, keeps it, and never keeps one that no server leased.
func TestDisorder(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 99))
			s := newSim(t, seed)
			for i, addr := range []string{addr38, addr39} {
				srv := s.server(string(rune('A'+i)), addr)
				srv.rapid = seed%2 == 0
				srv.edit = func(_, resp *wire.Message) *wire.Message {
					for range 1 + r.IntN(2) {
						if r.IntN(10) >= 3 {
							s.answer(srv, resp, time.Duration(r.Int64N(int64(3*time.Second))))
						}
					}
					return nil
				}
			}
			s.loss = func(*wire.Message) bool { return r.IntN(10) < 3 }
			s.up()
			s.after(10 * time.Minute)
			for range 48 {
				if s.after(time.Hour / 2); len(s.nic) != 1 {
					t.Fatalf("at %s on the NIC: %v (%s)", s.now, s.nic, s.state)
				}
				if r.IntN(4) == 0 {
					s.do(Carrier{Up: false})
					s.after(time.Duration(r.Int64N(int64(time.Minute))))
					s.do(Carrier{Up: true})
				}
			}
		})
	}
}

// The same with infinite leases and a reservation that changes: each link change leads to the new one.
func TestReservationChangesInDisorder(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 7))
		s := newSim(t, seed)
		srv := s.server("A", addr38).infinite()
		s.up()
		s.after(time.Minute)
		s.loss = func(m *wire.Message) bool { return m.Type != solicit && r.IntN(10) < 3 }
		for i := range 20 {
			srv.reserve(fmt.Sprintf("2001:db8::%d", 100+i))
			s.do(LinkChanged{})
			s.after(3 * time.Minute)
			if !s.has(fmt.Sprintf("2001:db8::%d", 100+i)) || len(s.nic) != 1 {
				t.Fatalf("seed %d, change %d: %v, sent %v", seed, i, s.nic, s.types(max(0, len(s.sent)-8)))
			}
		}
	}
}

// With 1970 as the time of day an infinite lease is re-checked like any other.
func TestEndlessLeaseOfUnknownAge(t *testing.T) {
	s := newSim(t, 1)
	s.server("A", addr38).infinite().rapid = true
	s.up()
	s.after(5 * time.Second)
	lease := *s.saved
	lease.AgeUnknown, lease.Received = true, 0
	n := len(s.sent)
	s.restart(&lease)
	s.do(Carrier{Up: true})
	s.after(5 * time.Second)
	got := s.sent[n:]
	if len(got) != 2 || got[0].msg.Type != confirm || got[1].msg.Type != solicit || got[1].msg.RapidCommit {
		t.Errorf("sent %v", s.types(n))
	}
}

// The lifetimes in a lease that the network brings are used as they are, whatever they are.
func TestStrangeTimesMakeNoStorm(t *testing.T) {
	times := []int64{0, 1, 2, 60, 3600, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff}
	d := func(i int) time.Duration { return time.Duration(times[i] * int64(time.Second)) }
	for t1 := range times {
		for t2 := range times {
			for valid := range times {
				s := newSim(t, 1)
				srv := s.server("A", addr38)
				srv.rapid, srv.t1, srv.t2, srv.valid, srv.preferred = true, d(t1), d(t2), d(valid), d(valid)
				s.up()
				s.after(5 * time.Minute)
				if n := len(s.sent); n > 20+5*60+1 {
					t.Errorf("C-22.1-01 C-14.2-04: T1 %s, T2 %s, valid %s: %d messages", d(t1), d(t2), d(valid), n)
				}
				if typ := s.sent[0].msg.Type; typ != dhcpv6.MessageTypeSolicit {
					t.Errorf("began with %s", typ)
				}
			}
		}
	}
}
