package wire

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
)

// iana takes in an IA_NA (RFC 9915, section 21.4). One whose content cannot be told apart is left
// out as a whole: no address is ever read across a border.
func (d *decoder) iana(data []byte) {
	if len(data) < iaHeader {
		d.flaw(dhcpv6.OptionIANA, "shorter than 12 bytes")
		return
	}
	ia := IANA{ID: IAID(binary.BigEndian.Uint32(data)), T1: seconds(data[4:]), T2: seconds(data[8:])}
	ia.Addresses = d.few(count(data[iaHeader:], dhcpv6.OptionIAAddr))
	o := options{rest: data[iaHeader:]}
	for o.next() {
		switch o.code {
		case dhcpv6.OptionIAAddr:
			if a, ok := d.address(o.data); ok {
				ia.Addresses = append(ia.Addresses, a)
			}
		case dhcpv6.OptionStatusCode:
			d.status(&ia.Status, o.data)
		default: // counts as absent (section 16)
		}
	}
	ia.Addresses = filled(ia.Addresses)
	if d.whole(dhcpv6.OptionIANA, &o) {
		d.IANAs = append(d.IANAs, ia)
	}
}

// address reads an IA Address (section 21.6).
func (d *decoder) address(data []byte) (Address, bool) {
	if len(data) < addressHeader {
		d.flaw(dhcpv6.OptionIAAddr, "shorter than 24 bytes")
		return Address{}, false
	}
	a := Address{
		Addr:      netip.AddrFrom16([16]byte(data[:16])),
		Preferred: seconds(data[16:]), Valid: seconds(data[20:]),
	}
	return a, d.lease(dhcpv6.OptionIAAddr, data[addressHeader:], &a.Status)
}

// iapd takes in an IA_PD (section 21.21).
func (d *decoder) iapd(data []byte) {
	if len(data) < iaHeader {
		d.flaw(dhcpv6.OptionIAPD, "shorter than 12 bytes")
		return
	}
	ia := IAPD{ID: IAID(binary.BigEndian.Uint32(data)), T1: seconds(data[4:]), T2: seconds(data[8:])}
	ia.Prefixes = reserve[Prefix](count(data[iaHeader:], dhcpv6.OptionIAPrefix))
	o := options{rest: data[iaHeader:]}
	for o.next() {
		switch o.code {
		case dhcpv6.OptionIAPrefix:
			if p, ok := d.prefix(o.data); ok {
				ia.Prefixes = append(ia.Prefixes, p)
			}
		case dhcpv6.OptionStatusCode:
			d.status(&ia.Status, o.data)
		default: // counts as absent (section 16)
		}
	}
	ia.Prefixes = filled(ia.Prefixes)
	if d.whole(dhcpv6.OptionIAPD, &o) {
		d.IAPDs = append(d.IAPDs, ia)
	}
}

// prefix reads an IA Prefix (section 21.22). Bits behind the prefix length are to be ignored.
func (d *decoder) prefix(data []byte) (Prefix, bool) {
	switch {
	case len(data) < prefixHeader:
		d.flaw(dhcpv6.OptionIAPrefix, "shorter than 25 bytes")
		return Prefix{}, false
	case data[8] > 128:
		d.flaw(dhcpv6.OptionIAPrefix, "prefix longer than 128")
		return Prefix{}, false
	}
	p := Prefix{
		Prefix:    netip.PrefixFrom(netip.AddrFrom16([16]byte(data[9:25])), int(data[8])).Masked(),
		Preferred: seconds(data), Valid: seconds(data[4:]),
	}
	return p, d.lease(dhcpv6.OptionIAPrefix, data[prefixHeader:], &p.Status)
}

// lease reads the options inside an IA Address or IA Prefix and reports whether the lease is usable.
func (d *decoder) lease(code dhcpv6.OptionCode, data []byte, status **Status) bool {
	o := options{rest: data}
	for o.next() {
		if o.code == dhcpv6.OptionStatusCode {
			d.status(status, o.data)
		}
	}
	return d.whole(code, &o)
}

// status takes in the Status Code of an IA or a lease; the first one counts.
func (d *decoder) status(to **Status, data []byte) {
	s, reason := readStatus(data)
	switch {
	case reason != "":
		d.flaw(dhcpv6.OptionStatusCode, reason)
	case *to != nil:
		d.flaw(dhcpv6.OptionStatusCode, "comes more than once")
	default:
		*to = s
	}
}

// whole reports whether the walk over a container's options came to its end, stray bytes apart.
func (d *decoder) whole(code dhcpv6.OptionCode, o *options) bool {
	if reason := o.flaw(); reason != "" {
		d.flaw(code, "inside it: "+reason)
	}
	return !o.overrun
}

// Lengths of the fixed parts of IA_NA and IA_PD, IA Address, IA Prefix.
const (
	iaHeader      = 12
	addressHeader = 24
	prefixHeader  = 25
)

// seconds reads a lifetime, T1 or T2 (section 7.7): 0xffffffff is Infinite.
func seconds(b []byte) time.Duration {
	return time.Duration(binary.BigEndian.Uint32(b)) * time.Second
}
