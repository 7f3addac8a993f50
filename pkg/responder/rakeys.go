package responder

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/v6guest/v6guest/pkg/wire"
)

// raKeys are the keys of a network that Router Advertisements are made of.
func raKeys() []Key {
	return []Key{
		raFlag("send_ra", "Whether Router Advertisements are sent.", func(r *RAConfig) *bool { return &r.Send }),
		raFlag("managed", "The M flag: addresses come by DHCPv6.", func(r *RAConfig) *bool { return &r.Managed }),
		raFlag("other", "The O flag: other configuration comes by DHCPv6.", func(r *RAConfig) *bool { return &r.Other }),
		raFlag("ra_dns", "Whether DNS servers and search domains stand in Router Advertisements too (RFC 8106).", func(r *RAConfig) *bool { return &r.DNS }),
		networkTime("router_lifetime", "0", unitTime, "How long guests may use this machine as their default router; 0 says that it is none. It needs forwarding on the NIC.",
			0, 9000*time.Second, func(n *NetworkConfig, d time.Duration) { n.RA.RouterLifetime = d }),
		{
			Name: "router_preference", Default: "medium", Values: "low | medium | high",
			Sentence:   "The rank among several default routers (RFC 4191).",
			setNetwork: word(func(n *NetworkConfig, v string) { n.RA.RouterPreference = v }, "low", "medium", "high"),
		},
		{
			Name: "mtu", Default: "0", Values: "0, or 1280 to 65535", Unit: "bytes",
			Sentence:   "The MTU that guests shall use on this network; 0 says nothing.",
			setNetwork: setMTU,
		},
		networkTime("ra_max_interval", "600", unitTime, "The longest time between two unsolicited Router Advertisements.",
			4*time.Second, 1800*time.Second, func(n *NetworkConfig, d time.Duration) { n.RA.MaxInterval = d }),
		networkTime("ra_min_interval", "", unitTime, "The shortest time between two unsolicited Router Advertisements, at most 0.75 of the longest; empty is a third of the longest.",
			3*time.Second, 1350*time.Second, func(n *NetworkConfig, d time.Duration) { n.RA.MinInterval = d }),
		networkTime("prefix_preferred_lifetime", "7d", unitLifetime, "The preferred lifetime of the prefix in Router Advertisements.",
			0, wire.Infinite, func(n *NetworkConfig, d time.Duration) { n.RA.PrefixPreferred = d }),
		networkTime("prefix_valid_lifetime", "30d", unitLifetime, "How long the prefix is on-link by a Router Advertisement.",
			0, wire.Infinite, func(n *NetworkConfig, d time.Duration) { n.RA.PrefixValid = d }),
		raFlag("prefix_on_link", "The L flag of the prefix: its addresses are reached without a router.", func(r *RAConfig) *bool { return &r.OnLink }),
		raFlagOff("prefix_autonomous", "The A flag of the prefix: guests also make addresses of their own in it (SLAAC).", func(r *RAConfig) *bool { return &r.Autonomous }),
		networkTime("ra_dns_lifetime", "", unitLifetime, "How long the DNS servers and search domains of a Router Advertisement may be used; empty is three times ra_max_interval.",
			time.Second, wire.Infinite, func(n *NetworkConfig, d time.Duration) { n.RA.DNSLifetime = d }),
		{
			Name: "routes", Values: "IPv6 prefixes, separated by blanks",
			Sentence:   "Prefixes beyond this network that guests reach through this machine (RFC 4191). It needs forwarding on the NIC.",
			setNetwork: func(n *NetworkConfig, v string) (err error) { n.RA.Routes, err = prefixes(v); return err },
		},
		{
			Name: "route_preference", Default: "medium", Values: "low | medium | high",
			Sentence:   "The rank of these routes among several routers'.",
			setNetwork: word(func(n *NetworkConfig, v string) { n.RA.RoutePreference = v }, "low", "medium", "high"),
		},
		networkTime("route_lifetime", "", unitLifetime, "How long these routes may be used; empty is three times ra_max_interval.",
			time.Second, wire.Infinite, func(n *NetworkConfig, d time.Duration) { n.RA.RouteLifetime = d }),
		{
			Name: "pref64", Values: "IPv6 prefixes of 32, 40, 48, 56, 64 or 96 bits, separated by blanks",
			Sentence:   "The prefixes of the NAT64 that guests without IPv4 use (RFC 8781).",
			setNetwork: setPREF64,
		},
	}
}

func raFlag(name, sentence string, field func(*RAConfig) *bool) Key {
	return Key{
		Name: name, Default: "yes", Values: "yes | no", Sentence: sentence,
		setNetwork: word(func(n *NetworkConfig, v string) { *field(&n.RA) = v == "yes" }, "yes", "no"),
	}
}

// raFlagOff is a raFlag whose default is no.
func raFlagOff(name, sentence string, field func(*RAConfig) *bool) Key {
	k := raFlag(name, sentence, field)
	k.Default = "no"
	return k
}

// prefixes reads IPv6 prefixes between blanks or commas, none of them twice.
func prefixes(v string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, w := range list(v) {
		p, err := netip.ParsePrefix(w)
		switch {
		case err != nil || !p.Addr().Is6() || p.Addr().Is4In6():
			return nil, fmt.Errorf("%.60q is no IPv6 prefix; write it as 2001:db8:1::/48", w)
		case p != p.Masked():
			return nil, fmt.Errorf("%s has bits set behind its length; write %s", p, p.Masked())
		case slices.Contains(out, p):
			return nil, fmt.Errorf("%s stands twice", p)
		}
		out = append(out, p)
	}
	return out, nil
}

func setPREF64(n *NetworkConfig, v string) (err error) {
	if n.RA.PREF64, err = prefixes(v); err != nil {
		return err
	}
	for _, p := range n.RA.PREF64 {
		if !slices.Contains([]int{32, 40, 48, 56, 64, 96}, p.Bits()) {
			return fmt.Errorf("%s: the prefix of a NAT64 has 32, 40, 48, 56, 64 or 96 bits (RFC 6052)", p)
		}
	}
	return nil
}

func setMTU(n *NetworkConfig, v string) error {
	if v == "0" {
		n.RA.MTU = 0
		return nil
	}
	mtu, err := number(v, 1280, 65535)
	n.RA.MTU = uint32(mtu)
	return err
}
