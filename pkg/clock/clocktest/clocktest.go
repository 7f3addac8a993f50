// Package clocktest is the simulated twin of clock.Boottime: a clock that stands still until a test
// moves it, and timers that fire, in the order of their deadlines, as it passes them.
package clocktest

import (
	"sync"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
)

// A Clock is a clock.Clock that a test moves. The zero value stands at boot, instant 0. Clock and
// timers may be used by several goroutines.
type Clock struct {
	mu     sync.Mutex
	now    clock.Instant
	timers []*timer // open ones, in the order in which they were made
}

// New returns a clock that stands at now.
func New(now clock.Instant) *Clock { return &Clock{now: now} }

// Now is where the clock stands.
func (c *Clock) Now() clock.Instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// NewTimer returns a stopped timer; it never fails.
func (c *Clock) NewTimer() (clock.Timer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &timer{clock: c, at: clock.Never, c: make(chan struct{}, 1)}
	c.timers = append(c.timers, t)
	return t, nil
}

// Next is the earliest deadline of any timer, clock.Never if none is armed.
func (c *Clock) Next() clock.Instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.next(); t != nil {
		return t.at
	}
	return clock.Never
}

// Advance moves the clock by d, firing each timer that comes due at its deadline, the earliest first
// and those of one deadline in the order in which they were made. It does not wait for what their
// receivers do: where these set timers anew within d, call Step until it returns false, and wait
// between (testing/synctest.Wait, or an answer of the receiver's).
func (c *Clock) Advance(d time.Duration) {
	end := c.Now().Add(d)
	for c.Step(end) {
	}
}

// Step moves the clock to the earliest deadline, fires the timer and returns true; if no deadline
// comes at or before limit, it moves the clock to limit and returns false. The clock never goes back.
func (c *Clock) Step(limit clock.Instant) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.next()
	if t == nil || limit.Before(t.at) {
		c.now = max(c.now, limit)
		return false
	}
	c.now = max(c.now, t.at)
	t.fire()
	return true
}

// next returns the armed timer with the earliest deadline.
func (c *Clock) next() *timer {
	var first *timer
	for _, t := range c.timers {
		if t.at != clock.Never && (first == nil || t.at.Before(first.at)) {
			first = t
		}
	}
	return first
}

// A timer is a clock.Timer of a Clock.
type timer struct {
	clock *Clock
	at    clock.Instant // guarded by clock.mu
	c     chan struct{}
}

// C receives one value when the clock passes the deadline.
func (t *timer) C() <-chan struct{} { return t.c }

// Set arms the timer; a deadline that is not in the future fires at once.
func (t *timer) Set(at clock.Instant) error {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	t.at = at
	if at != clock.Never && !t.clock.now.Before(at) {
		t.fire()
	}
	return nil
}

// Close takes the timer off the clock, with a value that nobody received yet.
func (t *timer) Close() error {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	for i, other := range t.clock.timers {
		if other == t {
			t.clock.timers = append(t.clock.timers[:i], t.clock.timers[i+1:]...)
			break
		}
	}
	t.at = clock.Never
	select {
	case <-t.c:
	default:
	}
	return nil
}

// fire sends the value, unless the one before was not received yet. The lock is held.
func (t *timer) fire() {
	t.at = clock.Never
	select {
	case t.c <- struct{}{}:
	default:
	}
}
