package lab

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A State is what a machine's kernel holds at one moment: NICs, IPv6 addresses, IPv6 routes of the
// main table.
type State struct {
	NICs   []NIC
	Addrs  []Addr
	Routes []Route
}

// A NIC is one of a machine's interfaces.
type NIC struct {
	Index int
	Name  string
	MAC   net.HardwareAddr
	Up    bool
	// Carrier follows what the kernel tells of, which a carrier that is back within a moment does not change.
	Carrier bool
}

// An Addr is an IPv6 address on a NIC. Lifetimes are in seconds, 0xffffffff for ever.
type Addr struct {
	NIC              string
	Prefix           netip.Prefix
	Tentative        bool
	Failed           bool // duplicate address detection found it on another machine
	Preferred, Valid uint32
}

// Usable says that a socket can be bound to the address.
func (a Addr) Usable() bool { return !a.Tentative && !a.Failed }

// A Route is an IPv6 route; Gateway is not valid for one on the link.
type Route struct {
	NIC     string
	Dst     netip.Prefix
	Gateway netip.Addr
	Proto   int // who made it: 2 kernel, 9 router advertisement, 16 dhcp
}

// Usable says whether a NIC has the address, ready for use.
func (s State) Usable(nic string, addr netip.Addr) bool {
	return slices.ContainsFunc(s.Addrs, func(a Addr) bool { return a.NIC == nic && a.Prefix.Addr() == addr && a.Usable() })
}

// Has says whether a NIC has the address, ready or not.
func (s State) Has(nic string, addr netip.Addr) bool {
	return slices.ContainsFunc(s.Addrs, func(a Addr) bool { return a.NIC == nic && a.Prefix.Addr() == addr })
}

// Global returns the addresses that are valid beyond the link, of one NIC or of all when nic is empty.
func (s State) Global(nic string) []Addr {
	var out []Addr
	for _, a := range s.Addrs {
		if (nic == "" || a.NIC == nic) && a.NIC != "lo" && !a.Prefix.Addr().IsLinkLocalUnicast() {
			out = append(out, a)
		}
	}
	return out
}

// LinkLocal returns a usable link-local address of a NIC; it is not valid when there is none.
func (s State) LinkLocal(nic string) netip.Addr {
	for _, a := range s.Addrs {
		if a.NIC == nic && a.Prefix.Addr().IsLinkLocalUnicast() && a.Usable() {
			return a.Prefix.Addr()
		}
	}
	return netip.Addr{}
}

// Default returns the default routes.
func (s State) Default() []Route {
	var out []Route
	for _, r := range s.Routes {
		if r.Dst.Bits() == 0 {
			out = append(out, r)
		}
	}
	return out
}

// DefaultNICs returns the names of the NICs that have a default route, sorted.
func (s State) DefaultNICs() []string {
	var names []string
	for _, r := range s.Default() {
		names = append(names, r.NIC)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// String is the state as a person reads it, an entry a line.
func (s State) String() string {
	var b strings.Builder
	for _, n := range s.NICs {
		fmt.Fprintf(&b, "nic %s %s up=%t carrier=%t\n", n.Name, n.MAC, n.Up, n.Carrier)
	}
	for _, a := range s.Addrs {
		fmt.Fprintf(&b, "address %s %s tentative=%t failed=%t preferred=%d valid=%d\n", a.NIC, a.Prefix, a.Tentative, a.Failed, a.Preferred, a.Valid)
	}
	for _, r := range s.Routes {
		fmt.Fprintf(&b, "route %s via %s dev %s proto %d\n", r.Dst, r.Gateway, r.NIC, r.Proto)
	}
	return b.String()
}

// State asks the machine's kernel.
func (m *Machine) State() (State, error) {
	for range 100 { // a list that changed while it was read is not whole
		s, err := m.list()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return s, err
		}
	}
	return State{}, fmt.Errorf("%s: %w", m.Name, netlink.ErrDumpInterrupted)
}

func (m *Machine) list() (State, error) {
	links, err := m.link.LinkList()
	if err != nil {
		return State{}, fmt.Errorf("%s: list NICs: %w", m.Name, err)
	}
	addrs, err := m.link.AddrList(nil, netlink.FAMILY_V6)
	if err != nil {
		return State{}, fmt.Errorf("%s: list addresses: %w", m.Name, err)
	}
	routes, err := m.link.RouteList(nil, netlink.FAMILY_V6)
	if err != nil {
		return State{}, fmt.Errorf("%s: list routes: %w", m.Name, err)
	}
	var s State
	names := map[int]string{}
	for _, l := range links {
		a := l.Attrs()
		names[a.Index] = a.Name
		s.NICs = append(s.NICs, NIC{a.Index, a.Name, a.HardwareAddr, a.Flags&net.FlagUp != 0, a.RawFlags&unix.IFF_RUNNING != 0})
	}
	for _, a := range addrs {
		s.Addrs = append(s.Addrs, newAddr(names[a.LinkIndex], a))
	}
	for _, r := range routes {
		s.Routes = append(s.Routes, newRoutes(names, r)...)
	}
	slices.SortFunc(s.Addrs, func(a, b Addr) int {
		return cmp.Or(cmp.Compare(a.NIC, b.NIC), a.Prefix.Addr().Compare(b.Prefix.Addr()))
	})
	return s, nil
}

func newAddr(nic string, a netlink.Addr) Addr {
	return Addr{
		NIC: nic, Prefix: prefix(a.IPNet),
		Tentative: a.Flags&unix.IFA_F_TENTATIVE != 0 && a.Flags&unix.IFA_F_OPTIMISTIC == 0,
		Failed:    a.Flags&unix.IFA_F_DADFAILED != 0,
		Preferred: uint32(a.PreferedLft), Valid: uint32(a.ValidLft),
	}
}

// newRoutes makes one route of each way that a multipath route has.
func newRoutes(names map[int]string, r netlink.Route) []Route {
	if len(r.MultiPath) == 0 {
		return []Route{{names[r.LinkIndex], prefix(r.Dst), address(r.Gw), int(r.Protocol)}}
	}
	var out []Route
	for _, way := range r.MultiPath {
		out = append(out, Route{names[way.LinkIndex], prefix(r.Dst), address(way.Gw), int(r.Protocol)})
	}
	return out
}

func address(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a
}

func prefix(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(address(n.IP), bits)
}

// HasNIC says whether there is a NIC of this name.
func (s State) HasNIC(name string) bool {
	return slices.ContainsFunc(s.NICs, func(n NIC) bool { return n.Name == name })
}

// Carrier says whether a NIC is up and has a carrier.
func (s State) Carrier(name string) bool {
	return slices.ContainsFunc(s.NICs, func(n NIC) bool { return n.Name == name && n.Carrier })
}

// Route says whether there is a route to a destination by a NIC.
func (s State) Route(dst netip.Prefix, nic string) bool {
	return slices.ContainsFunc(s.Routes, func(r Route) bool { return r.Dst == dst && r.NIC == nic })
}
