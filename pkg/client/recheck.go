package client

import (
	"log/slog"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/v6guest/v6guest/pkg/wire"
)

// The re-check finds out whether the reservation has changed: some servers (measured: dnsmasq 2.90)
// confirm and renew an old address and give the new one only in answer to a Solicit. It follows a
// Confirm where neither T1 nor T2 will ever come, and the command `lease` always asks for it.
//
// It is a Solicit without wished address and without Rapid Commit, while the binding's addresses stay
// in use. Advertises are collected until the first retransmission time that brings any has passed:
//
//   - one that offers an address of the binding keeps it, at once;
//   - another offer from the binding's own server replaces it;
//   - so does the best offer of other servers, if the own one is silent;
//   - refusals and silence (three Solicits, about 7 s) keep it.
//
// To replace is to send a Request for the offer; the old addresses go when a new one has passed
// duplicate address detection, and stay if it does not. To keep, under the command, is to renew with
// the server that offered the address, so that the command leaves fresh lifetimes; without the command
// only if the binding's server now offers a finite lifetime, or says something else beside addresses (DNS
// servers and the like), so that the change is noticed.

// recheckCount is how many Solicits a re-check sends when nobody answers.
const recheckCount = 3

// refusedRounds is after how many retransmission times a command ends whose only answers are refusals.
const refusedRounds = 2

// recheck starts a re-check.
func (e *Engine) recheck() {
	e.check, e.offers = false, nil
	x := e.newExchange(dhcpv6.MessageTypeSolicit, 0)
	x.aim, x.timing.mrc = aimReplace, recheckCount
	e.run(x)
}

// recheckAdvertised takes in an Advertise; the maximum retransmission times are noted already.
func (e *Engine) recheckAdvertised(x *exchange, r reply) {
	if !r.good() {
		e.unused(x, &r)
		if r.msg.ServerID == e.binding.server {
			x.ownRefused = true
		}
		return
	}
	e.remember(r)
	for _, a := range r.ia.Addresses {
		if e.binding.find(a.Addr) != nil {
			e.keep(r)
			return
		}
	}
}

// recheckRound ends a wait for Advertises of a re-check.
func (e *Engine) recheckRound(x *exchange) bool {
	own := -1
	for i, o := range e.offers {
		if o.msg.ServerID == e.binding.server {
			own = i
		}
	}
	switch {
	case own >= 0:
		e.replace(e.offers[own])
	case x.ownRefused:
		e.refusedRecheck()
	case len(e.offers) > 0:
		e.replace(e.offers[best(e.offers)])
	case x.sent >= refusedRounds && e.command != nil && e.command.refused():
		e.refusedRecheck()
	default:
		return false
	}
	return true
}

// keep ends a re-check that found the binding in order.
func (e *Engine) keep(r reply) {
	e.main, e.offers = nil, nil
	e.lastErr = nil
	e.report(slog.LevelInfo, "reservation unchanged", serverAttr(r.msg.ServerID))
	if !e.binding.vouched { // whoever was told that nobody confirmed it is told
		e.binding.vouched = true
		e.installAll()
	}
	own := r.msg.ServerID == e.binding.server
	news := own && !settingsOf(r.msg).Equal(e.settings)
	finite := false
	for _, a := range r.ia.Addresses {
		l := e.binding.find(a.Addr)
		finite = finite || l != nil && a.Valid < wire.Infinite && e.binding.endless()
	}
	switch {
	case e.command == nil && !finite && !news:
	case own:
		e.renewOrRebind(false)
	case e.command != nil:
		e.requestFrom(r.msg.ServerID, e.binding.addresses(), aimRestore)
	}
}

// replace asks for an offer that is to take the place of the binding.
func (e *Engine) replace(o offer) {
	e.report(slog.LevelInfo, "reservation changed", serverAttr(o.msg.ServerID), slog.Any("offered", o.ia.Addresses[0].Addr))
	e.offers = nil
	e.request(o.reply, aimReplace)
}

// refusedRecheck keeps the binding although the servers would not give it anew.
func (e *Engine) refusedRecheck() {
	e.main, e.offers = nil, nil
	e.report(slog.LevelInfo, "re-check refused; the lease is kept", slog.Any("error", e.lastErr))
	if e.command != nil {
		e.finish(e.command.err)
	}
}

// recheckSilent keeps the binding although nobody answers.
func (e *Engine) recheckSilent() {
	e.main, e.offers = nil, nil
	e.report(slog.LevelInfo, "no answer to the re-check; the lease is kept")
	if e.command != nil {
		e.lastErr = e.command.err
		e.finish(e.command.err)
	}
}
