package responder

import (
	"net/netip"
	"slices"
	"time"

	"github.com/v6guest/v6guest/pkg/leasestore"
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
	if x.why = x.knowOwner(); x.why == "" {
		x.pool = p
	}
	return true
}

// knowOwner finds out whose the bindings of the message are, or says why that is not known.
func (x *exchange) knowOwner() (why string) {
	if !x.client.known() {
		return x.client.why
	}
	o := pool.Owner{DUID: x.in.Msg.ClientID, MAC: x.client.mac, Via: x.address(), Interface: x.in.Interface}
	if x.client.duid != "" {
		seen := x.byFrame(x.in)
		if !seen.known() && !x.cfg.AnyFrame {
			return seen.why
		}
		o.MAC = seen.mac
	}
	if x.cfg.Identity == IdentityFrame {
		o.Client.MAC = o.MAC
	} else {
		o.Client.DUID = o.DUID
	}
	x.owner = o
	return ""
}

// address is the client's own on its link, as this server or the relay agent next to the client has seen it.
func (x *exchange) address() netip.Addr {
	a := x.in.From.Addr()
	if n := len(x.in.Relays); n > 0 {
		a = x.in.Relays[n-1].PeerAddr
	}
	if !a.Is6() || a.Is4In6() || a.IsMulticast() || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
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
	all := x.oneOffer[:]
	if len(ias) != len(all) {
		all = make([]offer, len(ias))
	}
	for i, ia := range ias {
		if skip(ia) {
			continue
		}
		hint := netip.Addr{}
		if len(ia.Addresses) > 0 {
			hint = ia.Addresses[0].Addr
		}
		all[i] = x.offer(x.pool, ia.ID, hint, all[:i], &x.why)
	}
	return all
}

// offer finds what an IA gets of a pool, beside what others of the message get of it, or says why it gets
// nothing.
func (x *exchange) offer(p *pool.Pool, id wire.IAID, hint netip.Addr, others []offer, why *string) offer {
	if b := x.boundIn(p, id, why); b != nil {
		return offer{b, b.Addr()}
	}
	if *why == whyOtherMAC {
		return offer{}
	}
	made := uint64(0)
	for _, o := range others {
		if o.isNew() {
			made++
		}
	}
	if x.bindings.Room(p, x.owner.MAC) <= made {
		*why = whyPerMAC
		return offer{}
	}
	a, ok := p.Choose(x.bindings, x.of(id).Client, hint, func(a netip.Addr) pool.Verdict {
		if slices.ContainsFunc(others, func(o offer) bool { return o.addr == a }) {
			return pool.Busy
		}
		return x.judge(p, a)
	})
	if !ok {
		*why = whyExhausted
		return offer{}
	}
	return offer{addr: a}
}

// isNew reports whether a binding is to be made.
func (o *offer) isNew() bool { return o.binding == nil && o.addr.IsValid() }

// bound is the binding of an IA_NA, if it has one that it may keep.
func (x *exchange) bound(id wire.IAID) *pool.Binding {
	if x.pool == nil {
		return nil
	}
	return x.boundIn(x.pool, id, &x.why)
}

// boundIn is the binding that an IA has in a pool, if it may keep it.
func (x *exchange) boundIn(p *pool.Pool, id wire.IAID, why *string) *pool.Binding {
	b := p.Find(x.of(id).Client)
	if b == nil || !p.Allows(b.Addr()) || x.judge(p, b.Addr()) == pool.Excluded || x.bindings.Overlapped(b) {
		return nil
	}
	if !x.sameMAC(b) {
		*why = whyOtherMAC
		return nil
	}
	return b
}

// judge says what stands against what a pool would give.
func (x *exchange) judge(p *pool.Pool, a netip.Addr) pool.Verdict {
	if p.Bits < 128 {
		return x.prefixVerdict(netip.PrefixFrom(a, p.Bits))
	}
	return x.verdict(a)
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
	case hosts.ReservedID(a), x.self[a], x.hosts.Owner(a) != nil, n.serves(a):
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
	preferred, valid := x.lifetimes()
	return pool.Terms{Preferred: preferred, Valid: valid}
}

// mayCreate reports whether the new bindings of a pool among the offers may be made now. If not, the client
// is not told: it asks again.
func (x *exchange) mayCreate(p *pool.Pool, offers []offer) bool {
	if !slices.ContainsFunc(offers, func(o offer) bool { return o.isNew() }) {
		return true
	}
	switch {
	case !p.MayCreate(x.now):
		x.dropped = dropLinkRate
	case !x.bindings.MayCreate(x.now, p, x.owner.MAC):
		x.dropped = dropMACRate
	}
	return x.dropped == ""
}

// lend says for how long an offer of a pool is, and with commit makes it the client's.
func (x *exchange) lend(p *pool.Pool, o *offer, id wire.IAID, terms pool.Terms, commit bool) pool.Terms {
	switch {
	case !commit:
		return terms
	case o.binding != nil:
		return x.extended(o.binding, terms)
	}
	b := x.bindings.Bind(x.now, p, o.addr, x.of(id), terms)
	x.tell(EventLeased, x.put(b))
	return b.Terms()
}

// fresh is how long what a client was told may be told again without the store: its lifetimes are so much
// shorter. A client that repeats its message, or asks without end, costs no disk.
const fresh = 10 * time.Second

// extended extends a binding and returns the lifetimes that are left.
func (x *exchange) extended(b *pool.Binding, terms pool.Terms) pool.Terms {
	age := x.now.Sub(b.Granted())
	if b.Live(x.now) && age < min(fresh, terms.Valid/100) && b.Has(terms) && (b.Durable || x.commits.stores(b)) {
		x.need(b)
		return b.Left(x.now)
	}
	if b.MAC() == (hosts.MAC{}) && x.cfg.Identity != IdentityFrame {
		x.bindings.Adopt(x.now, b, x.owner.MAC) // another server's lease: the first MAC that claims it has it
	}
	again := x.bindings.Reroute(b, x.owner.Via) || !b.Live(x.now) || !b.Durable
	var l *leasestore.Lease
	if b.State() == leasestore.Bound && terms.Valid < wire.Infinite && x.now.Add(terms.Valid).Before(b.Ends()) {
		l = x.shorten(b, terms)
	} else {
		x.bindings.Extend(x.now, b, terms)
		l = x.put(b)
	}
	if again {
		x.tell(EventLeased, l)
	}
	return terms
}

func address(a netip.Addr, t pool.Terms) wire.Address {
	return wire.Address{Addr: a, Preferred: t.Preferred, Valid: t.Valid}
}

// letGo takes back what a client releases or declines, if that is the binding's address.
func (x *exchange) letGo(b *pool.Binding, ia wire.IANA, declined bool) {
	switch {
	case !contains(ia.Addresses, b.Addr()):
	case declined:
		x.bindings.Decline(x.now, b, x.network.Pool.Declined)
		x.tell(EventDeclined, x.put(b))
	default:
		x.over(b)
	}
}

// over makes free what its client has released, when that is on disk: a Release that is repeated until then waits
// like the first one, and where the disk fails it is tried again.
func (x *exchange) over(b *pool.Binding) {
	if b.Leaving && x.commits.underWay(b.Change) {
		x.need(b)
		return
	}
	x.tell(EventReleased, x.forget(b))
}

// declinedBefore reports whether an IA names an address that it has declined, which is not on the disk yet; the
// answer waits for that. What the disk did not take it is asked for again.
func (x *exchange) declinedBefore(ia wire.IANA) bool {
	for _, a := range ia.Addresses {
		b := x.bindings.At(netip.PrefixFrom(a.Addr, a.Addr.BitLen()))
		if b == nil || b.Durable || b.State() != leasestore.Declined || x.pool == nil || b.IAID() != ia.ID || !x.mine(b) {
			continue
		}
		if x.commits.underWay(b.Change) {
			x.need(b)
		} else {
			x.tell(EventDeclined, x.put(b))
		}
		return true
	}
	return false
}
