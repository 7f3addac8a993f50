package wire

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv6"
)

// The two relays of the standard's figure: B next to the server, A next to the client.
const (
	linkB, peerB = "20010db8000000b00000000000000001 ", "20010db8000000a00000000000000001 "
	linkA, peerA = "20010db8000000a00000000000000001 ", "fe8000000000000004a0f0fffe000038 "
)

var (
	relayB = Relay{
		HopCount: 1, LinkAddr: netip.MustParseAddr("2001:db8:0:b0::1"), PeerAddr: netip.MustParseAddr("2001:db8:0:a0::1"),
	}
	relayA = Relay{
		LinkAddr: netip.MustParseAddr("2001:db8:0:a0::1"), PeerAddr: netip.MustParseAddr("fe80::4a0:f0ff:fe00:38"),
		Interface: []byte("eth0"), RemoteID: []byte{0, 0, 0x12, 0x34, 'x'},
		ClientLinkLayer: &LinkLayer{Type: 1, Addr: guestMAC},
		Others:          []Option{{Code: 38, Data: []byte("subscriber")}},
	}
)

// inside puts a message (hex) into a Relay-forward with link and peer address ::.
func inside(hops, count int, message string, options string) string {
	return fmt.Sprintf("0c%02x %064x 0009 %04x %s %s", hops, 0, count, message, options)
}

func TestDecodeRelayed(t *testing.T) {
	solicit := "01 1a2b3c " + guestHex // 18 bytes
	b := packet(t, "0c 01 "+linkB+peerB+"0009 0063 0c 00 "+linkA+peerA+
		"0012 0004 65746830 0025 0005 0000123478 004f 0008 0001 06a0f0000038 0026 000a 73756273637269626572 0009 0012 "+solicit)
	m, relays, err := DecodeRelayed(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Relay{relayB, relayA}, relays, compare); diff != "" {
		t.Errorf("relays, outermost first (-want +got):\n%s", diff)
	}
	want := &Message{Type: dhcpv6.MessageTypeSolicit, TransactionID: xid, ClientID: guest}
	if diff := cmp.Diff(want, m, compare); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}

	if m, relays, err = DecodeRelayed(packet(t, solicit)); err != nil || relays != nil || m.ClientID != guest {
		t.Errorf("a message without relays: %v, %v, %v", m, relays, err)
	}
}

func TestDecodeRelayedRefuses(t *testing.T) {
	const solicit = "01 1a2b3c " + guestHex
	nest := func(levels int) string {
		p, n := solicit, 18
		for i := range levels {
			p = inside(min(i, 255), n, p, "")
			n += 38
		}
		return p
	}
	for _, tt := range []struct {
		name, bytes string
		want        error
	}{
		{"S-8-02 33 bytes", "0c" + strings.Repeat("00", 32), ErrShort},
		{"S-9-03 no Relay Message", "0c00" + strings.Repeat("00", 32) + "0012 0001 61", ErrNoRelayMessage},
		{"S-9-03 a Relay Message that is cut off", inside(0, 19, solicit, ""), ErrNoRelayMessage},
		{"S-21-03 two Relay Messages", inside(0, 18, solicit, "0009 0012"+solicit), ErrTwoRelayMessages},
		{"S-16-05 an unknown type inside", inside(0, 4, "c81a2b3c", ""), ErrMessageType},
		{"S-16.14-01 a Relay-reply", "0d00" + strings.Repeat("00", 32) + "0009 0012" + solicit, ErrRelayed},
		{"S-16.14-01 a Relay-reply inside", inside(0, 38+18, "0d00"+strings.Repeat("00", 32)+"0009 0012"+solicit, ""), ErrRelayed},
		{"nothing inside", inside(0, 0, "", ""), ErrShort},
		{"S-19-01 1 level", nest(1), nil},
		{"S-19-01 9 levels", nest(9), nil},
		{"S-19-01 10 levels", nest(10), ErrRelayDepth},
		{"S-19-01 500 levels", nest(500), ErrRelayDepth},
		{"S-19-02 hop count 8 at a single level", inside(8, 18, solicit, ""), nil},
		{"S-19-02 hop count 255", inside(255, 18, solicit, ""), nil},
		{"stray bytes behind the relay's options", inside(0, 18, solicit, "000000"), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := DecodeRelayed(packet(t, tt.bytes)); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestRelayOptions(t *testing.T) {
	const solicit = "01 1a2b3c " + guestHex
	t.Run("a relay's option that is cut off makes the message unusable for a server", func(t *testing.T) {
		m, _, err := DecodeRelayed(packet(t, inside(0, 18, solicit, "0012 0009 61")))
		if err != nil || !errors.Is(m.CheckForServer(), ErrTruncated) {
			t.Errorf("%v, %v", m, err)
		}
	})
	t.Run("S-21.18-01 an empty Interface-Id is one", func(t *testing.T) {
		_, relays, err := DecodeRelayed(packet(t, inside(0, 18, solicit, "0012 0000")))
		if err != nil || relays[0].Interface == nil {
			t.Errorf("%v, %v", relays, err)
		}
	})
	t.Run("the first of two Interface-Ids counts", func(t *testing.T) {
		m, relays, err := DecodeRelayed(packet(t, inside(0, 18, solicit, "0012 0001 61 0012 0001 62")))
		if err != nil || string(relays[0].Interface) != "a" || len(m.Flaws) != 1 {
			t.Errorf("%v, %v, %v", m, relays, err)
		}
	})
	t.Run("a link-layer address without address is left out", func(t *testing.T) {
		m, relays, err := DecodeRelayed(packet(t, inside(0, 18, solicit, "004f 0002 0001")))
		if err != nil || relays[0].ClientLinkLayer != nil || len(m.Flaws) != 1 {
			t.Errorf("%v, %v, %v", m, relays, err)
		}
	})
	t.Run("S-6939-02 a link-layer address in the client's own message is nothing", func(t *testing.T) {
		_, relays, err := DecodeRelayed(packet(t, inside(0, 30, solicit+"004f 0008 0001 06a0f0000038", "")))
		if err != nil || relays[0].ClientLinkLayer != nil {
			t.Errorf("%v, %v", relays, err)
		}
	})
}

func TestEncodeRelayReply(t *testing.T) {
	reply := &Message{Type: dhcpv6.MessageTypeReply, TransactionID: xid, ClientID: guest, ServerID: server}
	const replyHex = "07 1a2b3c " + guestHex + serverHex // 32 bytes
	headA, headB := "0d 00 "+linkA+peerA, "0d 01 "+linkB+peerB
	with := func(r Relay, change func(*Relay)) Relay {
		change(&r)
		return r
	}
	long := make([]byte, 4000)
	for _, tt := range []struct {
		name   string
		relays []Relay
		want   string
	}{
		{"no relay", nil, replyHex},
		{
			"S-9-01 S-9-02 S-19.3-02 S-21.18-01 S-4649-03 S-6939-04 two relays get their own back",
			[]Relay{relayB, relayA},
			headB + "0009 004e" + headA + "0012 0004 65746830 0009 0020" + replyHex,
		},
		{
			"S-21.18-01 an empty Interface-Id",
			[]Relay{with(relayB, func(r *Relay) { r.Interface = []byte{} })},
			headB + "0012 0000 0009 0020" + replyHex,
		},
		{
			"S-21.18-01 an Interface-Id of 4,000 bytes",
			[]Relay{with(relayB, func(r *Relay) { r.Interface = long })},
			headB + "0012 0fa0" + hex.EncodeToString(long) + "0009 0020" + replyHex,
		},
		{
			"S-8357-01 the Relay Source Port comes back",
			[]Relay{with(relayB, func(r *Relay) { r.Others = []Option{{Code: 135, Data: []byte{0, 0}}} })},
			headB + "0087 0002 0000 0009 0020" + replyHex,
		},
		{
			"S-4994-01 S-4994-02 S-4994-03 S-4994-04 what the relay asks back, once and unchanged",
			[]Relay{with(relayA, func(r *Relay) {
				r.Others = []Option{
					{Code: 65000, Data: []byte{1, 2}},
					{Code: 43, Data: []byte{0, 18, 0, 37, 0, 79, 0xfd, 0xe8, 0x03, 0xe7, 0}},
					{Code: 65000, Data: []byte{3}},
					{Code: 65001},
				}
			})},
			headA + "0012 0004 65746830 0025 0005 0000123478 004f 0008 0001 06a0f0000038 fde8 0002 0102 0009 0020" + replyHex,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, err := EncodeRelayReply(tt.relays, reply)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(hex.EncodeToString(packet(t, tt.want)), hex.EncodeToString(b)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	t.Run("a message that cannot be written", func(t *testing.T) {
		if _, err := EncodeRelayReply([]Relay{relayB}, &Message{ClientID: "a"}); err == nil {
			t.Error("no error")
		}
	})
	t.Run("too long with its relays", func(t *testing.T) {
		m := *reply
		m.Others = []Option{{Code: 17, Data: make([]byte, MaxMessage-50)}}
		if _, err := m.Encode(); err != nil {
			t.Fatal(err)
		}
		if _, err := EncodeRelayReply([]Relay{relayB}, &m); !errors.Is(err, ErrTooLong) {
			t.Errorf("got %v", err)
		}
	})
}
