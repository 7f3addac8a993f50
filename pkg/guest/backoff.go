package guest

import (
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
)

// The bounds of a backoff (decision 4).
const (
	freeRepairs   = 3                // in repairWindow, before a pause is made
	repairWindow  = 10 * time.Second // in which repairs count as one fight
	shortestPause = time.Second
	longestPause  = 5 * time.Minute
)

// A backoff says when something that others undo may be repaired again: three times in
// repairWindow at once, and then with a pause that grows from shortestPause to longestPause. It forgets after a
// quiet time as long as its last pause and the window. The zero value is ready.
type backoff struct {
	times []clock.Instant // of the latest repairs, at most freeRepairs
	pause time.Duration
}

// at is when the next repair may be made; it may be past.
func (b *backoff) at(now clock.Instant) clock.Instant {
	if len(b.times) == 0 {
		return now
	}
	last := b.times[len(b.times)-1]
	if now.Sub(last) > b.pause+repairWindow {
		b.times, b.pause = nil, 0
		return now
	}
	return last.Add(b.pause)
}

// done notes a repair, and says whether pauses begin with it.
func (b *backoff) done(now clock.Instant) (fight bool) {
	b.times = append(b.times, now)
	if len(b.times) < freeRepairs {
		return false
	}
	b.times = b.times[len(b.times)-freeRepairs:]
	switch {
	case b.pause > 0:
		b.pause = min(2*b.pause, longestPause)
	case now.Sub(b.times[0]) < repairWindow:
		b.pause = shortestPause
		return true
	}
	return false
}
