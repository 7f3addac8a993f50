package hosts

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/v6guest/v6guest/pkg/wire"
)

// address reads [2001:db8::38] or [::38].
func (f *fields) address(s string) error {
	if s[len(s)-1] != ']' {
		return fmt.Errorf("%.60q: the closing bracket is missing", s)
	}
	inner := s[1 : len(s)-1]
	if strings.IndexByte(inner, '/') >= 0 {
		return fmt.Errorf("%.60q: a block of addresses cannot be reserved; write single addresses", s)
	}
	a, err := netip.ParseAddr(inner)
	if err != nil || !a.Is6() || a.Is4In6() || a.Zone() != "" {
		return fmt.Errorf("%.60q is no IPv6 address", s)
	}
	if !partial(a) && !a.IsGlobalUnicast() || a.IsUnspecified() {
		return fmt.Errorf("%s cannot be leased: it is no global unicast address; write one of the network's prefix", a)
	}
	f.addrs = append(f.addrs, a)
	return nil
}

// clientID reads id:DUID. What is no DUID may be the client identifier of an IPv4 line, which is
// passed over: the error waits until the line is known whole.
func (f *fields) clientID(s string) {
	f.named++
	if mac, ok := linkLayerID(s); ok {
		f.macs = append(f.macs, mac)
		return
	}
	if s == "id:*" {
		f.id = errors.New("id:* means any client identifier, which DHCPv6 cannot do; write the DUID, or the MAC alone")
		return
	}
	duid, err := wire.ParseDUID(s)
	if err != nil {
		f.id = err
		return
	}
	if hw, ok := duid.MAC(); ok {
		f.addMAC(MAC(hw), s)
		return
	}
	f.duids = append(f.duids, duid)
}

// linkLayerID reads the spelling that all but every line has, id:00:03:00:01:06:a0:f0:00:00:38, faster
// than the general way.
func linkLayerID(s string) (MAC, bool) {
	const head = "id:00:03:00:01:"
	if len(s) != len(head)+17 || s[:len(head)] != head {
		return MAC{}, false
	}
	m, ok := colons(s[len(head):])
	return m, ok && m.valid()
}

// mac reads a MAC, with the hardware type before it (1-06:a0:…) that dnsmasq allows.
func (f *fields) mac(s string) {
	f.named++
	text := s
	if hw, rest, ok := strings.Cut(s, "-"); ok && strings.IndexByte(hw, ':') < 0 && strings.Count(rest, ":") == 5 {
		if strings.TrimLeft(hw, "0") != "1" {
			f.id = fmt.Errorf("%.60q: only Ethernet (hardware type 1) has such addresses here", s)
			return
		}
		text = rest
	}
	m, ok := colons(text)
	if !ok {
		f.id = macError(s)
		return
	}
	f.addMAC(m, s)
}

// macError says what is wrong with what should be a MAC.
func macError(s string) error {
	a, err := netip.ParseAddr(s)
	switch {
	case strings.IndexByte(s, '*') >= 0:
		return fmt.Errorf("%.60q: a MAC with * in it cannot have a reservation; write the whole MAC", s)
	case err == nil && a.Is6():
		return fmt.Errorf("%.60q: an IPv6 address stands in brackets: [%s]", s, a)
	case strings.Count(s, ":") > 5:
		return fmt.Errorf("%.60q is no MAC; write id: before a DUID", s)
	}
	return fmt.Errorf("%.60q is no MAC", s)
}

func (f *fields) addMAC(m MAC, s string) {
	if !m.valid() {
		f.id = fmt.Errorf("%.60q: no station has a group address or the address of zeros", s)
		return
	}
	f.macs = append(f.macs, m)
}

// colons reads six bytes of one or two hex digits with colons between them.
func colons(s string) (m MAC, ok bool) {
	i := 0
	for n := range len(m) {
		if n > 0 {
			if i >= len(s) || s[i] != ':' {
				return m, false
			}
			i++
		}
		digits := 0
		for ; i < len(s) && digits < 2; digits++ {
			v := unhex(s[i])
			if v < 0 {
				break
			}
			m[n] = m[n]<<4 | byte(v)
			i++
		}
		if digits == 0 {
			return m, false
		}
	}
	return m, i == len(s)
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// condition reads what follows tag:. dnsmasq itself sets the tag dhcpv6 for every DHCPv6 client, and
// Neutron's lines ask for it; nothing sets another one before the line is found.
func (f *fields) condition(tag string) error {
	switch tag {
	case "dhcpv6":
		return nil
	case "!dhcpv6":
		f.never = true
		return nil
	}
	return fmt.Errorf("tag:%.40s: lines that ask for a tag other than dhcpv6 are not understood; use set: to give one", tag)
}

// name takes the machine's name; of two the last counts, as in dnsmasq.
func (f *fields) name(s string) error {
	if s == "*" {
		return errors.New(`"*" is neither a MAC, an address, a lifetime nor a name`)
	}
	if err := wire.CheckName(s); err != nil {
		return fmt.Errorf("neither a MAC, an address in brackets, a lifetime nor a name: %w", err)
	}
	f.host.Name = strings.TrimSuffix(s, ".")
	return nil
}
