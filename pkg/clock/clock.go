// Package clock counts protocol time. All lifetimes and timers of v6guest run on CLOCK_BOOTTIME:
// no step of the wall clock moves it, and it goes on while the machine is suspended, which Go's own
// timers do not. Engines never read a clock: an Instant is handed to them with each event.
package clock

import (
	"math"
	"time"
)

// An Instant is a moment on CLOCK_BOOTTIME, as the time since boot. It means nothing in another boot.
type Instant time.Duration

// Never is after every other Instant: the deadline of a timer that does not run.
const Never Instant = math.MaxInt64

// Add returns the moment d after i; it saturates at Never, and Never plus anything is Never.
func (i Instant) Add(d time.Duration) Instant {
	if i == Never || d > 0 && i > Never-Instant(d) {
		return Never
	}
	return i + Instant(d)
}

// Sub returns how long after j the moment i is; it is negative when i comes first. Never is
// math.MaxInt64 after every other moment.
func (i Instant) Sub(j Instant) time.Duration {
	if i == Never {
		return math.MaxInt64
	}
	return time.Duration(i - j)
}

// Before reports whether i comes before j.
func (i Instant) Before(j Instant) bool { return i < j }

// String writes the time since boot, or "never".
func (i Instant) String() string {
	if i == Never {
		return "never"
	}
	return time.Duration(i).String()
}

// A Clock is what a runner needs of time: the kernel's (Boottime) or a simulated one.
type Clock interface {
	// Now is the present moment.
	Now() Instant
	// NewTimer returns a stopped timer. Its owner closes it.
	NewTimer() (Timer, error)
}

// A Timer fires once for each Set. Only the goroutine that owns it may call its methods.
type Timer interface {
	// C receives one value when the moment that was set last has come. A value of an earlier
	// setting may still arrive after Set: the receiver compares deadlines, it does not count.
	C() <-chan struct{}
	// Set arms the timer for t, at once if t is past; Never disarms it.
	Set(t Instant) error
	// Close frees the timer; C receives nothing any more.
	Close() error
}
