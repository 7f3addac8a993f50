package responder

import (
	"net/netip"
	"slices"
	"time"

	"github.com/v6guest/v6guest/pkg/responder/hosts"
	"github.com/v6guest/v6guest/pkg/responder/pool"
)

// A lease is an address that a client gets.
type lease struct {
	addr             netip.Addr
	preferred, valid time.Duration
}

// An exchange is one message that is being answered.
type exchange struct {
	*Engine
	in      *Received
	network *Network
	client  client

	host    *hosts.Host   // the line that is the client's on this link; nil for none
	addrs   []netip.Addr  // its reserved addresses here, those that are held back too
	lease   *lease        // the one that it can have now; nil for none
	why     string        // why there is none
	wait    time.Duration // with whyDeclined: until the first of them is free again
	ignored bool          // the line says that nothing is answered

	pool  *pool.Pool // of which its IAs get addresses; nil where they get a reservation or nothing
	owner pool.Owner // with a pool: who it is, but for the IAID

	prefixes  *pool.Pool // of which its IA_PDs get prefixes; nil where they get nothing
	whyPrefix string     // why one gets none

	oneAddr  [1]netip.Addr    // room for addrs
	oneLease lease            // for lease
	oneOffer [1]offer         // for offers
	oneNeed  [1]*pool.Binding // for needs

	commit  *commit         // what the answer changes; nil for nothing
	needs   []*pool.Binding // that must be durable before it is sent
	dropped string          // why there is no answer after all
}

// Reasons for which a known client gets no address.
const (
	whyNoHost    = "no reservation for it"
	whyNotLL     = "its DUID is no DUID-LL, and no hosts line names it"
	whyElsewhere = "its reserved address is not in this network's prefix"
	whyTaken     = "another line reserves its address for another client"
	whyReserved  = "its address has an interface identifier that RFC 5453 reserves"
	whyOwn       = "its address is this router's own"
	whyDeclined  = "it declined its address, which is held back"
	whyExhausted = "the pool has no free address"
	whyPerMAC    = "its MAC has as many addresses of the pool as it may have"
	whyOtherMAC  = "its DUID and IAID have an address of the pool from another MAC"
)

// lookUp finds what is reserved for the client on the link. Everything that the answers need to know
// of leases is decided here.
func (x *exchange) lookUp() {
	if !x.client.known() {
		x.why = x.client.why
		return
	}
	x.findHost()
	switch {
	case x.ignored, x.why != "" && x.why != whyElsewhere:
		return
	case len(x.addrs) == 0 && x.network.Assign == AssignEUI64 && x.client.duid == "":
		x.compute()
	case len(x.addrs) == 0 && x.join():
		return
	case len(x.addrs) == 0 && x.why == "":
		x.why = whyNoHost
		if x.client.duid != "" {
			x.why = whyNotLL
		}
	}
	for _, a := range x.addrs {
		left := x.holds.left(a, x.now)
		if left == 0 {
			x.lease, x.why = x.terms(a), ""
			return
		}
		if x.why == "" || left < x.wait {
			x.why, x.wait = whyDeclined, left
		}
	}
}

// findHost looks for the client's line: the strongest that has an address on this link. One without
// any address gives only its tags.
func (x *exchange) findHost() {
	list := x.hosts.Find(x.client.mac, x.client.duid)
	var tags *hosts.Host
	elsewhere := false
	for h := list.Next(); h != nil; h = list.Next() {
		if h.Ignore {
			x.ignored = true
			return
		}
		if len(h.Addrs()) == 0 {
			if tags == nil {
				tags = h
			}
			continue
		}
		if addrs := h.AppendWithin(x.oneAddr[:0], x.network.Prefix); len(addrs) > 0 {
			x.host = h
			x.addrs = slices.DeleteFunc(addrs, func(a netip.Addr) bool { return x.against(h, a) != "" })
			if len(x.addrs) == 0 {
				x.why = x.against(h, h.Within(x.network.Prefix)[0])
			}
			return
		}
		elsewhere = true
	}
	x.host = tags
	if elsewhere && x.network.Assign != AssignEUI64 {
		x.why = whyElsewhere
	}
}

// against says why an address of a line is nobody's or another's, "" if it is the line's client's.
func (x *exchange) against(h *hosts.Host, a netip.Addr) string {
	switch {
	case x.self[a]:
		return whyOwn
	case hosts.ReservedID(a):
		return whyReserved
	case !x.hosts.Owns(h, a):
		return whyTaken
	}
	return ""
}

// compute makes the address of prefix and MAC.
func (x *exchange) compute() {
	a := eui64(x.network.Prefix, x.client.mac)
	switch {
	case x.self[a]:
		x.why = whyOwn
	case x.hosts.Owner(a) != nil:
		x.why = whyTaken
	case hosts.ReservedID(a):
		x.why = whyReserved
	default:
		x.addrs = append(x.oneAddr[:0], a)
	}
}

// terms adds the lifetimes: the line's, else the class's, else the network's.
func (x *exchange) terms(a netip.Addr) *lease {
	x.oneLease.addr = a
	x.oneLease.preferred, x.oneLease.valid = x.lifetimes()
	if x.host != nil && x.host.Lifetime != 0 {
		x.oneLease.preferred, x.oneLease.valid = x.host.Lifetime, x.host.Lifetime
	}
	return &x.oneLease
}

// onLink reports whether the address belongs to the client's link.
func (x *exchange) onLink(a netip.Addr) bool { return x.network.Prefix.Contains(a) }

// own reports whether the address is reserved for the client here.
func (x *exchange) own(a netip.Addr) bool { return slices.Contains(x.addrs, a) }

// foreign reports whether an address on the link is surely another client's. Of one whose sender is
// not proven nothing is sure: he may be its owner.
func (x *exchange) foreign(a netip.Addr) bool {
	if x.self[a] {
		return true
	}
	if !x.client.known() || x.own(a) {
		return false
	}
	if b := x.bindings.At(netip.PrefixFrom(a, a.BitLen())); b != nil && b.Live(x.now) && !x.mine(b) {
		return true
	}
	if h := x.hosts.Owner(a); h != nil {
		return !h.Is(x.client.mac, x.client.duid)
	}
	if x.network.Assign != AssignEUI64 {
		return false
	}
	mac, ok := eui64MAC(a)
	return ok && mac != x.client.mac
}
