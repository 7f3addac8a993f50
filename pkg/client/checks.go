package client

import (
	"errors"
	"log/slog"
	"net/netip"
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
	"github.com/v6guest/v6guest/pkg/wire"
)

// maxAddresses is how many addresses of one IA the client takes.
const maxAddresses = 16

// A reply is what an Advertise or Reply says about the NIC's IA_NA, after all checks.
type reply struct {
	msg  *wire.Message
	from netip.Addr
	// ia holds the addresses that can be used, and no others.
	ia    wire.IANA
	gone  []netip.Addr // addresses whose lifetime the server has ended
	lease *Lease
	// status is the first failure at one of the three levels: message, IA, and (where no address is
	// left) address. nil means Success.
	status *wire.Status
	// why says what is wrong when there is no failure and yet nothing to use; "" otherwise.
	why string
}

// good reports whether r gives an address.
func (r *reply) good() bool { return r.status == nil && r.why == "" && len(r.ia.Addresses) > 0 }

// err is what to tell a person of a reply that is not good.
func (r *reply) err() error {
	e := &RefusedError{Server: r.msg.ServerID, Reason: r.reason()}
	if r.status != nil {
		e.Status = *r.status
	}
	return e
}

// reason says in words why a reply without a failure is not good.
func (r *reply) reason() string {
	if r.why == "" && r.status == nil && len(r.ia.Addresses) == 0 && len(r.gone) > 0 {
		return "only addresses with a valid lifetime of 0"
	}
	return r.why
}

// failure returns s if it is a failure. A code that is not known is one (section 18.2.10).
func failure(s *wire.Status) *wire.Status {
	if s != nil && s.Code != iana.StatusSuccess {
		return s
	}
	return nil
}

// judge checks what a message says about the NIC's IA_NA.
func (e *Engine) judge(ev Received) reply {
	r := reply{msg: ev.Msg, from: ev.From, lease: e.leaseOf(ev)}
	if r.status = failure(ev.Msg.Status); r.status != nil {
		return r
	}
	ia := e.findIA(ev.Msg)
	switch {
	case ia == nil:
		r.why = "no IA_NA with our IAID"
		return r
	case ia.T1 > ia.T2 && ia.T2 > 0: // as if it had not come (section 21.4)
		r.why = "T1 greater than T2"
		return r
	}
	if r.status = failure(ia.Status); r.status != nil {
		return r
	}
	r.ia = wire.IANA{ID: ia.ID, T1: ia.T1, T2: ia.T2}
	e.judgeAddresses(&r, ia)
	return r
}

// findIA returns the first IA_NA with our IAID.
func (e *Engine) findIA(m *wire.Message) *wire.IANA {
	for i := range m.IANAs {
		if m.IANAs[i].ID == e.iaid {
			return &m.IANAs[i]
		}
	}
	return nil
}

// judgeAddresses sorts the addresses of an IA into those to be used and those that are over.
func (e *Engine) judgeAddresses(r *reply, ia *wire.IANA) {
	why, status := "no address in the IA_NA", (*wire.Status)(nil)
	for _, a := range ia.Addresses {
		bad := e.judgeAddress(a, r)
		switch {
		case bad != "":
			why = bad
			if s := failure(a.Status); s != nil && status == nil {
				status = s
			}
			e.refused(r, a.Addr, bad)
		case a.Valid == 0:
			r.gone = append(r.gone, a.Addr)
		default:
			r.ia.Addresses = append(r.ia.Addresses, wire.Address{Addr: a.Addr, Preferred: a.Preferred, Valid: a.Valid})
		}
	}
	if len(r.ia.Addresses) == 0 && len(r.gone) == 0 {
		r.status = status
		if status == nil {
			r.why = why
		}
	}
}

// judgeAddress says what is wrong with an address, "" if nothing.
func (e *Engine) judgeAddress(a wire.Address, r *reply) string {
	switch {
	case failure(a.Status) != nil:
		return "status of the address: " + a.Status.Code.String()
	case a.Preferred > a.Valid:
		return "preferred lifetime greater than valid lifetime"
	case !unicast(a.Addr):
		return "neither global unicast nor unique local"
	case a.Addr == r.from:
		return "the server's own address"
	case a.Valid > 0 && a.Valid < leastValid && e.binding.find(a.Addr) == nil:
		return "valid lifetime under " + leastValid.String()
	case len(r.ia.Addresses) >= maxAddresses:
		return "too many addresses"
	}
	if slices.Contains(r.gone, a.Addr) || slices.ContainsFunc(r.ia.Addresses, func(b wire.Address) bool { return b.Addr == a.Addr }) {
		return "named twice"
	}
	if e.cfg.Refuse != nil && a.Valid > 0 {
		return e.cfg.Refuse(a.Addr)
	}
	return ""
}

var (
	globalUnicast = netip.MustParsePrefix("2000::/3")
	uniqueLocal   = netip.MustParsePrefix("fc00::/7")
)

// unicast reports whether a guest may have the address: global unicast or unique local (decision 5 of
// the design), which leaves out ::, ::1, link-local, multicast and IPv4 in disguise.
func unicast(a netip.Addr) bool {
	return a.Zone() == "" && (globalUnicast.Contains(a) || uniqueLocal.Contains(a))
}

// refused reports an address that is not taken.
func (e *Engine) refused(r *reply, addr netip.Addr, why string) {
	e.do(Report{
		Level: slog.LevelWarn, Message: "address refused", Packet: true,
		Attrs: []slog.Attr{slog.String("reason", why), addrAttr(addr), serverAttr(r.msg.ServerID)},
	})
}

// leaseOf is what would be kept of a Reply.
func (e *Engine) leaseOf(ev Received) *Lease {
	return &Lease{Reply: ev.Raw, From: ev.From, Received: e.now, IAID: e.iaid}
}

// received takes in a message: it is checked (section 16), matched with an exchange by transaction id,
// and handed to what waits for it.
func (e *Engine) received(ev Received) {
	if why := e.stranger(ev); why != "" {
		e.drop(ev, why)
		return
	}
	e.count.answers[ev.Msg.Type]++
	if ev.Msg.Type == dhcpv6.MessageTypeReconfigure {
		e.reconfigure(ev)
		return
	}
	x := e.exchangeOf(ev.Msg)
	switch {
	case x == nil:
		e.drop(ev, "no exchange with its transaction id")
	case ev.Msg.Type == dhcpv6.MessageTypeAdvertise:
		e.advertised(x, ev)
	case x.server != "" && x != e.info && ev.Msg.ServerID != x.server:
		e.drop(ev, "from another server than the one addressed")
	default:
		e.noteReplyMaxRT(ev.Msg)
		e.replied(x, ev)
	}
}

// stranger says why a message is none of ours, "" if it may be.
func (e *Engine) stranger(ev Received) string {
	var reason wire.DiscardError
	switch err := ev.Msg.CheckForClient(); {
	case errors.As(err, &reason):
		return string(reason)
	case err != nil:
		return "not valid"
	case ev.Msg.ClientID != e.cfg.DUID:
		return "for another client"
	case ev.To.IsMulticast():
		return "sent to a multicast group"
	case e.cfg.AcceptServer != nil && !e.cfg.AcceptServer(ev.Msg.ServerID, ev.From):
		return "from a server that is not pinned"
	}
	return ""
}

// exchangeOf finds the exchange that m answers, nil if none waits for it.
func (e *Engine) exchangeOf(m *wire.Message) *exchange {
	for _, x := range []*exchange{e.main, e.info} {
		if x == nil || x.sent == 0 || x.xid != m.TransactionID {
			continue
		}
		if m.Type == dhcpv6.MessageTypeReply || x.typ == dhcpv6.MessageTypeSolicit {
			return x
		}
	}
	return nil
}

// replied hands a Reply to what waits for it.
func (e *Engine) replied(x *exchange, ev Received) {
	switch x.typ {
	case dhcpv6.MessageTypeSolicit:
		e.rapidlyCommitted(x, ev)
	case dhcpv6.MessageTypeRequest:
		e.requestAnswered(x, ev)
	case dhcpv6.MessageTypeConfirm:
		e.confirmAnswered(x, ev)
	case dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRebind:
		e.renewAnswered(x, ev)
	case dhcpv6.MessageTypeDecline:
		e.declineEnded()
	case dhcpv6.MessageTypeRelease:
		e.releaseEnded()
	default:
		e.informAnswered(ev)
	}
}

// drop counts and reports a message that is not used.
func (e *Engine) drop(ev Received, why string) {
	e.count.drop(why)
	e.do(Report{
		Level: slog.LevelDebug, Message: "message not used", Packet: true,
		Attrs: []slog.Attr{
			slog.String("reason", why), slog.String("type", wire.TypeName(ev.Msg.Type)),
			slog.String("from", ev.From.String()), serverAttr(ev.Msg.ServerID),
		},
	})
}

// unused counts and reports an answer that says no, or says it badly.
func (e *Engine) unused(x *exchange, r *reply) {
	why, attrs := r.reason(), []slog.Attr(nil)
	if r.status != nil {
		why = r.status.Code.String()
		attrs = append(attrs, slog.String("text", r.status.Text))
	}
	e.count.drop(why)
	e.fail(r.err())
	e.do(Report{
		Level: slog.LevelWarn, Message: "server gave no address", Packet: true,
		Attrs: append(attrs, slog.String("reason", why), slog.String("to", wire.TypeName(x.typ)), serverAttr(r.msg.ServerID)),
	})
}

// maxReasons is how many reasons are counted apart; there are fewer, but servers choose status codes.
const maxReasons = 64

// drop counts a message that was not used.
func (c *counters) drop(why string) {
	if _, known := c.dropped[why]; !known && len(c.dropped) >= maxReasons {
		why = "other"
	}
	c.dropped[why]++
}
