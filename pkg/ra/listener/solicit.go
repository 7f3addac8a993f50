package listener

import (
	"log/slog"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/ra"
)

// The timing of solicitations: RFC 4861, section 10, and RFC 7559, section 2.
const (
	maxDelay      = time.Second     // before the first of a round
	firstInterval = 4 * time.Second // IRT; also the least that RFC 4861 wants between two
	maxInterval   = time.Hour       // MRT
	silentAfter   = 3               // solicitations, and
	lastWait      = time.Second     // after the third of them, without an advertisement: there is no router
)

// A solicitation is a round of solicitations.
type solicitation struct {
	at       clock.Instant // when the next one is due, clock.Never for none
	rt       time.Duration // after the last one; 0 before it
	sent     int           // in this round
	answered bool          // by a default router, in this round
	silentAt clock.Instant // when silence is diagnosed
}

// linkUp begins a round.
func (e *Engine) linkUp(ev LinkUp) {
	e.up, e.linkLocal = true, ev.LinkLocal
	e.begin(ev.NoDelay)
}

// linkDown ends the round.
func (e *Engine) linkDown() {
	e.up = false
	e.news = e.news || e.heard || e.silent
	e.heard, e.silent = false, false
	e.ask = solicitation{at: clock.Never, silentAt: clock.Never}
}

// solicitNow begins a round.
func (e *Engine) solicitNow() {
	if e.up {
		e.begin(false)
	}
}

func (e *Engine) begin(atOnce bool) {
	e.ask = solicitation{at: e.now, silentAt: clock.Never}
	if !atOnce {
		e.ask.at = e.now.Add(e.random(maxDelay))
	}
}

// answered ends the round; but one solicitation is sent in any case, since advertisements that come
// unasked need not be complete (RFC 4861, section 6.3.7).
func (e *Engine) answered() {
	e.ask.answered = true
	if e.ask.sent > 0 {
		e.ask.at = clock.Never
	}
}

// solicit sends a solicitation if it is due, and diagnoses silence.
func (e *Engine) solicit() {
	if e.ask.silentAt <= e.now {
		e.ask.silentAt = clock.Never
		e.silent, e.news = true, true
		e.do(Report{Level: slog.LevelInfo, Message: "no router answers", Attrs: []slog.Attr{slog.Int("solicitations", e.ask.sent)}})
	}
	if e.ask.at > e.now {
		return
	}
	e.solicitations++
	e.ask.sent++
	e.ask.at = clock.Never
	if !e.ask.answered {
		e.ask.rt = e.interval(e.ask.rt)
		e.ask.at = e.now.Add(e.ask.rt)
	}
	if e.ask.sent == silentAfter && !e.heard {
		e.ask.silentAt = e.now.Add(lastWait)
	}
	s := ra.Solicitation{SourceLinkLayer: e.cfg.MAC}
	e.do(Solicit{From: e.linkLocal, Data: s.Marshal()})
}

// interval is how long to wait after the next solicitation (RFC 7559, section 2, by the algorithm of
// DHCPv6), but never less than RFC 4861, section 6.3.7, wants.
func (e *Engine) interval(last time.Duration) time.Duration {
	rt := firstInterval
	if last > 0 {
		rt = 2 * last
	}
	rt += e.jitter(max(last, firstInterval))
	if rt > maxInterval {
		rt = maxInterval + e.jitter(maxInterval)
	}
	return max(rt, firstInterval)
}

// jitter is a random tenth of d, either way.
func (e *Engine) jitter(d time.Duration) time.Duration { return e.random(d/5) - d/10 }

// random is uniform from 0 to d, both included.
func (e *Engine) random(d time.Duration) time.Duration {
	return time.Duration(e.cfg.Rand.Int64N(int64(d) + 1))
}
