package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// ldraPort is the Interface-Id that the switch gives the guest's port.
const ldraPort = "port 7"

// An ldra is a switch that relays DHCPv6 and nothing else (RFC 6221): it wraps what clients send, leaves the
// addresses of Ethernet and IP as they are, and takes the wrapping off what the server answers.
type ldra struct {
	clients, server *lab.Raw
}

// relayLightly runs one between two networks until the test ends.
func relayLightly(ctx context.Context, t *testing.T, c *cloud.Cloud, low, high *cloud.Net) {
	t.Helper()
	m, err := c.Boot("switch")
	check(t, err)
	s := &ldra{}
	for i, n := range []*cloud.Net{low, high} {
		nic := []string{"eth0", "eth1"}[i]
		_, err := m.Plug(n.Segment, nic, []byte{0x06, 0xa0, 0xf0, 0xee, 0, byte(i)})
		check(t, err)
		check(t, m.Up(nic))
		r, err := m.OpenRaw(nic)
		check(t, err)
		t.Cleanup(func() { _ = r.Close() })
		*[]**lab.Raw{&s.clients, &s.server}[i] = r
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 2)
	go func() { ended <- s.follow(ctx, low.Segment.Capture, s.wrap) }()
	go func() { ended <- s.follow(ctx, high.Segment.Capture, s.unwrap) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
}

// follow hands on each DHCPv6 packet of a segment.
func (s *ldra) follow(ctx context.Context, c *lab.Capture, do func(lab.Packet) error) error {
	for next := 0; ; {
		p, n, err := c.Await(ctx, next, "a DHCPv6 message", func(p lab.Packet) bool { return p.DstPort == 547 && len(p.Payload) > 0 })
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the test has ended
		}
		if err != nil {
			return err
		}
		if next = n; err == nil {
			if err := do(p); err != nil {
				return err
			}
		}
	}
}

func (s *ldra) wrap(p lab.Packet) error {
	if t := dhcpv6.MessageType(p.Payload[0]); t == dhcpv6.MessageTypeRelayForward || t == dhcpv6.MessageTypeRelayReply {
		return nil // a client's port is not trusted
	}
	b := append([]byte{byte(dhcpv6.MessageTypeRelayForward), 0}, make([]byte, 16)...)
	b = append(b, p.Src.AsSlice()...)
	b = append(ldraOption(b, dhcpv6.OptionInterfaceID, len(ldraPort)), ldraPort...)
	p.Payload = append(ldraOption(b, dhcpv6.OptionRelayMsg, len(p.Payload)), p.Payload...)
	p.SrcPort = 547
	return s.server.Send(p)
}

func ldraOption(b []byte, code dhcpv6.OptionCode, size int) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, uint16(code)), uint16(size))
}

func (s *ldra) unwrap(p lab.Packet) error {
	if dhcpv6.MessageType(p.Payload[0]) != dhcpv6.MessageTypeRelayReply {
		return nil
	}
	m, err := dhcpv6.RelayMessageFromBytes(p.Payload)
	if err != nil {
		return err
	}
	peer, _ := netip.AddrFromSlice(m.PeerAddr)
	inner := m.Options.RelayMessage()
	if !m.LinkAddr.IsUnspecified() || peer != p.Dst || !bytes.Equal(m.Options.InterfaceID(), []byte(ldraPort)) || inner == nil {
		return fmt.Errorf("S-6221-02 S-6221-04: no Relay-reply that a switch could take: %s", m.Summary())
	}
	p.DstPort, p.Payload = 546, inner.ToBytes()
	return s.clients.Send(p)
}

// TestGuestsBehindALightweightRelay, S-6221-03: the guest gets what is reserved for its MAC, as if nothing stood
// between, and no relay agent is trusted for that.
func TestGuestsBehindALightweightRelay(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := newCloud(ctx, t, 2)
	far, near := c.Nets[0], c.Nets[1]
	network := near.Network()
	network.Guests = []peer.Guest{{Name: "vm", MAC: far.Reserved.MAC, Addr: near.Host(0x77)}}
	check(t, near.Serve(ctx, peer.V6responder, network))
	relayLightly(ctx, t, c, far, near)
	guestBehind(ctx, t, c)
	_, err := peer.StartDhclient(c.Guest, "eth0")
	check(t, err)
	usable(ctx, t, c, "eth0", near.Host(0x77))
	r := relayed(ctx, t, near)
	if len(r) != 1 || !r[0].LinkAddr.IsUnspecified() || string(r[0].Interface) != ldraPort {
		t.Errorf("relays %+v: the test proves nothing of lightweight relays", r)
	}
}
