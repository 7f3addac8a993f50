package link

import (
	"encoding/hex"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/wire"
)

// Lifetimes are seconds on the way to the kernel; none may end early, none may wrap.
func TestSecondsRoundUpAndSaturate(t *testing.T) {
	for d, want := range map[time.Duration]uint32{
		-time.Second: 0, 0: 0, 1: 1, time.Second: 1, 1500 * time.Millisecond: 2,
		wire.Infinite: 0xffffffff, wire.Infinite + time.Hour: 0xffffffff, wire.Infinite - time.Second: 0xfffffffe,
	} {
		if got := seconds(d); got != want {
			t.Errorf("%v: %d, want %d", d, got, want)
		}
	}
	if lifetime(0xffffffff) != wire.Infinite {
		t.Error("0xffffffff is not infinite")
	}
}

// Before Linux 5.18 the kernel does not tell an address's origin; its flags do.
func TestAutoconfiguredAddressIsTold(t *testing.T) {
	global := netip.MustParseAddr("2001:db8::1")
	for _, tt := range []struct {
		name string
		addr Addr
		want bool
	}{
		{"origin RA", Addr{Addr: global, Bits: 64, Origin: OriginRA, ManagedTemp: true}, true},
		{"old kernel", Addr{Addr: global, Bits: 64, ManagedTemp: true}, true},
		{"temporary", Addr{Addr: global, Bits: 64, Temporary: true}, true},
		{"taken over, origin kept", Addr{Addr: global, Bits: 64, Origin: OriginRA, NoPrefix: true}, false},
		{"NetworkManager's", Addr{Addr: global, Bits: 64, ManagedTemp: true, NoPrefix: true}, false},
		{"configured", Addr{Addr: global, Bits: 64, Permanent: true}, false},
		{"configured as template of temporary ones", Addr{Addr: global, Bits: 64, Permanent: true, ManagedTemp: true}, false},
		{"leased by another client", Addr{Addr: global, Bits: 64}, false},
		{"link-local", Addr{Addr: netip.MustParseAddr("fe80::1"), Bits: 64, Origin: OriginLinkLocal}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.addr.Autoconf(); got != tt.want {
				t.Errorf("%v", got)
			}
		})
	}
}

// The prefix route of an address that stays is none of an RA's.
func TestLeftoversSparePrefixRoutesOfAddresses(t *testing.T) {
	prefix := func(s string) Route {
		return Route{Index: 2, Dst: netip.MustParsePrefix(s), Protocol: ProtoKernel, Metric: 256, Table: TableMain}
	}
	addrs := []Addr{
		{Addr: netip.MustParseAddr("2001:db8:1::1"), Bits: 64, Permanent: true},
		{Addr: netip.MustParseAddr("2001:db8:2::1"), Bits: 64, Origin: OriginRA, ManagedTemp: true},
		{Addr: netip.MustParseAddr("2001:db8:3::1"), Bits: 128, NoPrefix: true},
	}
	advertised := []Route{prefix("2001:db8:2::/64"), prefix("2001:db8:3::/64")}
	routes := append([]Route{prefix("2001:db8:1::/64"), prefix("fe80::/64"), prefix("2001:db8:3::1/128")}, advertised...)
	diff(t, "leftovers", Leftovers{Addrs: addrs[1:2], Routes: advertised}, leftovers(addrs, routes))
}

// Whatever a message holds, it is decoded without a panic, and the state stays consistent: it has no
// address or route twice, and events about them name a valid address.
func FuzzState(f *testing.F) {
	for _, s := range []string{
		"00000100020000004310010000000000090003006574683000000000", // a NIC
		"0a40800002000000140001002001000000000000000000000000003805000b0002000000",
		"0a000000fe090001000000000800040002000000080006000004000014000500fe80000000000000000000000000000",
		"0a000000fe030001000000001c000900140000000200000014000500fe8000000000000000000000000000010800060000040000",
		"0200000000000000080001000700000008000500020000001400060000000000000000000000000000000001",
	} {
		b, _ := hex.DecodeString(s)
		for _, typ := range []uint16{unix.RTM_NEWLINK, unix.RTM_NEWADDR, unix.RTM_NEWROUTE, unix.RTM_NEWNEXTHOP, unix.RTM_DELROUTE} {
			f.Add(typ, uint16(0), b, b, false)
		}
	}
	f.Fuzz(func(t *testing.T, typ, flags uint16, first, second []byte, listed bool) {
		s := newState(func(*NIC, device) {})
		s.message(typ, flags, first, listed)
		s.message(typ, flags, second, !listed)
		for _, ev := range s.out {
			switch ev := ev.(type) {
			case AddrChanged:
				if !ev.Addr.Addr.Is6() {
					t.Errorf("%+v", ev)
				}
			case RouteChanged:
				if !ev.Route.Dst.IsValid() {
					t.Errorf("%+v", ev)
				}
			}
		}
		s.expire()
		for {
			if _, ok := s.begin(); !ok {
				break
			}
			s.end()
		}
		if len(s.nics)+len(s.addrs)+len(s.routes)+len(s.hops) != 0 {
			t.Errorf("empty lists left %+v", s)
		}
	})
}
