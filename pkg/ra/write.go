package ra

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"time"
)

// ipv6Header is the length of an IPv6 header without extensions.
const ipv6Header = 40

// MinMTU is the least MTU that a link with IPv6 has (RFC 8200, section 5).
const MinMTU = 1280

// Marshal writes the solicitation. A MAC that has not six bytes is left out. The kernel fills in the
// checksum.
func (s *Solicitation) Marshal() []byte {
	b := make([]byte, solicitationHeader, solicitationHeader+8)
	b[0] = TypeSolicitation
	return appendLinkLayer(b, s.SourceLinkLayer)
}

// Marshal writes the advertisement; mtu is the link's, MinMTU at least. Options that do not fit one
// packet are shared out among several, each with the same header (RFC 4861, section 6.2.3), since an
// advertisement must not be fragmented (RFC 6980). Only the source link-layer address stands in all
// of them. An RDNSS or DNSSL without entries is left out. What nobody could read is an error: an
// invalid prefix, a NAT64 prefix of a length that has no code, a server or a name that is none. The
// kernel fills in the checksum.
func (a *Advertisement) Marshal(mtu int) ([][]byte, error) {
	options, err := a.options()
	if err != nil {
		return nil, err
	}
	header := appendLinkLayer(a.header(), a.SourceLinkLayer)
	limit := max(mtu, MinMTU) - ipv6Header
	packets := [][]byte{slices.Clone(header)}
	for _, o := range options {
		last := len(packets) - 1
		if len(packets[last])+len(o) > limit {
			packets, last = append(packets, slices.Clone(header)), last+1
		}
		packets[last] = append(packets[last], o...)
	}
	return packets, nil
}

// header is the message without options.
func (a *Advertisement) header() []byte {
	b := make([]byte, 8, advertisementHeader+8)
	b[0], b[4] = TypeAdvertisement, a.HopLimit
	if a.Managed {
		b[5] |= 0x80
	}
	if a.Other {
		b[5] |= 0x40
	}
	lifetime := min(wireSeconds(a.RouterLifetime), math.MaxUint16)
	if lifetime > 0 { // else the bits must be zero (RFC 4191, section 2.2)
		b[5] |= preferenceBits(a.Preference)
	}
	binary.BigEndian.PutUint16(b[6:], uint16(lifetime))
	b = binary.BigEndian.AppendUint32(b, wireMilliseconds(a.ReachableTime))
	return binary.BigEndian.AppendUint32(b, wireMilliseconds(a.RetransTimer))
}

// options are all but the source link-layer address, each whole.
func (a *Advertisement) options() ([][]byte, error) {
	var out [][]byte
	var errs []error
	put := func(o []byte, err error) { out, errs = append(out, o), append(errs, err) }
	if a.MTU != 0 {
		put(binary.BigEndian.AppendUint32([]byte{optMTU, 1, 0, 0}, a.MTU), nil)
	}
	for _, p := range a.Prefixes {
		put(p.option())
	}
	for _, r := range a.Routes {
		put(r.option())
	}
	for _, r := range a.RDNSS {
		for servers := range slices.Chunk(r.Servers, maxServers) {
			put(RDNSS{r.Lifetime, servers}.option())
		}
	}
	for _, d := range a.DNSSL {
		for domains := range slices.Chunk(d.Domains, maxDomains) {
			put(DNSSL{d.Lifetime, domains}.option())
		}
	}
	for _, p := range a.PREF64 {
		put(p.option())
	}
	return out, errors.Join(errs...)
}

// How many entries go into one option, so that it fits any link: 1 + 2*60 units of 8 bytes, and four
// names of 255 bytes.
const (
	maxServers = 60
	maxDomains = 4
)

func appendLinkLayer(b []byte, mac net.HardwareAddr) []byte {
	if len(mac) != 6 {
		return b
	}
	return append(append(b, optSourceLinkLayer, 1), mac...)
}

func (p Prefix) option() ([]byte, error) {
	if err := checkPrefix(p.Prefix); err != nil {
		return nil, err
	}
	o := []byte{optPrefix, 4, byte(p.Prefix.Bits()), 0}
	if p.OnLink {
		o[3] |= 0x80
	}
	if p.Autonomous {
		o[3] |= 0x40
	}
	o = binary.BigEndian.AppendUint32(o, wireSeconds(p.Valid))
	o = binary.BigEndian.AppendUint32(o, wireSeconds(min(p.Preferred, p.Valid)))
	addr := p.Prefix.Masked().Addr().As16()
	return append(append(o, 0, 0, 0, 0), addr[:]...), nil
}

func (r Route) option() ([]byte, error) {
	if err := checkPrefix(r.Prefix); err != nil {
		return nil, err
	}
	units := (r.Prefix.Bits() + 63) / 64
	o := []byte{optRoute, byte(1 + units), byte(r.Prefix.Bits()), preferenceBits(r.Preference)}
	o = binary.BigEndian.AppendUint32(o, wireSeconds(r.Lifetime))
	addr := r.Prefix.Masked().Addr().As16()
	return append(o, addr[:8*units]...), nil
}

func (r RDNSS) option() ([]byte, error) {
	o := binary.BigEndian.AppendUint32([]byte{optRDNSS, byte(1 + 2*len(r.Servers)), 0, 0}, wireSeconds(r.Lifetime))
	for _, server := range r.Servers {
		if !usableServer(server) {
			return nil, fmt.Errorf("DNS server %s: not a unicast IPv6 address", server)
		}
		addr := server.As16()
		o = append(o, addr[:]...)
	}
	return o, nil
}

func (d DNSSL) option() ([]byte, error) {
	o := binary.BigEndian.AppendUint32([]byte{optDNSSL, 0, 0, 0}, wireSeconds(d.Lifetime))
	for _, domain := range d.Domains {
		var err error
		if o, err = appendName(o, domain); err != nil {
			return nil, err
		}
	}
	o = append(o, make([]byte, -len(o)&7)...)
	o[1] = byte(len(o) / 8)
	return o, nil
}

func (p PREF64) option() ([]byte, error) {
	code := slices.Index(pref64Bits[:], p.Prefix.Bits())
	if code < 0 || checkPrefix(p.Prefix) != nil {
		return nil, fmt.Errorf("NAT64 prefix %s: its length is none of 32, 40, 48, 56, 64 and 96", p.Prefix)
	}
	units := min((min(wireSeconds(p.Lifetime), 65528)+7)/8, 8191)
	o := binary.BigEndian.AppendUint16([]byte{optPREF64, 2}, uint16(units)<<3|uint16(code))
	addr := p.Prefix.Masked().Addr().As16()
	return append(o, addr[:12]...), nil
}

func checkPrefix(p netip.Prefix) error {
	if !p.IsValid() || !p.Addr().Is6() {
		return fmt.Errorf("%s is not an IPv6 prefix", p)
	}
	return nil
}

func preferenceBits(p Preference) byte {
	switch {
	case p > Medium:
		return 1 << 3
	case p < Medium:
		return 3 << 3
	}
	return 0
}

// wireSeconds is d in whole seconds as the wire has it.
func wireSeconds(d time.Duration) uint32 {
	return uint32(min(max(d, 0), Infinite) / time.Second)
}

func wireMilliseconds(d time.Duration) uint32 {
	return uint32(min(max(d, 0)/time.Millisecond, math.MaxUint32))
}
