package wire

import (
	"encoding/binary"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
)

// raw makes an option of bytes.
func raw(code dhcpv6.OptionCode, data []byte) dhcpv6.Option {
	return &dhcpv6.OptionGeneric{OptionCode: code, OptionData: data}
}

// opaque makes the library's form of a DUID without a look at what is in it: the library would
// refuse a DUID-UUID that has not 16 bytes, which is nobody's business but its owner's.
func opaque(d DUID) dhcpv6.DUID {
	return &dhcpv6.DUIDOpaque{Type: dhcpv6.DUIDType(uint16(d[0])<<8 | uint16(d[1])), Data: []byte(d[2:])}
}

// addSeconds adds an option of four bytes that holds seconds (82, 83), where there is one.
func addSeconds(opts *dhcpv6.Options, code dhcpv6.OptionCode, d time.Duration) {
	if d > 0 {
		opts.Add(raw(code, appendSeconds(nil, d)))
	}
}

func appendSeconds(b []byte, d time.Duration) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(lifetime(d)/time.Second))
}

// authOption makes option 11 (RFC 9915, section 21.11), which the library has as bytes only.
func authOption(a *Auth) dhcpv6.Option {
	b := append(make([]byte, 0, authHeader+len(a.Info)), a.Protocol, a.Algorithm, a.RDM)
	b = binary.BigEndian.AppendUint64(b, a.Replay)
	return raw(dhcpv6.OptionAuth, append(b, a.Info...))
}

// prefixOption makes option 26 (section 21.22); the library's loses the address of a prefix of length
// 0. Bits behind the prefix length are zero.
func prefixOption(p Prefix) dhcpv6.Option {
	b := appendSeconds(make([]byte, 0, prefixHeader), p.Preferred)
	b = appendSeconds(b, p.Valid)
	b = append(b, byte(p.Prefix.Bits()))
	b = append(b, p.Prefix.Masked().Addr().AsSlice()...)
	var inner dhcpv6.Options
	addStatus(&inner, p.Status)
	return raw(dhcpv6.OptionIAPrefix, append(b, inner.ToBytes()...))
}

// fqdnOption makes option 39 (RFC 4704, section 4); the library cannot write a partial name.
func fqdnOption(f *FQDN) (dhcpv6.Option, error) {
	flags := f.Flags & fqdnFlags
	if flags&FQDNNoUpdate != 0 {
		flags &^= FQDNServerUpdates // nobody is not the server (section 4.1)
	}
	b := []byte{flags}
	if f.Name != "" {
		var err error
		if b, err = appendName(b, f.Name, f.Partial); err != nil {
			return nil, err
		}
	}
	return raw(dhcpv6.OptionFQDN, b), nil
}
