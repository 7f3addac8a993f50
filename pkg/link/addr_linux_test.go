package link

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"

	"github.com/v6guest/v6guest/pkg/wire"
)

var leased = netip.MustParseAddr("2001:db8::38")

// TestAddressIsInstalledAndPassesDAD: C-18.2.10.1-11, C-18.2.10.1-12, C-5942.4-01. It is a /128, and nothing becomes on-link.
func TestAddressIsInstalledAndPassesDAD(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{})
	r := listed(t, p.k)
	check(t, p.k.InstallAddress(t.Context(), p.eth0, leased, time.Hour, 2*time.Hour, AddressOptions{}))
	r.awaitAddr("the tentative address", leased, func(a Addr) bool { return a.Tentative && !a.DADFailed && !a.Usable() })
	got := r.awaitAddr("the end of DAD", leased, func(a Addr) bool { return !a.Tentative })
	want := Addr{Index: p.eth0, Addr: leased, Bits: 128, NoPrefix: true, Preferred: time.Hour, Valid: 2 * time.Hour}
	diff(t, "address", want, got, cmpopts.IgnoreFields(Addr{}, "Preferred", "Valid"))
	if got.Valid < time.Hour || got.Valid > 2*time.Hour {
		t.Errorf("valid for %v, want about 2 h", got.Valid)
	}
	for _, dst := range []string{"2001:db8::38/128", "2001:db8::/64"} {
		if r.routesTo(netip.MustParsePrefix(dst)) != 0 {
			t.Errorf("the address made %s on-link", dst)
		}
	}
	r.compare(p.k)

	check(t, p.k.RemoveAddress(t.Context(), p.eth0, leased))
	r.await("the address to go", func(ev Event) bool { g, ok := ev.(AddrGone); return ok && g.Addr.Addr == leased })
	check(t, p.k.RemoveAddress(t.Context(), p.eth0, leased)) // gone already
	r.compare(p.k)
}

func (r *reader) routesTo(dst netip.Prefix) (n int) {
	for _, o := range r.routes {
		if o.Dst == dst {
			n++
		}
	}
	return n
}

// The kernel removes an address that fails DAD if its lifetime is finite, and keeps it if not.
func TestDADFailureIsTold(t *testing.T) {
	for _, tt := range []struct {
		name  string
		valid time.Duration
		kept  bool
	}{
		{"finite lifetime: gone with the flag", time.Hour, false},
		{"infinite lifetime: changed to failed", wire.Infinite, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, Config{})
			theirs := &netlink.Addr{IPNet: &net.IPNet{IP: leased.AsSlice(), Mask: net.CIDRMask(64, 128)}}
			check(t, p.router.h.AddrAdd(p.router.link("r0"), theirs))
			r := listed(t, p.k)
			check(t, p.k.InstallAddress(t.Context(), p.eth0, leased, tt.valid, tt.valid, AddressOptions{}))
			r.await("the failure", func(ev Event) bool {
				switch ev := ev.(type) {
				case AddrChanged:
					return tt.kept && ev.Addr.Addr == leased && ev.Addr.DADFailed && !ev.Addr.Usable()
				case AddrGone:
					return !tt.kept && ev.Addr.Addr == leased && ev.Addr.DADFailed
				}
				return false
			})
			r.compare(p.k)

			// When the other has left, installing again runs DAD anew.
			check(t, p.router.h.AddrDel(p.router.link("r0"), theirs))
			check(t, p.k.InstallAddress(t.Context(), p.eth0, leased, tt.valid, tt.valid, AddressOptions{}))
			r.awaitAddr("success", leased, Addr.Usable)
			r.compare(p.k)
		})
	}
}

func TestRefreshDoesNotFlap(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{})
	r := listed(t, p.k)
	install := func(preferred, valid time.Duration) {
		t.Helper()
		check(t, p.k.InstallAddress(t.Context(), p.eth0, leased, preferred, valid, AddressOptions{Optimistic: true}))
	}
	install(time.Hour, 2*time.Hour)
	r.awaitAddr("the end of DAD", leased, func(a Addr) bool { return !a.Tentative })
	r.log = nil

	install(2*time.Hour, 3*time.Hour)
	r.awaitAddr("longer lifetimes", leased, func(a Addr) bool { return a.Preferred > time.Hour && a.Valid > 2*time.Hour })
	install(0, time.Hour)
	r.awaitAddr("deprecation", leased, func(a Addr) bool { return a.Deprecated && !a.Permanent })
	install(wire.Infinite, wire.Infinite)
	r.awaitAddr("infinite lifetimes", leased, func(a Addr) bool {
		return a.Permanent && !a.Deprecated && a.Preferred == wire.Infinite && a.Valid == wire.Infinite
	})
	install(0, wire.Infinite)
	r.awaitAddr("deprecation without end", leased, func(a Addr) bool { return a.Deprecated && a.Permanent })
	install(500*time.Millisecond, 2*time.Hour)
	r.awaitAddr("finite lifetimes again", leased, func(a Addr) bool { return !a.Permanent })
	r.mark(p)

	for _, ev := range r.log {
		switch ev := ev.(type) {
		case AddrGone:
			if ev.Addr.Addr == leased {
				t.Errorf("the address went away: %+v", ev)
			}
		case AddrChanged:
			if a := ev.Addr; a.Addr == leased && (a.Tentative || a.Optimistic || !a.NoPrefix || a.Bits != 128) {
				t.Errorf("the refresh changed the address's nature: %+v", a)
			}
		}
	}
	r.compare(p.k)
}

func TestOptimisticAddressIsUsableAtOnce(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{})
	p.guest.sysctl("ipv6/conf/eth0/optimistic_dad", "1")
	p.guest.sysctl("ipv6/conf/eth0/use_optimistic", "1")
	r := listed(t, p.k)
	check(t, p.k.InstallAddress(t.Context(), p.eth0, leased, time.Hour, time.Hour, AddressOptions{Optimistic: true}))
	first := r.awaitAddr("the address", leased, nil)
	if !first.Optimistic || !first.Usable() {
		t.Errorf("not usable at once: %+v", first)
	}
	r.awaitAddr("the end of DAD", leased, func(a Addr) bool { return !a.Tentative && !a.Optimistic })
}

// `ip addr add` of a /128 that exists as /64 fails. A permanent /64 with its prefix route is
// somebody's configuration.
func TestConfiguredAddressStaysAsItIs(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{})
	check(t, p.guest.h.AddrAdd(p.guest.link("eth0"), &netlink.Addr{IPNet: &net.IPNet{IP: leased.AsSlice(), Mask: net.CIDRMask(64, 128)}}))
	r := listed(t, p.k)
	r.awaitAddr("the end of DAD", leased, Addr.Usable)
	check(t, p.k.InstallAddress(t.Context(), p.eth0, leased, time.Hour, 2*time.Hour, AddressOptions{}))
	r.mark(p)
	got := r.addrs[addrKey{p.eth0, leased}]
	if !got.Permanent || got.Bits != 64 || got.NoPrefix {
		t.Errorf("changed to %+v", got)
	}
	if r.routesTo(netip.MustParsePrefix("2001:db8::/64")) != 1 {
		t.Error("its prefix route is gone")
	}
	check(t, p.k.RemoveAddress(t.Context(), p.eth0, leased)) // whatever its length
	r.await("the address to go", func(ev Event) bool { g, ok := ev.(AddrGone); return ok && g.Addr.Addr == leased })
}

func TestLinkLocal(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{})
	r := listed(t, p.k)
	eui := netip.MustParseAddr("fe80::4a0:f0ff:fe00:38")
	r.awaitAddr("the link-local address", eui, Addr.Usable)
	got, found, err := p.k.LinkLocal(t.Context(), p.eth0)
	if err != nil || !found || got.Addr != eui || !got.Usable() {
		t.Errorf("got %+v, %v, %v", got, found, err)
	}
	// One of ours beside it: a /64, as link-local addresses are.
	other := netip.MustParseAddr("fe80::1234")
	check(t, p.k.InstallAddress(t.Context(), p.eth0, other, wire.Infinite, wire.Infinite, AddressOptions{}))
	if a := r.awaitAddr("the other", other, Addr.Usable); a.Bits != 64 || a.NoPrefix {
		t.Errorf("installed as %+v", a)
	}
	if _, found, err := p.k.LinkLocal(t.Context(), 1); found || err != nil {
		t.Errorf("lo: %v, %v; want none", found, err)
	}
	if _, _, err := p.k.LinkLocal(t.Context(), 4711); !errors.Is(err, ErrNoNIC) {
		t.Errorf("no NIC: %v", err)
	}
}

func TestInstallAddressRefuses(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{})
	install := func(index int, addr string, preferred, valid time.Duration) error {
		return p.k.InstallAddress(t.Context(), index, netip.MustParseAddr(addr), preferred, valid, AddressOptions{})
	}
	for _, tt := range []struct {
		name, addr       string
		preferred, valid time.Duration
	}{
		{"IPv4", "192.0.2.1", time.Hour, time.Hour},
		{"mapped IPv4", "::ffff:192.0.2.1", time.Hour, time.Hour},
		{"a zone", "fe80::1%eth0", time.Hour, time.Hour},
		{"multicast", "ff02::1", time.Hour, time.Hour},
		{"unspecified", "::", time.Hour, time.Hour},
		{"loopback", "::1", time.Hour, time.Hour},
		{"preferred above valid", "2001:db8::1", 2 * time.Hour, time.Hour},
		{"valid over", "2001:db8::1", 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := install(p.eth0, tt.addr, tt.preferred, tt.valid); err == nil {
				t.Error("no error")
			}
		})
	}
	if err := install(4711, "2001:db8::1", time.Hour, time.Hour); !errors.Is(err, ErrNoNIC) {
		t.Errorf("no NIC: %v", err)
	}
	check(t, p.k.RemoveAddress(t.Context(), 4711, leased))
	p.guest.sysctl("ipv6/conf/eth0/disable_ipv6", "1")
	if err := install(p.eth0, "2001:db8::1", time.Hour, time.Hour); !errors.Is(err, ErrIPv6Off) {
		t.Errorf("IPv6 off: %v", err)
	}
}
