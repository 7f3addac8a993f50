package listener

import (
	"maps"
	"net/netip"
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

const (
	reportEvery = time.Hour // for each reason and router
	maxReasons  = 64        // that are told apart; the rest counts as one
)

// A limiter bounds the reports that packets cause (decision 11 of the design).
type limiter struct{ reasons map[reason]*reported }

type reason struct {
	text   string
	router netip.Addr
}

type reported struct {
	last   clock.Instant
	silent int
}

// allow says whether a report may be made now, and how many were not since the last.
func (l *limiter) allow(now clock.Instant, text string, router netip.Addr) (ok bool, silent int) {
	if l.reasons == nil {
		l.reasons = map[reason]*reported{}
	}
	key := reason{text, router}
	if _, known := l.reasons[key]; !known && len(l.reasons) >= maxReasons {
		maps.DeleteFunc(l.reasons, func(_ reason, r *reported) bool { return now.Sub(r.last) >= reportEvery })
		if len(l.reasons) >= maxReasons {
			key = reason{}
		}
	}
	r := l.reasons[key]
	switch {
	case r == nil:
		l.reasons[key] = &reported{last: now}
		return true, 0
	case now.Sub(r.last) < reportEvery:
		r.silent++
		return false, 0
	}
	silent, r.silent, r.last = r.silent, 0, now
	return true, silent
}
