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
func Decode(b []byte) (*Message, error) { return new(Decoder).Decode(b) }

// A Decoder decodes one message after another into the same memory: what a server hears many thousand
// times a second costs it an allocation for the Client Identifier, and no other. The zero Decoder is ready.
type Decoder struct {
	msg Message
	// Room for what most messages have; where there is more it is allocated.
	ianas     [2]IANA
	addresses [4]Address
	requested [24]dhcpv6.OptionCode
	server    DUID // the last one
}

// Decode is the function Decode, but that the message is the Decoder's: it holds until the next call.
func (r *Decoder) Decode(b []byte) (*Message, error) {
	if err := r.decode(b); err != nil {
		return nil, fmt.Errorf("decode DHCPv6 message: %w", err)
	}
	return &r.msg, nil
}

func (r *Decoder) decode(b []byte) error {
	r.msg = Message{}
	if len(b) < dhcpv6.MessageHeaderSize {
		return ErrShort
	}
	m := &r.msg
	m.Type, m.TransactionID = dhcpv6.MessageType(b[0]), dhcpv6.TransactionID(b[1:4])
	switch {
	case m.Type == dhcpv6.MessageTypeRelayForward || m.Type == dhcpv6.MessageTypeRelayReply:
		return ErrRelayed
	case !IsClientMessage(m.Type) && !IsServerMessage(m.Type):
		return ErrMessageType
	}
	d := decoder{Message: m, room: r, addresses: r.addresses[:0]}
	d.reserve(b[dhcpv6.MessageHeaderSize:])
	o := options{rest: b[dhcpv6.MessageHeaderSize:]}
	for o.next() {
		if err := d.option(o.code, o.data); err != nil {
			return err
		}
	}
	if reason := o.flaw(); reason != "" {
		m.Truncated = o.overrun
		m.flaw(o.tailCode(), reason)
	}
	m.IANAs, m.IAPDs, m.Others, m.Requested = filled(m.IANAs), filled(m.IAPDs), filled(m.Others), filled(m.Requested)
	return nil
}

// A decoder is a Message on its way to being complete.
type decoder struct {
	*Message
	room      *Decoder
	addresses []Address           // what is left of the room for them
	seen      [lastField + 1]bool // options that were read into their field
	ntpSeen   bool                // an option 56 named a server
}

// reserve makes room for everything that may come in any number, so that nothing grows by copying.
func (d *decoder) reserve(b []byte) {
	var ianas, iapds, others int
	o := options{rest: b} // in the loop's head each turn would have a copy of it
	for o.next() {
		switch {
		case o.code == dhcpv6.OptionIANA:
			ianas++
		case o.code == dhcpv6.OptionIAPD:
			iapds++
		case !hasField(o.code):
			others++
		}
	}
	if d.IANAs = d.room.ianas[:0]; ianas > cap(d.IANAs) {
		d.IANAs = make([]IANA, 0, ianas)
	}
	d.Requested = d.room.requested[:0]
	d.IAPDs = reserve[IAPD](iapds)
	d.Others = reserve[Option](others)
}

// few takes room for n addresses.
func (d *decoder) few(n int) []Address {
	free := d.addresses[len(d.addresses):cap(d.addresses)]
	if n > len(free) {
		return reserve[Address](n)
	}
	d.addresses = d.addresses[:len(d.addresses)+n]
	return free[:0:n]
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
		if !hasField(code) {
			d.Others = append(d.Others, Option{Code: code, Data: bytes.Clone(data)})
			return nil
		}
		if d.seen[code] {
			d.flaw(code, "comes more than once")
			return nil
		}
		if reason := fields[code](d.Message, data); reason != "" {
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
		if *id == "" && d.room.server != "" && string(d.room.server) == string(data) {
			*id = d.room.server
			return nil
		}
	}
	switch {
	case len(data) < MinDUID || len(data) > MaxDUID:
		if code == dhcpv6.OptionServerID {
			return ErrServerDUID
		}
		d.flaw(code, "a DUID has 3 to 130 bytes")
	case *id == "":
		if *id = DUID(data); code == dhcpv6.OptionServerID {
			d.room.server = *id
		}
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
