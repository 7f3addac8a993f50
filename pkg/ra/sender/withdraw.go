package sender

import (
	"net/netip"
	"slices"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/ra"
)

const (
	// deprecationLife is how long a prefix that was taken out of the configuration is still advertised:
	// hosts cut the valid lifetime of their addresses to two hours and no shorter (RFC 4862, section
	// 5.5.3).
	deprecationLife = 2 * time.Hour
	// farewells is in how many multicast advertisements other things are withdrawn.
	farewells = 3
)

// A withdrawal is what was advertised, is not any more, and is being taken back.
type withdrawal struct {
	prefixes []deprecated
	routes   []leaving[netip.Prefix]
	servers  []leaving[netip.Addr]
	domains  []leaving[string]
	pref64   []leaving[netip.Prefix]
}

// A deprecated prefix is advertised with preferred lifetime 0 and what is left of its valid one.
type deprecated struct {
	prefix ra.Prefix
	until  clock.Instant
}

// leaving is a thing that is sent with lifetime 0, left times more.
type leaving[K comparable] struct {
	key  K
	left int
}

// change takes in that one advertisement takes another's place.
func (w *withdrawal) change(now clock.Instant, was, is ra.Advertisement) {
	w.routes = leave(w.routes, keys(was.Routes, routePrefix), keys(is.Routes, routePrefix))
	w.servers = leave(w.servers, servers(was), servers(is))
	w.domains = leave(w.domains, domains(was), domains(is))
	w.pref64 = leave(w.pref64, keys(was.PREF64, nat64Prefix), keys(is.PREF64, nat64Prefix))

	kept := keys(is.Prefixes, prefixOf)
	w.prefixes = slices.DeleteFunc(w.prefixes, func(d deprecated) bool { return slices.Contains(kept, d.prefix.Prefix) })
	for _, p := range was.Prefixes {
		if p.Valid > 0 && !slices.Contains(kept, p.Prefix) {
			w.prefixes = append(w.prefixes, deprecated{p, now.Add(min(p.Valid, deprecationLife))})
		}
	}
}

// leave adds what was and is not any more to the list, and takes what is (again) off it.
func leave[K comparable](list []leaving[K], was, is []K) []leaving[K] {
	list = slices.DeleteFunc(list, func(l leaving[K]) bool { return slices.Contains(is, l.key) || slices.Contains(was, l.key) })
	for _, k := range was {
		if !slices.Contains(is, k) {
			list = append(list, leaving[K]{k, farewells})
		}
	}
	return list
}

// add puts what is being withdrawn into an advertisement that leaves now.
func (w *withdrawal) add(now clock.Instant, a *ra.Advertisement) {
	w.prefixes = slices.DeleteFunc(w.prefixes, func(d deprecated) bool { return d.until <= now })
	for _, d := range w.prefixes {
		d.prefix.Preferred, d.prefix.Valid = 0, d.until.Sub(now)
		a.Prefixes = append(a.Prefixes, d.prefix)
	}
	for _, l := range w.routes {
		a.Routes = append(a.Routes, ra.Route{Prefix: l.key})
	}
	for _, l := range w.servers {
		a.RDNSS = append(a.RDNSS, ra.RDNSS{Servers: []netip.Addr{l.key}})
	}
	for _, l := range w.domains {
		a.DNSSL = append(a.DNSSL, ra.DNSSL{Domains: []string{l.key}})
	}
	for _, l := range w.pref64 {
		a.PREF64 = append(a.PREF64, ra.PREF64{Prefix: l.key})
	}
}

// sent notes that all nodes were told once more.
func (w *withdrawal) sent() {
	w.routes, w.servers, w.domains, w.pref64 = once(w.routes), once(w.servers), once(w.domains), once(w.pref64)
}

func once[K comparable](list []leaving[K]) []leaving[K] {
	for i := range list {
		list[i].left--
	}
	return slices.DeleteFunc(list, func(l leaving[K]) bool { return l.left <= 0 })
}

func keys[T any, K comparable](list []T, key func(T) K) []K {
	out := make([]K, 0, len(list))
	for _, v := range list {
		out = append(out, key(v))
	}
	return out
}

func prefixOf(p ra.Prefix) netip.Prefix    { return p.Prefix }
func routePrefix(r ra.Route) netip.Prefix  { return r.Prefix }
func nat64Prefix(p ra.PREF64) netip.Prefix { return p.Prefix }

func servers(a ra.Advertisement) (all []netip.Addr) {
	for _, r := range a.RDNSS {
		all = append(all, r.Servers...)
	}
	return all
}

func domains(a ra.Advertisement) (all []string) {
	for _, d := range a.DNSSL {
		all = append(all, d.Domains...)
	}
	return all
}
