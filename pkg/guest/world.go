package guest

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra/listener"
)

// A world is the kernel's state as its events tell it. The agent's goroutine writes it; clients read
// it from theirs, when they judge an address that is offered.
type world struct {
	mu     sync.Mutex
	nics   map[int]link.NIC
	names  map[int][]string // that a NIC bore before, latest first
	addrs  map[int]map[netip.Addr]link.Addr
	routes map[routeKey]link.Route
	said   map[int]listener.Snapshot // what routers say on each NIC
	// leases are the addresses that v6guest has leased for each NIC, be they on it at the moment or not.
	leases     map[int]map[netip.Addr]bool
	defaultNIC int // its index; 0 when there is none
	rules      map[link.Rule]bool
	listed     bool   // the first inventory is complete
	version    uint64 // grows with every event

	// onLink are the routes to prefixes on each NIC's link, of onLinkVersion.
	onLink        map[int][]link.Route
	onLinkVersion uint64
}

// A routeKey tells routes apart; their expiry changes all the time.
type routeKey struct {
	index, metric, table int
	dst                  netip.Prefix
	gateway              netip.Addr
	protocol             link.Protocol
	nextHop              uint32
}

func keyOf(r link.Route) routeKey {
	return routeKey{r.Index, r.Metric, r.Table, r.Dst, r.Gateway, r.Protocol, r.NextHopID}
}

func newWorld() *world {
	return &world{
		nics: map[int]link.NIC{}, names: map[int][]string{},
		addrs: map[int]map[netip.Addr]link.Addr{}, routes: map[routeKey]link.Route{},
		said: map[int]listener.Snapshot{}, leases: map[int]map[netip.Addr]bool{},
		rules: map[link.Rule]bool{},
	}
}

// see takes an event in.
func (w *world) see(ev link.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.version++
	switch ev := ev.(type) {
	case link.NICChanged:
		if old, ok := w.nics[ev.NIC.Index]; ok && old.Name != ev.NIC.Name {
			w.renamed(old, ev.NIC.Name)
		}
		w.nics[ev.NIC.Index] = ev.NIC
	case link.NICGone:
		delete(w.nics, ev.NIC.Index)
		delete(w.names, ev.NIC.Index)
		delete(w.addrs, ev.NIC.Index)
		delete(w.said, ev.NIC.Index)
		delete(w.leases, ev.NIC.Index)
		maps.DeleteFunc(w.routes, func(k routeKey, _ link.Route) bool { return k.index == ev.NIC.Index })
	case link.AddrChanged:
		if w.addrs[ev.Addr.Index] == nil {
			w.addrs[ev.Addr.Index] = map[netip.Addr]link.Addr{}
		}
		w.addrs[ev.Addr.Index][ev.Addr.Addr] = ev.Addr
	case link.AddrGone:
		delete(w.addrs[ev.Addr.Index], ev.Addr.Addr)
	case link.RouteChanged:
		w.routes[keyOf(ev.Route)] = ev.Route
	case link.RouteGone:
		delete(w.routes, keyOf(ev.Route))
	case link.RuleChanged:
		w.rules[ev.Rule] = true
	case link.RuleGone:
		delete(w.rules, ev.Rule)
	case link.Listed:
		w.listed = true
	}
}

// maxOldNames bounds the memory of a NIC that is renamed in a loop.
const maxOldNames = 8

// renamed notes the name that the NIC bore. A name that another NIC took over meanwhile still counts
// for the one that bore it when the agent first saw it.
func (w *world) renamed(old link.NIC, now string) {
	names := slices.DeleteFunc(w.names[old.Index], func(n string) bool { return n == now || n == old.Name })
	w.names[old.Index] = slices.Insert(names, 0, old.Name)
	if n := w.names[old.Index]; len(n) > maxOldNames {
		w.names[old.Index] = n[:maxOldNames]
	}
}

// list is every NIC, by index.
func (w *world) list() []link.NIC {
	return slices.SortedFunc(maps.Values(w.nics), func(a, b link.NIC) int { return cmp.Compare(a.Index, b.Index) })
}

// ipv4Defaults are the IPv4 default routes.
func (w *world) ipv4Defaults() []IPv4Default {
	var out []IPv4Default
	for _, r := range w.routes {
		if r.Default() && r.Dst.Addr().Is4() && r.Index != 0 {
			out = append(out, IPv4Default{r.Index, uint32(r.Metric)})
		}
	}
	slices.SortFunc(out, compareRoutes)
	return out
}

// ipv6Defaults are the IPv6 default routes of the main table through a NIC, by gateway.
func (w *world) ipv6Defaults(index int) []link.Route {
	var out []link.Route
	for _, r := range w.routes {
		if r.Index == index && r.Default() && r.Dst.Addr().Is6() && r.Table == link.TableMain {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b link.Route) int { return a.Gateway.Compare(b.Gateway) })
	return out
}

// addresses are those of a NIC, in the order of their values.
func (w *world) addresses(index int) []link.Addr {
	return slices.SortedFunc(maps.Values(w.addrs[index]), func(a, b link.Addr) int { return a.Addr.Compare(b.Addr) })
}

// linkLocal is the link-local address that a client on the NIC is to speak from: the one it uses, as
// long as that is usable, else the EUI-64 one, which is the one that a cloud's filters let through,
// else any usable one. The zero Addr says that there is none.
func (w *world) linkLocal(index int, inUse netip.Addr) netip.Addr {
	var best netip.Addr
	eui := eui64(w.nics[index].MAC)
	for _, a := range w.addresses(index) {
		if !a.Addr.IsLinkLocalUnicast() || !a.Usable() {
			continue
		}
		if a.Addr == inUse {
			return inUse
		}
		if !best.IsValid() || a.Addr == eui {
			best = a.Addr
		}
	}
	return best
}

// eui64 is the link-local address that RFC 4291, appendix A, makes of a MAC.
func eui64(mac []byte) netip.Addr {
	if len(mac) != 6 {
		return netip.Addr{}
	}
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: mac[0] ^ 2, 9: mac[1], 10: mac[2], 11: 0xff, 12: 0xfe, 13: mac[3], 14: mac[4], 15: mac[5]})
}
