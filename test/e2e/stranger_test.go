package e2e

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/wire"
	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
)

// A stranger is a machine on a network that sends what it likes, in whosever name.
type stranger struct {
	*lab.Raw
	machine *lab.Machine
	net     *cloud.Net
	mac     net.HardwareAddr
}

// newStranger boots one more machine on a network.
func newStranger(ctx context.Context, t *testing.T, c *cloud.Cloud, n *cloud.Net) *stranger {
	t.Helper()
	s := &stranger{net: n, mac: net.HardwareAddr{0x06, 0xbd, 0xbd, 0, n.RouterMAC[4], 0xbd}}
	m, err := c.Machine(ctx, n, "stranger on "+n.Segment.Name, s.mac, netip.Addr{})
	check(t, err)
	s.machine = m
	s.Raw, err = m.OpenRaw("eth0")
	check(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// linkLocal is an address that strangers use as theirs; each number is another one.
func linkLocal(number int) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf("fe80::bd:%x", number))
}

// advertise sends Router Advertisements from an address to all nodes.
func (s *stranger) advertise(t *testing.T, from netip.Addr, a ra.Advertisement) {
	t.Helper()
	packets, err := a.Marshal(1500)
	check(t, err)
	for _, b := range packets {
		check(t, s.Send(lab.Packet{From: s.mac, Src: from, Dst: ra.AllNodes, Payload: b}))
	}
}

// toGuest sends a DHCPv6 message from a server's port to the guest's link-local address.
func (s *stranger) toGuest(from netip.Addr, m *wire.Message) error {
	b, err := m.Encode()
	if err != nil {
		return err
	}
	return s.Send(s.datagram(from, b))
}

func (s *stranger) datagram(from netip.Addr, payload []byte) lab.Packet {
	return lab.Packet{From: s.mac, To: s.net.Reserved.MAC, Src: from, Dst: eui64(s.net.Reserved.MAC), SrcPort: 547, DstPort: 546, Payload: payload}
}

// eui64 is the link-local address that a MAC makes.
func eui64(mac net.HardwareAddr) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: mac[0] ^ 2, 9: mac[1], 10: mac[2], 11: 0xff, 12: 0xfe, 13: mac[3], 14: mac[4], 15: mac[5]})
}

// serve answers the guest's messages of one type, until the test ends, with what answers makes of each.
func (s *stranger) serve(ctx context.Context, kind dhcpv6.MessageType, answers func(*wire.Message) []*wire.Message) {
	go func() {
		for next := 0; ; {
			p, after, err := s.net.Segment.Capture.Await(ctx, next, "a "+kind.String(), message(kind))
			if err != nil {
				return // the test has ended
			}
			next = after
			m, err := wire.Decode(p.Payload)
			if err != nil {
				continue
			}
			for i, a := range answers(m) {
				if s.toGuest(linkLocal(i), a) != nil {
					return // likewise
				}
			}
		}
	}()
}

// duid is the DUID of the server with that number that a stranger makes up.
func duid(number int) wire.DUID {
	return wire.DUID([]byte{0, 3, 0, 1, 0x06, 0xbd, 0xbd, 0, byte(number >> 8), byte(number)})
}

// answer is an answer to a message that leases an address.
func answer(m *wire.Message, kind dhcpv6.MessageType, server wire.DUID, ia wire.IANA) *wire.Message {
	if len(m.IANAs) > 0 {
		ia.ID = m.IANAs[0].ID
	}
	return &wire.Message{
		Type: kind, TransactionID: m.TransactionID, ClientID: m.ClientID, ServerID: server, Preference: 255,
		IANAs: []wire.IANA{ia},
	}
}
