package wire

import (
	"bytes"
	"fmt"

	"github.com/insomniacslk/dhcp/dhcpv6"
)

// Decode reads a message between client and server (RFC 9915, section 8). Its cost in time and
// memory is linear in len(b), whatever b holds.
//
// An option that is malformed is left out and noted in Flaws; the rest of the message counts. An
// option that may stand only once and comes again is left out likewise: the first well-formed one counts, and two
// are never joined. Stray bytes behind the last option are passed over. Only what leaves no safe meaning makes an
// error, which is always a DiscardError: ErrShort, ErrMessageType, ErrRelayed, ErrServerDUID, ErrTwoIdentifiers.
// A Client Identifier of bad length counts as absent (section 11.1): the checks of section 16 then
// decide.
func Decode(b []byte) (*Message, error) {
	m, err := decode(b)
	if err != nil {
		return nil, fmt.Errorf("decode DHCPv6 message: %w", err)
	}
	return m, nil
}

func decode(b []byte) (*Message, error) {
	if len(b) < dhcpv6.MessageHeaderSize {
		return nil, ErrShort
	}
	m := &Message{Type: dhcpv6.MessageType(b[0]), TransactionID: dhcpv6.TransactionID(b[1:4])}
	switch {
	case m.Type == dhcpv6.MessageTypeRelayForward || m.Type == dhcpv6.MessageTypeRelayReply:
		return nil, ErrRelayed
	case !IsClientMessage(m.Type) && !IsServerMessage(m.Type):
		return nil, ErrMessageType
	}
	d := decoder{Message: m}
	d.reserve(b[dhcpv6.MessageHeaderSize:])
	o := options{rest: b[dhcpv6.MessageHeaderSize:]}
	for o.next() {
		if err := d.option(o.code, o.data); err != nil {
			return nil, err
		}
	}
	if reason := o.flaw(); reason != "" {
		m.Truncated = o.overrun
		m.flaw(o.tailCode(), reason)
	}
	m.IANAs, m.IAPDs, m.Others = filled(m.IANAs), filled(m.IAPDs), filled(m.Others)
	return m, nil
}

// A decoder is a Message on its way to being complete.
type decoder struct {
	*Message
	seen    [lastField + 1]bool // options that were read into their field
	ntpSeen bool                // an option 56 named a server
}

// reserve makes room for everything that may come in any number, so that nothing grows by copying.
func (d *decoder) reserve(b []byte) {
	var ianas, iapds, others int
	for o := (options{rest: b}); o.next(); {
		switch {
		case o.code == dhcpv6.OptionIANA:
			ianas++
		case o.code == dhcpv6.OptionIAPD:
			iapds++
		case !hasField(o.code):
			others++
		}
	}
	d.IANAs = reserve[IANA](ianas)
	d.IAPDs = reserve[IAPD](iapds)
	d.Others = reserve[Option](others)
}

// reserve returns an empty slice with room for n elements, nil for none.
func reserve[T any](n int) []T {
	if n == 0 {
		return nil
	}
	return make([]T, 0, n)
}

// filled returns s, or nil where nothing came into the room that was reserved.
func filled[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return s
}

// option takes in one option of the message.
func (d *decoder) option(code dhcpv6.OptionCode, data []byte) error {
	switch code {
	case dhcpv6.OptionClientID, dhcpv6.OptionServerID:
		return d.identifier(code, data)
	case dhcpv6.OptionIANA:
		d.iana(data)
	case dhcpv6.OptionIAPD:
		d.iapd(data)
	case dhcpv6.OptionNTPServer:
		d.ntp(data)
	default:
		read, ok := fields[code]
		if !ok {
			d.Others = append(d.Others, Option{Code: code, Data: bytes.Clone(data)})
			return nil
		}
		if d.seen[code] {
			d.flaw(code, "comes more than once")
			return nil
		}
		if reason := read(d.Message, data); reason != "" {
			d.flaw(code, reason)
			return nil
		}
		d.seen[code] = true
	}
	return nil
}

// identifier takes in a Client or Server Identifier. Two that differ leave open whom the message
// speaks of; a bad Server Identifier is fatal too, since every message needs one, or must not have
// one, or is meant for the server that it names (section 16).
func (d *decoder) identifier(code dhcpv6.OptionCode, data []byte) error {
	id := &d.ClientID
	if code == dhcpv6.OptionServerID {
		id = &d.ServerID
	}
	switch {
	case len(data) < MinDUID || len(data) > MaxDUID:
		if code == dhcpv6.OptionServerID {
			return ErrServerDUID
		}
		d.flaw(code, "a DUID has 3 to 130 bytes")
	case *id == "":
		*id = DUID(data)
	case string(*id) != string(data):
		return ErrTwoIdentifiers
	default:
		d.flaw(code, "comes more than once")
	}
	return nil
}

// flaw notes that an option was left out.
func (m *Message) flaw(code dhcpv6.OptionCode, reason string) {
	if len(m.Flaws) < MaxFlaws {
		m.Flaws = append(m.Flaws, Flaw{Code: code, Reason: reason})
	}
}

// IsClientMessage reports whether t is a message that clients send (RFC 9915, section 7.3).
func IsClientMessage(t dhcpv6.MessageType) bool {
	switch t {
	case dhcpv6.MessageTypeSolicit, dhcpv6.MessageTypeRequest, dhcpv6.MessageTypeConfirm,
		dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRebind, dhcpv6.MessageTypeRelease,
		dhcpv6.MessageTypeDecline, dhcpv6.MessageTypeInformationRequest:
		return true
	default:
		return false
	}
}

// IsServerMessage reports whether t is a message that servers send to clients (RFC 9915, section 7.3).
func IsServerMessage(t dhcpv6.MessageType) bool {
	return t == dhcpv6.MessageTypeAdvertise || t == dhcpv6.MessageTypeReply || t == dhcpv6.MessageTypeReconfigure
}
