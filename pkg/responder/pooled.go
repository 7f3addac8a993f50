package responder

import (
	"net/netip"
	"slices"
	"time"

	"github.com/v6guest/v6guest/pkg/responder/hosts"
	"github.com/v6guest/v6guest/pkg/responder/pool"
	"github.com/v6guest/v6guest/pkg/wire"
)

// join makes the exchange one with the network's pool. It wants a client whose MAC is proven, as for a
// reservation (decision 9 of the design): bindings are held to the MAC that they were made from.
func (x *exchange) join() bool {
	p := x.bindings.Pool(x.network.Name)
	if p == nil {
		return false
	}
	o := pool.Owner{DUID: x.in.Msg.ClientID, MAC: x.client.mac, Interface: x.in.Interface}
	if x.client.duid != "" {
		seen := x.byFrame(x.in)
		if !seen.known() && !x.cfg.AnyFrame {
			x.why = seen.why
			return true
		}
		o.MAC = seen.mac
	}
	if x.cfg.Identity == IdentityFrame {
		o.Client.MAC = o.MAC
	} else {
		o.Client.DUID = o.DUID
	}
	x.why, x.pool, x.owner = "", p, o
	return true
}

// of is the owner of one IA.
func (x *exchange) of(id wire.IAID) pool.Owner {
	o := x.owner
	o.Client.IAID = id
	return o
}

// An offer is what one IA gets of the pool.
type offer struct {
	binding *pool.Binding // that it has; nil where one is to be made
	addr    netip.Addr    // zero for none
}

// offers finds an address for each IA; nothing is changed by it. Nil without a pool.
func (x *exchange) offers(ias []wire.IANA, skip func(wire.IANA) bool) []offer {
	if x.pool == nil {
		return nil
	}
	all := make([]offer, len(ias))
	room := x.bindings.Room(x.pool, x.owner.MAC)
	for i, ia := range ias {
		if skip(ia) {
			continue
		}
		if b := x.bound(ia.ID); b != nil {
			all[i] = offer{b, b.Addr()}
			continue
		}
		switch {
		case x.why == whyOtherMAC:
			continue
		case room == 0:
			x.why = whyPerMAC
			continue
		}
		hint := netip.Addr{}
		if len(ia.Addresses) > 0 {
			hint = ia.Addresses[0].Addr
		}
		a, ok := x.pool.Choose(x.bindings, x.of(ia.ID).Client, hint, func(a netip.Addr) pool.Verdict {
			if slices.ContainsFunc(all[:i], func(o offer) bool { return o.addr == a }) {
				return pool.Busy
			}
			return x.verdict(a)
		})
		if !ok {
			x.why = whyExhausted
			continue
		}
		all[i].addr = a
		room--
	}
	return all
}

// bound is the binding of an IA, if it has one that it may keep.
func (x *exchange) bound(id wire.IAID) *pool.Binding {
	if x.pool == nil {
		return nil
	}
	b := x.pool.Find(x.of(id).Client)
	if b == nil || !x.pool.Allows(b.Addr()) || x.verdict(b.Addr()) == pool.Excluded {
		return nil
	}
	if !x.sameMAC(b) {
		x.why = whyOtherMAC
		return nil
	}
	return b
}

// sameMAC reports whether the message comes from the MAC that the binding was made from.
func (x *exchange) sameMAC(b *pool.Binding) bool {
	return x.cfg.AnyFrame || b.MAC() == x.owner.MAC || b.MAC() == hosts.MAC{}
}

// mine reports whether the binding is the client's, whichever IA it is of.
func (x *exchange) mine(b *pool.Binding) bool {
	if x.cfg.Identity == IdentityFrame {
		return b.MAC() == x.client.mac
	}
	return b.Of(x.in.Msg.ClientID) && (x.pool == nil || x.sameMAC(b))
}

// verdict says what stands against an address of the pool: another's reservation, a router's own
// addresses, servers that clients are told of, identifiers that RFC 5453 reserves.
func (x *exchange) verdict(a netip.Addr) pool.Verdict {
	n := x.network
	switch {
	case reservedID(a), x.self[a], x.hosts.Owner(a) != nil, slices.Contains(n.DNS, a), slices.Contains(n.NTP, a):
		return pool.Excluded
	}
	for i := range x.in.Relays {
		if x.in.Relays[i].LinkAddr == a {
			return pool.Busy
		}
	}
	return pool.Free
}

// poolTerms are the lifetimes of what the pool gives: the line's that has no address, else the network's.
func (x *exchange) poolTerms() pool.Terms {
	if x.host != nil && x.host.Lifetime != 0 {
		return pool.Terms{Preferred: x.host.Lifetime, Valid: x.host.Lifetime}
	}
	return pool.Terms{Preferred: x.network.Preferred, Valid: x.network.Valid}
}

// mayCreate reports whether the new bindings among the offers may be made now. If not, the client is not
// told: it asks again.
func (x *exchange) mayCreate(offers []offer) bool {
	if !slices.ContainsFunc(offers, func(o offer) bool { return o.binding == nil && o.addr.IsValid() }) {
		return true
	}
	switch {
	case !x.pool.MayCreate(x.now):
		x.dropped = dropLinkRate
	case !x.bindings.MayCreate(x.now, x.pool, x.owner.MAC):
		x.dropped = dropMACRate
	}
	return x.dropped == ""
}

// lend puts an offer into an answer, and with commit makes it the client's.
func (x *exchange) lend(o *offer, id wire.IAID, commit bool) wire.Address {
	switch {
	case !commit:
		terms := x.poolTerms()
		return wire.Address{Addr: o.addr, Preferred: terms.Preferred, Valid: terms.Valid}
	case o.binding != nil:
		return x.extended(o.binding)
	}
	b := x.bindings.Bind(x.now, x.pool, o.addr, x.of(id), x.poolTerms())
	x.leased(b)
	x.put(b)
	return address(b, b.Terms())
}

// fresh is how long what a client was told may be told again without the store: its lifetimes are so much
// shorter. A client that repeats its message, or asks without end, costs no disk.
const fresh = 10 * time.Second

// extended extends a binding.
func (x *exchange) extended(b *pool.Binding) wire.Address {
	terms := x.poolTerms()
	age := x.now.Sub(b.Granted())
	if b.Live(x.now) && age < min(fresh, terms.Valid/100) && b.Has(terms) &&
		(b.Durable || x.commits.underWay(b.Change)) {
		x.needs = append(x.needs, b)
		return address(b, b.Left(x.now))
	}
	if b.MAC() == (hosts.MAC{}) && x.cfg.Identity != IdentityFrame {
		x.bindings.Adopt(x.now, b, x.owner.MAC) // another server's lease: the first MAC that claims it has it
	}
	again := !b.Live(x.now) || !b.Durable
	x.bindings.Extend(x.now, b, terms)
	if again {
		x.leased(b)
	}
	x.put(b)
	return address(b, terms)
}

func address(b *pool.Binding, t pool.Terms) wire.Address {
	return wire.Address{Addr: b.Addr(), Preferred: t.Preferred, Valid: t.Valid}
}

// letGo takes back what a client releases or declines, if that is the binding's address.
func (x *exchange) letGo(b *pool.Binding, ia wire.IANA, declined bool) {
	switch {
	case !contains(ia.Addresses, b.Addr()):
	case declined:
		x.bindings.Decline(x.now, b, x.network.Pool.Declined)
		x.declined(b)
		x.put(b)
	default:
		x.bindings.Remove(b)
		x.released(b)
		x.forget(b)
	}
}
