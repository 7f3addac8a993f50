package link

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

var (
	onLink  = netip.MustParsePrefix("2001:db8::/64")
	all     = netip.MustParsePrefix("::/0")
	router1 = netip.MustParseAddr("fe80::1")
	router2 = netip.MustParseAddr("fe80::2")
)

// newDual is a pair with a second NIC on the guest.
func newDual(t *testing.T) (p *pair, eth1 int) {
	t.Helper()
	p = newPair(t, Config{})
	p.connect("eth1", "r1", net.HardwareAddr{6, 0, 0, 0, 1, 1}, net.HardwareAddr{6, 0, 0, 0, 1, 2})
	return p, p.guest.index("eth1")
}

func TestRouteIsInstalledRenewedAndRemoved(t *testing.T) {
	t.Parallel()
	p, eth1 := newDual(t)
	r := listed(t, p.k)
	one := Route{Index: p.eth0, Dst: onLink, Protocol: ProtoDHCP, Metric: 1024, Table: TableMain}
	check(t, p.k.InstallRoute(t.Context(), Route{Index: p.eth0, Dst: onLink}))
	diff(t, "route", one, r.awaitRoute("the route", func(o Route) bool { return o.Dst == onLink }))

	// The same prefix through another NIC, with the same metric: both stay.
	two := one
	two.Index = eth1
	check(t, p.k.InstallRoute(t.Context(), two))
	diff(t, "second route", two, r.awaitRoute("the second", func(o Route) bool { return o.Dst == onLink }))
	if n := r.routesTo(onLink); n != 2 {
		t.Errorf("%d routes to the prefix, want 2", n)
	}
	r.compare(p.k)

	check(t, p.k.InstallRoute(t.Context(), one)) // again
	if n := r.routesTo(onLink); n != 2 {
		t.Errorf("%d routes to the prefix, want 2", n)
	}

	for range 2 { // the second time it is gone already
		check(t, p.k.RemoveRoute(t.Context(), one))
	}
	gone := r.awaitRouteGone("the removal", func(o Route) bool { return o.Dst == onLink })
	if gone.Index != p.eth0 {
		t.Errorf("removed %v", gone)
	}
	r.compare(p.k)
	if n := r.routesTo(onLink); n != 1 {
		t.Errorf("%d routes to the prefix, want the other NIC's alone", n)
	}
	check(t, p.guest.h.LinkDel(p.guest.link("eth1")))
	r.await("the end of eth1", func(ev Event) bool { g, ok := ev.(NICGone); return ok && g.NIC.Index == eth1 })
	check(t, p.k.RemoveRoute(t.Context(), two))
	if err := p.k.InstallRoute(t.Context(), two); !errors.Is(err, ErrNoNIC) {
		t.Errorf("install through a NIC that is gone: %v", err)
	}
	r.compare(p.k)
}

func indexOf(routes []Route, r Route) int {
	for i, o := range routes {
		if o.key() == r.key() {
			return i
		}
	}
	return -1
}

func TestExpiryOfARouteIsRenewed(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{})
	r := Route{Index: p.eth0, Dst: onLink}
	for _, tt := range []struct{ expires, above time.Duration }{{time.Hour, 59 * time.Minute}, {3 * time.Hour, 2 * time.Hour}, {time.Minute, 50 * time.Second}, {0, 0}} {
		r.Expires = tt.expires
		check(t, p.k.InstallRoute(t.Context(), r))
		got, err := p.k.Routes(t.Context(), p.eth0)
		check(t, err)
		i := indexOf(got, Route{Index: p.eth0, Dst: onLink, Table: TableMain, Metric: DefaultMetric, Protocol: ProtoDHCP})
		if i < 0 || got[i].Expires > tt.expires || got[i].Expires < tt.above {
			t.Errorf("want %v, got %+v", tt.expires, got)
		}
	}
}

func TestInstallRouteRefuses(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{})
	for name, r := range map[string]Route{
		"no destination":   {Index: p.eth0},
		"IPv4":             {Index: p.eth0, Dst: netip.MustParsePrefix("0.0.0.0/0")},
		"bits beyond":      {Index: p.eth0, Dst: netip.PrefixFrom(leased, 64)},
		"gateway of IPv4":  {Index: p.eth0, Dst: all, Gateway: netip.MustParseAddr("192.0.2.1")},
		"no NIC":           {Dst: all},
		"a NIC that isn't": {Index: 4711, Dst: all},
	} {
		if err := p.k.InstallRoute(t.Context(), r); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Default routes through a NIC, in each of the shapes that the kernel has for them, and none other.
func TestDefaultRoutesAreSeenInEveryShape(t *testing.T) {
	for _, tt := range []struct {
		name   string
		sysctl string // nexthop_compat_mode
		make   func(t *testing.T, p *pair, eth1 int)
		want   []Route // through eth1
	}{
		{"single", "1", func(t *testing.T, p *pair, eth1 int) {
			check(t, p.k.InstallRoute(t.Context(), Route{Index: eth1, Dst: all, Gateway: router1, Preference: PreferenceHigh, Metric: 512}))
			check(t, p.k.InstallRoute(t.Context(), Route{Index: eth1, Dst: all, Gateway: router2, Metric: 77, Table: 100}))
		}, []Route{{Dst: all, Gateway: router1, Metric: 512, Protocol: ProtoDHCP, Table: TableMain, Preference: PreferenceHigh}}},
		{"multipath", "1", func(t *testing.T, p *pair, eth1 int) {
			for _, index := range []int{p.eth0, eth1} {
				check(t, p.k.InstallRoute(t.Context(), Route{Index: index, Dst: all, Gateway: router1}))
			}
		}, []Route{{Dst: all, Gateway: router1, Metric: 1024, Protocol: ProtoDHCP, Table: TableMain, Multipath: true}}},
		{"nexthop object", "1", objects, wantObject},
		{"nexthop object, not spelled out", "0", objects, wantObject},
		{"nexthop group", "1", group, wantGroup},
		{"nexthop group, not spelled out", "0", group, wantGroup},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, eth1 := newDual(t)
			p.guest.sysctl("ipv4/nexthop_compat_mode", tt.sysctl)
			r := listed(t, p.k)
			tt.make(t, p, eth1)
			got, err := p.k.DefaultRoutes(t.Context(), eth1)
			check(t, err)
			want := slices.Clone(tt.want)
			for i := range want {
				want[i].Index = eth1
			}
			diff(t, "default routes", want, got)
			r.mark(p)
			r.compare(p.k)

			for _, o := range got {
				check(t, p.k.RemoveRoute(t.Context(), o))
			}
			left, err := p.k.DefaultRoutes(t.Context(), eth1)
			check(t, err)
			diff(t, "after the removal", []Route(nil), left)
			r.mark(p)
			r.compare(p.k)
		})
	}
}

func objects(_ *testing.T, p *pair, eth1 int) {
	p.guest.nextHop(7, eth1, router1)
	p.guest.routeByObject(7, 1024)
}

func group(_ *testing.T, p *pair, eth1 int) {
	p.guest.nextHop(7, p.eth0, router1)
	p.guest.nextHop(8, eth1, router2)
	p.guest.nextHopGroup(9, 7, 8)
	p.guest.routeByObject(9, 1024)
}

var (
	wantObject = []Route{{Dst: all, Gateway: router1, Metric: 1024, Protocol: ProtoRA, Table: TableMain, NextHopID: 7}}
	wantGroup  = []Route{{Dst: all, Gateway: router2, Metric: 1024, Protocol: ProtoRA, Table: TableMain, NextHopID: 9, Multipath: true}}
)

// A nexthop object that changes takes its routes along, without a word about them.
func TestChangedNextHopObjectMovesItsRoutes(t *testing.T) {
	for _, compat := range []string{"1", "0"} {
		t.Run("compat mode "+compat, func(t *testing.T) {
			t.Parallel()
			p, eth1 := newDual(t)
			p.guest.sysctl("ipv4/nexthop_compat_mode", compat)
			p.guest.nextHop(7, p.eth0, router1)
			p.guest.routeByObject(7, 1024)
			r := listed(t, p.k)
			p.guest.nextHop(7, eth1, router2)
			r.awaitRoute("the route through the other NIC", func(o Route) bool { return o.Default() && o.Index == eth1 })
			r.mark(p)
			r.compare(p.k)
			check(t, p.guest.change(unix.RTM_DELNEXTHOP, 0, hopHeader(), nl.NewRtAttr(unix.NHA_ID, nl.Uint32Attr(7))))
			r.awaitRouteGone("its end", func(o Route) bool { return o.Default() && o.Index == eth1 })
			r.mark(p)
			r.compare(p.k)
		})
	}
}

// The kernel would take networkd's route off the default NIC instead of its own off the other.
func TestRouteBesideOneOfANextHopObjectIsNotRemoved(t *testing.T) {
	t.Parallel()
	p, eth1 := newDual(t)
	p.guest.nextHop(7, p.eth0, router1)
	p.guest.routeByObject(7, 1024)
	mine := Route{Index: eth1, Dst: all, Gateway: router2, Protocol: ProtoRA}
	check(t, p.k.InstallRoute(t.Context(), mine))
	if err := p.k.RemoveRoute(t.Context(), mine); !errors.Is(err, ErrAmbiguousRoute) {
		t.Errorf("got %v", err)
	}
	routes, err := p.k.DefaultRoutes(t.Context(), 0)
	check(t, err)
	if len(routes) != 2 {
		t.Errorf("left %v", routes)
	}
	// Why: this is what the kernel does when it is asked nevertheless.
	check(t, p.guest.change(unix.RTM_DELROUTE, 0, mine.normal().request()...))
	routes, err = p.k.DefaultRoutes(t.Context(), eth1)
	check(t, err)
	if len(routes) != 1 {
		t.Log("this kernel removes the right one")
	}
}

// One way of a multipath route goes, the other stays.
func TestOneWayOfAMultipathRouteIsRemoved(t *testing.T) {
	t.Parallel()
	p, eth1 := newDual(t)
	r := listed(t, p.k)
	for _, index := range []int{p.eth0, eth1} {
		check(t, p.k.InstallRoute(t.Context(), Route{Index: index, Dst: all, Gateway: router1}))
	}
	check(t, p.k.RemoveRoute(t.Context(), Route{Index: eth1, Dst: all, Gateway: router1}))
	r.awaitRouteGone("the way", func(o Route) bool { return o.Default() && o.Index == eth1 })
	r.awaitRoute("the other, single now", func(o Route) bool { return o.Default() && o.Index == p.eth0 && !o.Multipath })
	r.mark(p)
	r.compare(p.k)
}

func TestIPv4DefaultRoutesAreFollowed(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{})
	eth0 := p.guest.link("eth0")
	add := func() {
		t.Helper()
		check(t, p.guest.h.AddrAdd(eth0, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(192, 0, 2, 2), Mask: net.CIDRMask(24, 32)}}))
		check(t, p.guest.h.RouteAdd(&netlink.Route{LinkIndex: p.eth0, Gw: net.IPv4(192, 0, 2, 1), Src: net.IPv4(192, 0, 2, 2), Priority: 100}))
	}
	add()
	r := listed(t, p.k)
	four := func(o Route) bool { return o.Dst.Addr().Is4() }
	got, err := p.k.IPv4DefaultRoutes(t.Context())
	check(t, err)
	want := []Route{{
		Index: p.eth0, Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("192.0.2.1"),
		Metric: 100, Protocol: ProtoBoot, Table: TableMain, Source: netip.MustParseAddr("192.0.2.2"),
	}}
	diff(t, "IPv4 default routes", want, got)
	r.compare(p.k)

	// It goes with its source address, and with the NIC, and the kernel says neither.
	check(t, p.guest.h.AddrDel(eth0, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(192, 0, 2, 2), Mask: net.CIDRMask(24, 32)}}))
	r.awaitRouteGone("the route without its source", four)
	add()
	r.awaitRoute("the route again", four)
	check(t, p.guest.h.LinkSetDown(eth0))
	r.awaitRouteGone("the route without its NIC", four)
	r.mark2(p)
	r.compare(p.k)
}

// mark2 is mark for a NIC that is down.
func (r *reader) mark2(p *pair) {
	r.t.Helper()
	check(r.t, p.guest.h.LinkSetMTU(p.guest.link("lo"), 60000))
	r.awaitNIC("the mark", func(c NICChanged) bool { return c.NIC.MTU == 60000 })
}

// With the sysctl the kernel is silent about IPv6 routes of a NIC that goes down, too.
func TestRoutesThatGoInSilenceAreMissed(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{})
	p.guest.sysctl("ipv6/route/skip_notify_on_dev_down", "1")
	r := listed(t, p.k)
	check(t, p.k.InstallRoute(t.Context(), Route{Index: p.eth0, Dst: all, Gateway: router1}))
	r.awaitRoute("the route", Route.Default)
	check(t, p.guest.h.LinkSetDown(p.guest.link("eth0")))
	r.awaitRouteGone("its end", Route.Default)
	r.mark2(p)
	r.compare(p.k)
}

// A replacement does not say what it replaced.
func TestReplacedRouteGoes(t *testing.T) {
	t.Parallel()
	p, eth1 := newDual(t)
	r := listed(t, p.k)
	check(t, p.k.InstallRoute(t.Context(), Route{Index: p.eth0, Dst: all, Gateway: router1}))
	r.awaitRoute("the route", Route.Default)
	check(t, p.guest.h.RouteReplace(&netlink.Route{LinkIndex: eth1, Dst: &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}, Gw: router2.AsSlice(), Priority: 1024}))
	r.awaitRouteGone("the replaced one", func(o Route) bool { return o.Default() && o.Index == p.eth0 })
	r.mark(p)
	r.compare(p.k)
}

// change makes a change in the namespace that netlink's upper layer does not know.
func (n *namespace) change(msgType, flags int, data ...nl.NetlinkRequestData) (err error) {
	n.in(func() {
		req := nl.NewNetlinkRequest(msgType, flags|unix.NLM_F_ACK)
		for _, d := range data {
			req.AddData(d)
		}
		_, err = req.Execute(unix.NETLINK_ROUTE, 0)
	})
	return err
}

func (n *namespace) nextHop(id, index int, gateway netip.Addr) {
	n.t.Helper()
	check(n.t, n.change(unix.RTM_NEWNEXTHOP, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, nl.NewIfAddrmsg(unix.AF_INET6),
		nl.NewRtAttr(unix.NHA_ID, nl.Uint32Attr(uint32(id))), nl.NewRtAttr(unix.NHA_OIF, nl.Uint32Attr(uint32(index))),
		nl.NewRtAttr(unix.NHA_GATEWAY, gateway.AsSlice())))
}

func (n *namespace) nextHopGroup(id int, members ...uint32) {
	n.t.Helper()
	var b []byte
	for _, m := range members {
		b = append(append(b, nl.Uint32Attr(m)...), 0, 0, 0, 0)
	}
	check(n.t, n.change(unix.RTM_NEWNEXTHOP, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, hopHeader(),
		nl.NewRtAttr(unix.NHA_ID, nl.Uint32Attr(uint32(id))), nl.NewRtAttr(unix.NHA_GROUP, b)))
}

// routeByObject makes a default route of protocol RA as networkd does.
func (n *namespace) routeByObject(id uint32, metric int) {
	n.t.Helper()
	r := Route{Dst: all, Protocol: ProtoRA, Table: TableMain, Metric: metric, NextHopID: id}
	check(n.t, n.change(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, r.routeOfObject()...))
}
