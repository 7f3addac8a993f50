package responder

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"

	"github.com/v6guest/v6guest/pkg/responder/hosts"
)

// doubts says what about a line will not work as its writer may hope, where own are this machine's addresses.
// What is doubtful in every network hosts.Doubtful says.
func (c *Config) doubts(h *hosts.Host, own map[netip.Addr]bool) []string {
	var out []string
	for _, a := range h.Addrs() {
		inside := hosts.Doubtful(a) != "" // which is told already
		for i := range c.Networks {
			b, ok := hosts.Within(a, c.Networks[i].Prefix)
			if !ok {
				continue
			}
			inside = true
			if what := c.Networks[i].doubt(b, own); what != "" {
				out = append(out, what)
			}
		}
		if !inside {
			out = append(out, fmt.Sprintf("[%s] is in no network's prefix: write an address of one that is served, or a [network NAME] with its prefix into the configuration", a))
		}
	}
	for i := range c.Networks {
		out = append(out, c.Networks[i].mixed(h)...)
	}
	for _, d := range h.DUIDs() {
		if c.Identity == IdentityFrame {
			out = append(out, fmt.Sprintf("id:%s: with identity = frame only MACs and DUID-LLs count", d))
		} else if !c.AnyFrame {
			out = append(out, fmt.Sprintf("id:%s: holds no MAC, so that the frame cannot prove whose it is; any guest can claim it", d))
		}
	}
	return out
}

// doubt says what another use an address of the network has than to be a guest's; "" for none.
func (n *Network) doubt(a netip.Addr, own map[netip.Addr]bool) string {
	switch {
	case own[a]:
		return fmt.Sprintf("[%s] is this router's own and never given: write another address, or take that one off the router", a)
	case a == n.Prefix.Addr() && !hosts.ReservedID(a):
		return fmt.Sprintf("[%s] is the anycast address of network %s's routers (RFC 4291, section 2.6.1): write another address", a, n.Name)
	case n.serves(a):
		return fmt.Sprintf("[%s] is a DNS or time server of network %s: right if the line is that server's; else write another address", a, n.Name)
	}
	return ""
}

// particular are the addresses of the network that have, or may have, another use.
func (n *Network) particular(own map[netip.Addr]bool) []netip.Addr {
	out := []netip.Addr{n.Prefix.Addr()}
	for _, a := range slices.SortedFunc(maps.Keys(own), netip.Addr.Compare) {
		if n.Prefix.Contains(a) {
			out = append(out, a)
		}
	}
	given := slices.Concat(n.DNS, n.NTP)
	for i := range n.Classes {
		given = slices.Concat(given, n.Classes[i].Parameters.DNS, n.Classes[i].Parameters.NTP)
	}
	for _, a := range given {
		if n.Prefix.Contains(a) && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// doubtful tells of lines of the hosts files whose addresses have another use. They are found by these
// addresses: they are few, and lines may be a million.
func (c *Config) doubtful(x *hosts.Index, own map[netip.Addr]bool) []hosts.Problem {
	var out []hosts.Problem
	for i := range c.Networks {
		n := &c.Networks[i]
		for _, a := range n.particular(own) {
			h, what := x.Owner(a), n.doubt(a, own)
			if h != nil && what != "" && len(out) < hosts.MaxProblems {
				out = append(out, hosts.Problem{File: h.File, Line: h.Line, Warning: true, Err: errors.New(what)})
			}
		}
	}
	return out
}

// ownAddresses are this machine's, as far as they can be found out.
func ownAddresses() map[netip.Addr]bool {
	out := map[netip.Addr]bool{}
	list, err := net.InterfaceAddrs()
	if err != nil {
		return out
	}
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out[p.Addr()] = true
		}
	}
	return out
}
