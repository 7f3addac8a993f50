package listener

import (
	"fmt"
	"net/netip"
)

// A Claim is an address (as /128) or a prefix that belongs elsewhere.
type Claim struct {
	Prefix netip.Prefix
	Of     string // whose it is, for the reason: "address of eth0", "DNS server of eth0"
}

// A Verdict says whether the prefix is to become an on-link route, and why or why not.
type Verdict struct {
	Prefix  netip.Prefix
	Install bool
	Reason  string // one line
	Claimed bool   // it is refused since something of it belongs elsewhere
}

// minOnLink is the shortest prefix that becomes a route. The networks that v6guest serves are /64s,
// and a shorter one would draw in other networks' traffic: an own address is in 2001:db8::/32 too.
const minOnLink = 64

// OnLink judges which prefixes are to become on-link routes on a NIC whose advertisements the kernel
// does not process (decision 4 of the design): those that routers say are on-link, that hold an
// address of that NIC (own), and that neither hold nor are part of anything in elsewhere: addresses,
// prefixes and servers of other NICs. The network may be hostile and announce anything. There is one
// verdict for each prefix, in their order.
func OnLink(prefixes []Prefix, own []netip.Addr, elsewhere []Claim) []Verdict {
	verdicts := make([]Verdict, 0, len(prefixes))
	for _, p := range prefixes {
		v := judge(p, own, elsewhere)
		v.Prefix = p.Prefix
		verdicts = append(verdicts, v)
	}
	return verdicts
}

func judge(p Prefix, own []netip.Addr, elsewhere []Claim) Verdict {
	switch {
	case !p.OnLink:
		return Verdict{Reason: "no router says that it is on-link"}
	case p.Prefix.Bits() < minOnLink:
		return Verdict{Reason: fmt.Sprintf("shorter than /%d", minOnLink)}
	case !globalUnicast(p.Prefix.Addr()):
		return Verdict{Reason: "neither global unicast nor unique local"}
	}
	for _, c := range elsewhere {
		if c.Prefix.Overlaps(p.Prefix) {
			return Verdict{Claimed: true, Reason: fmt.Sprintf("%s, %s, is in the way", bare(c.Prefix), c.Of)}
		}
	}
	for _, a := range own {
		if p.Prefix.Contains(a) {
			return Verdict{Install: true, Reason: fmt.Sprintf("on-link and holds %s", a)}
		}
	}
	return Verdict{Reason: "holds no address of this NIC"}
}

// globalUnicast says whether the address may be that of a host beyond its link.
func globalUnicast(a netip.Addr) bool {
	return a.Is6() && !a.Is4In6() && a.IsGlobalUnicast()
}

// bare writes an address without its /128.
func bare(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
