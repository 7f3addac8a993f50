package client

import (
	"github.com/insomniacslk/dhcp/dhcpv6"
)

// renew asks the server of the binding to extend it (section 18.2.4). It ends at T2.
func (e *Engine) renew(byReconfigure bool) {
	x := e.newExchange(dhcpv6.MessageTypeRenew, 0)
	x.server, x.end, x.byReconfigure = e.binding.server, e.binding.t2, byReconfigure
	e.run(x)
}

// rebind asks any server to extend the binding (section 18.2.5). It ends with the last valid lifetime;
// one that a Reconfigure asked for ends at T1 or T2, as if that had not come.
func (e *Engine) rebind(byReconfigure bool) {
	x := e.newExchange(dhcpv6.MessageTypeRebind, 0)
	if x.byReconfigure = byReconfigure; byReconfigure {
		switch b := e.binding; {
		case b.t1 > e.now:
			x.end = b.t1
		case b.t2 > e.now:
			x.end = b.t2
		}
	}
	e.run(x)
}

// renewNow renews at once, unless something about the binding is being asked already.
func (e *Engine) renewNow() {
	if e.up && e.main == nil && e.binding != nil {
		e.renewOrRebind(false)
	}
}

// renewOrRebind starts the exchange that the time asks for.
func (e *Engine) renewOrRebind(byReconfigure bool) {
	if e.binding.t2 <= e.now {
		e.rebind(byReconfigure)
	} else {
		e.renew(byReconfigure)
	}
}

// renewAnswered takes in a Reply to a Renew or a Rebind (section 18.2.10.1). One that does not help
// changes no timer: the exchange goes on, and so do the addresses.
func (e *Engine) renewAnswered(x *exchange, ev Received) {
	r := e.judge(ev)
	switch {
	case r.noBinding():
		e.unused(x, &r)
		e.requestFrom(ev.Msg.ServerID, e.binding.addresses(), aimRestore)
	case r.good() || len(r.gone) > 0:
		e.refresh(r)
	default:
		e.unused(x, &r)
	}
}
