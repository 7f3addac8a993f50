package ra

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Lengths of the messages without options.
const (
	solicitationHeader  = 8
	advertisementHeader = 16
)

// Option types.
const (
	optSourceLinkLayer = 1
	optPrefix          = 3
	optMTU             = 5
	optRoute           = 24
	optRDNSS           = 25
	optDNSSL           = 31
	optPREF64          = 38
)

// readAdvertisement reads an advertisement that is long enough.
func readAdvertisement(b []byte) (*Advertisement, error) {
	if err := checkOptions(b[advertisementHeader:]); err != nil {
		return nil, err
	}
	a := &Advertisement{
		HopLimit:       b[4],
		Managed:        b[5]&0x80 != 0,
		Other:          b[5]&0x40 != 0,
		RouterLifetime: time.Duration(binary.BigEndian.Uint16(b[6:])) * time.Second,
		ReachableTime:  time.Duration(binary.BigEndian.Uint32(b[8:])) * time.Millisecond,
		RetransTimer:   time.Duration(binary.BigEndian.Uint32(b[12:])) * time.Millisecond,
	}
	if a.RouterLifetime > 0 { // else the bits mean nothing (RFC 4191, section 2.2)
		a.Preference, _ = readPreference(b[5])
	}
	a.Flaws = eachOption(b[advertisementHeader:], a.readOption)
	return a, nil
}

// readSolicitation reads a solicitation that is long enough.
func readSolicitation(b []byte) (*Solicitation, error) {
	if err := checkOptions(b[solicitationHeader:]); err != nil {
		return nil, err
	}
	s := &Solicitation{}
	s.Flaws = eachOption(b[solicitationHeader:], func(kind uint8, o []byte) (reason string) {
		if kind == optSourceLinkLayer {
			s.SourceLinkLayer, reason = readLinkLayer(o)
		}
		return reason
	})
	return s, nil
}

// checkOptions walks the options: one of length 0, or one that runs over the end, spoils the packet
// (RFC 4861, sections 4.6, 6.1.1 and 6.1.2).
func checkOptions(b []byte) error {
	for len(b) > 0 {
		switch {
		case len(b) < 2:
			return malformed("option runs over the end")
		case b[1] == 0:
			return malformed("option of length 0")
		case 8*int(b[1]) > len(b):
			return malformed("option runs over the end")
		}
		b = b[8*int(b[1]):]
	}
	return nil
}

// eachOption calls read for the first MaxOptions options, whole with type and length. A reason that
// it returns becomes a flaw.
func eachOption(b []byte, read func(kind uint8, o []byte) (reason string)) []Flaw {
	var flaws []Flaw
	flaw := func(kind uint8, reason string) {
		if reason != "" && len(flaws) < MaxFlaws {
			flaws = append(flaws, Flaw{kind, reason})
		}
	}
	for n := 0; len(b) > 0; n++ {
		if n == MaxOptions {
			flaw(b[0], "too many options")
			break
		}
		o := b[:8*int(b[1])]
		flaw(o[0], read(o[0], o))
		b = b[len(o):]
	}
	return flaws
}

// readOption reads an option of an advertisement; unknown ones, and those that do not belong into
// one, are skipped.
func (a *Advertisement) readOption(kind uint8, o []byte) (reason string) {
	switch kind {
	case optSourceLinkLayer:
		a.SourceLinkLayer, reason = readLinkLayer(o)
	case optPrefix:
		a.Prefixes, reason = add(a.Prefixes, o, readPrefix)
	case optMTU:
		if len(o) != 8 {
			return wrongLength
		}
		a.MTU = binary.BigEndian.Uint32(o[4:])
	case optRoute:
		a.Routes, reason = add(a.Routes, o, readRoute)
	case optRDNSS:
		a.RDNSS, reason = add(a.RDNSS, o, readRDNSS)
	case optDNSSL:
		a.DNSSL, reason = add(a.DNSSL, o, readDNSSL)
	case optPREF64:
		a.PREF64, reason = add(a.PREF64, o, readPREF64)
	}
	return reason
}

// add appends what read makes of an option, unless there is a reason against it.
func add[T any](list []T, o []byte, read func([]byte) (T, string)) ([]T, string) {
	v, reason := read(o)
	if reason != "" {
		return list, reason
	}
	return append(list, v), ""
}

// Reasons against an option that several kinds share.
const (
	wrongLength        = "wrong length for its kind"
	longPrefix         = "prefix longer than its kind allows"
	reservedPreference = "reserved preference"
)

func readLinkLayer(o []byte) (net.HardwareAddr, string) {
	if len(o) != 8 {
		return nil, wrongLength
	}
	return net.HardwareAddr(slices.Clone(o[2:8])), ""
}

func readPrefix(o []byte) (Prefix, string) {
	if len(o) != 32 {
		return Prefix{}, wrongLength
	}
	if o[2] > 128 {
		return Prefix{}, longPrefix
	}
	return Prefix{
		Prefix:     netip.PrefixFrom(netip.AddrFrom16([16]byte(o[16:])), int(o[2])).Masked(),
		OnLink:     o[3]&0x80 != 0,
		Autonomous: o[3]&0x40 != 0,
		Valid:      seconds(o[4:]),
		Preferred:  seconds(o[8:]),
	}, ""
}

// readRoute reads a route. An option that is longer than its prefix needs is taken, as RFC 4191,
// section 2.3, says.
func readRoute(o []byte) (Route, string) {
	bits := int(o[2])
	switch {
	case bits > 128:
		return Route{}, longPrefix
	case len(o) > 24, bits > 0 && len(o) < 16, bits > 64 && len(o) < 24:
		return Route{}, wrongLength
	}
	preference, ok := readPreference(o[3])
	if !ok {
		return Route{}, reservedPreference
	}
	var addr [16]byte
	copy(addr[:], o[8:])
	return Route{
		Prefix: netip.PrefixFrom(netip.AddrFrom16(addr), bits).Masked(), Preference: preference, Lifetime: seconds(o[4:]),
	}, ""
}

func readRDNSS(o []byte) (RDNSS, string) {
	if len(o) < 24 || len(o)%16 != 8 {
		return RDNSS{}, wrongLength
	}
	r := RDNSS{Lifetime: seconds(o[4:]), Servers: make([]netip.Addr, 0, len(o)/16)}
	for b := o[8:]; len(b) > 0; b = b[16:] {
		server := netip.AddrFrom16([16]byte(b))
		if !usableServer(server) {
			return RDNSS{}, "address of no server"
		}
		r.Servers = append(r.Servers, server)
	}
	return r, ""
}

// usableServer says whether the address can be that of a DNS server (RFC 8106, section 5.3.1).
func usableServer(a netip.Addr) bool {
	return a.Is6() && !a.Is4In6() && !a.IsMulticast() && !a.IsUnspecified() && !a.IsLoopback()
}

func readDNSSL(o []byte) (DNSSL, string) {
	if len(o) < 16 {
		return DNSSL{}, wrongLength
	}
	domains, reason := readNames(o[8:])
	return DNSSL{Lifetime: seconds(o[4:]), Domains: domains}, reason
}

// pref64Bits are the lengths of a NAT64 prefix by their code (RFC 8781, section 4).
var pref64Bits = [...]int{96, 64, 56, 48, 40, 32}

func readPREF64(o []byte) (PREF64, string) {
	if len(o) != 16 {
		return PREF64{}, wrongLength
	}
	scaled := binary.BigEndian.Uint16(o[2:])
	code := int(scaled & 7)
	if code >= len(pref64Bits) {
		return PREF64{}, "unknown prefix length code"
	}
	var addr [16]byte
	copy(addr[:12], o[4:])
	return PREF64{
		Prefix:   netip.PrefixFrom(netip.AddrFrom16(addr), pref64Bits[code]).Masked(),
		Lifetime: time.Duration(scaled>>3) * 8 * time.Second,
	}, ""
}

// readPreference reads the two bits of a preference; the reserved value is medium and not ok.
func readPreference(flags byte) (p Preference, ok bool) {
	switch flags >> 3 & 3 {
	case 1:
		return High, true
	case 3:
		return Low, true
	case 2:
		return Medium, false
	}
	return Medium, true
}

func seconds(b []byte) time.Duration {
	return time.Duration(binary.BigEndian.Uint32(b)) * time.Second
}
