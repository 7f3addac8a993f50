package client

import (
	"log/slog"

	"github.com/insomniacslk/dhcp/dhcpv6"
)

// releaseNow gives everything back (section 18.2.7): the addresses are off the NIC before the first
// Release leaves.
func (e *Engine) releaseNow() {
	e.finish(ErrStopped)
	if e.main != nil && e.main.typ == dhcpv6.MessageTypeRelease {
		e.releasing = true
		return
	}
	b, addrs := e.binding, e.binding.addresses()
	if b.empty() {
		b = e.replaced
	}
	if e.replaced != nil && e.replaced.server == b.server {
		addrs = append(addrs, e.replaced.addresses()...)
	}
	e.halt()
	e.declining, e.failed = nil, false
	e.released, e.releasing = true, true
	for _, held := range []*binding{e.replaced, e.binding} {
		for _, addr := range held.addresses() {
			e.do(Remove{Addr: addr, Why: "released"})
		}
	}
	e.binding, e.replaced = nil, nil
	e.do(Forget{})
	e.configure(Settings{})
	if b.empty() {
		e.releaseFinished(ErrNoBinding)
		return
	}
	if !e.up {
		e.releaseFinished(ErrNoLink)
		return
	}
	x := e.newExchange(dhcpv6.MessageTypeRelease, 0)
	x.server, x.addrs = b.server, addrs
	e.run(x)
}

// releaseEnded is called when a Release was answered, whatever the answer says (section 18.2.10.2), or
// will not be.
func (e *Engine) releaseEnded() {
	e.main = nil
	e.report(slog.LevelInfo, "released")
	e.releaseFinished(nil)
}

func (e *Engine) releaseFinished(err error) {
	if e.releasing {
		e.releasing = false
		e.do(Finished{Command: CommandRelease, Err: err})
	}
}
