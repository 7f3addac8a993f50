package wire

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
)

// A DUID identifies a client or a server (RFC 9915, section 11). It is opaque: compared as a whole,
// kept and sent back byte for byte. The bytes are the string's, so that a DUID can be a map's key;
// the empty string is no DUID. String prints it in hex with colons.
type DUID string

// The shortest and the longest DUID in bytes: a type of 2 bytes and 1 to 128 more (section 11.1).
const (
	MinDUID = 3
	MaxDUID = 130
)

// The type of a DUID-LL and the hardware types that it is made with (section 11.4).
const (
	duidLL = 3

	hwEthernet   = 1
	hwEUI64      = 27
	hwInfiniBand = 32
)

// LinkLayerDUID returns the DUID-LL of a NIC (section 11.4): type 3, the hardware type and the
// link-layer address. The hardware type goes by the address's length: Ethernet for 6 bytes, EUI-64
// for 8, InfiniBand for 20. An address of any other length has no DUID: the result is empty.
func LinkLayerDUID(mac net.HardwareAddr) DUID {
	var hw byte
	switch len(mac) {
	case 6:
		hw = hwEthernet
	case 8:
		hw = hwEUI64
	case 20:
		hw = hwInfiniBand
	default:
		return ""
	}
	return DUID(append([]byte{0, duidLL, 0, hw}, mac...))
}

// Valid reports whether d has the length of a DUID (section 11.1).
func (d DUID) Valid() bool { return len(d) >= MinDUID && len(d) <= MaxDUID }

// String writes d in lower-case hex with colons, 00:03:00:01:06:a0:f0:00:00:38, as ParseDUID reads it.
// A DUID of six bytes, which ParseDUID would take for a MAC, is written without colons and with 0x.
func (d DUID) String() string {
	if len(d) == 6 {
		return fmt.Sprintf("0x%x", string(d))
	}
	const digits = "0123456789abcdef"
	b := make([]byte, 0, 3*len(d))
	for i := range len(d) {
		if i > 0 {
			b = append(b, ':')
		}
		b = append(b, digits[d[i]>>4], digits[d[i]&0xf])
	}
	return string(b)
}

// MAC returns the Ethernet address of a DUID-LL of hardware type 1, and whether d is one. Nobody may
// conclude from it where the message came from: a client puts in a DUID what it likes.
func (d DUID) MAC() (net.HardwareAddr, bool) {
	const head = "\x00\x03\x00\x01"
	if len(d) != len(head)+6 || d[:len(head)] != head {
		return nil, false
	}
	return net.HardwareAddr(d[len(head):]), true
}

// LLTMAC returns the Ethernet address of a DUID-LLT of hardware type 1, and whether d is one. It is
// that of some NIC of the machine on which the DUID was made, perhaps long ago (section 11.2): of use
// for a hint to the operator, never as identity.
func (d DUID) LLTMAC() (net.HardwareAddr, bool) {
	const head, time = "\x00\x01\x00\x01", 4
	if len(d) != len(head)+time+6 || d[:len(head)] != head {
		return nil, false
	}
	return net.HardwareAddr(d[len(head)+time:]), true
}

// LogValue lets slog write d as String does.
func (d DUID) LogValue() slog.Value { return slog.StringValue(d.String()) }

// MarshalText writes d as String does, so that JSON has it readable.
func (d DUID) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what ParseDUID reads; an empty text is no DUID.
func (d *DUID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = ""
		return nil
	}
	parsed, err := ParseDUID(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// An IAID names an identity association of a client (RFC 9915, section 12).
type IAID uint32

// IAIDFromMAC returns the IAID that ISC dhclient gives the NIC with that MAC: its last four bytes, in
// the order in which they stand in the address, so that 06:a0:f0:00:00:38 makes f0000038. (dhclient
// copies them as they are into the option; read as a number in network byte order, that is this
// value.) Of a shorter address all bytes count.
func IAIDFromMAC(mac net.HardwareAddr) IAID {
	var b [4]byte
	if n := len(mac); n >= len(b) {
		copy(b[:], mac[n-len(b):])
	} else {
		copy(b[len(b)-n:], mac)
	}
	return IAID(binary.BigEndian.Uint32(b[:]))
}

// String writes the IAID as eight hex digits, in the order of the bytes on the wire.
func (i IAID) String() string {
	return hex.EncodeToString([]byte{byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)})
}

// MarshalText writes the IAID as String does, in JSON too: a decimal number is nothing that a person
// would find again in a capture.
func (i IAID) MarshalText() ([]byte, error) { return []byte(i.String()), nil }
