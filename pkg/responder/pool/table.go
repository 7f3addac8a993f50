package pool

import (
	"container/heap"
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/responder/hosts"
)

// A Table has all bindings of all pools. It is not for use by several goroutines at once.
type Table struct {
	pools  map[key]*Pool
	byAddr set
	abouts map[about]*about
	queue  queue
	uses   [2]uses // of addresses, and of delegated prefixes
	strays strays
	byMAC  bool
	seed   uint64
	secret maphash.Seed // of the sets: clients choose DUIDs, and addresses of the pool
}

// A key names a pool: by its network, and one of prefixes by a line's end behind that, which no name of a network has.
type key string

func keyOf(network string, delegated bool) key {
	if delegated {
		return key(network + "\n")
	}
	return key(network)
}

// New returns a table without pools.
func New() *Table {
	t := &Table{pools: map[key]*Pool{}, abouts: map[about]*about{}, uses: [2]uses{newUses(), newUses()}, secret: maphash.MakeSeed()}
	t.byAddr.hash = func(b *Binding) uint64 { return t.hashAddr(&b.first, b.bits) }
	return t
}

func (t *Table) hashAddr(first *[16]byte, bits uint8) uint64 {
	return mix(maphash.Bytes(t.secret, first[:]) + uint64(bits))
}

// hashClient hashes what clients are known by.
func (t *Table) hashClient(c *Client) uint64 {
	if t.byMAC {
		return mix(maphash.Bytes(t.secret, c.MAC[:]) + uint64(c.IAID))
	}
	return mix(maphash.String(t.secret, string(c.DUID)) + uint64(c.IAID))
}

// hashOwner is hashClient of the client that has the binding.
func (t *Table) hashOwner(b *Binding) uint64 {
	switch {
	case t.byMAC:
		return mix(maphash.Bytes(t.secret, b.mac[:]) + uint64(b.iaid))
	case b.about.duid != "":
		return mix(maphash.String(t.secret, string(b.about.duid)) + uint64(b.iaid))
	}
	return mix(maphash.Bytes(t.secret, b.duid[:b.duidLen]) + uint64(b.iaid))
}

// has reports whether the client has the binding.
func (t *Table) has(c *Client, b *Binding) bool {
	if t.byMAC {
		return b.mac == c.MAC && b.iaid == c.IAID
	}
	return b.iaid == c.IAID && b.Of(c.DUID)
}

// Configure says which pools there are from now on. Bindings of addresses that are in none any more stay,
// unused, until their time has come. Clients are known by MAC if byMAC is set; the seed is what makes
// another server choose other addresses.
func (t *Table) Configure(configs []Config, byMAC bool, seed uint64) {
	anew := byMAC != t.byMAC || len(configs) != len(t.pools)
	for i := range configs {
		if p := t.pools[configs[i].key()]; p != nil && p.same(&configs[i]) {
			p.Config = configs[i]
			p.sow(seed)
		} else {
			anew = true
		}
	}
	t.byMAC, t.seed = byMAC, seed
	if anew {
		t.rebuild(configs)
	}
	t.Reset()
}

func (c *Config) key() key { return keyOf(c.Network, c.Bits < 128) }

// rebuild makes the pools anew and puts each binding where it belongs.
func (t *Table) rebuild(configs []Config) {
	before := t.pools
	t.pools = make(map[key]*Pool, len(configs))
	for i := range configs {
		p := newPool(configs[i], t)
		if old := before[p.key()]; old != nil {
			p.created = old.created
		}
		t.pools[p.key()] = p
	}
	t.strays = newStrays(t.pools)
	for b := range t.byAddr.all {
		b.pool = nil
		t.file(b)
	}
}

// file puts a binding into the pool that it is of, by its address: most likely the one that it was made in.
func (t *Table) file(b *Binding) {
	if p := t.pools[keyOf(b.about.network, b.bits < 128)]; p != nil && p.take(b) {
		t.claim(b)
		return
	}
	for _, p := range t.pools {
		if p.take(b) {
			t.claim(b)
			return
		}
	}
	t.strays.add(b)
}

// take makes the binding one of the pool, if it is of its ranges.
func (p *Pool) take(b *Binding) bool {
	if _, ok := p.Ranges.index(b.Addr(), p.shift()); !ok || int(b.bits) != p.Bits {
		return false
	}
	b.pool = p
	p.used++
	p.mark(b.Addr(), true)
	return true
}

// claim makes it the client's; of two, from the time before clients were known otherwise, the later one.
func (t *Table) claim(b *Binding) {
	if b.state == leasestore.Declined {
		return
	}
	c := t.client(b)
	if other := b.pool.Find(c); other != nil {
		if !other.granted.Before(b.granted) {
			return
		}
		b.pool.byClient.remove(other)
	}
	b.pool.byClient.add(b)
}

// client is whose the binding is.
func (t *Table) client(b *Binding) Client {
	if t.byMAC {
		return Client{MAC: b.mac, IAID: b.iaid}
	}
	return Client{DUID: b.DUID(), IAID: b.iaid}
}

// Reset forgets what earlier searches have met: other addresses are excluded from now on.
func (t *Table) Reset() {
	for _, p := range t.pools {
		clear(p.excluded)
	}
}

// Pool returns the network's pool of addresses, nil if it has none.
func (t *Table) Pool(network string) *Pool { return t.pools[keyOf(network, false)] }

// Prefixes returns the network's pool of prefixes to delegate, nil if it has none.
func (t *Table) Prefixes(network string) *Pool { return t.pools[keyOf(network, true)] }

// used is what each MAC has of what is so long: addresses and prefixes are counted apart.
func (t *Table) used(bits int) *uses {
	if bits < 128 {
		return &t.uses[1]
	}
	return &t.uses[0]
}

// At returns the binding of an address or prefix, nil if there is none.
func (t *Table) At(p netip.Prefix) *Binding { return t.at(p.Addr(), p.Bits()) }

func (t *Table) at(a netip.Addr, length int) *Binding {
	first, bits := a.As16(), uint8(length)
	return t.byAddr.find(t.hashAddr(&first, bits), func(b *Binding) bool { return b.first == first && b.bits == bits })
}

// Len is how many bindings there are.
func (t *Table) Len() int { return t.byAddr.len }

// Room is how many more bindings the MAC may have.
func (t *Table) Room(p *Pool, m hosts.MAC) uint64 { return t.used(p.Bits).room(m, p.PerMAC) }

// MayCreate reports whether the MAC may have a new binding at this moment.
func (t *Table) MayCreate(now clock.Instant, p *Pool, m hosts.MAC) bool {
	return t.used(p.Bits).mayCreate(now, m, p.PerMAC)
}

// Restore takes in a lease that was stored. Pools may be configured before or after.
func (t *Table) Restore(l *leasestore.Lease) {
	b := t.binding(l)
	b.Durable, b.Stored = true, true
	t.byAddr.add(b)
	t.used(int(b.bits)).add(0, b.mac, false)
	t.file(b)
	t.schedule(b)
}

// Bind gives an address that Choose has found to a client.
func (t *Table) Bind(now clock.Instant, p *Pool, a netip.Addr, o Owner, terms Terms) *Binding {
	if p.Bits == 128 {
		o.Via = netip.Addr{} // nothing is routed there
	}
	b := t.binding(&leasestore.Lease{
		Prefix: netip.PrefixFrom(a, p.Bits), State: leasestore.Bound, DUID: o.DUID, IAID: o.Client.IAID, MAC: o.MAC,
		Network: p.Network, Interface: o.Interface, Via: o.Via, Granted: now, Preferred: terms.Preferred, Valid: terms.Valid,
	})
	b.pool = p
	t.byAddr.add(b)
	if other := p.Find(o.Client); other != nil {
		p.byClient.remove(other)
	}
	p.byClient.add(b)
	p.used++
	p.mark(a, true)
	p.created.pass(now, p.Rate)
	t.used(p.Bits).add(now, o.MAC, p.PerMAC > 0) // else nobody asks
	t.schedule(b)
	return b
}

// Extend begins the lifetimes of a binding anew.
func (t *Table) Extend(now clock.Instant, b *Binding, terms Terms) {
	b.state, b.granted, b.wall, b.Leaving = leasestore.Bound, now, 0, false
	b.set(terms)
	t.schedule(b)
}

// Reroute notes where a delegated prefix is to be routed to, and reports whether that is another place than before.
func (t *Table) Reroute(b *Binding, via netip.Addr) bool {
	if b.bits == 128 || b.about.via == via {
		return false
	}
	a := *b.about
	a.via = via
	b.about = &a
	return true
}

// Adopt notes the MAC of a binding that was made without one. It wants a table in which clients are not
// known by MAC.
func (t *Table) Adopt(now clock.Instant, b *Binding, m hosts.MAC) {
	b.mac = m
	t.used(int(b.bits)).add(now, m, false)
}

// Decline sets an address aside that another node uses.
func (t *Table) Decline(now clock.Instant, b *Binding, hold time.Duration) {
	t.unclaim(b)
	b.state, b.granted, b.wall, b.Leaving = leasestore.Declined, now, 0, false
	b.set(Terms{0, hold})
	t.schedule(b)
}

// Remove makes the address free. The binding is not durable any more, whatever the disk says of earlier
// changes.
func (t *Table) Remove(b *Binding) {
	t.unclaim(b)
	b.Change, b.Durable = 0, false
	t.byAddr.remove(b)
	if b.pool != nil {
		b.pool.used--
		b.pool.mark(b.Addr(), false)
	} else {
		t.strays.remove(b)
	}
	t.used(int(b.bits)).remove(b.mac)
	if b.at >= 0 {
		heap.Remove(&t.queue, int(b.at))
	}
}

// unclaim takes the binding from its client.
func (t *Table) unclaim(b *Binding) {
	if b.pool != nil {
		b.pool.byClient.remove(b)
	}
}

// All gives every binding, in no order.
func (t *Table) All(yield func(*Binding) bool) { t.byAddr.all(yield) }
