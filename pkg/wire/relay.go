package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv6"
)

// MaxRelays is how many relay agents may stand between client and server: their hop counts run from
// 0 to HOP_COUNT_LIMIT, which is 8 (RFC 9915, sections 7.6 and 19.1.2).
const MaxRelays = 9

// relayHeader is the length of the fixed part of a relay message (section 9).
const relayHeader = 34

// DecodeRelayed reads what a server receives: a message as Decode does, or one inside Relay-forwards,
// whose relay agents it returns too, outermost first (so the last one is next to the client). Flaws at
// any level are in the message's Flaws. Beyond Decode's errors there are ErrNoRelayMessage,
// ErrTwoRelayMessages and ErrRelayDepth; a Relay-reply, at any level, is ErrRelayed.
func DecodeRelayed(b []byte) (*Message, []Relay, error) {
	m, relays, err := decodeRelayed(b)
	if err != nil {
		return nil, nil, fmt.Errorf("decode DHCPv6 message: %w", err)
	}
	return m, relays, nil
}

func decodeRelayed(b []byte) (*Message, []Relay, error) {
	var relays []Relay
	var flaws Message // of the relays: their options' flaws and whether one is truncated
	for len(b) > 0 && dhcpv6.MessageType(b[0]) == dhcpv6.MessageTypeRelayForward {
		if len(relays) == MaxRelays {
			return nil, nil, ErrRelayDepth
		}
		r, inner, err := flaws.relay(b)
		if err != nil {
			return nil, nil, err
		}
		relays, b = append(relays, r), inner
	}
	d := new(Decoder)
	if err := d.decode(b); err != nil {
		return nil, nil, err
	}
	m := &d.msg
	for _, f := range flaws.Flaws {
		m.flaw(f.Code, f.Reason)
	}
	m.Truncated = m.Truncated || flaws.Truncated
	return m, relays, nil
}

// relay reads one Relay-forward and returns the message in it; flaws are noted in m.
func (m *Message) relay(b []byte) (r Relay, inner []byte, err error) {
	if len(b) < relayHeader {
		return r, nil, ErrShort
	}
	r = Relay{
		HopCount: b[1],
		LinkAddr: netip.AddrFrom16([16]byte(b[2:18])), PeerAddr: netip.AddrFrom16([16]byte(b[18:34])),
	}
	others := 0
	for o := (options{rest: b[relayHeader:]}); o.next(); {
		if !relayField(o.code) {
			others++
		}
	}
	r.Others = reserve[Option](others)
	o := options{rest: b[relayHeader:]}
	for o.next() {
		if o.code != dhcpv6.OptionRelayMsg {
			m.relayOption(&r, o.code, o.data)
			continue
		}
		if inner != nil {
			return r, nil, ErrTwoRelayMessages
		}
		inner = o.data
	}
	if inner == nil {
		return r, nil, ErrNoRelayMessage
	}
	if reason := o.flaw(); reason != "" {
		m.Truncated = m.Truncated || o.overrun
		m.flaw(o.tailCode(), reason)
	}
	return r, inner, nil
}

// relayField reports whether options of that code have a place of their own in a relay message.
func relayField(code dhcpv6.OptionCode) bool {
	return code == dhcpv6.OptionRelayMsg || code == dhcpv6.OptionInterfaceID ||
		code == dhcpv6.OptionRemoteID || code == dhcpv6.OptionClientLinkLayerAddr
}

// relayOption takes in one option that a relay agent added; of those that come again, the first counts.
func (m *Message) relayOption(r *Relay, code dhcpv6.OptionCode, data []byte) {
	var seen bool
	switch code {
	case dhcpv6.OptionInterfaceID:
		if seen = r.Interface != nil; !seen {
			r.Interface = append([]byte{}, data...) // an empty one is echoed too
		}
	case dhcpv6.OptionRemoteID:
		if seen = r.RemoteID != nil; !seen {
			r.RemoteID = append([]byte{}, data...)
		}
	case dhcpv6.OptionClientLinkLayerAddr:
		if len(data) < 3 {
			m.flaw(code, "shorter than 3 bytes")
			return
		}
		if seen = r.ClientLinkLayer != nil; !seen {
			r.ClientLinkLayer = &LinkLayer{Type: binary.BigEndian.Uint16(data), Addr: bytes.Clone(data[2:])}
		}
	default:
		r.Others = append(r.Others, Option{Code: code, Data: bytes.Clone(data)})
	}
	if seen {
		m.flaw(code, "comes more than once")
	}
}

// EncodeRelayReply writes m, the answer to a message that came through relays (outermost first, as
// DecodeRelayed returns them), inside one Relay-reply for each (RFC 9915, section 19.3). Hop count,
// link and peer address and Interface-Id are each relay's own; so is the Relay Source Port option
// (RFC 8357, section 5.2), and what the relay asked back by an Echo Request (RFC 4994). Without relays it is
// m.Encode. The errors are Encode's.
func EncodeRelayReply(relays []Relay, m *Message) ([]byte, error) {
	b, err := m.Encode()
	if err != nil {
		return nil, err
	}
	for _, r := range slices.Backward(relays) {
		opts := r.echo()
		opts.Add(raw(dhcpv6.OptionRelayMsg, b))
		outer := append(make([]byte, 0, relayHeader), byte(dhcpv6.MessageTypeRelayReply), r.HopCount)
		outer = append(outer, as16(r.LinkAddr)...)
		outer = append(outer, as16(r.PeerAddr)...)
		if b = append(outer, opts.ToBytes()...); len(b) > MaxMessage {
			return nil, fmt.Errorf("encode %s in Relay-reply: %d bytes: %w", TypeName(m.Type), len(b), ErrTooLong)
		}
	}
	return b, nil
}

// as16 is a relay's address as it came; the zero Addr is written as ::.
func as16(a netip.Addr) []byte {
	b := a.As16()
	return b[:]
}

// echo returns the options that go back to the relay, each at most once.
func (r *Relay) echo() dhcpv6.Options {
	wanted := map[dhcpv6.OptionCode]bool{dhcpv6.OptionRelayPort: true}
	for _, o := range r.Others {
		if o.Code == dhcpv6.OptionEchoRequest {
			for b := o.Data; len(b) >= 2; b = b[2:] {
				wanted[dhcpv6.OptionCode(binary.BigEndian.Uint16(b))] = true
			}
		}
	}
	var opts dhcpv6.Options
	if r.Interface != nil {
		opts.Add(dhcpv6.OptInterfaceID(r.Interface))
	}
	if r.RemoteID != nil && wanted[dhcpv6.OptionRemoteID] {
		opts.Add(raw(dhcpv6.OptionRemoteID, r.RemoteID))
	}
	if l := r.ClientLinkLayer; l != nil && wanted[dhcpv6.OptionClientLinkLayerAddr] {
		opts.Add(raw(dhcpv6.OptionClientLinkLayerAddr, append([]byte{byte(l.Type >> 8), byte(l.Type)}, l.Addr...)))
	}
	for _, o := range r.Others {
		if wanted[o.Code] {
			opts.Add(raw(o.Code, o.Data))
			delete(wanted, o.Code)
		}
	}
	return opts
}
