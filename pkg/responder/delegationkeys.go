package responder

import (
	"net/netip"
	"time"
)

// delegationKeys are the keys of a network that say which prefixes it delegates.
func delegationKeys() []Key {
	return []Key{
		{
			Name: "pd_pool", Values: "IPv6 prefixes, separated by blanks",
			Sentence:   "The prefixes out of which clients that ask for one (IA_PD) get one of their own; without it they get none.",
			setNetwork: func(n *NetworkConfig, v string) (err error) { n.Delegation.Prefixes, err = prefixes(v); return err },
		},
		{
			Name: "pd_length", Default: "64", Values: "16 to 126", Unit: "bits",
			Sentence: "How long a delegated prefix is.",
			setNetwork: func(n *NetworkConfig, v string) error {
				bits, err := number(v, 16, 126)
				n.Delegation.Length = int(bits)
				return err
			},
		},
		{
			Name: "pd_exclude", Values: "IPv6 prefixes, separated by blanks",
			Sentence:   "Prefixes of the pool that nobody gets, nor any prefix that holds one of them.",
			setNetwork: func(n *NetworkConfig, v string) (err error) { n.Delegation.Exclude, err = prefixes(v); return err },
		},
		networkTime("pd_grace", "1h", unitTime, "How long a delegated prefix is kept back for its client after its valid lifetime has passed.",
			0, 10*365*24*time.Hour, func(n *NetworkConfig, d time.Duration) { n.Delegation.Grace = d }),
		networkNumber("pd_limit", "0", "prefixes", "How many prefixes may be out at one time; 0 for all of them.", func(n *NetworkConfig) *uint64 { return &n.Delegation.Limit }),
		networkNumber("pd_per_mac", "4", "prefixes", "How many of them one MAC may have; it may make four times as many new bindings at once, then one a second. 0 for no limit.",
			func(n *NetworkConfig) *uint64 { return &n.Delegation.PerMAC }),
	}
}

// delegation checks the prefixes that are delegated.
func (s *checker) delegation(n *NetworkConfig) {
	d := &n.Delegation
	if len(d.Prefixes) == 0 {
		return
	}
	for i, p := range d.Prefixes {
		switch {
		case !p.Addr().IsGlobalUnicast():
			s.fail("pd_pool", "%s is no prefix of global or unique local addresses", p)
		case p.Bits() > d.Length:
			s.fail("pd_pool", "no /%d fits into %s; write a shorter prefix here, or a longer pd_length", d.Length, p)
		}
		for _, q := range d.Prefixes[:i] {
			if p.Overlaps(q) {
				s.fail("pd_pool", "%s overlaps %s", p, q)
			}
		}
	}
	for _, p := range d.Exclude {
		if !overlapsAny(p, d.Prefixes) {
			s.warn("pd_exclude", "%s is not in pd_pool; take it out", p)
		}
	}
	s.nothingLeft(n, "pd_pool", "pd_exclude", prefixRanges(d.Prefixes), prefixRanges(d.Exclude))
	if d.Length > 64 {
		s.warn("pd_length", "from a /%d clients can make no network in which guests make their own addresses (SLAAC), which takes a /64; write 64 or less", d.Length)
	}
}

// delegationBeside checks that nothing of a network is delegated in n, and nothing twice.
func (s *checker) delegationBeside(n, other *NetworkConfig, before bool) {
	for _, p := range n.Delegation.Prefixes {
		if other.Prefix.IsValid() && p.Overlaps(other.Prefix) {
			s.fail("pd_pool", "%s overlaps %s, the prefix of network %s; write prefixes beside it", p, other.Prefix, other.Name)
		}
		if before && overlapsAny(p, other.Delegation.Prefixes) {
			s.fail("pd_pool", "%s overlaps pd_pool of network %s", p, other.Name)
		}
	}
}

func overlapsAny(p netip.Prefix, list []netip.Prefix) bool {
	for _, q := range list {
		if p.Overlaps(q) {
			return true
		}
	}
	return false
}
