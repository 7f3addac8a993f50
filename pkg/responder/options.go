package responder

import (
	"net/netip"
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/wire"
)

// configure adds the options that the client asked for (RFC 9915, sections 18.3.9 and 21.7) and that
// there is a value for. A NIC tagged nondefault6 gets none that its machine could confuse with those of
// its default NIC.
func (x *exchange) configure(m *wire.Message) {
	n := x.network
	if x.asks(dhcpv6.OptionSolMaxRT) {
		m.SOLMaxRT = n.SOLMaxRT
	}
	if x.asks(dhcpv6.OptionInfMaxRT) {
		m.INFMaxRT = n.INFMaxRT
	}
	if x.in.Msg.Type == dhcpv6.MessageTypeInformationRequest && n.InformationRefresh > 0 &&
		x.asks(dhcpv6.OptionInformationRefreshTime) {
		refresh := n.InformationRefresh
		m.InformationRefresh = &refresh
	}
	if x.host != nil && x.host.Tagged(TagNonDefault) {
		return
	}
	if x.asks(dhcpv6.OptionDNSRecursiveNameServer) {
		m.DNS = n.DNS
	}
	if x.asks(dhcpv6.OptionDomainSearchList) {
		m.Search = n.Search
	}
	if x.asks(dhcpv6.OptionNTPServer) {
		m.NTP = n.NTP
	}
	if x.asks(dhcpv6.OptionSNTPServerList) && len(n.NTP) > 0 {
		m.Others = append(m.Others, wire.Option{Code: dhcpv6.OptionSNTPServerList, Data: addressList(n.NTP)})
	}
}

func (x *exchange) asks(code dhcpv6.OptionCode) bool {
	return slices.Contains(x.in.Msg.Requested, code)
}

func addressList(list []netip.Addr) []byte {
	var b []byte
	for _, a := range list {
		b = append(b, a.AsSlice()...)
	}
	return b
}
