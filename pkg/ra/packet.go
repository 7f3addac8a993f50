package ra

import (
	"net/netip"

	"github.com/v6guest/v6guest/pkg/clock"
)

// HopLimit is that of every solicitation and advertisement: no router forwards what has it still.
const HopLimit = 255

// A Packet is an ICMPv6 message as a socket hands it over. The kernel has checked the checksum.
type Packet struct {
	Data     []byte     // from the ICMPv6 type on
	From     netip.Addr // source address, without zone
	HopLimit int        // -1 where the socket did not tell
	// Fragmented says that it came in a packet with a fragment header.
	Fragmented bool
}

// A MalformedError says why a packet is dropped as a whole. The texts are constant.
type MalformedError struct{ Reason string }

// Error is the reason.
func (e *MalformedError) Error() string { return e.Reason }

func malformed(reason string) error { return &MalformedError{reason} }

// Type is the ICMPv6 type, 0 for an empty packet.
func (p Packet) Type() uint8 {
	if len(p.Data) == 0 {
		return 0
	}
	return p.Data[0]
}

// Advertisement checks the packet as a host must (RFC 4861, section 6.1.2; RFC 6980, section 5) and
// reads it. The error is a *MalformedError.
func (p Packet) Advertisement() (*Advertisement, error) {
	if err := p.check(TypeAdvertisement, advertisementHeader); err != nil {
		return nil, err
	}
	if !p.From.IsLinkLocalUnicast() {
		return nil, malformed("source address is not link-local")
	}
	return readAdvertisement(p.Data)
}

// Solicitation checks the packet as a router must (RFC 4861, section 6.1.1; RFC 6980, section 5) and
// reads it. The error is a *MalformedError.
func (p Packet) Solicitation() (*Solicitation, error) {
	if err := p.check(TypeSolicitation, solicitationHeader); err != nil {
		return nil, err
	}
	s, err := readSolicitation(p.Data)
	switch {
	case err != nil:
		return nil, err
	case !p.From.IsValid() || p.From.IsMulticast():
		return nil, malformed("source address is no unicast address")
	case p.From.IsUnspecified() && s.SourceLinkLayer != nil:
		return nil, malformed("link-layer address from the unspecified address")
	}
	return s, nil
}

// check is what both kinds have in common.
func (p Packet) check(kind uint8, header int) error {
	switch {
	case p.Type() != kind:
		return malformed("another ICMPv6 type")
	case p.HopLimit != HopLimit:
		return malformed("hop limit is not 255")
	case p.Fragmented:
		return malformed("fragmented")
	case len(p.Data) < header:
		return malformed("too short")
	case p.Data[1] != 0:
		return malformed("code is not 0")
	}
	return nil
}

// A Conn carries ICMPv6 messages on one NIC; Open makes the real one. One goroutine may read while
// another writes.
type Conn interface {
	// Read waits for a message and reads it into b, of MaxPacket bytes, to which the packet refers. After
	// Close it fails with os.ErrClosed; any other error may pass.
	Read(b []byte) (Packet, error)
	// Write sends a message from an address of the NIC.
	Write(b []byte, from, to netip.Addr) error
	// Close ends a Read that waits.
	Close() error
}

// MaxPacket is the longest message that is read; a longer one is dropped. Advertisements are not
// fragmented, so that this is more than any Ethernet carries.
const MaxPacket = 9216

// A TracedPacket is one that left or came, for those who watch.
type TracedPacket struct {
	At     clock.Instant
	Sent   bool
	Packet Packet     // Data is valid during the call only
	To     netip.Addr // of one that was sent
}
