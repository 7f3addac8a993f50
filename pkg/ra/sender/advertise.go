package sender

import (
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/ra"
)

// The timing of advertisements (RFC 4861, section 10).
const (
	initialInterval  = 16 * time.Second // MAX_INITIAL_RTR_ADVERT_INTERVAL
	initial          = 3                // MAX_INITIAL_RTR_ADVERTISEMENTS
	minDelay         = 3 * time.Second  // MIN_DELAY_BETWEEN_RAS, multicast
	maxAnswerDelay   = 500 * time.Millisecond
	maxUnicastAtOnce = 16 // answers that wait; then one to all nodes serves the rest
)

// An answer is a unicast advertisement that waits to be sent.
type answer struct {
	to netip.Addr
	at clock.Instant
}

// soon has the next multicast advertisement sent at once, or as soon as that is allowed, and this many
// gaps after it be short.
func (e *Engine) soon(quick int) {
	e.next, e.quick = min(e.next, e.earliest()), max(e.quick, quick)
}

// earliest is when a multicast advertisement may be sent (RFC 4861, section 6.2.6).
func (e *Engine) earliest() clock.Instant {
	if e.last == 0 {
		return e.now
	}
	return max(e.now, e.last.Add(minDelay))
}

// gap is how long to wait after a multicast advertisement: uniform between both intervals.
func (e *Engine) gap() time.Duration {
	least := e.cfg.minInterval()
	return least + e.random(e.cfg.MaxInterval-least)
}

// random is uniform from 0 to d, both included.
func (e *Engine) random(d time.Duration) time.Duration {
	return time.Duration(e.rand.Int64N(int64(d) + 1))
}

// solicited takes in a valid solicitation (RFC 4861, section 6.2.6).
func (e *Engine) solicited(from netip.Addr, s *ra.Solicitation) {
	e.received++
	if !e.up || e.final {
		return
	}
	delay := e.random(maxAnswerDelay)
	if e.cfg.UnicastAnswers && !from.IsUnspecified() && s.SourceLinkLayer != nil {
		if slices.ContainsFunc(e.unicast, func(a answer) bool { return a.to == from }) {
			return
		}
		if len(e.unicast) < maxUnicastAtOnce {
			e.unicast = append(e.unicast, answer{from, e.now.Add(delay)})
			return
		}
	}
	if e.answering { // the one that is due answers this one, too
		return
	}
	at := e.now.Add(delay)
	if e.last != 0 && e.now < e.last.Add(minDelay) {
		at = e.last.Add(minDelay + delay)
	}
	e.next, e.answering = min(e.next, at), true // what is due sooner serves as the answer
}

// answer sends the unicast answers that are due.
func (e *Engine) answer() {
	for i := 0; i < len(e.unicast); i++ {
		if a := e.unicast[i]; a.at <= e.now {
			e.unicast = slices.Delete(e.unicast, i, i+1)
			i--
			e.single++
			e.send(e.linkLocal, a.to, e.current())
		}
	}
}

// advertise sends the multicast advertisement that is due.
func (e *Engine) advertise() {
	if !e.up || e.next > e.now {
		return
	}
	e.last, e.answering = e.now, false
	if e.farewell.IsValid() {
		a := e.current()
		cease(&a)
		e.send(e.farewell, ra.AllNodes, a)
		e.farewell, e.next = netip.Addr{}, e.now.Add(minDelay)
		e.multi++
		return
	}
	a := e.current()
	if e.final {
		cease(&a)
	}
	e.send(e.linkLocal, ra.AllNodes, a)
	e.multi++
	if e.final {
		e.end()
		return
	}
	e.withdrawn.sent()
	gap := e.gap()
	if e.quick > 0 {
		e.quick--
		gap = min(gap, initialInterval)
	}
	e.next = e.now.Add(gap)
}

// routerLifetime is what is sent now.
func (e *Engine) routerLifetime() time.Duration {
	if !e.forwarding {
		return 0
	}
	return e.says.RouterLifetime
}

// current is the whole advertisement that would leave now.
func (e *Engine) current() ra.Advertisement {
	a := e.says
	if !e.cfg.OmitLinkLayer {
		a.SourceLinkLayer = e.mac
	}
	a.Prefixes, a.Routes, a.PREF64 = slices.Clone(a.Prefixes), slices.Clone(a.Routes), slices.Clone(a.PREF64)
	a.RDNSS, a.DNSSL = slices.Clone(a.RDNSS), slices.Clone(a.DNSSL)
	e.withdrawn.add(e.now, &a)
	if !e.forwarding { // nothing that is sent through this machine arrives (RFC 4861, section 6.2.5)
		cease(&a)
	}
	return a
}

// cease makes it one of a machine that is no router any more: neither a default route nor others (RFC
// 4191, section 4). Prefixes and DNS servers do not end with the router.
func cease(a *ra.Advertisement) {
	a.RouterLifetime = 0
	for i := range a.Routes {
		a.Routes[i].Lifetime = 0
	}
}

// send sends an advertisement, in several packets if it is long.
func (e *Engine) send(from, to netip.Addr, a ra.Advertisement) {
	packets, err := a.Marshal(e.mtu)
	if err != nil { // Check has let through what cannot be written
		e.do(Report{Level: slog.LevelError, Message: "advertisement not sent", Attrs: []slog.Attr{slog.Any("error", err)}})
		return
	}
	for _, p := range packets {
		e.do(Send{From: from, To: to, Data: p})
	}
}
