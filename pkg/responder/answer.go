package responder

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/v6guest/v6guest/pkg/responder/pool"
	"github.com/v6guest/v6guest/pkg/wire"
)

// Status texts. A person may read them on the guest, so they say what to look for on the router.
const (
	textNoAddress = "no address is reserved for this client"
	textHeldBack  = "the address reserved for this client was declined and is held back for another %s"
	textExhausted = "no address is free"
	textPerMAC    = "this MAC has as many addresses as it may have"
	textOtherMAC  = "this DUID and IAID have an address from another MAC"
	textNoPrefix  = "no prefixes are delegated here"
	textNoneFree  = "no prefix is free"
	textPrefixMAC = "this MAC has as many prefixes as it may have"
	textOtherPD   = "this DUID and IAID have a prefix from another MAC"
	textNoBinding = "not bound to this client"
	textNotOnLink = "not this client's address on this link"
	textConfirmed = "all addresses belong to this link"
	textReleased  = "released"
	textDeclined  = "declined"
)

// answer makes the answer to a message that passed all checks; without one it says why.
func (x *exchange) answer() (*wire.Message, string) {
	switch x.in.Msg.Type {
	case dhcpv6.MessageTypeSolicit:
		return x.solicit(), x.dropped
	case dhcpv6.MessageTypeRequest:
		return x.request(), x.dropped
	case dhcpv6.MessageTypeRebind:
		if len(x.in.Msg.IANAs)+len(x.in.Msg.IAPDs) == 0 {
			return nil, dropNothingToSay
		}
		return x.extend(), ""
	case dhcpv6.MessageTypeRenew:
		return x.extend(), ""
	case dhcpv6.MessageTypeConfirm:
		return x.confirm()
	case dhcpv6.MessageTypeRelease, dhcpv6.MessageTypeDecline:
		return x.giveBack(), ""
	case dhcpv6.MessageTypeInformationRequest:
		m := x.message(dhcpv6.MessageTypeReply)
		x.configure(m)
		return m, ""
	default:
		return nil, string(wire.ErrNotForServer)
	}
}

// message begins an answer: both identifiers and the transaction id (RFC 9915, section 18.3).
func (x *exchange) message(t dhcpv6.MessageType) *wire.Message {
	m := x.blank()
	m.Type, m.TransactionID, m.ClientID, m.ServerID = t, x.in.Msg.TransactionID, x.in.Msg.ClientID, x.cfg.ServerID
	return m
}

// solicit answers by an Advertise (section 18.3.9), or at once by a Reply where the client offers
// Rapid Commit and has a reservation (18.3.1). Where there is nothing to commit an Advertise says so,
// and the client can go on to listen for other servers.
func (x *exchange) solicit() *wire.Message {
	m := x.message(dhcpv6.MessageTypeAdvertise)
	rapid := x.in.Msg.RapidCommit && !x.cfg.NoRapidCommit
	if given := x.give(m, false, rapid); given && rapid {
		m.Type, m.RapidCommit = dhcpv6.MessageTypeReply, true
	} else {
		m.Preference = x.cfg.Preference
	}
	x.configure(m)
	return m
}

// request answers a Request (section 18.3.2).
func (x *exchange) request() *wire.Message {
	m := x.message(dhcpv6.MessageTypeReply)
	x.give(m, true, true)
	x.configure(m)
	return m
}

// give puts an outcome for every IA into the answer and reports whether the client's address is in it.
// An address off the link is judged in a Request and only a hint in a Solicit. With commit, what is given
// of a pool is the client's from now on.
func (x *exchange) give(m *wire.Message, judge, commit bool) bool {
	ias := distinct(x.in.Msg.IANAs, idOfNA)
	off := func(ia wire.IANA) bool { return judge && slices.ContainsFunc(ia.Addresses, x.offLink) }
	chosen := x.choose(ias, off)
	offers := x.offers(ias, off)
	delegable := x.prefixOffers()
	if commit && (!x.mayCreate(x.pool, offers) || !x.mayCreate(x.prefixes, delegable)) {
		return false
	}
	given := false
	for i, ia := range ias {
		out := addIA(m, ia.ID)
		switch {
		case off(ia):
			out.Status = status(iana.StatusNotOnLink, textNotOnLink)
		case i == chosen && x.lease != nil:
			out.Addresses = append(out.Addresses, x.lease.address())
			given = true
		case offers != nil && offers[i].addr.IsValid():
			terms := x.lend(x.pool, &offers[i], ia.ID, x.poolTerms(), commit)
			out.Addresses = append(out.Addresses, address(offers[i].addr, terms))
			given = true
		default:
			out.Status = status(iana.StatusNoAddrsAvail, x.refusal(textNoAddress))
		}
	}
	delegated := x.delegate(m, delegable, commit)
	x.setTimes(m)
	if given {
		x.served(false)
	} else if len(ias) > 0 && x.why != "" {
		x.reportUnmatched(x.why, false)
	}
	return given || delegated
}

// addIA adds an IA to an answer, in the memory of an earlier one.
func addIA(m *wire.Message, id wire.IAID) *wire.IANA {
	n := len(m.IANAs)
	m.IANAs = slices.Grow(m.IANAs, 1)[:n+1]
	ia := &m.IANAs[n]
	*ia = wire.IANA{ID: id, Addresses: ia.Addresses[:0]}
	return ia
}

// refusal is the text of a status that gives no address: that it is held back, and how long, or what
// stands against one of the pool, or the given text.
func (x *exchange) refusal(text string) string {
	switch x.why {
	case whyDeclined:
		return fmt.Sprintf(textHeldBack, (x.wait + time.Second - 1).Truncate(time.Second))
	case whyExhausted:
		return textExhausted
	case whyPerMAC:
		return textPerMAC
	case whyOtherMAC:
		return textOtherMAC
	}
	return text
}

// choose returns the index of the IA that is the client's reservation: that which names a reserved
// address, else the first, whatever its IAID (decision 9 of the design); -1 for none.
func (x *exchange) choose(ias []wire.IANA, skip func(wire.IANA) bool) int {
	first := -1
	for i, ia := range ias {
		switch {
		case skip(ia):
		case slices.ContainsFunc(ia.Addresses, func(a wire.Address) bool { return x.own(a.Addr) }):
			return i
		case first < 0:
			first = i
		}
	}
	return first
}

// offLink reports whether a client's address is of another link; the unspecified one is no wish at all.
func (x *exchange) offLink(a wire.Address) bool {
	return !a.Addr.IsUnspecified() && !x.onLink(a.Addr)
}

// extend answers a Renew or a Rebind (sections 18.3.4 and 18.3.5). The reservation is the binding:
// its address is extended, or added where the client has another by now; addresses that are not of the
// link, or surely another client's, come back with lifetimes of 0. An IA for which nothing is reserved
// gets NoBinding.
func (x *exchange) extend() *wire.Message {
	m := x.message(dhcpv6.MessageTypeReply)
	ias := distinct(x.in.Msg.IANAs, idOfNA)
	chosen := x.choose(ias, func(wire.IANA) bool { return false })
	for i, ia := range ias {
		out := wire.IANA{ID: ia.ID}
		bound := i == chosen && x.lease != nil
		if bound {
			out.Addresses = append(out.Addresses, x.lease.address())
		} else if b := x.bound(ia.ID); b != nil {
			bound = true
			out.Addresses = append(out.Addresses, address(b.Addr(), x.extended(b, x.poolTerms())))
		}
		for _, a := range ia.Addresses {
			if x.gone(a.Addr, bound) && !contains(out.Addresses, a.Addr) {
				out.Addresses = append(out.Addresses, wire.Address{Addr: a.Addr})
			}
		}
		if len(out.Addresses) == 0 {
			out.Status = status(iana.StatusNoBinding, x.refusal(textNoBinding))
		}
		m.IANAs = append(m.IANAs, out)
	}
	if len(ias) > 0 && x.lease == nil && x.why != "" && len(x.needs) == 0 {
		x.reportUnmatched(x.why, false)
	}
	x.extendPrefixes(m)
	x.setTimes(m)
	x.configure(m)
	return m
}

// gone reports whether the client must give the address up now. One that gets its reserved address in
// this IA keeps no other beside it.
func (x *exchange) gone(a netip.Addr, bound bool) bool {
	switch {
	case a.IsUnspecified() || x.lease != nil && a == x.lease.addr:
		return false
	case !x.onLink(a):
		return true
	}
	return bound || x.foreign(a)
}

// confirm answers a Confirm (section 18.3.3): whether all addresses are right for the link. What is right
// includes the reservations, so that an address which went to another client is not used twice.
func (x *exchange) confirm() (*wire.Message, string) {
	m := x.message(dhcpv6.MessageTypeReply)
	m.Status = status(iana.StatusSuccess, textConfirmed)
	any := false
	for _, ia := range x.in.Msg.IANAs {
		for _, a := range ia.Addresses {
			any = true
			if !x.onLink(a.Addr) || x.foreign(a.Addr) || len(x.addrs) > 0 && !x.own(a.Addr) {
				m.Status = status(iana.StatusNotOnLink, textNotOnLink)
			}
		}
	}
	if !any {
		return nil, dropNoAddress
	}
	return m, ""
}

// giveBack answers a Release or a Decline (sections 18.3.7 and 18.3.8): Success for the message, NoBinding
// for each IA that is not the client's. A reservation stays what it is; a declined address is held back.
func (x *exchange) giveBack() *wire.Message {
	m := x.message(dhcpv6.MessageTypeReply)
	declined := x.in.Msg.Type == dhcpv6.MessageTypeDecline
	m.Status = status(iana.StatusSuccess, textReleased)
	if declined {
		m.Status = status(iana.StatusSuccess, textDeclined)
	}
	ias := distinct(x.in.Msg.IANAs, idOfNA)
	chosen := x.choose(ias, func(wire.IANA) bool { return false })
	for i, ia := range ias {
		if b := x.bound(ia.ID); b != nil {
			x.letGo(b, ia, declined)
			continue
		}
		if declined && x.declinedBefore(ia) {
			continue
		}
		if i != chosen || len(x.addrs) == 0 {
			m.IANAs = append(m.IANAs, wire.IANA{ID: ia.ID, Status: status(iana.StatusNoBinding, textNoBinding)})
			continue
		}
		for _, a := range ia.Addresses {
			if declined && x.own(a.Addr) {
				x.hold(a.Addr)
			}
		}
	}
	x.giveBackPrefixes(m)
	if !x.client.known() {
		x.reportRefused()
	}
	return m
}

// setTimes sets T1 and T2 of every IA that holds addresses or prefixes: 0.5 and 0.8 of the shortest preferred
// lifetime that is extended, the same everywhere, or never where that is infinite (sections 18.1, 21.4).
// They are up to a fifth shorter, as the client's DUID has it.
func (x *exchange) setTimes(m *wire.Message) {
	shortest := time.Duration(-1)
	for i := range m.IANAs {
		for _, a := range m.IANAs[i].Addresses {
			if a.Valid > 0 && (shortest < 0 || a.Preferred < shortest) {
				shortest = a.Preferred
			}
		}
	}
	for i := range m.IAPDs {
		for _, p := range m.IAPDs[i].Prefixes {
			if p.Valid > 0 && (shortest < 0 || p.Preferred < shortest) {
				shortest = p.Preferred
			}
		}
	}
	t1, t2 := x.spread(max(0, shortest)/2), x.spread(max(0, shortest)/5*4)
	if shortest == wire.Infinite {
		t1, t2 = wire.Infinite, wire.Infinite
	}
	for i := range m.IANAs {
		if len(m.IANAs[i].Addresses) > 0 {
			m.IANAs[i].T1, m.IANAs[i].T2 = t1, t2
		}
	}
	for i := range m.IAPDs {
		if len(m.IAPDs[i].Prefixes) > 0 {
			m.IAPDs[i].T1, m.IAPDs[i].T2 = t1, t2
		}
	}
}

// spread takes up to a fifth off a time: by another part for each client, always the same for one. Guests
// that booted together would renew together for ever; so they drift apart with each renewal.
func (x *exchange) spread(d time.Duration) time.Duration {
	const steps = 1 << 10
	part := pool.Hash(string(x.in.Msg.ClientID)) % steps
	return (d - d/5/steps*time.Duration(part)).Truncate(time.Second)
}

func (l *lease) address() wire.Address {
	return wire.Address{Addr: l.addr, Preferred: l.preferred, Valid: l.valid}
}

func status(code iana.StatusCode, text string) *wire.Status {
	return &wire.Status{Code: code, Text: text}
}

func contains(list []wire.Address, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(b wire.Address) bool { return b.Addr == a })
}

// distinct leaves out IAs whose IAID stood before (section 21.4).
func distinct[IA wire.IANA | wire.IAPD](ias []IA, id func(*IA) wire.IAID) []IA {
	if len(ias) < 2 {
		return ias
	}
	seen := map[wire.IAID]bool{}
	out := make([]IA, 0, len(ias))
	for i := range ias {
		if !seen[id(&ias[i])] {
			seen[id(&ias[i])] = true
			out = append(out, ias[i])
		}
	}
	return out
}

func idOfNA(ia *wire.IANA) wire.IAID { return ia.ID }
func idOfPD(ia *wire.IAPD) wire.IAID { return ia.ID }
