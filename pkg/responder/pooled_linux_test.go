package responder

import (
	"net/netip"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/wire"
)

// request is the guest's Request for any address.
func (g guest) request() *wire.Message {
	m := g.solicit()
	m.Type, m.ServerID = dhcpv6.MessageTypeRequest, wire.LinkLayerDUID([]byte{2, 0, 0, 0, 0, 1})
	return m
}

// TestServeKeepsTheBindingsOfAPool over a restart, in the real store; the router's own address is nobody's.
func TestServeKeepsTheBindingsOfAPool(t *testing.T) {
	n := newNet(t)
	config := plain + "pool = 2001:db8:1::f0-2001:db8:1::f2\n"
	n.ip("addr", "add", "2001:db8:1::f1/64", "dev", "eth1", "nodad")
	_, stop := n.serve(config, reservations(1))
	given := map[string]netip.Addr{}
	for _, i := range []int{101, 102} {
		g := newGuest(i)
		n.sendFrame(g.frame(t, g.request()))
		given[g.mac.String()] = n.next().msg.IANAs[0].Addresses[0].Addr
	}
	a, b := given[newGuest(101).mac.String()], given[newGuest(102).mac.String()]
	own := netip.MustParseAddr("2001:db8:1::f1")
	if a == b || a == own || b == own {
		t.Errorf("given: %s and %s", a, b)
	}
	full := newGuest(103)
	n.sendFrame(full.frame(t, full.request()))
	if got := n.next(); len(got.msg.IANAs[0].Addresses) != 0 {
		t.Errorf("the third gets %v", got.msg)
	}
	if err := stop(ErrRestart); err != nil {
		t.Fatal(err)
	}
	n.serve(config, reservations(1))
	n.sendFrame(full.frame(t, full.request()))
	if got := n.next(); len(got.msg.IANAs[0].Addresses) != 0 {
		t.Errorf("after the restart the third gets %v", got.msg)
	}
	for _, i := range []int{102, 101} {
		g := newGuest(i)
		renew := g.request()
		renew.Type = dhcpv6.MessageTypeRenew
		n.sendFrame(g.frame(t, renew))
		if got := n.next().msg.IANAs[0]; len(got.Addresses) != 1 || got.Addresses[0].Addr != given[g.mac.String()] {
			t.Errorf("guest %d renews %v, had %s", i, got, given[g.mac.String()])
		}
	}
}
