package responder

import (
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
	}
}

func raFlag(name, sentence string, field func(*RAConfig) *bool) Key {
	return Key{
		Name: name, Default: "yes", Values: "yes | no", Sentence: sentence,
		setNetwork: word(func(n *NetworkConfig, v string) { *field(&n.RA) = v == "yes" }, "yes", "no"),
	}
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
