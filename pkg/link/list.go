package link

import (
	"context"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// NICs lists all NICs of the namespace by index.
func (k *Kernel) NICs(ctx context.Context) ([]NIC, error) {
	msgs, err := k.dump(ctx, unix.RTM_GETLINK, unix.RTM_NEWLINK, nl.NewIfInfomsg(unix.AF_UNSPEC))
	if err != nil {
		return nil, kernelError(err, "list network interfaces")
	}
	var out []NIC
	for _, m := range msgs {
		if n, parent, _, ok := decodeNIC(m); ok {
			k.describe(&n, parent)
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b NIC) int { return a.Index - b.Index })
	return out, nil
}

// NIC looks one NIC up by its name. The error is ErrNoNIC if there is none.
func (k *Kernel) NIC(ctx context.Context, name string) (NIC, error) {
	if name == "" || len(name) >= unix.IFNAMSIZ {
		return NIC{}, fmt.Errorf("look up %q: %w", name, ErrNoNIC)
	}
	return k.nic(ctx, fmt.Sprintf("look up %q", name), nl.NewIfInfomsg(unix.AF_UNSPEC),
		nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)))
}

// NICByIndex looks one NIC up by its index. The error is ErrNoNIC if there is none.
func (k *Kernel) NICByIndex(ctx context.Context, index int) (NIC, error) {
	what := fmt.Sprintf("look up network interface %d", index)
	if index <= 0 {
		return NIC{}, fmt.Errorf("%s: %w", what, ErrNoNIC)
	}
	header := nl.NewIfInfomsg(unix.AF_UNSPEC)
	header.Index = int32(index)
	return k.nic(ctx, what, header)
}

func (k *Kernel) nic(ctx context.Context, what string, data ...nl.NetlinkRequestData) (NIC, error) {
	msgs, err := k.request(ctx, unix.RTM_NEWLINK, unix.RTM_GETLINK, 0, data...)
	if err != nil {
		return NIC{}, kernelError(err, "%s", what)
	}
	for _, m := range msgs {
		if n, parent, _, ok := decodeNIC(m); ok {
			k.describe(&n, parent)
			return n, nil
		}
	}
	return NIC{}, fmt.Errorf("%s: %w", what, ErrNoNIC)
}

// Addrs lists the IPv6 addresses of one NIC, link-local ones too; index 0 stands for all NICs. The
// error is ErrNoNIC if the NIC is not there.
func (k *Kernel) Addrs(ctx context.Context, index int) ([]Addr, error) {
	header := nl.NewIfAddrmsg(unix.AF_INET6)
	if k.strict.Load() {
		header.Index = uint32(index)
	}
	msgs, err := k.dump(ctx, unix.RTM_GETADDR, unix.RTM_NEWADDR, header)
	if err != nil {
		return nil, kernelError(err, "list the addresses of network interface %d", index)
	}
	var out []Addr
	for _, m := range msgs {
		if a, ok := decodeAddr(m); ok && (index == 0 || a.Index == index) {
			out = append(out, a)
		}
	}
	if out == nil && index != 0 {
		_, err = k.NICByIndex(ctx, index)
	}
	return out, err
}

// LinkLocal returns the link-local address that a socket on the NIC can use best: a usable one before
// a tentative one before one that failed duplicate address detection. found is false if the NIC has
// none. The error is ErrNoNIC if the NIC is not there.
func (k *Kernel) LinkLocal(ctx context.Context, index int) (a Addr, found bool, err error) {
	addrs, err := k.Addrs(ctx, index)
	if err != nil {
		return Addr{}, false, err
	}
	rank := func(a Addr) int {
		switch {
		case a.DADFailed:
			return 1
		case !a.Usable():
			return 2
		}
		return 3
	}
	for _, b := range addrs {
		if b.Addr.IsLinkLocalUnicast() && (!found || rank(b) > rank(a)) {
			a, found = b, true
		}
	}
	return a, found, nil
}

// Routes lists the IPv6 unicast routes through one NIC in all tables but the kernel's local one, each
// way of a multipath route or nexthop group by itself; index 0 stands for all NICs.
func (k *Kernel) Routes(ctx context.Context, index int) ([]Route, error) {
	return k.routes(ctx, unix.AF_INET6, func(r Route) bool { return index == 0 || r.Index == index })
}

// DefaultRoutes lists the IPv6 default routes of the main table that lead through one NIC, be they
// single, ways of a multipath route or made of nexthop objects; index 0 stands for all NICs.
func (k *Kernel) DefaultRoutes(ctx context.Context, index int) ([]Route, error) {
	return k.routes(ctx, unix.AF_INET6, func(r Route) bool {
		return (index == 0 || r.Index == index) && r.Default() && r.Table == TableMain
	})
}

// IPv4DefaultRoutes lists the IPv4 default routes of the main table.
func (k *Kernel) IPv4DefaultRoutes(ctx context.Context) ([]Route, error) {
	return k.routes(ctx, unix.AF_INET, func(r Route) bool { return r.Default() && r.Table == TableMain })
}

func (k *Kernel) routes(ctx context.Context, family uint8, want func(Route) bool) ([]Route, error) {
	hops, err := k.nextHops(ctx)
	if err != nil {
		return nil, err
	}
	msgs, err := k.dump(ctx, unix.RTM_GETROUTE, unix.RTM_NEWROUTE, routeHeader(family))
	if err != nil {
		return nil, kernelError(err, "list routes")
	}
	var out []Route
	for _, m := range msgs {
		for _, r := range decodeRoute(m, hops) {
			if want(r) {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

func routeHeader(family uint8) *nl.RtMsg { return &nl.RtMsg{RtMsg: unix.RtMsg{Family: family}} }

// nextHops lists the nexthop objects. Kernels before 5.3 have none.
func (k *Kernel) nextHops(ctx context.Context) (map[uint32]nextHop, error) {
	msgs, err := k.dump(ctx, unix.RTM_GETNEXTHOP, unix.RTM_NEWNEXTHOP, hopHeader())
	if err != nil {
		if noNextHops(err) {
			return nil, nil
		}
		return nil, kernelError(err, "list nexthop objects")
	}
	hops := make(map[uint32]nextHop, len(msgs))
	for _, m := range msgs {
		if id, hop, ok := decodeNextHop(m); ok {
			hops[id] = hop
		}
	}
	return hops, nil
}

// hopHeader is an empty struct nhmsg, which is as long as a struct ifaddrmsg and in the same place has
// the family: all nexthop objects, whatever their family.
func hopHeader() *nl.IfAddrmsg { return nl.NewIfAddrmsg(unix.AF_UNSPEC) }
