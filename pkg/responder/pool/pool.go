package pool

import (
	"math/bits"
	"net/netip"
	"slices"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
)

// A Config is what the configuration says of one pool.
type Config struct {
	Network string
	Ranges  Ranges
	// Exclude are not given to anybody, nor is a prefix with one of them in it.
	Exclude Ranges
	// Bits is the length of what a client gets: 128 for an address.
	Bits int

	// Grace is how long an address is kept back after its valid lifetime has passed.
	Grace time.Duration
	// Limit is how many may be out at one time, 0 for as many as there are. PerMAC is how many of them
	// one MAC may have, declined ones included, 0 for no limit.
	Limit, PerMAC uint64
	// Rate is how many new bindings a second are made; Burst times as many at once. 0 for no limit.
	Rate uint64
}

// Count is how many addresses or prefixes the pool has, excluded ones included, at most math.MaxUint64.
func (c *Config) Count() uint64 { return c.Ranges.size(128 - c.Bits) }

// Burst is how many seconds' worth of new bindings may be made at once: a cloud that starts its guests
// together is no attack.
const Burst = 100

// Bounds of the search for a free address.
const (
	tries      = 16      // places that the hash names, one after the other
	maxScanned = 1 << 22 // addresses of a pool that is searched through from end to end
	maxChecked = 4096    // addresses that turn out to be excluded, in one search
)

// A Pool is one network's.
type Pool struct {
	Config
	seed     uint64
	size     uint64
	table    *Table
	byClient set
	used     uint64 // bindings in the ranges
	kept     uint64 // prefixes that overlap one of another length, from before

	// taken and excluded have a bit for each address of a pool that is small enough to be searched
	// through; excluded is what earlier searches have met.
	taken, excluded []uint64
	created         limiter
}

func newPool(c Config, t *Table) *Pool {
	p := &Pool{Config: c, table: t}
	p.byClient.hash = t.hashOwner
	p.sow(t.seed)
	p.size = c.Count()
	if p.size <= maxScanned {
		words := (p.size + 63) / 64
		p.taken, p.excluded = make([]uint64, words), make([]uint64, words)
	}
	return p
}

// sow makes the pool choose otherwise than another server's, or another network's.
func (p *Pool) sow(seed uint64) { p.seed = mix(seed ^ hashString(offset, p.Network)) }

func (p *Pool) shift() int { return 128 - p.Bits }

// Size is how many addresses the pool has, excluded ones included, at most math.MaxUint64.
func (p *Pool) Size() uint64 { return p.size }

// Used is how many of them are not free: given out, kept back or set aside, those included that overlap
// prefixes of another length, which were delegated before that was changed.
func (p *Pool) Used() uint64 { return min(p.size, p.used+p.kept) }

// Full reports whether no more may be given out.
func (p *Pool) Full() bool { return p.Used() >= p.size || p.Limit > 0 && p.used >= p.Limit }

// Find returns the client's binding, nil if it has none.
func (p *Pool) Find(c Client) *Binding {
	return p.byClient.find(p.table.hashClient(&c), func(b *Binding) bool { return p.table.has(&c, b) })
}

// Allows reports whether the pool has the address and gives it out, as far as its configuration says.
func (p *Pool) Allows(a netip.Addr) bool {
	ok := p.Ranges.Contains(a)
	if ok && p.Bits < 128 { // not every address of a range begins a prefix
		_, ok = p.Ranges.index(a, p.shift())
	}
	return ok && !p.excludes(a)
}

// excludes reports whether something in the address or prefix is nobody's.
func (p *Pool) excludes(a netip.Addr) bool {
	if p.Bits == 128 {
		return p.Exclude.Contains(a)
	}
	return slices.ContainsFunc(p.Exclude, PrefixRange(netip.PrefixFrom(a, p.Bits)).Overlaps)
}

// MayCreate reports whether a new binding may be made now, by the pool's rate.
func (p *Pool) MayCreate(now clock.Instant) bool { return p.created.allows(now, p.Rate, Burst) }

// A Verdict is what the caller of Choose knows of an address.
type Verdict uint8

// The verdicts. Excluded holds until Reset, Busy for this one time.
const (
	Free Verdict = iota
	Excluded
	Busy
)

// Choose returns the address that a client without a binding gets: the hint if it can have that, the one
// that its hash names, or the next free one. Judge says what else stands against an address. Nothing is kept of
// the choice.
func (p *Pool) Choose(t *Table, c Client, hint netip.Addr, judge func(netip.Addr) Verdict) (netip.Addr, bool) {
	if p.Full() {
		return netip.Addr{}, false
	}
	verdict := func(a netip.Addr) Verdict {
		switch {
		case p.excludes(a):
			return Excluded
		case t.at(a, p.Bits) != nil, p.Bits < 128 && t.strayIn(netip.PrefixFrom(a, p.Bits)):
			return Busy
		}
		return judge(a)
	}
	if hint.IsValid() && p.Allows(hint) && verdict(hint) == Free {
		return hint, true
	}
	h := c.hash(p.seed)
	for i := range uint64(tries) {
		if a := p.Ranges.at(mix(h+i)%p.size, p.shift()); verdict(a) == Free {
			return a, true
		}
	}
	if p.taken == nil {
		return netip.Addr{}, false // so large a pool is never so full
	}
	return p.scan(mix(h)%p.size, verdict)
}

// scan goes through the pool from one place on.
func (p *Pool) scan(from uint64, verdict func(netip.Addr) Verdict) (netip.Addr, bool) {
	words := uint64(len(p.taken))
	checked := 0
	for n := range words + 1 { // the first word twice: its lower part comes last
		w := (from/64 + n) % words
		open := ^(p.taken[w] | p.excluded[w])
		if n == 0 {
			open &= ^uint64(0) << (from % 64)
		}
		for ; open != 0; open &= open - 1 {
			i := w*64 + uint64(bits.TrailingZeros64(open))
			if i >= p.size {
				break
			}
			a := p.Ranges.at(i, p.shift())
			switch verdict(a) {
			case Free:
				return a, true
			case Excluded:
				p.excluded[w] |= 1 << (i % 64)
			case Busy:
			}
			if checked++; checked >= maxChecked {
				return netip.Addr{}, false
			}
		}
	}
	return netip.Addr{}, false
}

// mark notes whether an address of the pool is taken.
func (p *Pool) mark(a netip.Addr, taken bool) {
	i, ok := p.Ranges.index(a, p.shift())
	if !ok || p.taken == nil {
		return
	}
	if taken {
		p.taken[i/64] |= 1 << (i % 64)
	} else {
		p.taken[i/64] &^= 1 << (i % 64)
	}
}

// same reports whether two configurations have the same addresses.
func (c *Config) same(o *Config) bool {
	return c.Bits == o.Bits && slices.Equal(c.Ranges, o.Ranges)
}
