package client

import (
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/wire"
)

// A year of renewals every half an hour; BenchmarkAYearOfRenewals says how long it takes.
func TestAYearOfRenewals(t *testing.T) {
	yearOfRenewals(t)
}

func BenchmarkAYearOfRenewals(b *testing.B) {
	for b.Loop() {
		yearOfRenewals(b)
	}
}

func yearOfRenewals(t testing.TB) {
	s := newSim(t, 1)
	s.server("A", addr38)
	s.up()
	s.after(365 * 24 * time.Hour)
	if n := len(s.of(renew)); n < 17500 {
		t.Errorf("%d Renews in a year", n)
	}
	if !s.has(addr38) || len(s.of(rebind)) > 0 {
		t.Errorf("%v", s.nic)
	}
}

// With a third of all packets lost the address is never off the NIC.
func TestAYearWithLoss(t *testing.T) {
	s := newSim(t, 2)
	s.server("A", addr38)
	s.up()
	n := 0
	s.loss = func(*wire.Message) bool { n++; return n%3 == 0 || n%7 == 0 }
	s.after(time.Hour)
	for range 365 * 24 {
		s.after(time.Hour)
		if !s.has(addr38) {
			t.Fatalf("no address at %s", s.now)
		}
	}
}
