package client

import (
	"net/netip"
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/v6guest/v6guest/pkg/wire"
)

// build makes the message of an exchange as it is to leave now: without the leases that have ended
// meanwhile, and with the time that the exchange has taken (section 15). No lifetimes, T1 or T2 are
// ever asked for.
func (e *Engine) build(x *exchange) *wire.Message {
	m := &wire.Message{
		Type: x.typ, TransactionID: x.xid, ClientID: e.cfg.DUID, ServerID: x.server,
		Elapsed: e.now.Sub(x.first),
	}
	switch x.typ {
	case dhcpv6.MessageTypeSolicit:
		m.RapidCommit = e.rapid(x)
		m.IANAs = e.ia(nil)
		e.ask(m)
	case dhcpv6.MessageTypeRequest:
		m.IANAs = e.ia(x.addrs)
		e.ask(m)
	case dhcpv6.MessageTypeRenew:
		m.IANAs = e.ia(e.binding.renewable())
		e.ask(m)
	case dhcpv6.MessageTypeRebind:
		m.IANAs = e.ia(e.binding.addresses())
		e.ask(m)
	case dhcpv6.MessageTypeConfirm:
		m.IANAs = e.ia(e.binding.addresses())
	case dhcpv6.MessageTypeRelease, dhcpv6.MessageTypeDecline:
		m.IANAs = e.ia(x.addrs)
	default: // Information-request
		m.Requested = append(slices.Clone(e.cfg.Options), dhcpv6.OptionInformationRefreshTime, dhcpv6.OptionInfMaxRT)
		m.ReconfigureAccept = !e.cfg.NoReconfigure
	}
	return m
}

// ia is the NIC's IA_NA with addresses in it.
func (e *Engine) ia(addrs []netip.Addr) []wire.IANA {
	ia := wire.IANA{ID: e.iaid}
	for _, a := range addrs {
		ia.Addresses = append(ia.Addresses, wire.Address{Addr: a})
	}
	return []wire.IANA{ia}
}

// ask adds what goes into every message that asks for addresses and settings.
func (e *Engine) ask(m *wire.Message) {
	m.Requested = append(slices.Clone(e.cfg.Options), dhcpv6.OptionSolMaxRT)
	m.ReconfigureAccept = !e.cfg.NoReconfigure
	if e.cfg.FQDN != nil {
		name := *e.cfg.FQDN
		m.FQDN = &name
		if !slices.Contains(m.Requested, dhcpv6.OptionFQDN) {
			m.Requested = append(m.Requested, dhcpv6.OptionFQDN)
		}
	}
}
