package responder

import (
	"slices"

	"github.com/v6guest/v6guest/pkg/responder/pool"
)

// An idleRule says of keys of a network when they are of no effect, and what then to do instead.
type idleRule struct {
	keys []string
	when func(*NetworkConfig) bool
	why  string // and what gives them one
}

// idleRules are looked at in order: of a key the first that holds is told.
func idleRules() []idleRule {
	var advertised []string
	for _, k := range raKeys() {
		if k.Name != "send_ra" {
			advertised = append(advertised, k.Name)
		}
	}
	return []idleRule{
		{[]string{"allow_any_prefix"}, func(n *NetworkConfig) bool { return n.Prefix.Bits() == 64 }, "the prefix is a /64; write another"},
		{
			[]string{"pool_exclude", "pool_grace", "pool_declined", "pool_limit", "pool_per_mac"},
			func(n *NetworkConfig) bool { return len(n.Pool.Ranges) == 0 }, "the network has no pool; write pool =",
		},
		{[]string{"pool_rate"}, func(n *NetworkConfig) bool { return len(n.pools()) == 0 }, "the network has no pool; write pool = or pd_pool ="},
		{[]string{"pool_limit"}, func(n *NetworkConfig) bool { return unlimited(n, false, limitOf) }, "the pool has no more addresses than that; write a lower number"},
		{[]string{"pool_per_mac"}, func(n *NetworkConfig) bool { return unlimited(n, false, perMACOf) }, "the pool has no more addresses than that; write a lower number"},
		{
			[]string{"pd_length", "pd_exclude", "pd_grace", "pd_limit", "pd_per_mac"},
			func(n *NetworkConfig) bool { return len(n.Delegation.Prefixes) == 0 }, "the network has no pd_pool; write pd_pool =",
		},
		{[]string{"pd_limit"}, func(n *NetworkConfig) bool { return unlimited(n, true, limitOf) }, "pd_pool has no more prefixes than that; write a lower number"},
		{[]string{"pd_per_mac"}, func(n *NetworkConfig) bool { return unlimited(n, true, perMACOf) }, "pd_pool has no more prefixes than that; write a lower number"},
		{advertised, func(n *NetworkConfig) bool { return n.Interface == "" }, "the network has no interface on which advertisements could be sent; write interface ="},
		{advertised, func(n *NetworkConfig) bool { return !n.RA.Send }, "no advertisements are sent; write send_ra = yes"},
		{
			[]string{"router_preference"},
			func(n *NetworkConfig) bool { return n.RA.RouterLifetime == 0 },
			"this machine is announced as no default router; write router_lifetime =",
		},
		{
			[]string{"route_preference", "route_lifetime"},
			func(n *NetworkConfig) bool { return len(n.RA.Routes) == 0 },
			"no routes are announced; write routes =",
		},
		{[]string{"ra_dns_lifetime"}, func(n *NetworkConfig) bool { return !n.RA.DNS }, "advertisements carry no DNS servers; write ra_dns = yes"},
		{
			[]string{"ra_dns", "ra_dns_lifetime"},
			func(n *NetworkConfig) bool { return len(n.DNS)+len(n.Search) == 0 },
			"there is nothing that advertisements could say of DNS; write dns = or search =",
		},
		{
			[]string{"prefix_valid_lifetime"},
			func(n *NetworkConfig) bool { return !n.RA.OnLink && !n.RA.Autonomous },
			"guests use the prefix for nothing; write prefix_on_link = yes or prefix_autonomous = yes",
		},
		{
			[]string{"prefix_preferred_lifetime"},
			func(n *NetworkConfig) bool { return !n.RA.Autonomous },
			"it is about addresses that guests make themselves; write prefix_autonomous = yes, or preferred_lifetime = for those that are leased",
		},
	}
}

// unlimited reports whether a number keeps nothing back of a pool of things of that many bits.
func unlimited(n *NetworkConfig, delegated bool, most func(*pool.Config) uint64) bool {
	for _, c := range n.pools() {
		if m := most(&c); delegated == (c.Bits < 128) && m >= c.Count() {
			return true
		}
	}
	return false
}

func limitOf(c *pool.Config) uint64  { return c.Limit }
func perMACOf(c *pool.Config) uint64 { return c.PerMAC }

// idle warns of keys that are of no effect. One that says what is the default anyway does no harm.
func (s *checker) idle(n *NetworkConfig) {
	rules := idleRules()
	for _, k := range Keys() {
		v, given := s.keys[k.Name]
		if !given || k.setNetwork == nil || v.Text == k.Default {
			continue
		}
		i := slices.IndexFunc(rules, func(r idleRule) bool { return slices.Contains(r.keys, k.Name) && r.when(n) })
		if i >= 0 {
			s.warn(k.Name, "%s has no effect in network %s: %s, or take it out", k.Name, n.Name, rules[i].why)
		}
	}
}
