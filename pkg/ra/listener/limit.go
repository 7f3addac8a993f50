package listener

import (
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
)

// Changed comes tellBurst times in a row, and one more for each tellEvery that has gone.
const (
	tellBurst = 10
	tellEvery = time.Second
)

// A bucket bounds how often something is done.
type bucket struct {
	left int
	from clock.Instant // when the first of those that are missing was taken, or the last one given back
}

// take says whether it may be done now.
func (b *bucket) take(now clock.Instant) bool {
	if b.left < tellBurst {
		back := int(min(now.Sub(b.from)/tellEvery, tellBurst))
		b.left = min(b.left+back, tellBurst)
		b.from = b.from.Add(time.Duration(back) * tellEvery)
	}
	if b.left == tellBurst {
		b.from = now
	}
	if b.left == 0 {
		return false
	}
	b.left--
	return true
}

// next is when it may be done next.
func (b *bucket) next(now clock.Instant) clock.Instant {
	if b.left > 0 {
		return now
	}
	return b.from.Add(tellEvery)
}
