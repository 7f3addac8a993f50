package pool

import (
	"container/heap"
	"net/netip"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/responder/hosts"
)

// A Table has all bindings of all pools. It is not for use by several goroutines at once.
type Table struct {
	pools  map[key]*Pool
	byAddr map[address]*Binding
	queue  queue
	uses   uses
	byMAC  bool
	seed   uint64
}

// A key names a pool.
type key struct {
	network   string
	delegated bool
}

// An address is a prefix as a map's key.
type address struct {
	first [16]byte
	bits  uint8
}

func addressOf(p netip.Prefix) address { return address{p.Addr().As16(), uint8(p.Bits())} }

// New returns a table without pools.
func New() *Table {
	return &Table{
		pools: map[key]*Pool{}, byAddr: map[address]*Binding{}, uses: uses{by: map[hosts.MAC]use{}},
	}
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

func (c *Config) key() key { return key{c.Network, c.Bits < 128} }

// rebuild makes the pools anew and puts each binding where it belongs.
func (t *Table) rebuild(configs []Config) {
	before := t.pools
	t.pools = make(map[key]*Pool, len(configs))
	for i := range configs {
		p := newPool(configs[i], t.seed)
		if old := before[p.key()]; old != nil {
			p.created = old.created
		}
		t.pools[p.key()] = p
	}
	for _, b := range t.byAddr {
		b.pool = nil
		t.file(b)
	}
}

// file puts a binding into the pool that it is of, by its address: most likely the one that it was made in.
func (t *Table) file(b *Binding) {
	if p := t.pools[key{b.Network, b.Delegated}]; p != nil && p.take(b) {
		t.claim(b)
		return
	}
	for _, p := range t.pools {
		if p.take(b) {
			t.claim(b)
			return
		}
	}
}

// take makes the binding one of the pool, if it is of its ranges.
func (p *Pool) take(b *Binding) bool {
	if _, ok := p.Ranges.index(b.Prefix.Addr(), p.shift()); !ok || b.Prefix.Bits() != p.Bits {
		return false
	}
	b.pool = p
	p.used++
	p.mark(b.Prefix.Addr(), true)
	return true
}

// claim makes it the client's; of two, from the time before clients were known otherwise, the later one.
func (t *Table) claim(b *Binding) {
	if b.State == leasestore.Declined {
		return
	}
	c := t.client(b)
	if other := b.pool.byClient[c]; other == nil || other.Granted.Before(b.Granted) {
		b.pool.byClient[c] = b
	}
}

// client is whose the binding is.
func (t *Table) client(b *Binding) Client {
	if t.byMAC {
		return Client{MAC: hosts.MAC(b.MAC), IAID: b.IAID}
	}
	return Client{DUID: b.DUID, IAID: b.IAID}
}

// Reset forgets what earlier searches have met: other addresses are excluded from now on.
func (t *Table) Reset() {
	for _, p := range t.pools {
		clear(p.excluded)
	}
}

// Pool returns the network's pool of addresses, nil if it has none.
func (t *Table) Pool(network string) *Pool { return t.pools[key{network, false}] }

// At returns the binding of an address or prefix, nil if there is none.
func (t *Table) At(p netip.Prefix) *Binding { return t.byAddr[addressOf(p)] }

// Len is how many bindings there are.
func (t *Table) Len() int { return len(t.byAddr) }

// Room is how many more bindings the MAC may have.
func (t *Table) Room(p *Pool, m hosts.MAC) uint64 { return t.uses.room(m, p.PerMAC) }

// MayCreate reports whether the MAC may have a new binding at this moment.
func (t *Table) MayCreate(now clock.Instant, p *Pool, m hosts.MAC) bool {
	return t.uses.mayCreate(now, m, p.PerMAC)
}

// Restore takes in a lease that was stored. Pools may be configured before or after; the lease is the
// table's.
func (t *Table) Restore(l *leasestore.Lease) {
	b := &Binding{Lease: *l, Durable: true, at: -1}
	t.byAddr[addressOf(b.Prefix)] = b
	t.uses.add(0, hosts.MAC(b.MAC), false)
	t.file(b)
	t.schedule(b)
}

// Bind gives an address that Choose has found to a client.
func (t *Table) Bind(now clock.Instant, p *Pool, a netip.Addr, o Owner, terms Terms) *Binding {
	b := &Binding{at: -1, pool: p, Lease: leasestore.Lease{
		Prefix: netip.PrefixFrom(a, p.Bits), Delegated: p.Bits < 128, State: leasestore.Bound,
		DUID: o.DUID, IAID: o.Client.IAID, MAC: o.MAC, Network: p.Network, Interface: o.Interface,
		Granted: now, Preferred: terms.Preferred, Valid: terms.Valid,
	}}
	t.byAddr[addressOf(b.Prefix)] = b
	p.byClient[o.Client] = b
	p.used++
	p.mark(a, true)
	p.created.pass(now, p.Rate)
	t.uses.add(now, o.MAC, true)
	t.schedule(b)
	return b
}

// Extend begins the lifetimes of a binding anew.
func (t *Table) Extend(now clock.Instant, b *Binding, terms Terms) {
	b.State, b.Granted, b.Preferred, b.Valid = leasestore.Bound, now, terms.Preferred, terms.Valid
	b.Wall = noTime
	t.schedule(b)
}

// Adopt notes the MAC of a binding that was made without one. It wants a table in which clients are not
// known by MAC.
func (t *Table) Adopt(now clock.Instant, b *Binding, m hosts.MAC) {
	b.MAC = m
	t.uses.add(now, m, false)
}

// Decline sets an address aside that another node uses.
func (t *Table) Decline(now clock.Instant, b *Binding, hold time.Duration) {
	t.unclaim(b)
	b.State, b.Granted, b.Preferred, b.Valid, b.Wall = leasestore.Declined, now, 0, hold, noTime
	t.schedule(b)
}

var noTime time.Time

// Remove makes the address free. The binding is not durable any more, whatever the disk says of earlier
// changes.
func (t *Table) Remove(now clock.Instant, b *Binding) {
	t.unclaim(b)
	b.Change, b.Durable = 0, false
	delete(t.byAddr, addressOf(b.Prefix))
	if b.pool != nil {
		b.pool.used--
		b.pool.mark(b.Prefix.Addr(), false)
	}
	t.uses.remove(now, hosts.MAC(b.MAC))
	if b.at >= 0 {
		heap.Remove(&t.queue, b.at)
	}
}

// unclaim takes the binding from its client.
func (t *Table) unclaim(b *Binding) {
	if b.pool == nil {
		return
	}
	if c := t.client(b); b.pool.byClient[c] == b {
		delete(b.pool.byClient, c)
	}
}

// All gives every binding, in no order.
func (t *Table) All(yield func(*Binding) bool) {
	for _, b := range t.byAddr {
		if !yield(b) {
			return
		}
	}
}
