package guest

import (
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/ra/listener"
	"github.com/v6guest/v6guest/pkg/wire"
)

// managedBy adds a router that says M to what the true one says.
func (s *stage) managedBy(r listener.Router) listener.Snapshot {
	r.Managed = true
	snap := s.trueRouter()
	snap.Managed = true
	snap.Routers = append([]listener.Router{r}, snap.Routers...)
	return snap
}

// made is when the default NIC got an address in its network, after the advertisement.
func (s *stage) made() time.Duration {
	for i := range 60 {
		if s.has(2, made0) {
			return time.Duration(i) * time.Second
		}
		s.wait(time.Second)
	}
	return 0
}

func TestTheMFlagOnlyLengthensTheWaitForAServer(t *testing.T) {
	nobody := listener.Router{Addr: netip.MustParseAddr("fe80::bad")}
	announces, routes := nobody, nobody
	announces.Prefixes = []netip.Prefix{netip.MustParsePrefix("2001:db8:bad::/64")}
	routes.Default = true
	for name, tt := range map[string]struct {
		says       listener.Router
		least, max time.Duration
	}{
		"a neighbour who is no router and announces nothing": {nobody, 3 * time.Second, 5 * time.Second},
		"a router that announces a prefix":                   {announces, 5 * time.Second, 12 * time.Second},
		"a default router":                                   {routes, 5 * time.Second, 12 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, "", silent, func(s *stage) {
				s.m.tell[2](s.managedBy(tt.says))
				if after := s.made(); after < tt.least || after > tt.max {
					s.Errorf("made after %s", after)
				}
			})
		})
	}
}

// It is silent, or refuses; and then it leases.
func TestAServerThatComesLateOnAManagedNetworkIsLeasedFrom(t *testing.T) {
	none := func(m *wire.Message) *wire.Message {
		r := reserves(addr0, wire.Infinite)(m)
		r.IANAs, r.Status, r.RapidCommit = nil, &wire.Status{Code: 2}, false
		r.Type = dhcpv6.MessageTypeAdvertise
		return r
	}
	for name, server := range map[string]func(*wire.Message) *wire.Message{"silent": nil, "refusing": none} {
		t.Run(name, func(t *testing.T) {
			play(t, "", silent, func(s *stage) {
				s.m.mu.Lock()
				s.m.servers[2] = server
				s.m.mu.Unlock()
				s.m.tell[2](s.managedBy(s.router("fe80::1", time.Hour, ra.Medium)))
				if s.made() == 0 {
					s.Fatal("no address")
				}
				reserveOn(s, 2, addr0)
				s.wait(5 * time.Minute)
				if !s.has(2, addr0) || s.has(2, made0) {
					s.Errorf("addresses %v", s.m.addrs[2])
				}
			})
		})
	}
}

// A server that leases in time leaves no moment for another address.
func TestOnAManagedNetworkThereIsTheLeasedAddressOnly(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.m.tell[2](s.managedBy(s.router("fe80::1", time.Hour, ra.Medium)))
		s.wait(time.Minute)
		s.wantNot(s.m.done(), made0)
	})
}

func TestAReleasedManagedNICGetsNoOtherAddress(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.m.tell[2](s.managedBy(s.router("fe80::1", time.Hour, ra.Medium)))
		s.wait(10 * time.Second)
		if _, err := s.a.nics[2].leaser.runner.Release(s.Context()); err != nil {
			s.Fatal(err)
		}
		s.wait(time.Hour)
		if s.has(2, addr0) || s.has(2, made0) {
			s.Errorf("addresses %v", s.m.addrs[2])
		}
	})
}
