package link

import (
	"context"
	"errors"
	"net/netip"
	"slices"
)

// Leftovers is what Router Advertisements that the kernel accepted earlier left on a NIC. Switching
// accept_ra or autoconf off removes none of it.
type Leftovers struct {
	// Addrs are autoconfigured addresses, temporary ones among them.
	Addrs []Addr
	// Routes are default routes and others of protocol RA, whoever made them from an RA, and the
	// on-link routes of advertised prefixes, which the kernel marks as its own.
	Routes []Route
}

// Empty reports whether nothing is left.
func (l Leftovers) Empty() bool { return len(l.Addrs) == 0 && len(l.Routes) == 0 }

// Leftovers lists what earlier Router Advertisements left on a NIC. Not among it is what
// InstallAddress has taken over, and the prefix route of an address that has one.
func (k *Kernel) Leftovers(ctx context.Context, index int) (Leftovers, error) {
	addrs, err := k.Addrs(ctx, index)
	if err != nil {
		return Leftovers{}, err
	}
	routes, err := k.Routes(ctx, index)
	if err != nil {
		return Leftovers{}, err
	}
	return leftovers(addrs, routes), nil
}

func leftovers(addrs []Addr, routes []Route) Leftovers {
	var l Leftovers
	var prefixes []netip.Prefix // of addresses that stay and have a prefix route
	for _, a := range addrs {
		switch {
		case a.Autoconf():
			l.Addrs = append(l.Addrs, a)
		case !a.NoPrefix:
			prefixes = append(prefixes, a.Prefix())
		}
	}
	for _, r := range routes {
		switch {
		case r.Protocol == ProtoRA:
			l.Routes = append(l.Routes, r)
		case r.fromPrefixInformation() && !slices.Contains(prefixes, r.Dst):
			l.Routes = append(l.Routes, r)
		}
	}
	return l
}

// fromPrefixInformation reports whether r looks like the kernel's on-link route of an advertised
// prefix. That of an address looks the same.
func (r Route) fromPrefixInformation() bool {
	return r.Protocol == ProtoKernel && r.OnLink() && r.Table == TableMain && r.NextHopID == 0 &&
		r.Dst.Bits() > 0 && r.Dst.Bits() < 128 && r.Dst.Addr().IsGlobalUnicast()
}

// RemoveLeftovers removes what Leftovers lists and returns what it removed; keep, if not nil, says
// which addresses stay. It tries all, even if one fails. The kernel makes them again at the next
// Router Advertisement unless accept_ra (and autoconf) are off on the NIC.
func (k *Kernel) RemoveLeftovers(ctx context.Context, index int, keep func(Addr) bool) (Leftovers, error) {
	found, err := k.Leftovers(ctx, index)
	if err != nil {
		return Leftovers{}, err
	}
	var done Leftovers
	var errs []error
	for _, r := range found.Routes {
		if err := k.RemoveRoute(ctx, r); err != nil {
			errs = append(errs, err)
			continue
		}
		done.Routes = append(done.Routes, r)
	}
	for _, a := range found.Addrs {
		if keep != nil && keep(a) {
			continue
		}
		if err := k.remove(ctx, a); err != nil {
			errs = append(errs, kernelError(err, "remove address %s from network interface %d", a.Addr, index))
			continue
		}
		done.Addrs = append(done.Addrs, a)
	}
	return done, errors.Join(errs...)
}

// RemoveRADefaultRoutes removes the default routes of protocol RA that lead through a NIC, in all
// tables, and returns them.
func (k *Kernel) RemoveRADefaultRoutes(ctx context.Context, index int) ([]Route, error) {
	routes, err := k.Routes(ctx, index)
	if err != nil {
		return nil, err
	}
	var done []Route
	var errs []error
	for _, r := range routes {
		if r.Protocol != ProtoRA || !r.Default() {
			continue
		}
		if err := k.RemoveRoute(ctx, r); err != nil {
			errs = append(errs, err)
			continue
		}
		done = append(done, r)
	}
	return done, errors.Join(errs...)
}
