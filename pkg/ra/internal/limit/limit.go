// Package limit bounds the reports that packets cause (decision 11 of the design).
package limit

import (
	"maps"
	"net/netip"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
)

const (
	every      = time.Hour // for each reason and router
	maxReasons = 64        // that are told apart; the rest counts as one
)

// Reports bounds reports to one an hour for each reason and router. The zero value is ready.
type Reports struct{ made map[key]*count }

type key struct {
	reason string
	router netip.Addr
}

type count struct {
	last   clock.Instant
	silent int
}

// Allow says whether a report may be made now, and how many were not since the last. The router is the
// zero Addr where the source is a stranger, since strangers have as many addresses as they like.
func (r *Reports) Allow(now clock.Instant, reason string, router netip.Addr) (ok bool, silent int) {
	if r.made == nil {
		r.made = map[key]*count{}
	}
	k := key{reason, router}
	if r.made[k] == nil && len(r.made) >= maxReasons {
		maps.DeleteFunc(r.made, func(_ key, c *count) bool { return now.Sub(c.last) >= every })
		if len(r.made) >= maxReasons {
			k = key{}
		}
	}
	c := r.made[k]
	switch {
	case c == nil:
		r.made[k] = &count{last: now}
		return true, 0
	case now.Sub(c.last) < every:
		c.silent++
		return false, 0
	}
	silent, c.silent, c.last = c.silent, 0, now
	return true, silent
}
