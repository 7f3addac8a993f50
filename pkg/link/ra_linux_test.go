package link

import (
	"net/netip"
	"testing"
	"time"

	"github.com/mdlayher/ndp"
	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/wire"
)

// advertise sends a Router Advertisement from r0: a default route for half an hour, and the prefix
// on-link and autonomous.
func (p *pair) advertise(prefix netip.Prefix, life time.Duration) {
	t := p.router.t
	t.Helper()
	ra := &ndp.RouterAdvertisement{
		CurrentHopLimit: 64, ManagedConfiguration: true, RouterLifetime: 30 * time.Minute,
		Options: []ndp.Option{
			&ndp.LinkLayerAddress{Direction: ndp.Source, Addr: routerMAC},
			&ndp.PrefixInformation{
				PrefixLength: uint8(prefix.Bits()), OnLink: true, AutonomousAddressConfiguration: true,
				ValidLifetime: life, PreferredLifetime: life, Prefix: prefix.Addr(),
			},
		},
	}
	b, err := ndp.MarshalMessage(ra)
	check(t, err)
	p.router.in(func() {
		fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMPV6)
		check(t, err)
		defer unix.Close(fd)
		check(t, unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 255))
		check(t, unix.Sendto(fd, b, 0, &unix.SockaddrInet6{
			Addr: netip.MustParseAddr("ff02::1").As16(), ZoneId: uint32(p.router.index("r0")),
		}))
	})
}

var autoconf = netip.MustParseAddr("2001:db8::4a0:f0ff:fe00:38")

func fromRouter(o Route) bool { return o.Default() && o.Protocol == ProtoRA }

// listen lets the guest take RAs and waits until it can.
func (p *pair) listen(t *testing.T, acceptRA string) *reader {
	t.Helper()
	p.guest.sysctl("ipv6/conf/eth0/accept_ra", acceptRA)
	p.guest.sysctl("ipv6/conf/eth0/use_tempaddr", "2")
	r := listed(t, p.k)
	eui := netip.MustParseAddr("fe80::4a0:f0ff:fe00:38")
	if a, found, err := p.k.LinkLocal(t.Context(), p.eth0); err != nil || !found || !a.Usable() {
		r.awaitAddr("the link-local address", eui, Addr.Usable)
	}
	return r
}

func TestLeftoversOfRouterAdvertisementsAreRemoved(t *testing.T) {
	for _, tt := range []struct {
		name string
		life time.Duration
	}{
		{"finite", time.Hour},
		{"infinite: the prefix route has no expiry", ndp.Infinity},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, Config{})
			r := p.listen(t, "1")
			p.advertise(onLink, tt.life)
			r.awaitAddr("the autoconfigured address", autoconf, Addr.Usable)
			ours := netip.MustParseAddr("2001:db8:1::1")
			check(t, p.k.InstallAddress(t.Context(), p.eth0, ours, time.Hour, time.Hour, AddressOptions{}))
			check(t, p.k.InstallRoute(t.Context(), Route{Index: p.eth0, Dst: netip.MustParsePrefix("2001:db8:1::/64")}))

			// Switching off removes nothing.
			p.guest.sysctl("ipv6/conf/eth0/accept_ra", "0")
			p.guest.sysctl("ipv6/conf/eth0/autoconf", "0")
			l, err := p.k.Leftovers(t.Context(), p.eth0)
			check(t, err)
			var main, temporary int
			for _, a := range l.Addrs {
				switch {
				case a.Addr == autoconf && a.ManagedTemp && a.Origin == OriginRA:
					main++
				case a.Temporary && onLink.Contains(a.Addr):
					temporary++
				default:
					t.Errorf("not a leftover: %+v", a)
				}
			}
			if main != 1 || temporary != 1 || len(l.Routes) != 2 {
				t.Errorf("found %+v; want an address, a temporary one and two routes", l)
			}

			done, err := p.k.RemoveLeftovers(t.Context(), p.eth0, nil)
			check(t, err)
			if len(done.Routes) != 2 || len(done.Addrs) != 2 {
				t.Errorf("removed %+v", done)
			}
			l, err = p.k.Leftovers(t.Context(), p.eth0)
			check(t, err)
			if !l.Empty() {
				t.Errorf("left %+v", l)
			}
			r.mark(p)
			for _, o := range r.routes {
				if o.Default() || o.Dst == onLink {
					t.Errorf("left %v", o)
				}
			}
			if _, ok := r.addrs[addrKey{p.eth0, ours}]; !ok {
				t.Error("our own address went too")
			}
			r.compare(p.k)
		})
	}
}

func TestRADefaultRoutesAloneAreRemoved(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{})
	r := p.listen(t, "1")
	p.advertise(onLink, time.Hour)
	r.awaitAddr("the autoconfigured address", autoconf, Addr.Usable)
	check(t, p.k.InstallRoute(t.Context(), Route{Index: p.eth0, Dst: all, Gateway: router2, Metric: 2000}))
	done, err := p.k.RemoveRADefaultRoutes(t.Context(), p.eth0)
	check(t, err)
	if len(done) != 1 || done[0].Protocol != ProtoRA || done[0].Expires <= 0 || done[0].Expires > 30*time.Minute {
		t.Errorf("removed %+v", done)
	}
	left, err := p.k.DefaultRoutes(t.Context(), p.eth0)
	check(t, err)
	if len(left) != 1 || left[0].Protocol != ProtoDHCP {
		t.Errorf("left %v", left)
	}
	if r.routesTo(onLink) != 1 {
		t.Error("the prefix route went too")
	}
}

// Decision 13: a /64 that the kernel made earlier is taken over; it must stay usable all the while,
// and what earlier RAs left must then go without it.
func TestKernelsAutoconfiguredAddressIsTakenOver(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{})
	r := p.listen(t, "1")
	p.advertise(onLink, time.Hour)
	r.awaitAddr("the autoconfigured address", autoconf, Addr.Usable)
	p.guest.sysctl("ipv6/conf/eth0/accept_ra", "0")
	p.guest.sysctl("ipv6/conf/eth0/autoconf", "0")
	r.log = nil

	check(t, p.k.InstallAddress(t.Context(), p.eth0, autoconf, 2*time.Hour, 3*time.Hour, AddressOptions{}))
	a := r.awaitAddr("our lifetimes", autoconf, func(a Addr) bool { return a.Valid > 2*time.Hour })
	if a.Bits != 64 || !a.NoPrefix || a.ManagedTemp || a.Autoconf() {
		t.Errorf("taken over as %+v", a)
	}
	_, err := p.k.RemoveLeftovers(t.Context(), p.eth0, nil)
	check(t, err)
	check(t, p.k.InstallAddress(t.Context(), p.eth0, autoconf, wire.Infinite, wire.Infinite, AddressOptions{}))
	r.awaitAddr("infinite lifetimes", autoconf, func(a Addr) bool { return a.Permanent })
	check(t, p.k.InstallAddress(t.Context(), p.eth0, autoconf, time.Hour, 2*time.Hour, AddressOptions{}))
	r.awaitAddr("finite ones", autoconf, func(a Addr) bool { return !a.Permanent && a.NoPrefix && a.Bits == 64 })
	r.mark(p)
	for _, ev := range r.log {
		switch ev := ev.(type) {
		case AddrGone:
			if ev.Addr.Addr == autoconf {
				t.Errorf("it went away: %+v", ev)
			}
		case AddrChanged:
			if ev.Addr.Addr == autoconf && !ev.Addr.Usable() {
				t.Errorf("it was not usable: %+v", ev)
			}
		}
	}
	for _, o := range r.routes {
		if o.Dst == onLink {
			t.Errorf("it made %v", o)
		}
	}
	check(t, p.k.RemoveAddress(t.Context(), p.eth0, autoconf))
	r.await("its end", func(ev Event) bool { g, ok := ev.(AddrGone); return ok && g.Addr.Addr == autoconf })
	r.compare(p.k)
}

// With accept_ra=1 the kernel drops the RA's default route when forwarding is switched on.
func TestForwardingSwitchedOnIsSeen(t *testing.T) {
	for acceptRA, stays := range map[string]bool{"1": false, "2": true} {
		t.Run("accept_ra="+acceptRA, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, Config{})
			r := p.listen(t, acceptRA)
			p.advertise(onLink, time.Hour)
			r.awaitRoute("the default route", fromRouter)
			p.guest.sysctl("ipv6/conf/all/forwarding", "1")
			if !stays {
				r.awaitRouteGone("its end", fromRouter)
			}
			r.mark(p)
			r.compare(p.k)
			got, err := p.k.DefaultRoutes(t.Context(), p.eth0)
			check(t, err)
			if (len(got) == 1) != stays {
				t.Errorf("default routes: %v", got)
			}
		})
	}
}
