package clocktest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/clock/clocktest"
)

var _ clock.Clock = (*clocktest.Clock)(nil)

const second = clock.Instant(time.Second)

func newTimer(t *testing.T, c *clocktest.Clock, at clock.Instant) clock.Timer {
	t.Helper()
	timer, err := c.NewTimer()
	if err != nil {
		t.Fatal(err)
	}
	if err := timer.Set(at); err != nil {
		t.Fatal(err)
	}
	return timer
}

func fired(timer clock.Timer) bool {
	select {
	case <-timer.C():
		return true
	default:
		return false
	}
}

func TestTimersFireInOrder(t *testing.T) {
	c := clocktest.New(0)
	late, early, never := newTimer(t, c, 3*second), newTimer(t, c, second), newTimer(t, c, clock.Never)
	if c.Next() != second {
		t.Errorf("next deadline %s", c.Next())
	}
	var got []clock.Instant
	for c.Step(10 * second) {
		got = append(got, c.Now())
		if fired(early) != (c.Now() == second) || fired(late) != (c.Now() == 3*second) {
			t.Errorf("the wrong timer fired at %s", c.Now())
		}
	}
	if diff := cmp.Diff([]clock.Instant{second, 3 * second}, got); diff != "" {
		t.Errorf("instants (-want +got):\n%s", diff)
	}
	if c.Now() != 10*second || c.Next() != clock.Never || fired(never) {
		t.Errorf("at %s, next %s", c.Now(), c.Next())
	}
}

func TestAdvanceStopsWhereItIsTold(t *testing.T) {
	c := clocktest.New(5 * second)
	timer := newTimer(t, c, 8*second)
	c.Advance(2 * time.Second)
	if fired(timer) || c.Now() != 7*second {
		t.Errorf("fired early, at %s", c.Now())
	}
	c.Advance(time.Second)
	if !fired(timer) {
		t.Error("silent at its deadline")
	}
	c.Advance(time.Hour)
	if fired(timer) {
		t.Error("fired twice")
	}
}

func TestADeadlineInThePastFiresAtOnce(t *testing.T) {
	c := clocktest.New(5 * second)
	for _, at := range []clock.Instant{0, 4 * second, 5 * second} {
		if !fired(newTimer(t, c, at)) {
			t.Errorf("silent at %s", at)
		}
	}
}

func TestTheLastSetCounts(t *testing.T) {
	c := clocktest.New(0)
	later, disarmed, closed := newTimer(t, c, second), newTimer(t, c, second), newTimer(t, c, second)
	unread := newTimer(t, c, 0)
	for _, err := range []error{later.Set(3 * second), disarmed.Set(clock.Never), closed.Close(), unread.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	c.Advance(2 * time.Second)
	if fired(later) || fired(disarmed) || fired(closed) || fired(unread) {
		t.Error("a timer fired that was set anew, disarmed or closed")
	}
	c.Advance(time.Second)
	if !fired(later) {
		t.Error("the later deadline is lost")
	}
}

// TestAReceiverSetsItsTimerAnew shows how a test drives a goroutine that lives by the clock.
func TestAReceiverSetsItsTimerAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clocktest.New(0)
		timer := newTimer(t, c, second)
		var ticks []clock.Instant
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 3 {
				<-timer.C()
				ticks = append(ticks, c.Now())
				_ = timer.Set(c.Now().Add(time.Duration(len(ticks)) * time.Hour))
			}
		}()
		for c.Step(clock.Instant(24 * time.Hour)) {
			synctest.Wait()
		}
		<-done
		if diff := cmp.Diff([]clock.Instant{second, 3601 * second, 10801 * second}, ticks); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}
