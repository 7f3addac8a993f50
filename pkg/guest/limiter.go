package guest

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
)

const (
	reportEvery = time.Hour // a line that packets cause, at the most, for each NIC and reason
	maxReasons  = 64        // of a NIC that are told apart; the rest counts as one
)

// A limiter bounds the log lines that packets cause on one NIC (decision 11): one an hour for each
// reason, and a bounded number of reasons. The zero value is ready.
type limiter struct {
	most    int // lines an hour for each reason; 0 is one
	reasons map[string]*reasonCount
}

type reasonCount struct {
	last   clock.Instant // the first of the hour
	lines  int           // since then
	silent int
}

// allow says whether a line for that reason may be written now, and how many were not since the last.
func (l *limiter) allow(now clock.Instant, reason string) (ok bool, silent int) {
	if l.reasons == nil {
		l.reasons = map[string]*reasonCount{}
	}
	c, known := l.reasons[reason]
	if !known && len(l.reasons) >= maxReasons {
		reason = "other reasons"
		c, known = l.reasons[reason]
	}
	if !known {
		l.reasons[reason] = &reasonCount{last: now, lines: 1}
		return true, 0
	}
	if now.Sub(c.last) < reportEvery {
		if c.lines < l.most {
			c.lines++
			return true, 0
		}
		c.silent++
		return false, 0
	}
	silent, c.silent, c.last, c.lines = c.silent, 0, now, 1
	return true, silent
}

// heardLine logs what came of Router Advertisements, which anybody on the link can send: once an hour for
// each message and thing that it names. A NIC that is set up or down, or gets a carrier, begins anew.
func (n *managedNIC) heardLine(level slog.Level, message, name string, thing any, args ...any) {
	ok, silent := n.heardLines.allow(n.a.clock.Now(), fmt.Sprint(message, " ", thing))
	if !ok {
		return
	}
	if silent > 0 {
		args = append(args, "more", silent)
	}
	n.log.Log(context.Background(), level, message, append([]any{name, thing}, args...)...)
}
