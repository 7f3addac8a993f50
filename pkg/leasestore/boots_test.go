package leasestore

import (
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/clock/clocktest"
)

// in opens the store in a boot that runs since now.
func in(boot string, now time.Duration, wall time.Time) func(*harness, *Options) {
	return func(h *harness, o *Options) {
		h.clock = clocktest.New(clock.Instant(now))
		o.BootID, o.Clock, o.Wall = boot, h.clock, func() time.Time { return wall }
	}
}

// TestNoStepOfTheWallClockEndsALease follows a lease of two hours through restarts and reboots.
func TestNoStepOfTheWallClockEndsALease(t *testing.T) {
	const h, m = time.Hour, time.Minute
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	type run struct {
		boot     string
		now      time.Duration // of boottime, when the store is opened
		wall     time.Time
		runs     time.Duration // until it is closed
		restored time.Duration // Granted, as it must be on this boot's clock
	}
	for _, tt := range []struct {
		name string
		runs []run
	}{
		{"a restart of the program changes nothing", []run{
			{"one", 3*h + 30*m, noon.Add(30 * m), 0, 3 * h},
		}},
		{"the wall clock stands a year later after a restart", []run{
			{"one", 3*h + 30*m, noon.AddDate(1, 0, 0), 0, 3 * h},
		}},
		{"a reboot at once", []run{{"two", 1 * m, noon.Add(11 * m), 0, -10 * m}}},
		{"a reboot, and the wall clock a year later", []run{{"two", 1 * m, noon.AddDate(1, 0, 0), 0, -10 * m}}},
		{"a reboot, and the wall clock in 1970", []run{{"two", 1 * m, time.Unix(0, 0), 0, -10 * m}}},
		{"each boot counts as long as it is known to have run", []run{
			{"two", 1 * m, noon, 20 * m, -10 * m},
			{"three", 2 * m, noon, 5 * m, -31 * m},
			{"three", 40 * m, noon, 0, -31 * m},
			{"four", 0, noon, 0, -71 * m},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, temporary(t), in("one", 3*h, noon))
			l := lease(1, 1)
			l.Granted, l.Valid = clock.Instant(3*h), 2*h
			s.do(t, Put{l})
			s.clock.Advance(10 * m)
			for i, r := range tt.runs {
				s = s.again(t, in(r.boot, r.now, r.wall))
				got := s.loaded[address(1)]
				if got.Granted != clock.Instant(r.restored) || got.Ends() != clock.Instant(r.restored+2*h) || !got.Wall.Equal(noon) {
					t.Errorf("run %d: granted %v, ends %v, on the wall %v; want %v", i, got.Granted, got.Ends(), got.Wall, r.restored)
				}
				s.clock.Advance(r.runs)
			}
		})
	}
}

// TestALeaseOfAnEarlierBootIsStoredAnew proves that a lease that is loaded can be put as it is.
func TestALeaseOfAnEarlierBootIsStoredAnew(t *testing.T) {
	wall := time.Unix(1_800_000_000, 0)
	s := open(t, temporary(t), in("one", time.Hour, wall))
	s.do(t, put(1, 1))
	s = s.again(t, in("two", time.Minute, wall))
	l := s.loaded[address(1)]
	if l.Granted != 0 {
		t.Fatalf("granted %v", l.Granted)
	}
	l.State = Released
	s.do(t, Put{l})
	s.clock.Advance(9 * time.Minute)
	s = s.again(t, in("three", 0, wall))
	if l := s.loaded[address(1)]; l.State != Released || l.Granted != -clock.Instant(10*time.Minute) || !l.Wall.Equal(wall) {
		t.Errorf("lease: %+v", l)
	}
}

// TestAKilledProcessKnowsTheBootByItsLeases: nothing says how long the boot ran but the last lease in it.
func TestAKilledProcessKnowsTheBootByItsLeases(t *testing.T) {
	wall := time.Unix(1_800_000_000, 0)
	s := open(t, temporary(t), in("one", time.Hour, wall))
	first, last := lease(1, 1), lease(2, 2)
	first.Granted, last.Granted = clock.Instant(time.Hour), clock.Instant(2*time.Hour)
	s.do(t, Put{first}, Put{last})
	image := s.image(t)
	s.clock.Advance(24 * time.Hour)
	s = open(t, image, in("two", time.Minute, wall))
	if l := s.loaded[address(1)]; l.Granted != -clock.Instant(time.Hour) {
		t.Errorf("granted %v", l.Granted)
	}
}

func TestBootsThatNoLeaseNeedsAreForgotten(t *testing.T) {
	wall := time.Unix(1_800_000_000, 0)
	s := open(t, temporary(t), in("first", time.Hour, wall))
	s.do(t, put(1, 1))
	for _, boot := range []string{"a", "b", "c", "d"} {
		s = s.again(t, in(boot, time.Hour, wall))
		for range 10 { // enough for the older records to go
			var changes []Change
			for range 50 {
				changes = append(changes, put(1, 1))
			}
			s.do(t, changes...)
		}
	}
	s = s.again(t, in("last", 0, wall))
	if n := len(s.boots); n > 2 {
		t.Errorf("%d boots: %+v", n, s.boots)
	}
	if s.boots.present().number != 6 {
		t.Errorf("the present one is number %d", s.boots.present().number)
	}
}

func TestEndsOfAnInfiniteLease(t *testing.T) {
	l := lease(1, 1)
	if l.Ends() != clock.Instant(3*time.Hour) {
		t.Errorf("ends %v", l.Ends())
	}
	if l.Valid = 0xffffffff * time.Second; l.Ends() != clock.Never {
		t.Errorf("ends %v", l.Ends())
	}
}
