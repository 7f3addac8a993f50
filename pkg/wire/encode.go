package wire

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
)

// MaxMessage is how long a message can be: what one UDP datagram carries without a jumbogram.
const MaxMessage = 65535 - 8

// ErrTooLong says that a message does not fit into a datagram.
var ErrTooLong = errors.New("longer than a UDP datagram")

// Encode writes the message (RFC 9915, section 8). Lifetimes are written in whole seconds, rounded
// down; only Infinite makes 0xffffffff, longer ones end at 0xfffffffe. Elapsed Time goes into every message that clients
// send and into no other. Of Flaws and Truncated nothing is written.
//
// It fails on what has no form on the wire: an address that is not IPv6, a name that CheckName
// refuses, a DUID of bad length, an option in Others that has a field of its own (31 and 56 may stand
// there, for what NTP does not say), or a message over MaxMessage bytes (ErrTooLong).
func (m *Message) Encode() ([]byte, error) {
	opts, err := m.options()
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", TypeName(m.Type), err)
	}
	b := (&dhcpv6.Message{
		MessageType: m.Type, TransactionID: m.TransactionID,
		Options: dhcpv6.MessageOptions{Options: opts},
	}).ToBytes()
	if len(b) > MaxMessage { // also whenever one option is too long for its length field
		return nil, fmt.Errorf("encode %s: %d bytes: %w", TypeName(m.Type), len(b), ErrTooLong)
	}
	return b, nil
}

// options returns what Encode writes, in its order.
func (m *Message) options() (dhcpv6.Options, error) {
	opts := make(dhcpv6.Options, 0, 10+len(m.IANAs)+len(m.IAPDs)+len(m.NTP)+len(m.Others))
	for _, id := range []struct {
		duid DUID
		make func(dhcpv6.DUID) dhcpv6.Option
	}{{m.ClientID, dhcpv6.OptClientID}, {m.ServerID, dhcpv6.OptServerID}} {
		switch {
		case id.duid == "":
		case !id.duid.Valid():
			return nil, fmt.Errorf("DUID %s: %d bytes, it must have %d to %d", id.duid, len(id.duid), MinDUID, MaxDUID)
		default:
			opts.Add(id.make(opaque(id.duid)))
		}
	}
	m.addProtocol(&opts)
	if err := m.addIAs(&opts); err != nil {
		return nil, err
	}
	if err := m.addConfiguration(&opts); err != nil {
		return nil, err
	}
	for _, o := range m.Others {
		if hasField(o.Code) && o.Code != dhcpv6.OptionSNTPServerList && o.Code != dhcpv6.OptionNTPServer ||
			o.Code == dhcpv6.OptionElapsedTime {
			return nil, fmt.Errorf("option %d among the raw options has a field of its own", o.Code)
		}
		opts.Add(raw(o.Code, o.Data))
	}
	return opts, nil
}

// addProtocol adds the options that steer the exchange.
func (m *Message) addProtocol(opts *dhcpv6.Options) {
	if IsClientMessage(m.Type) {
		opts.Add(dhcpv6.OptElapsedTime(min(max(m.Elapsed, 0), maxElapsed).Truncate(elapsedUnit)))
	}
	if m.RapidCommit {
		opts.Add(raw(dhcpv6.OptionRapidCommit, nil))
	}
	if m.ReconfigureAccept {
		opts.Add(raw(dhcpv6.OptionReconfAccept, nil))
	}
	if m.ReconfigureMessage != 0 {
		opts.Add(raw(dhcpv6.OptionReconfMessage, []byte{byte(m.ReconfigureMessage)}))
	}
	if m.Preference != 0 {
		opts.Add(dhcpv6.OptPreference(m.Preference))
	}
	addStatus(opts, m.Status)
	if m.Auth != nil {
		opts.Add(authOption(m.Auth))
	}
	if len(m.Requested) > 0 {
		opts.Add(dhcpv6.OptRequestedOption(m.Requested...))
	}
}

// addIAs adds the identity associations.
func (m *Message) addIAs(opts *dhcpv6.Options) error {
	for _, ia := range m.IANAs {
		o := &dhcpv6.OptIANA{IaId: iaid(ia.ID), T1: lifetime(ia.T1), T2: lifetime(ia.T2)}
		for _, a := range ia.Addresses {
			ip, err := ipv6(a.Addr)
			if err != nil {
				return fmt.Errorf("IA_NA 0x%s: IA Address: %w", ia.ID, err)
			}
			lease := &dhcpv6.OptIAAddress{
				IPv6Addr: ip, PreferredLifetime: lifetime(a.Preferred), ValidLifetime: lifetime(a.Valid),
			}
			addStatus(&lease.Options.Options, a.Status)
			o.Options.Add(lease)
		}
		addStatus(&o.Options.Options, ia.Status)
		opts.Add(o)
	}
	for _, ia := range m.IAPDs {
		o := &dhcpv6.OptIAPD{IaId: iaid(ia.ID), T1: lifetime(ia.T1), T2: lifetime(ia.T2)}
		for _, p := range ia.Prefixes {
			if !p.Prefix.IsValid() || !p.Prefix.Addr().Is6() {
				return fmt.Errorf("IA_PD 0x%s: IA Prefix: %v is not an IPv6 prefix", ia.ID, p.Prefix)
			}
			o.Options.Add(prefixOption(p))
		}
		addStatus(&o.Options.Options, ia.Status)
		opts.Add(o)
	}
	return nil
}

// addConfiguration adds what servers tell clients beside addresses, and the Client FQDN.
func (m *Message) addConfiguration(opts *dhcpv6.Options) error {
	if len(m.DNS) > 0 {
		list, err := addressBytes(m.DNS)
		if err != nil {
			return fmt.Errorf("DNS servers: %w", err)
		}
		opts.Add(raw(dhcpv6.OptionDNSRecursiveNameServer, list))
	}
	if len(m.Search) > 0 {
		var list []byte
		for _, name := range m.Search {
			var err error
			if list, err = appendName(list, name, false); err != nil {
				return fmt.Errorf("search list: %w", err)
			}
		}
		opts.Add(raw(dhcpv6.OptionDomainSearchList, list))
	}
	for _, a := range m.NTP { // one time source an option (RFC 5908, section 4)
		ip, err := ipv6(a)
		if err != nil {
			return fmt.Errorf("NTP servers: %w", err)
		}
		source := dhcpv6.NTPSuboptionSrvAddr(ip)
		opts.Add(&dhcpv6.OptNTPServer{Suboptions: dhcpv6.Options{&source}})
	}
	addSeconds(opts, dhcpv6.OptionSolMaxRT, m.SOLMaxRT)
	addSeconds(opts, dhcpv6.OptionInfMaxRT, m.INFMaxRT)
	if m.InformationRefresh != nil {
		opts.Add(dhcpv6.OptInformationRefreshTime(lifetime(*m.InformationRefresh)))
	}
	if m.FQDN != nil {
		o, err := fqdnOption(m.FQDN)
		if err != nil {
			return fmt.Errorf("client FQDN: %w", err)
		}
		opts.Add(o)
	}
	return nil
}

// addStatus adds a Status Code where there is one. Its text has no zero octet at the end and is valid
// UTF-8 (section 21.13).
func addStatus(opts *dhcpv6.Options, s *Status) {
	if s != nil {
		text := strings.ToValidUTF8(strings.TrimRight(s.Text, "\x00"), "?")
		opts.Add(&dhcpv6.OptStatusCode{StatusCode: s.Code, StatusMessage: text})
	}
}

// lifetime rounds d down to what the wire can say, whole seconds up to 0xfffffffe or Infinite
// (section 7.7). The library rounds to the nearest second and wraps at 2^32.
func lifetime(d time.Duration) time.Duration {
	switch {
	case d == Infinite:
		return Infinite
	case d > Infinite:
		return Infinite - time.Second
	}
	return max(d, 0).Truncate(time.Second)
}

// maxElapsed is 0xffff, where Elapsed Time stops (section 21.9); the library wraps.
const maxElapsed = 0xffff * elapsedUnit

// ipv6 returns the bytes of an IPv6 address.
func ipv6(a netip.Addr) ([]byte, error) {
	if !a.Is6() {
		return nil, fmt.Errorf("%v is not an IPv6 address", a)
	}
	return a.AsSlice(), nil
}

// addressBytes writes addresses one behind the other.
func addressBytes(list []netip.Addr) ([]byte, error) {
	b := make([]byte, 0, 16*len(list))
	for _, a := range list {
		ip, err := ipv6(a)
		if err != nil {
			return nil, err
		}
		b = append(b, ip...)
	}
	return b, nil
}

// iaid puts an IAID into the form of the library.
func iaid(i IAID) [4]byte {
	return [4]byte{byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}
}
