package wire

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
)

// lastField is the highest option code that has a field in Message.
const lastField = dhcpv6.OptionInfMaxRT

// fields says how each option that may stand once is read into its field. A reader returns why it
// left the option out, or "".
var fields = [lastField + 1]func(*Message, []byte) string{
	dhcpv6.OptionORO:                    readRequested,
	dhcpv6.OptionPreference:             func(m *Message, b []byte) string { return readByte(&m.Preference, b) },
	dhcpv6.OptionElapsedTime:            readElapsed,
	dhcpv6.OptionAuth:                   readAuth,
	dhcpv6.OptionStatusCode:             readMessageStatus,
	dhcpv6.OptionRapidCommit:            func(m *Message, b []byte) string { return readFlag(&m.RapidCommit, b) },
	dhcpv6.OptionReconfMessage:          func(m *Message, b []byte) string { return readByte(&m.ReconfigureMessage, b) },
	dhcpv6.OptionReconfAccept:           func(m *Message, b []byte) string { return readFlag(&m.ReconfigureAccept, b) },
	dhcpv6.OptionDNSRecursiveNameServer: readDNS,
	dhcpv6.OptionDomainSearchList:       readSearch,
	dhcpv6.OptionSNTPServerList:         readSNTP,
	dhcpv6.OptionInformationRefreshTime: readInformationRefresh,
	dhcpv6.OptionFQDN:                   readFQDN,
	dhcpv6.OptionSolMaxRT:               func(m *Message, b []byte) string { return readSeconds(&m.SOLMaxRT, b) },
	dhcpv6.OptionInfMaxRT:               func(m *Message, b []byte) string { return readSeconds(&m.INFMaxRT, b) },
}

// hasField reports whether Message has a field for options of that code.
func hasField(code dhcpv6.OptionCode) bool {
	switch code {
	case dhcpv6.OptionClientID, dhcpv6.OptionServerID, dhcpv6.OptionIANA, dhcpv6.OptionIAPD, dhcpv6.OptionNTPServer:
		return true
	default:
		return code <= lastField && fields[code] != nil
	}
}

func readByte[T ~uint8](to *T, b []byte) string {
	if len(b) != 1 {
		return "not 1 byte"
	}
	*to = T(b[0])
	return ""
}

func readFlag(to *bool, b []byte) string {
	if len(b) != 0 {
		return "not empty"
	}
	*to = true
	return ""
}

func readSeconds(to *time.Duration, b []byte) string {
	if len(b) != 4 {
		return "not 4 bytes"
	}
	*to = seconds(b)
	return ""
}

// readRequested reads an Option Request up to the last whole code (section 21.7): half a code at the
// end is no reason to send a guest no DNS servers.
func readRequested(m *Message, b []byte) string {
	m.Requested = slices.Grow(m.Requested[:0], len(b)/2)
	for ; len(b) >= 2; b = b[2:] {
		m.Requested = append(m.Requested, dhcpv6.OptionCode(binary.BigEndian.Uint16(b)))
	}
	if len(b) > 0 {
		m.flaw(dhcpv6.OptionORO, "half a code at the end")
	}
	return ""
}

func readElapsed(m *Message, b []byte) string {
	if len(b) != 2 {
		return "not 2 bytes"
	}
	m.Elapsed = time.Duration(binary.BigEndian.Uint16(b)) * elapsedUnit
	return ""
}

func readAuth(m *Message, b []byte) string {
	if len(b) < authHeader {
		return "shorter than 11 bytes"
	}
	m.Auth = &Auth{
		Protocol: b[0], Algorithm: b[1], RDM: b[2],
		Replay: binary.BigEndian.Uint64(b[3:]), Info: bytes.Clone(b[authHeader:]),
	}
	return ""
}

func readMessageStatus(m *Message, b []byte) (reason string) {
	m.Status, reason = readStatus(b)
	return reason
}

// readStatus reads a Status Code (section 21.13).
func readStatus(b []byte) (*Status, string) {
	if len(b) < 2 {
		return nil, "shorter than 2 bytes"
	}
	return &Status{Code: iana.StatusCode(binary.BigEndian.Uint16(b)), Text: statusText(b[2:])}, ""
}

// statusText makes a text of what a stranger wrote: valid UTF-8, at most MaxStatusText bytes, without
// the zero octets that some servers end it with.
func statusText(b []byte) string {
	if len(b) > MaxStatusText {
		b = b[:MaxStatusText]
		// A rune that the cut split is no error of the sender's: it goes as a whole.
		for i := 1; i < utf8.UTFMax; i++ {
			if r, n := utf8.DecodeLastRune(b); r != utf8.RuneError || n != 1 {
				break
			}
			b = b[:len(b)-1]
		}
	}
	return strings.ToValidUTF8(string(bytes.TrimRight(b, "\x00")), "?")
}

func readDNS(m *Message, b []byte) (reason string) {
	m.DNS, reason = readAddresses(b)
	return reason
}

// readSNTP reads option 31 (RFC 4075), which counts only where no option 56, its successor, names a
// server: most servers that send both send the same list twice.
func readSNTP(m *Message, b []byte) string {
	servers, reason := readAddresses(b)
	if len(m.NTP) == 0 {
		m.NTP = servers
	}
	return reason
}

// readAddresses reads a list of addresses (RFC 3646, section 3).
func readAddresses(b []byte) ([]netip.Addr, string) {
	if len(b)%16 != 0 {
		return nil, "not a multiple of 16 bytes"
	}
	list := reserve[netip.Addr](len(b) / 16)
	for ; len(b) > 0; b = b[16:] {
		list = append(list, netip.AddrFrom16([16]byte(b[:16])))
	}
	return list, ""
}

func readSearch(m *Message, b []byte) (reason string) {
	m.Search, reason = readNames(b)
	return reason
}

func readInformationRefresh(m *Message, b []byte) string {
	var d time.Duration
	reason := readSeconds(&d, b)
	if reason == "" {
		m.InformationRefresh = &d
	}
	return reason
}

// readFQDN reads a Client FQDN (RFC 4704, section 4). An empty name asks the server for one.
func readFQDN(m *Message, b []byte) string {
	if len(b) < 1 {
		return "empty"
	}
	f := &FQDN{Flags: b[0] & fqdnFlags}
	if name := b[1:]; len(name) > 0 && !bytes.Equal(name, []byte{0}) {
		n, full, reason := scanName(name)
		switch {
		case reason != "":
			return reason
		case n != len(name):
			return "more than one name"
		}
		f.Name, f.Partial = nameText(name), !full
	}
	m.FQDN = f
	return ""
}

// ntp takes in an NTP Server option (RFC 5908, section 4), of which there may be several, each with
// one time source; of two in one option the first counts. A multicast address or a name stays among
// the raw options.
func (d *decoder) ntp(data []byte) {
	o := options{rest: data}
	if !o.next() {
		d.flaw(dhcpv6.OptionNTPServer, "no time source")
		return
	}
	switch {
	case o.code != dhcpv6.NTPSuboptionSrvAddrCode:
		d.Others = append(d.Others, Option{Code: dhcpv6.OptionNTPServer, Data: bytes.Clone(data)})
	case len(o.data) != 16:
		d.flaw(dhcpv6.OptionNTPServer, "address of not 16 bytes")
	default:
		if !d.ntpSeen { // what is there is of option 31
			d.ntpSeen, d.NTP = true, nil
		}
		d.NTP = append(d.NTP, netip.AddrFrom16([16]byte(o.data)))
	}
}

const (
	// elapsedUnit is what the Elapsed Time option counts (section 21.9).
	elapsedUnit = 10 * time.Millisecond
	// authHeader is the length of the fixed part of an Authentication option (section 21.11).
	authHeader = 11
	// MaxStatusText is how many bytes of a status text are kept.
	MaxStatusText = 255
	// fqdnFlags are the bits that RFC 4704, section 4.1, defines; the others are ignored.
	fqdnFlags = FQDNServerUpdates | FQDNOverride | FQDNNoUpdate
)

// The flags of a Client FQDN option (RFC 4704, section 4.1).
const (
	FQDNServerUpdates uint8 = 1 << iota // S: the server does, or shall do, the AAAA update
	FQDNOverride                        // O: the server did otherwise than the client wished
	FQDNNoUpdate                        // N: the server does, or shall do, no update at all
)
