package responder

import (
	"net/netip"
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/wire"
)

// configure adds the options that the client asked for (RFC 9915, sections 18.3.9 and 21.7) and that
// there is a value for.
func (x *exchange) configure(m *wire.Message) {
	n, o := x.network, x.options()
	if x.asks(dhcpv6.OptionSolMaxRT) {
		m.SOLMaxRT = n.SOLMaxRT
	}
	if x.asks(dhcpv6.OptionInfMaxRT) {
		m.INFMaxRT = n.INFMaxRT
	}
	if x.in.Msg.Type == dhcpv6.MessageTypeInformationRequest && x.asks(dhcpv6.OptionInformationRefreshTime) {
		if refresh := x.refresh(); refresh > 0 {
			m.InformationRefresh = &refresh
		}
	}
	if x.asks(dhcpv6.OptionDNSRecursiveNameServer) {
		m.DNS = o.DNS
	}
	if x.asks(dhcpv6.OptionDomainSearchList) {
		m.Search = o.Search
	}
	if x.asks(dhcpv6.OptionNTPServer) {
		m.NTP = o.NTP
		m.Others = append(m.Others, o.NTPOthers...)
	}
	if x.asks(dhcpv6.OptionSNTPServerList) && len(o.NTP) > 0 {
		m.Others = append(m.Others, wire.Option{Code: dhcpv6.OptionSNTPServerList, Data: addressList(o.NTP)})
	}
	for _, r := range o.Raw {
		if x.asks(r.Code) {
			m.Others = append(m.Others, r)
		}
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
