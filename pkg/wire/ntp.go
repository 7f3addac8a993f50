package wire

import (
	"fmt"
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv6"
)

// NTPName is an NTP Server option (RFC 5908, section 4.3) that names the time source; it stands among
// Message.Others, since NTP holds addresses only.
func NTPName(name string) (Option, error) {
	data, err := appendName(nil, name, false)
	if err != nil {
		return Option{}, fmt.Errorf("NTP server: %w", err)
	}
	return ntpSource(dhcpv6.NTPSuboptionSrvFQDNCode, data), nil
}

// NTPMulticast is an NTP Server option for a group that time is sent to (section 4.2).
func NTPMulticast(group netip.Addr) Option {
	return ntpSource(dhcpv6.NTPSuboptionMCAddrCode, group.AsSlice())
}

func ntpSource(code dhcpv6.OptionCode, data []byte) Option {
	return Option{Code: dhcpv6.OptionNTPServer, Data: append(appendHeader(nil, code, len(data)), data...)}
}
