package wire

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
)

// TypeName is the name of a message type as the standard writes it: Solicit, Information-request.
func TypeName(t dhcpv6.MessageType) string {
	names := [...]string{
		"", "Solicit", "Advertise", "Request", "Confirm", "Renew", "Rebind", "Reply", "Release",
		"Decline", "Reconfigure", "Information-request", "Relay-forward", "Relay-reply",
	}
	if t == 0 || int(t) >= len(names) {
		return fmt.Sprintf("message type %d", t)
	}
	return names[t]
}

// maxLine is about how long a line of String can get in bytes.
const maxLine = 1500

// A line grows up to maxLine.
type line struct{ text strings.Builder }

// add appends a word with its parameters unless the line is full.
func (l *line) add(format string, args ...any) {
	if !l.full() {
		fmt.Fprintf(&l.text, format, args...)
	}
}

func (l *line) full() bool { return l.text.Len() >= maxLine }

// String writes the message on one readable line of at most about 2,000 bytes, in ASCII; an end that
// was cut off is marked by "...". Whatever a sender chose freely is quoted.
func (m *Message) String() string {
	var l line
	l.add("%s xid %s", TypeName(m.Type), m.TransactionID)
	if IsClientMessage(m.Type) {
		l.add(" elapsed %s", m.Elapsed)
	}
	l.identifiers(m)
	for _, ia := range m.IANAs {
		if l.full() {
			break
		}
		l.iana(ia)
	}
	for _, ia := range m.IAPDs {
		if l.full() {
			break
		}
		l.iapd(ia)
	}
	if len(m.Requested) > 0 {
		l.add(" request ")
		list(&l, m.Requested, func(c dhcpv6.OptionCode) { l.add("%d", c) })
	}
	l.protocol(m)
	l.configuration(m)
	for _, o := range m.Others {
		if l.full() {
			break
		}
		l.add(" option %d (%d bytes)", o.Code, len(o.Data))
	}
	for _, f := range m.Flaws {
		l.add(" left out %d (%s)", f.Code, f.Reason)
	}
	if l.full() {
		return l.text.String() + "..."
	}
	return l.text.String()
}

func (l *line) identifiers(m *Message) {
	if m.ClientID != "" {
		l.add(" client %s", m.ClientID)
	}
	if m.ServerID != "" {
		l.add(" server %s", m.ServerID)
	}
}

func (l *line) iana(ia IANA) {
	l.add(" IA_NA 0x%s", ia.ID)
	l.times(ia.T1, ia.T2)
	for _, a := range ia.Addresses {
		if l.full() {
			return
		}
		l.add(" [%s pref %s valid %s", a.Addr, lifetimeText(a.Preferred), lifetimeText(a.Valid))
		l.status(a.Status)
		l.add("]")
	}
	l.status(ia.Status)
}

func (l *line) iapd(ia IAPD) {
	l.add(" IA_PD 0x%s", ia.ID)
	l.times(ia.T1, ia.T2)
	for _, p := range ia.Prefixes {
		if l.full() {
			return
		}
		l.add(" [%s pref %s valid %s", p.Prefix, lifetimeText(p.Preferred), lifetimeText(p.Valid))
		l.status(p.Status)
		l.add("]")
	}
	l.status(ia.Status)
}

// times writes T1 and T2 unless the sender left both open.
func (l *line) times(t1, t2 time.Duration) {
	if t1 != 0 || t2 != 0 {
		l.add(" T1 %s T2 %s", lifetimeText(t1), lifetimeText(t2))
	}
}

func (l *line) status(s *Status) {
	if s == nil {
		return
	}
	l.add(" %s", s)
}

// String writes the code's name, or its number where it has none, and the text in quotes.
func (s *Status) String() string {
	name := s.Code.String()
	if name == "Unknown" {
		name = fmt.Sprintf("status %d", uint16(s.Code))
	}
	if s.Text == "" {
		return name
	}
	return fmt.Sprintf("%s %+q", name, s.Text)
}

func (l *line) protocol(m *Message) {
	if m.RapidCommit {
		l.add(" rapid-commit")
	}
	if m.ReconfigureAccept {
		l.add(" reconfigure-accept")
	}
	if m.ReconfigureMessage != 0 {
		l.add(" reconfigure-message %s", TypeName(m.ReconfigureMessage))
	}
	if m.Preference != 0 {
		l.add(" preference %d", m.Preference)
	}
	l.status(m.Status)
	if m.Auth != nil { // its content may be a key
		l.add(" auth protocol %d", m.Auth.Protocol)
	}
}

func (l *line) configuration(m *Message) {
	if len(m.DNS) > 0 {
		l.add(" dns ")
		list(l, m.DNS, func(a netip.Addr) { l.add("%s", a) })
	}
	if len(m.Search) > 0 {
		l.add(" search ")
		list(l, m.Search, func(name string) { l.add("%+q", name) })
	}
	if len(m.NTP) > 0 {
		l.add(" ntp ")
		list(l, m.NTP, func(a netip.Addr) { l.add("%s", a) })
	}
	if m.SOLMaxRT != 0 {
		l.add(" sol-max-rt %s", m.SOLMaxRT)
	}
	if m.INFMaxRT != 0 {
		l.add(" inf-max-rt %s", m.INFMaxRT)
	}
	if m.InformationRefresh != nil {
		l.add(" refresh %s", lifetimeText(*m.InformationRefresh))
	}
	if f := m.FQDN; f != nil {
		l.add(" fqdn %+q flags %d", f.Name, f.Flags)
	}
}

// list writes elements with commas between them until the line is full.
func list[T any](l *line, elements []T, write func(T)) {
	for i, e := range elements {
		if l.full() {
			return
		}
		if i > 0 {
			l.add(",")
		}
		write(e)
	}
}

// lifetimeText writes a lifetime, T1 or T2.
func lifetimeText(d time.Duration) string {
	if d == Infinite {
		return "inf"
	}
	return d.String()
}
