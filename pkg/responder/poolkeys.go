package responder

import (
	"fmt"
	"slices"
	"time"

	"github.com/v6guest/v6guest/pkg/responder/pool"
	"github.com/v6guest/v6guest/pkg/wire"
)

// mostBindings bounds pool_limit, pool_per_mac and pool_rate.
const mostBindings = 1_000_000_000

// poolKeys are the keys of a network that its pool is made of.
func poolKeys() []Key {
	return []Key{
		{
			Name: "pool", Values: "ranges FIRST-LAST, separated by blanks",
			Sentence:   "The addresses for clients without a reservation; without it they get none. Reserved addresses, this machine's own and those of RFC 5453 are left out by themselves.",
			setNetwork: func(n *NetworkConfig, v string) (err error) { n.Pool.Ranges, err = ranges(v); return err },
		},
		{
			Name: "pool_exclude", Values: "addresses and ranges FIRST-LAST, separated by blanks",
			Sentence:   "Addresses of the pool that nobody gets.",
			setNetwork: func(n *NetworkConfig, v string) (err error) { n.Pool.Exclude, err = ranges(v); return err },
		},
		networkTime("pool_grace", "1h", unitTime, "How long an address of the pool is kept back for its client after its valid lifetime has passed.",
			0, 10*365*24*time.Hour, func(n *NetworkConfig, d time.Duration) { n.Pool.Grace = d }),
		networkTime("pool_declined", "1d", unitTime, "How long an address of the pool is set aside that a client has found in use by another node.",
			time.Minute, 10*365*24*time.Hour, func(n *NetworkConfig, d time.Duration) { n.Pool.Declined = d }),
		poolNumber("pool_limit", "0", "addresses", "How many addresses of the pool may be out at one time; 0 for all of them.", func(p *Pool) *uint64 { return &p.Limit }),
		poolNumber("pool_per_mac", "8", "addresses", "How many of them one MAC may have, declined ones included; it may make four times as many new bindings at once, then one a second. 0 for no limit.", func(p *Pool) *uint64 { return &p.PerMAC }),
		poolNumber("pool_rate", "200", "a second", "How many new bindings the network takes in the long run, and a hundred times as many at once; 0 for no limit.", func(p *Pool) *uint64 { return &p.Rate }),
	}
}

// poolNumber is a key that takes a number.
func poolNumber(name, def, unit, sentence string, field func(*Pool) *uint64) Key {
	return networkNumber(name, def, unit, sentence, func(n *NetworkConfig) *uint64 { return field(&n.Pool) })
}

func networkNumber(name, def, unit, sentence string, field func(*NetworkConfig) *uint64) Key {
	return Key{
		Name: name, Default: def, Values: "a number", Unit: unit, Sentence: sentence,
		setNetwork: func(n *NetworkConfig, v string) (err error) {
			*field(n), err = number(v, 0, mostBindings)
			return err
		},
	}
}

func ranges(v string) (pool.Ranges, error) {
	var out pool.Ranges
	for _, w := range list(v) {
		r, err := pool.ParseRange(w)
		if err != nil {
			return nil, err
		}
		for _, o := range out {
			if r.Overlaps(o) {
				return nil, fmt.Errorf("%s overlaps %s", r, o)
			}
		}
		out = append(out, r)
	}
	return out, nil
}

// smallPool is a number of addresses below which a pool may well be exhausted by guests that come and go.
const smallPool = 16

func (s *checker) pool(n *NetworkConfig) {
	if len(n.Pool.Ranges) == 0 {
		return
	}
	for _, r := range n.Pool.Ranges {
		if n.Prefix.IsValid() && (!n.Prefix.Contains(r.First) || !n.Prefix.Contains(r.Last)) {
			s.fail("pool", "%s is not in the prefix %s", r, n.Prefix)
		}
	}
	for _, r := range n.Pool.Exclude {
		if !slices.ContainsFunc(n.Pool.Ranges, r.Overlaps) {
			s.warn("pool_exclude", "%s is not in the pool; take it out", r)
		}
	}
	s.nothingLeft(n, "pool", "pool_exclude", n.Pool.Ranges, n.Pool.Exclude)
	switch size := n.Pool.Ranges.Size(); {
	case n.Assign == AssignEUI64:
		s.fail("pool", "with assign = eui64 every MAC has an address already; take one of the two out")
	case size < smallPool:
		s.warn("pool", "the pool has only %d addresses, which guests that come and go may use up; make it larger", size)
	}
	if n.Valid == wire.Infinite {
		s.warn("valid_lifetime", "addresses of the pool never come back by themselves; write a valid_lifetime that ends")
	}
}

// nothingLeft warns of a pool of which each part is excluded.
func (s *checker) nothingLeft(n *NetworkConfig, key, exclude string, parts, excluded pool.Ranges) {
	for _, part := range parts {
		if !slices.ContainsFunc(excluded, func(x pool.Range) bool { return x.Contains(part.First) && x.Contains(part.Last) }) {
			return
		}
	}
	s.warn(exclude, "nothing of %s in network %s is left: nobody gets any; exclude less", key, n.Name)
}

// hasPools reports whether any network has one: then bindings must be stored.
func (c *Config) hasPools() bool {
	for i := range c.Networks {
		if len(c.Networks[i].pools()) > 0 {
			return true
		}
	}
	return false
}
