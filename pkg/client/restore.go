package client

import (
	"log/slog"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/v6guest/v6guest/pkg/wire"
)

// restore makes a binding of a saved lease, by the checks that a Reply gets when it comes. One that
// does not stand them, or whose lifetimes have ended, costs a Solicit and no more.
func (e *Engine) restore(saved *Lease) {
	e.iaid = saved.IAID
	b, why := e.replay(saved)
	if b == nil {
		e.iaid = e.cfg.IAID
		e.report(slog.LevelInfo, "saved lease not used", slog.String("reason", why))
		return
	}
	e.binding, e.key = b, nil
	if !e.cfg.NoReconfigure {
		e.key = saved.Reconfigure
	}
	if saved.AgeUnknown && !b.endless() { // an endless one is re-checked anyway
		b.t1 = min(b.t1, e.now)
	}
	e.report(slog.LevelInfo, "saved lease found", serverAttr(b.server), slog.Any("addresses", b.addresses()))
}

// replay decodes and checks a saved Reply.
func (e *Engine) replay(saved *Lease) (b *binding, why string) {
	m, err := wire.Decode(saved.Reply)
	if err != nil {
		return nil, err.Error()
	}
	ev := Received{Msg: m, Raw: saved.Reply, From: saved.From}
	if why := e.stranger(ev); why != "" {
		return nil, why
	}
	if m.Type != dhcpv6.MessageTypeReply {
		return nil, "not a Reply"
	}
	r := e.judge(ev)
	if !r.good() {
		return nil, r.err().Error()
	}
	r.lease = saved
	b = newBinding(r, saved.Received)
	for _, addr := range b.addresses() {
		if b.find(addr).ValidUntil <= e.now {
			b.drop(addr)
		}
	}
	if b.empty() {
		return nil, "its valid lifetime has ended"
	}
	return b, ""
}
