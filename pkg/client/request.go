package client

import (
	"log/slog"
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
	"github.com/v6guest/v6guest/pkg/wire"
)

// request asks the server of an Advertise for what it offered (section 18.2.2).
func (e *Engine) request(r reply, what aim) {
	addrs := make([]netip.Addr, len(r.ia.Addresses))
	for i, a := range r.ia.Addresses {
		addrs[i] = a.Addr
	}
	e.requestFrom(r.msg.ServerID, addrs, what)
}

func (e *Engine) requestFrom(server wire.DUID, addrs []netip.Addr, what aim) {
	x := e.newExchange(dhcpv6.MessageTypeRequest, 0)
	x.server, x.addrs, x.aim = server, addrs, what
	if what == aimReplace && e.binding.t2 > e.now {
		x.end = e.binding.t2 // what is in use goes first: Rebind
	}
	e.run(x)
}

// requestAnswered takes in a Reply to a Request (section 18.2.10.1).
func (e *Engine) requestAnswered(x *exchange, ev Received) {
	r := e.judge(ev)
	if r.good() {
		e.bind(r)
		return
	}
	e.unused(x, &r)
	e.requestFailed(x)
}

// requestFailed goes on after a Request that a server did not answer, or answered with a refusal: with
// the next server that made an offer, else with discovery. A binding that was only to be replaced
// holds on.
func (e *Engine) requestFailed(x *exchange) {
	e.report(slog.LevelInfo, "request led to nothing", serverAttr(x.server))
	if e.lastErr == nil {
		e.fail(ErrNoServer)
	}
	switch {
	case x.aim == aimReplace:
		e.main = nil
		if e.command != nil {
			e.finish(e.command.err)
		}
	case x.aim == aimRestore:
		e.lost()
	case len(e.offers) > 0:
		e.requestBest()
	default:
		e.solicit(e.pause())
	}
}

// lost starts discovery for a binding that no server vouches for any more. Its addresses stay on the
// NIC until others can be used or their lifetimes end.
func (e *Engine) lost() {
	if e.replaced == nil {
		e.replaced = e.binding
	} else {
		for _, addr := range e.binding.addresses() {
			e.do(Remove{Addr: addr, Why: "replaced before it could be used"})
		}
	}
	e.replaced.lost = true
	e.binding, e.check = nil, false
	e.solicit(e.pause())
}

// noBinding reports whether a Reply to Renew or Rebind says that the server does not know the binding.
func (r *reply) noBinding() bool { return r.status != nil && r.status.Code == iana.StatusNoBinding }
