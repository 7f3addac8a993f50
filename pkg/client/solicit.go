package client

import (
	"log/slog"
	"slices"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/wire"
)

// An offer is a usable Advertise.
type offer struct {
	reply
	preference uint8
	holds      bool // it offers an address that the NIC has
	taken      bool // it offers nothing but what turned out to be other nodes' addresses
}

// maxOffers is how many servers are remembered.
const maxOffers = 16

// best is the index of the offer to take: the one with the highest preference; among those one with an
// address that the NIC has; among those the first that came (section 18.2.9). Offers of addresses that
// other nodes turned out to have come last, whatever their preference.
func best(offers []offer) int {
	at := 0
	for i, o := range offers {
		b := offers[at]
		if o.taken != b.taken {
			if b.taken {
				at = i
			}
			continue
		}
		if o.preference > b.preference || o.preference == b.preference && o.holds && !b.holds {
			at = i
		}
	}
	return at
}

// silenceReported is after how many Solicits without an answer a person is told.
const silenceReported = 3

// solicit starts discovery (section 18.2.1); its first message leaves after delay.
func (e *Engine) solicit(delay time.Duration) {
	e.offers, e.failed = nil, false
	x := e.newExchange(dhcpv6.MessageTypeSolicit, delay)
	x.timing.mrc, x.timing.mrd = e.cfg.SolicitCount, e.cfg.SolicitDuration
	e.run(x)
}

// pause is how long to wait before something is tried again that led to nothing: as long as between
// Solicits that nobody answers, so that no refusal makes a loop. It begins anew when there was an
// address that could be used for a while.
func (e *Engine) pause() time.Duration {
	if e.settled() {
		e.pauseRT, e.usableAt = 0, clock.Never
	}
	if e.pauseRT == 0 {
		e.pauseRT = firstRT(time.Second, e.draw())
	} else {
		e.pauseRT = nextRT(e.pauseRT, e.solMaxRT, e.draw())
	}
	return e.pauseRT
}

// whileUsable is how long an address must have been usable for things to count as in order.
const whileUsable = time.Minute

// settled reports whether things were in order since the last pause.
func (e *Engine) settled() bool { return e.usableAt.Add(whileUsable) <= e.now }

// advertised takes in an Advertise.
func (e *Engine) advertised(x *exchange, ev Received) {
	e.noteAdvertisedMaxRT(x, ev.Msg)
	r := e.judge(ev)
	if x.aim == aimReplace {
		e.recheckAdvertised(x, r)
		return
	}
	if !r.good() { // it changes no timer (section 18.2.9)
		e.unused(x, &r)
		return
	}
	e.remember(r)
	if o := e.offers[best(e.offers)]; !o.taken && (x.sent > 1 || ev.Msg.Preference == 255) {
		e.requestBest()
	}
}

// remember adds a usable Advertise to the offers, in place of an earlier one of the same server.
func (e *Engine) remember(r reply) {
	o := offer{reply: r, preference: r.msg.Preference, taken: true}
	for _, a := range r.ia.Addresses {
		o.taken = o.taken && slices.Contains(e.taken, a.Addr)
		o.holds = o.holds || e.binding.find(a.Addr) != nil || e.replaced.find(a.Addr) != nil
	}
	for i := range e.offers {
		if e.offers[i].msg.ServerID == r.msg.ServerID {
			e.offers[i] = o
			return
		}
	}
	if len(e.offers) < maxOffers {
		e.offers = append(e.offers, o)
	}
}

// solicitRound ends a wait for Advertises.
func (e *Engine) solicitRound(x *exchange) bool {
	if len(e.offers) > 0 {
		e.requestBest()
		return true
	}
	if x.sent == silenceReported {
		e.silent()
	}
	if x.sent >= refusedRounds && e.command != nil && e.command.refused() {
		e.finish(e.command.err)
	}
	return false
}

// silent tells that no server has given anything.
func (e *Engine) silent() {
	if e.lastErr == nil {
		e.fail(ErrNoServer)
	}
	e.report(slog.LevelWarn, "no DHCPv6 server gives an address; still asking", slog.Any("error", e.lastErr))
}

// requestBest asks the best of the servers that made an offer; the others are remembered.
func (e *Engine) requestBest() {
	i := best(e.offers)
	o := e.offers[i]
	e.offers = slices.Delete(e.offers, i, i+1)
	e.request(o.reply, aimLease)
}

// rapid reports whether the first server to commit wins (section 18.2.1): not after a Decline, since the
// server that leased another node's address may be the first again.
func (e *Engine) rapid(x *exchange) bool {
	return x.aim == aimLease && !e.cfg.NoRapidCommit && len(e.taken) == 0
}

// rapidlyCommitted takes in a Reply to a Solicit (section 18.2.1).
func (e *Engine) rapidlyCommitted(x *exchange, ev Received) {
	if !e.rapid(x) || !ev.Msg.RapidCommit {
		e.drop(ev, "Reply to a Solicit without Rapid Commit")
		return
	}
	if r := e.judge(ev); r.good() {
		e.bind(r)
	} else {
		e.unused(x, &r)
	}
}

// discoveryFailed is called when discovery has reached its configured bound.
func (e *Engine) discoveryFailed() {
	e.main, e.failed = nil, true
	if e.lastErr == nil {
		e.fail(ErrNoServer)
	}
	e.report(slog.LevelWarn, "discovery given up", slog.Any("error", e.lastErr))
	if e.command != nil {
		e.finish(e.command.err)
	}
}

// advertisedRT is what the Advertises of one exchange say of SOL_MAX_RT and INF_MAX_RT.
type advertisedRT struct{ sol, inf agreed }

// agreed is a value that holds only while all who name it agree.
type agreed struct {
	value    time.Duration
	disputed bool
}

// note takes in a value and returns the one that holds.
func (a *agreed) note(d time.Duration) time.Duration {
	if a.value == 0 {
		a.value = d
	}
	if a.disputed = a.disputed || a.value != d; a.disputed {
		return defaultMaxRT
	}
	return d
}

// allowedMaxRT reports whether SOL_MAX_RT or INF_MAX_RT may be d (sections 21.24 and 21.25).
func allowedMaxRT(d time.Duration) bool { return d >= leastMaxRT && d <= greatestMaxRT }

// noteAdvertisedMaxRT takes SOL_MAX_RT and INF_MAX_RT from an Advertise, usable or not: while the
// Advertises of the exchange agree, else the default holds (section 18.2.9).
func (e *Engine) noteAdvertisedMaxRT(x *exchange, m *wire.Message) {
	if allowedMaxRT(m.SOLMaxRT) {
		e.solMaxRT = x.maxRT.sol.note(m.SOLMaxRT)
	}
	if allowedMaxRT(m.INFMaxRT) {
		e.infMaxRT = x.maxRT.inf.note(m.INFMaxRT)
	}
}

// noteReplyMaxRT takes SOL_MAX_RT and INF_MAX_RT from a Reply, whatever its status (section 18.2.10).
func (e *Engine) noteReplyMaxRT(m *wire.Message) {
	if allowedMaxRT(m.SOLMaxRT) {
		e.solMaxRT = m.SOLMaxRT
	}
	if allowedMaxRT(m.INFMaxRT) {
		e.infMaxRT = m.INFMaxRT
	}
}
