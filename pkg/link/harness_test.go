package link

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// patience bounds a wait for an event that must come.
const patience = 20 * time.Second

var (
	guestMAC  = net.HardwareAddr{0x06, 0xa0, 0xf0, 0, 0, 0x38}
	routerMAC = net.HardwareAddr{0x06, 0xa0, 0xf0, 0, 0, 0x01}
	byAddr    = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	byPrefix  = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
)

// A namespace is a fresh network namespace with the ways to change it that are not under test.
type namespace struct {
	t  *testing.T
	ns netns.NsHandle
	h  *netlink.Handle
}

func newNamespace(t *testing.T) *namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes network namespaces")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	check(t, err)
	defer home.Close()
	ns, err := netns.New()
	check(t, err)
	check(t, netns.Set(home))
	t.Cleanup(func() { ns.Close() })
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	check(t, err)
	t.Cleanup(h.Close)
	return &namespace{t: t, ns: ns, h: h}
}

// in runs do on a thread that is in the namespace.
func (n *namespace) in(do func()) {
	n.t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	check(n.t, err)
	defer home.Close()
	check(n.t, netns.Set(n.ns))
	defer func() { check(n.t, netns.Set(home)) }()
	do()
}

func (n *namespace) open(cfg Config) *Kernel {
	n.t.Helper()
	var k *Kernel
	n.in(func() {
		var err error
		k, err = Open(cfg)
		check(n.t, err)
	})
	n.t.Cleanup(func() { k.Close() })
	return k
}

func (n *namespace) sysctl(path, value string) {
	n.t.Helper()
	n.in(func() { check(n.t, os.WriteFile(filepath.Join("/proc/sys/net", path), []byte(value), 0)) })
}

func (n *namespace) link(name string) netlink.Link {
	n.t.Helper()
	l, err := n.h.LinkByName(name)
	check(n.t, err)
	return l
}

func (n *namespace) index(name string) int { return n.link(name).Attrs().Index }

// A pair is a guest with NIC eth0 and, at the other end of its wire, a router with NIC r0.
type pair struct {
	guest, router *namespace
	k             *Kernel // of the guest
	eth0          int
}

func newPair(t *testing.T, cfg Config) *pair {
	t.Helper()
	p := &pair{guest: newNamespace(t), router: newNamespace(t)}
	p.router.sysctl("ipv6/conf/default/accept_dad", "0")
	p.connect("eth0", "r0", guestMAC, routerMAC)
	p.k, p.eth0 = p.guest.open(cfg), p.guest.index("eth0")
	return p
}

func (p *pair) connect(guest, router string, guestMAC, routerMAC net.HardwareAddr) {
	t := p.guest.t
	t.Helper()
	check(t, p.guest.h.LinkAdd(&netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: guest, HardwareAddr: guestMAC},
		PeerName:  router, PeerHardwareAddr: routerMAC, PeerNamespace: netlink.NsFd(p.router.ns),
	}))
	check(t, p.router.h.LinkSetUp(p.router.link(router)))
	check(t, p.guest.h.LinkSetUp(p.guest.link(guest)))
}

// A reader reads a Watch and keeps the state that its events tell.
type reader struct {
	t      *testing.T
	w      *Watch
	cancel context.CancelFunc
	log    []Event
	nics   map[int]NIC
	addrs  map[addrKey]Addr
	routes map[routeKey]Route
	rules  map[Rule]bool
}

func watch(t *testing.T, k *Kernel) *reader {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w, err := k.Watch(ctx)
	check(t, err)
	t.Cleanup(cancel)
	return &reader{t: t, w: w, cancel: cancel, nics: map[int]NIC{}, addrs: map[addrKey]Addr{}, routes: map[routeKey]Route{}, rules: map[Rule]bool{}}
}

// listed watches and reads the first inventory.
func listed(t *testing.T, k *Kernel) *reader {
	t.Helper()
	r := watch(t, k)
	r.await("the first inventory", func(ev Event) bool { _, ok := ev.(Listed); return ok })
	return r
}

// await reads events until one satisfies is, and returns it.
func (r *reader) await(what string, is func(Event) bool) Event {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case ev, ok := <-r.w.C:
			if !ok {
				r.t.Fatalf("waiting for %s: the watch ended: %v", what, r.w.Err())
			}
			r.note(ev)
			if is(ev) {
				return ev
			}
		case <-deadline:
			r.t.Fatalf("waited in vain for %s; events:\n%s", what, r.trace())
		}
	}
}

func (r *reader) note(ev Event) {
	r.t.Helper()
	r.log = append(r.log, ev)
	known := func(index int) {
		if _, ok := r.nics[index]; !ok {
			r.t.Errorf("%T of network interface %d before its NICChanged", ev, index)
		}
	}
	switch ev := ev.(type) {
	case NICChanged:
		r.nics[ev.NIC.Index] = ev.NIC
	case NICGone:
		known(ev.NIC.Index)
		delete(r.nics, ev.NIC.Index)
	case AddrChanged:
		known(ev.Addr.Index)
		r.addrs[addrKey{ev.Addr.Index, ev.Addr.Addr}] = ev.Addr
	case AddrGone:
		known(ev.Addr.Index)
		delete(r.addrs, addrKey{ev.Addr.Index, ev.Addr.Addr})
	case RouteChanged:
		known(ev.Route.Index)
		r.routes[ev.Route.key()] = ev.Route
	case RouteGone:
		delete(r.routes, ev.Route.key())
	case RuleChanged:
		r.rules[ev.Rule] = true
	case RuleGone:
		delete(r.rules, ev.Rule)
	}
}

func (r *reader) trace() string {
	var b strings.Builder
	for _, ev := range r.log {
		fmt.Fprintf(&b, "\t%T %+v\n", ev, ev)
	}
	return b.String()
}

// awaitAddr waits for an AddrChanged of addr that satisfies is (nil: any).
func (r *reader) awaitAddr(what string, addr netip.Addr, is func(Addr) bool) Addr {
	r.t.Helper()
	ev := r.await(what, func(ev Event) bool {
		c, ok := ev.(AddrChanged)
		return ok && c.Addr.Addr == addr && (is == nil || is(c.Addr))
	})
	return ev.(AddrChanged).Addr
}

func (r *reader) awaitNIC(what string, is func(NICChanged) bool) NICChanged {
	r.t.Helper()
	return r.await(what, func(ev Event) bool { c, ok := ev.(NICChanged); return ok && is(c) }).(NICChanged)
}

func (r *reader) awaitRoute(what string, is func(Route) bool) Route {
	r.t.Helper()
	return r.await(what, func(ev Event) bool { c, ok := ev.(RouteChanged); return ok && is(c.Route) }).(RouteChanged).Route
}

func (r *reader) awaitRouteGone(what string, is func(Route) bool) Route {
	r.t.Helper()
	return r.await(what, func(ev Event) bool { c, ok := ev.(RouteGone); return ok && is(c.Route) }).(RouteGone).Route
}

// mark makes a change of its own and waits for its event: all that happened before was told then.
func (r *reader) mark(p *pair) {
	r.t.Helper()
	mark := netip.MustParseAddr("fd00:ffff::1")
	check(r.t, p.k.InstallAddress(r.t.Context(), p.eth0, mark, time.Hour, time.Hour, AddressOptions{NoDAD: true}))
	r.awaitAddr("the mark", mark, nil)
	check(r.t, p.k.RemoveAddress(r.t.Context(), p.eth0, mark))
	r.await("the end of the mark", func(ev Event) bool { g, ok := ev.(AddrGone); return ok && g.Addr.Addr == mark })
}

// compare checks that the events tell the state that the kernel lists: now, or when those that are
// on their way (the end of a DAD, a new list) have come.
func (r *reader) compare(k *Kernel) {
	r.t.Helper()
	d := r.difference(k)
	if d == "" {
		return
	}
	deadline := time.After(patience)
	for d != "" {
		select {
		case ev, ok := <-r.w.C:
			if !ok {
				r.t.Fatalf("the watch ended: %v", r.w.Err())
			}
			r.note(ev)
			if len(r.w.C) == 0 { // the comparison takes long: not at each of thousands
				d = r.difference(k)
			}
		case <-deadline:
			r.t.Fatalf("the events tell another state than the kernel (-kernel +events):\n%s", d)
		}
	}
}

func (r *reader) difference(k *Kernel) string {
	r.t.Helper()
	ctx := r.t.Context()
	nics, err := k.NICs(ctx)
	check(r.t, err)
	d := difference(nics, sorted(r.nics, func(n NIC) string { return fmt.Sprintf("%06d", n.Index) }))

	addrs, err := k.Addrs(ctx, 0)
	check(r.t, err)
	// The kernel does not announce a tentative address of its own.
	addrs = slices.DeleteFunc(addrs, func(a Addr) bool {
		_, told := r.addrs[addrKey{a.Index, a.Addr}]
		return a.Tentative && (a.Origin != OriginUnknown || a.Temporary) && !told
	})
	name := func(a Addr) string { return fmt.Sprint(a.Index, a.Addr) }
	slices.SortFunc(addrs, func(a, b Addr) int { return strings.Compare(name(a), name(b)) })
	d += difference(addrs, sorted(r.addrs, name), cmpopts.IgnoreFields(Addr{}, "Preferred", "Valid"))

	routes, err := k.Routes(ctx, 0)
	check(r.t, err)
	routes = slices.DeleteFunc(routes, func(o Route) bool { return !o.watched() })
	four, err := k.IPv4DefaultRoutes(ctx)
	check(r.t, err)
	routes = append(routes, four...)
	way := func(o Route) string { return fmt.Sprint(o.key()) }
	slices.SortFunc(routes, func(a, b Route) int { return strings.Compare(way(a), way(b)) })
	d += difference(routes, sorted(r.routes, way), cmpopts.IgnoreFields(Route{}, "Expires"))

	rules, err := k.Rules(ctx)
	check(r.t, err)
	slices.SortFunc(rules, func(a, b Rule) int { return strings.Compare(a.String(), b.String()) })
	told := slices.SortedFunc(maps.Keys(r.rules), func(a, b Rule) int { return strings.Compare(a.String(), b.String()) })
	return d + difference(rules, told)
}

func sorted[K comparable, V any](m map[K]V, name func(V) string) []V {
	var out []V
	for _, v := range m {
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b V) int { return strings.Compare(name(a), name(b)) })
	return out
}

func diff(t *testing.T, what string, want, got any, opts ...cmp.Option) {
	t.Helper()
	if d := difference(want, got, opts...); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func difference(want, got any, opts ...cmp.Option) string {
	return cmp.Diff(want, got, append(opts, byAddr, byPrefix, cmpopts.EquateEmpty())...)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
