package wire

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv6"
)

// AppendAnswer is Encode for what a server sends many thousand times a second: it writes the message behind
// b without an allocation of its own, and leaves everything that a server seldom says to Encode. Its bytes
// are the same (a fuzz test holds the two against each other). The library needs some forty allocations,
// half of the time that an answer takes.
func (m *Message) AppendAnswer(b []byte) ([]byte, error) {
	if !m.plainAnswer() {
		whole, err := m.Encode()
		return append(b, whole...), err
	}
	b = append(b, byte(m.Type), m.TransactionID[0], m.TransactionID[1], m.TransactionID[2])
	b = appendDUID(b, dhcpv6.OptionClientID, m.ClientID)
	b = appendDUID(b, dhcpv6.OptionServerID, m.ServerID)
	if m.RapidCommit {
		b = appendHeader(b, dhcpv6.OptionRapidCommit, 0)
	}
	if m.Preference != 0 {
		b = append(appendHeader(b, dhcpv6.OptionPreference, 1), m.Preference)
	}
	b = appendStatus(b, m.Status)
	for i := range m.IANAs {
		b = m.IANAs[i].append(b)
	}
	if len(m.DNS) > 0 {
		b = appendHeader(b, dhcpv6.OptionDNSRecursiveNameServer, 16*len(m.DNS))
		for _, a := range m.DNS {
			b = appendAddr(b, a)
		}
	}
	if len(m.Search) > 0 {
		at := len(b)
		b = appendHeader(b, dhcpv6.OptionDomainSearchList, 0)
		for _, name := range m.Search {
			var err error
			if b, err = appendName(b, name, false); err != nil {
				return nil, err
			}
		}
		closeOption(b, at)
	}
	return b, nil
}

// answerLimit is how many entries of each kind a plain answer has at the most: none of its lengths can
// exceed its field then.
const answerLimit = 128

// plainAnswer reports whether AppendAnswer writes the message itself.
func (m *Message) plainAnswer() bool {
	if !IsServerMessage(m.Type) || m.seldom() || !plainDUID(m.ClientID) || !plainDUID(m.ServerID) || !plainStatus(m.Status) ||
		len(m.IANAs) > answerLimit || len(m.DNS) > answerLimit || len(m.Search) > answerLimit {
		return false
	}
	return !slices.ContainsFunc(m.DNS, func(a netip.Addr) bool { return !a.Is6() }) &&
		!slices.ContainsFunc(m.IANAs, func(ia IANA) bool { return !ia.plain() })
}

// seldom reports whether the message has an option that few answers have.
func (m *Message) seldom() bool {
	return len(m.IAPDs)+len(m.Requested)+len(m.NTP)+len(m.Others) > 0 || m.ReconfigureAccept || m.ReconfigureMessage != 0 ||
		m.Auth != nil || m.SOLMaxRT > 0 || m.INFMaxRT > 0 || m.InformationRefresh != nil || m.FQDN != nil
}

// plain reports whether append writes the IA_NA.
func (ia *IANA) plain() bool {
	return len(ia.Addresses) <= 1 && plainStatus(ia.Status) &&
		!slices.ContainsFunc(ia.Addresses, func(a Address) bool { return !a.Addr.Is6() || !plainStatus(a.Status) })
}

func plainDUID(d DUID) bool { return d == "" || d.Valid() }

// plainStatus leaves texts that would have to be changed, and long ones, to Encode.
func plainStatus(s *Status) bool {
	if s == nil {
		return true
	}
	for i := range len(s.Text) {
		if c := s.Text[i]; c == 0 || c >= 0x80 {
			return false
		}
	}
	return len(s.Text) <= 255
}

// append writes the IA_NA behind b.
func (ia *IANA) append(b []byte) []byte {
	at := len(b)
	b = binary.BigEndian.AppendUint32(appendHeader(b, dhcpv6.OptionIANA, 0), uint32(ia.ID))
	b = appendSeconds(appendSeconds(b, ia.T1), ia.T2)
	for _, a := range ia.Addresses {
		inner := len(b)
		b = appendAddr(appendHeader(b, dhcpv6.OptionIAAddr, 0), a.Addr)
		b = appendSeconds(appendSeconds(b, a.Preferred), a.Valid)
		b = appendStatus(b, a.Status)
		closeOption(b, inner)
	}
	b = appendStatus(b, ia.Status)
	closeOption(b, at)
	return b
}

func appendHeader(b []byte, code dhcpv6.OptionCode, size int) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, uint16(code)), uint16(size))
}

// closeOption writes the length of the option that begins at the given place and ends where b does.
func closeOption(b []byte, at int) { binary.BigEndian.PutUint16(b[at+2:], uint16(len(b)-at-4)) }

func appendDUID(b []byte, code dhcpv6.OptionCode, d DUID) []byte {
	if d == "" {
		return b
	}
	return append(appendHeader(b, code, len(d)), d...)
}

func appendAddr(b []byte, a netip.Addr) []byte {
	raw := a.As16()
	return append(b, raw[:]...)
}

func appendStatus(b []byte, s *Status) []byte {
	if s == nil {
		return b
	}
	b = binary.BigEndian.AppendUint16(appendHeader(b, dhcpv6.OptionStatusCode, 2+len(s.Text)), uint16(s.Code))
	return append(b, s.Text...)
}
