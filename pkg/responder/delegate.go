package responder

import (
	"net/netip"
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/v6guest/v6guest/pkg/responder/pool"
	"github.com/v6guest/v6guest/pkg/wire"
)

// Reasons for which a known client gets no prefix, beside those for which it gets no address.
const (
	whyNoPrefixFree = "the pool has no free prefix"
	whyPrefixPerMAC = "its MAC has as many prefixes as it may have"
	whyPrefixOther  = "its DUID and IAID have a prefix from another MAC"
)

// iapds are the IA_PDs of the message; with them it is found out what they are served from.
func (x *exchange) iapds() []wire.IAPD {
	if len(x.in.Msg.IAPDs) == 0 {
		return nil
	}
	if p := x.bindings.Prefixes(x.network.Name); p != nil {
		if x.whyPrefix = x.knowOwner(); x.whyPrefix == "" {
			x.prefixes = p
		}
	}
	return distinct(x.in.Msg.IAPDs, idOfPD)
}

// prefixOffers finds a prefix for each IA_PD; nothing is changed by it.
func (x *exchange) prefixOffers() []offer {
	ias := x.iapds()
	all := make([]offer, len(ias))
	if x.prefixes == nil {
		return all
	}
	for i, ia := range ias {
		all[i] = x.offer(x.prefixes, ia.ID, x.prefixHint(ia), all[:i], &x.whyPrefix)
	}
	return all
}

// prefixHint is the prefix that the client wishes for, at the length that is delegated (RFC 8168, section 3.2);
// one that names a length only is none, since there is but one to give.
func (x *exchange) prefixHint(ia wire.IAPD) netip.Addr {
	for _, p := range ia.Prefixes {
		if !p.Prefix.Addr().IsUnspecified() {
			return netip.PrefixFrom(p.Prefix.Addr(), x.prefixes.Bits).Masked().Addr()
		}
	}
	return netip.Addr{}
}

// delegate puts an outcome for every IA_PD into the answer (RFC 9915, sections 18.3.2 and 18.3.9), and
// reports whether the client has a prefix in it. With commit, that is the client's from now on.
func (x *exchange) delegate(m *wire.Message, offers []offer, commit bool) (given bool) {
	for i, ia := range distinct(x.in.Msg.IAPDs, idOfPD) {
		out := wire.IAPD{ID: ia.ID}
		if o := &offers[i]; o.addr.IsValid() {
			terms := x.lend(x.prefixes, o, ia.ID, x.prefixTerms(), commit)
			out.Prefixes = []wire.Prefix{prefix(netip.PrefixFrom(o.addr, x.prefixes.Bits), terms)}
			given = true
		} else {
			out.Status = status(iana.StatusNoPrefixAvail, x.prefixRefusal(textNoPrefix))
		}
		m.IAPDs = append(m.IAPDs, out)
	}
	switch {
	case given:
		x.served(true)
	case x.whyPrefix != "":
		x.reportUnmatched(x.reasonOfPrefix(), true)
	}
	return given
}

// extendPrefixes answers the IA_PDs of a Renew or a Rebind (sections 18.3.4 and 18.3.5): as for addresses,
// but that a prefix is of no link. So in a Rebind, which goes to all servers, one that this server knows
// nothing of may be another's.
func (x *exchange) extendPrefixes(m *wire.Message) {
	for _, ia := range x.iapds() {
		out := wire.IAPD{ID: ia.ID}
		var b *pool.Binding
		if x.prefixes != nil {
			b = x.boundIn(x.prefixes, ia.ID, &x.whyPrefix)
		}
		if b != nil {
			out.Prefixes = append(out.Prefixes, prefix(b.Prefix(), x.extended(b, x.prefixTerms())))
		}
		for _, p := range ia.Prefixes {
			if (b == nil || p.Prefix != b.Prefix()) && x.prefixGone(p.Prefix, b != nil) {
				out.Prefixes = append(out.Prefixes, wire.Prefix{Prefix: p.Prefix})
			}
		}
		if len(out.Prefixes) == 0 {
			out.Status = status(iana.StatusNoBinding, x.prefixRefusal(textNoBinding))
		}
		m.IAPDs = append(m.IAPDs, out)
	}
}

// prefixGone reports whether the client must give the prefix up now.
func (x *exchange) prefixGone(p netip.Prefix, bound bool) bool {
	switch {
	case p.Addr().IsUnspecified() || x.whyPrefix != "":
		return false
	case bound:
		return true
	}
	if b := x.bindings.At(p); b != nil && b.Live(x.now) && !x.mine(b) {
		return true
	}
	return x.in.Msg.Type == dhcpv6.MessageTypeRenew &&
		(x.prefixes == nil || p.Bits() != x.prefixes.Bits || !x.prefixes.Allows(p.Addr()))
}

// giveBackPrefixes answers the IA_PDs of a Release; nobody declines a prefix (section 18.2.8).
func (x *exchange) giveBackPrefixes(m *wire.Message) {
	for _, ia := range x.iapds() {
		var b *pool.Binding
		if x.prefixes != nil {
			b = x.boundIn(x.prefixes, ia.ID, &x.whyPrefix)
		}
		switch {
		case b == nil:
			m.IAPDs = append(m.IAPDs, wire.IAPD{ID: ia.ID, Status: status(iana.StatusNoBinding, textNoBinding)})
		case x.in.Msg.Type == dhcpv6.MessageTypeRelease && slices.ContainsFunc(ia.Prefixes, func(p wire.Prefix) bool { return p.Prefix == b.Prefix() }):
			x.over(b)
		}
	}
}

// prefixTerms are the lifetimes of delegated prefixes. What a hosts line says is about its address: a
// prefix that is delegated for ever would never come back.
func (x *exchange) prefixTerms() pool.Terms {
	preferred, valid := x.lifetimes()
	return pool.Terms{Preferred: preferred, Valid: valid}
}

// prefixVerdict says what stands against a prefix of the pool: that something of this network is in it.
func (x *exchange) prefixVerdict(p netip.Prefix) pool.Verdict {
	n := x.network
	if slices.ContainsFunc(n.DNS, p.Contains) || slices.ContainsFunc(n.NTP, p.Contains) {
		return pool.Excluded
	}
	for a := range x.self {
		if p.Contains(a) {
			return pool.Excluded
		}
	}
	return pool.Free
}

// reasonOfPrefix is why the client gets no prefix, in words of prefixes.
func (x *exchange) reasonOfPrefix() string {
	switch x.whyPrefix {
	case whyExhausted:
		return whyNoPrefixFree
	case whyPerMAC:
		return whyPrefixPerMAC
	case whyOtherMAC:
		return whyPrefixOther
	}
	return x.whyPrefix
}

// prefixRefusal is the text of a status that gives no prefix: what stands against it, or the given text.
func (x *exchange) prefixRefusal(text string) string {
	switch x.whyPrefix {
	case whyExhausted:
		return textNoneFree
	case whyPerMAC:
		return textPrefixMAC
	case whyOtherMAC:
		return textOtherPD
	}
	return text
}

func prefix(p netip.Prefix, t pool.Terms) wire.Prefix {
	return wire.Prefix{Prefix: p, Preferred: t.Preferred, Valid: t.Valid}
}
