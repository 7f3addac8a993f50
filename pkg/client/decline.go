package client

import (
	"log/slog"
	"net/netip"
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/v6guest/v6guest/pkg/wire"
)

// decline is an address that is to be given back as a duplicate.
type decline struct {
	server wire.DUID
	addr   netip.Addr
}

// maxDeclining bounds what waits to be declined; what is beyond it runs out at the server.
const maxDeclining = 2 * maxAddresses

// duplicate takes in that another node uses an address: it is off the NIC before the Decline leaves
// (section 18.2.8).
func (e *Engine) duplicate(addr netip.Addr) {
	b := e.binding
	if b.find(addr) == nil {
		if b = e.replaced; b.find(addr) == nil {
			return
		}
	}
	b.drop(addr)
	e.do(Remove{Addr: addr, Why: "in use by another node"})
	e.report(slog.LevelWarn, "address in use by another node", addrAttr(addr), serverAttr(b.server))
	e.fail(&DeclinedError{Addr: addr, Server: b.server})
	if len(e.declining) < maxDeclining {
		e.declining = append(e.declining, decline{b.server, addr})
	}
	e.noteTaken(addr)
	if e.replaced.empty() {
		e.replaced = nil
	}
	e.interrupt()
	if !e.up {
		e.abandonDecline()
	}
}

// noteTaken remembers that another node has an address, so that no server that insists on it keeps the
// client from those that offer something else.
func (e *Engine) noteTaken(addr netip.Addr) {
	e.taken = append(slices.DeleteFunc(e.taken, func(a netip.Addr) bool { return a == addr }), addr)
	if len(e.taken) > maxDeclining {
		e.taken = e.taken[1:]
	}
}

// interrupt makes way for a Decline, which begin starts; what is cut short is taken up again after it.
// Only a Confirm goes on while there is something to confirm: it ends in 10 s, and is not repeated.
func (e *Engine) interrupt() {
	x := e.main
	if x == nil || x.state() == StateReleasing || x.state() == StateDeclining ||
		x.typ == dhcpv6.MessageTypeConfirm && !e.binding.empty() {
		return
	}
	e.check = e.check || x.aim == aimReplace || e.command != nil
	e.main = nil
}

// abandonDecline leaves it to the server to find out about duplicates, since the link is gone.
func (e *Engine) abandonDecline() {
	pending := len(e.declining) > 0 || e.main != nil && e.main.typ == dhcpv6.MessageTypeDecline
	if e.declining = nil; pending || e.binding != nil && e.binding.empty() {
		e.main = nil
		e.dropEmptyBinding()
	}
}

// decline starts a Decline exchange with the server of the first address that waits, for all that wait
// and are that server's.
func (e *Engine) decline() {
	x := e.newExchange(dhcpv6.MessageTypeDecline, 0)
	x.server = e.declining[0].server
	rest := e.declining[:0]
	for _, d := range e.declining {
		if d.server == x.server {
			x.addrs = append(x.addrs, d.addr)
		} else {
			rest = append(rest, d)
		}
	}
	e.declining = rest
	e.run(x)
}

// declineEnded goes on after a Decline, answered or not (section 18.2.10.2): with the addresses that
// are left, with the binding that was to be replaced, or with discovery after a pause that grows while
// no address turns out to be usable.
func (e *Engine) declineEnded() {
	e.main = nil
	if len(e.declining) > 0 {
		return // begin goes on with the next
	}
	if !e.binding.empty() {
		return
	}
	e.dropEmptyBinding()
	if e.command != nil && (e.binding != nil || e.command.again()) {
		e.finish(e.command.err)
	}
	if e.binding == nil {
		e.solicit(e.pause())
	}
}

// dropEmptyBinding gives up a binding whose addresses were all duplicates. The one that it was to
// replace comes back, unless no server vouches for that.
func (e *Engine) dropEmptyBinding() {
	if !e.binding.empty() {
		return
	}
	e.binding = nil
	switch {
	case e.replaced == nil:
		e.do(Forget{})
		e.configure(Settings{})
	case !e.replaced.lost:
		e.binding, e.replaced = e.replaced, nil
		e.configureFromLease()
		e.reinstall()
		e.report(slog.LevelInfo, "the earlier lease is kept", slog.Any("addresses", e.binding.addresses()))
	}
}
