package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/wire"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// A server on the second network leases what the first network's server reserves for the default NIC, and says
// that the first network is on its own link: first of all, while the true servers are silent.
func TestAServerOfAnotherNetworkKeepsNoAddressOfTheDefaultNIC(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.V6responder, 2)
	first, second := c.Nets[0], c.Nets[1]
	s := newStranger(ctx, t, c, second)
	check(t, first.Server.Pause())
	check(t, second.Server.Pause())
	lying, stop := context.WithCancel(ctx)
	defer stop()
	s.serve(lying, dhcpv6.MessageTypeSolicit, func(m *wire.Message) []*wire.Message {
		a := answer(m, dhcpv6.MessageTypeReply, duid(1), ia(time.Hour, time.Hour, first.Reserved.Addr))
		a.RapidCommit = true
		return []*wire.Message{a}
	})
	ctx, p := agent(ctx, t, c, "default_nic = eth0\n")
	_, err := c.Guest.Await(ctx, "the address on the wrong NIC", func(st lab.State) bool { return st.Usable(second.NIC, first.Reserved.Addr) })
	check(t, err)
	s.advertise(t, linkLocal(1), ra.Advertisement{Prefixes: []ra.Prefix{onLink(first.Prefix)}})
	check(t, first.Server.Continue())
	_, err = c.Guest.Await(ctx, "the address on the default NIC alone", func(st lab.State) bool {
		return st.Usable(first.NIC, first.Reserved.Addr) && !st.Has(second.NIC, first.Reserved.Addr) && !st.Route(first.Prefix, second.NIC)
	})
	check(t, err)
	_, err = p.AwaitLine(ctx, 0, "lease given up: its address is leased for the default NIC")
	check(t, err)
	_, err = p.AwaitLine(ctx, 0, "it is on eth0") // the stranger offers it once more
	check(t, err)
	stop()
	check(t, second.Server.Continue())
	asReserved(ctx, t, c)
	reachesAll(ctx, t, c)
}
