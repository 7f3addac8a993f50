package client

import (
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/wire"
)

// Constants of RFC 9915, section 7.6, that the table of timings does not hold.
const (
	maxStartDelay = time.Second // SOL_MAX_DELAY, CNF_MAX_DELAY and INF_MAX_DELAY
	defaultMaxRT  = time.Hour   // SOL_MAX_RT and INF_MAX_RT
	leastMaxRT    = 60 * time.Second
	greatestMaxRT = 86400 * time.Second
	irtDefault    = 86400 * time.Second
	irtMinimum    = 600 * time.Second
)

// A timing holds the parameters of retransmission (section 15); zero means no bound, for MRC and MRD
// as for MRT.
type timing struct {
	irt, mrt time.Duration
	mrc      int
	mrd      time.Duration
}

// timingOf is the table of section 18.2. The MRT of Solicit and Information-request is a default that
// servers can change; the MRD of Renew and Rebind comes from the binding.
func timingOf(t dhcpv6.MessageType) timing {
	switch t {
	case dhcpv6.MessageTypeSolicit, dhcpv6.MessageTypeInformationRequest:
		return timing{irt: time.Second, mrt: defaultMaxRT}
	case dhcpv6.MessageTypeRequest:
		return timing{irt: time.Second, mrt: 30 * time.Second, mrc: 10}
	case dhcpv6.MessageTypeConfirm:
		return timing{irt: time.Second, mrt: 4 * time.Second, mrd: 10 * time.Second}
	case dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRebind:
		return timing{irt: 10 * time.Second, mrt: 600 * time.Second}
	default: // Release, Decline
		return timing{irt: time.Second, mrc: 4}
	}
}

// firstRT is the first retransmission time; r is a draw from [-0.1, 0.1).
func firstRT(irt time.Duration, r float64) time.Duration {
	return irt + scale(irt, r)
}

// nextRT is the retransmission time after prev; r is a draw from [-0.1, 0.1).
func nextRT(prev, mrt time.Duration, r float64) time.Duration {
	rt := 2*prev + scale(prev, r)
	if mrt > 0 && rt > mrt {
		rt = mrt + scale(mrt, r)
	}
	return rt
}

func scale(d time.Duration, r float64) time.Duration { return time.Duration(float64(d) * r) }

// An aim says what an exchange is for, where its message type alone does not.
type aim int

const (
	aimLease   aim = iota // no binding yet, or none that holds
	aimReplace            // re-check: the binding holds until another replaces it
	aimRestore            // the server has lost the binding, or is to refresh it; the addresses stay
)

// An exchange is a message, its retransmissions and the wait for an answer.
type exchange struct {
	typ    dhcpv6.MessageType
	aim    aim
	xid    dhcpv6.TransactionID
	timing timing
	server wire.DUID    // the one addressed; "" for all
	addrs  []netip.Addr // of Request, Release and Decline

	sent  int
	first clock.Instant // of the first transmission
	rt    time.Duration
	due   clock.Instant // of the next transmission, or the end of the last wait
	end   clock.Instant // the exchange fails then
	held  bool          // due is when the rate limit lets the transmission go

	byReconfigure bool         // a Reconfigure asked for it
	notOnLink     *wire.Status // Confirm: a server said so
	ownRefused    bool         // re-check: the server of the binding gives nothing
	maxRT         advertisedRT // Solicit
}

// newExchange makes an exchange whose first message leaves after delay.
func (e *Engine) newExchange(t dhcpv6.MessageType, delay time.Duration) *exchange {
	x := &exchange{typ: t, timing: timingOf(t), due: e.now.Add(delay), end: clock.Never}
	for x.xid == (dhcpv6.TransactionID{}) || x.xid == e.lastXID {
		n := e.cfg.Rand.Uint32()
		x.xid = dhcpv6.TransactionID{byte(n >> 16), byte(n >> 8), byte(n)}
	}
	e.lastXID = x.xid
	return x
}

// run makes x the exchange about addresses and sends its first message if that is due.
func (e *Engine) run(x *exchange) {
	e.main = x
	if x.due <= e.now {
		e.transmit(x)
	}
}

// draw is RAND of section 15.
func (e *Engine) draw() float64 { return 0.2*e.cfg.Rand.Float64() - 0.1 }

// startDelay is the random delay before the first message on a link.
func (e *Engine) startDelay() time.Duration {
	if e.cfg.NoStartDelay {
		return 0
	}
	return time.Duration(e.cfg.Rand.Int64N(int64(maxStartDelay) + 1))
}

// transmit sends the exchange's message, as soon as the rate limit lets it, and sets the time of the
// next one.
func (e *Engine) transmit(x *exchange) {
	if at := e.limit.ready(); at > e.now {
		x.due, x.held = at, true
		return
	}
	e.limit.take(e.now)
	x.held = false
	if x.sent++; x.sent == 1 {
		x.first = e.now
		if x.timing.mrd > 0 {
			x.end = min(x.end, e.now.Add(x.timing.mrd))
		}
		x.rt = firstRT(x.timing.irt, e.firstDraw(x))
	} else {
		x.rt = nextRT(x.rt, e.maxRT(x), e.draw())
	}
	x.due = e.now.Add(x.rt)
	m := e.build(x)
	e.count.sent[m.Type]++
	e.do(Send{Msg: m})
}

// firstDraw is RAND for the first retransmission time: strictly positive for a Solicit, so that
// Advertises are collected for a full IRT (section 18.2.1).
func (e *Engine) firstDraw(x *exchange) float64 {
	if x.typ == dhcpv6.MessageTypeSolicit {
		return 0.1 * (1 - e.cfg.Rand.Float64())
	}
	return e.draw()
}

// maxRT is MRT, as servers have set it where they can.
func (e *Engine) maxRT(x *exchange) time.Duration {
	switch x.typ {
	case dhcpv6.MessageTypeSolicit:
		return e.solMaxRT
	case dhcpv6.MessageTypeInformationRequest:
		return e.infMaxRT
	default:
		return x.timing.mrt
	}
}

// drive does what the time asks of an exchange.
func (e *Engine) drive(x *exchange) {
	switch {
	case x == nil:
	case e.now >= x.end:
		e.exhausted(x)
	case e.now < x.due:
	case x.sent == 0 || x.held:
		e.transmit(x)
	case e.roundOver(x):
	case x.timing.mrc > 0 && x.sent >= x.timing.mrc:
		e.exhausted(x)
	default:
		e.transmit(x)
	}
}

// roundOver is called when the time to wait for an answer has passed; it reports whether what was
// heard meanwhile decides the exchange.
func (e *Engine) roundOver(x *exchange) bool {
	switch {
	case x.typ == dhcpv6.MessageTypeSolicit && x.aim == aimReplace:
		return e.recheckRound(x)
	case x.typ == dhcpv6.MessageTypeSolicit:
		return e.solicitRound(x)
	case x.typ == dhcpv6.MessageTypeConfirm && x.notOnLink != nil:
		e.notOnLink(x.notOnLink)
		return true
	}
	return false
}

// exhausted is called when an exchange has failed by its MRC or MRD (section 15).
func (e *Engine) exhausted(x *exchange) {
	switch x.typ {
	case dhcpv6.MessageTypeSolicit:
		if x.aim == aimReplace {
			e.recheckSilent()
		} else {
			e.discoveryFailed()
		}
	case dhcpv6.MessageTypeRequest:
		e.requestFailed(x)
	case dhcpv6.MessageTypeConfirm:
		if !e.roundOver(x) {
			e.confirmEnded(x)
		}
	case dhcpv6.MessageTypeRenew:
		e.main = nil // T2: Rebind follows
	case dhcpv6.MessageTypeRebind:
		e.main = nil // asked for by a Reconfigure: as if that had not come (section 18.2.5)
	case dhcpv6.MessageTypeDecline:
		e.declineEnded()
	default: // Release: an Information-request never ends by itself
		e.releaseEnded()
	}
}

// A limiter holds back what would exceed burst messages at once and one each interval after that
// (section 14.1). It is a token bucket, kept as the moment at which it would be full again.
type limiter struct {
	interval time.Duration
	burst    int
	full     clock.Instant
}

// ready is the moment from which one more message may leave.
func (l *limiter) ready() clock.Instant {
	return l.full.Add(-time.Duration(l.burst-1) * l.interval)
}

// take counts one that leaves at now.
func (l *limiter) take(now clock.Instant) { l.full = max(l.full, now).Add(l.interval) }
