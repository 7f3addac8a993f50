package wire

import (
	"errors"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv6"
)

func TestCheckForServer(t *testing.T) {
	const (
		solicit = dhcpv6.MessageTypeSolicit
		request = dhcpv6.MessageTypeRequest
		confirm = dhcpv6.MessageTypeConfirm
		renew   = dhcpv6.MessageTypeRenew
		rebind  = dhcpv6.MessageTypeRebind
		decline = dhcpv6.MessageTypeDecline
		release = dhcpv6.MessageTypeRelease
		info    = dhcpv6.MessageTypeInformationRequest
	)
	for _, tt := range []struct {
		name string
		m    Message
		want error
	}{
		{"a Solicit", Message{Type: solicit, ClientID: guest}, nil},
		{"S-16.2-01 a Solicit without Client Identifier", Message{Type: solicit}, ErrNoClientID},
		{"S-16.2-02 a Solicit with a Server Identifier", Message{Type: solicit, ClientID: guest, ServerID: server}, ErrServerID},
		{"S-16.3-01 an Advertise", Message{Type: dhcpv6.MessageTypeAdvertise, ClientID: guest, ServerID: server}, ErrNotForServer},
		{"a Request", Message{Type: request, ClientID: guest, ServerID: server}, nil},
		{"S-16.4-01 a Request without Server Identifier", Message{Type: request, ClientID: guest}, ErrNoServerID},
		{"S-16.4-03 a Request without Client Identifier", Message{Type: request, ServerID: server}, ErrNoClientID},
		{"a Confirm", Message{Type: confirm, ClientID: guest}, nil},
		{"S-16.5-01 a Confirm without Client Identifier", Message{Type: confirm}, ErrNoClientID},
		{"S-16.5-02 a Confirm with a Server Identifier", Message{Type: confirm, ClientID: guest, ServerID: server}, ErrServerID},
		{"a Renew", Message{Type: renew, ClientID: guest, ServerID: server}, nil},
		{"S-16.6-01 a Renew without Server Identifier", Message{Type: renew, ClientID: guest}, ErrNoServerID},
		{"S-16.6-03 a Renew without Client Identifier", Message{Type: renew, ServerID: server}, ErrNoClientID},
		{"a Rebind", Message{Type: rebind, ClientID: guest}, nil},
		{"S-16.7-01 a Rebind without Client Identifier", Message{Type: rebind}, ErrNoClientID},
		{"S-16.7-02 a Rebind with a Server Identifier", Message{Type: rebind, ClientID: guest, ServerID: server}, ErrServerID},
		{"a Decline", Message{Type: decline, ClientID: guest, ServerID: server}, nil},
		{"S-16.8-01 a Decline without Server Identifier", Message{Type: decline, ClientID: guest}, ErrNoServerID},
		{"S-16.8-03 a Decline without Client Identifier", Message{Type: decline, ServerID: server}, ErrNoClientID},
		{"a Release", Message{Type: release, ClientID: guest, ServerID: server}, nil},
		{"S-16.9-01 a Release without Server Identifier", Message{Type: release, ClientID: guest}, ErrNoServerID},
		{"S-16.9-03 a Release without Client Identifier", Message{Type: release, ServerID: server}, ErrNoClientID},
		{"S-16.10-01 a Reply", Message{Type: dhcpv6.MessageTypeReply, ClientID: guest, ServerID: server}, ErrNotForServer},
		{"S-16.11-01 a Reconfigure", Message{Type: dhcpv6.MessageTypeReconfigure, ClientID: guest, ServerID: server}, ErrNotForServer},
		{"an Information-request without identifiers", Message{Type: info}, nil},
		{"S-16.12-01 an Information-request that names a server", Message{Type: info, ServerID: server}, nil},
		{"S-16.12-02 an Information-request with an IA_NA", Message{Type: info, IANAs: []IANA{{}}}, ErrIA},
		{"S-16.12-02 an Information-request with an IA_PD", Message{Type: info, IAPDs: []IAPD{{}}}, ErrIA},
		{
			"S-16.12-02 an Information-request with an IA_TA",
			Message{Type: info, Others: []Option{{Code: dhcpv6.OptionIATA}}},
			ErrIA,
		},
		{"S-8-02 a Solicit that is cut off", Message{Type: solicit, ClientID: guest, Truncated: true}, ErrTruncated},
		{"S-8-02 a Request that is cut off", Message{Type: request, ClientID: guest, ServerID: server, Truncated: true}, ErrTruncated},
		{"S-8-02 an Information-request that is cut off", Message{Type: info, Truncated: true}, ErrTruncated},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.m.CheckForServer(); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestCheckForClient(t *testing.T) {
	advertise := Message{Type: dhcpv6.MessageTypeAdvertise, ClientID: guest, ServerID: server}
	reply := Message{Type: dhcpv6.MessageTypeReply, ClientID: guest, ServerID: server}
	reconfigure := Message{
		Type: dhcpv6.MessageTypeReconfigure, ClientID: guest, ServerID: server,
		ReconfigureMessage: dhcpv6.MessageTypeRenew, Auth: &Auth{Protocol: 3},
	}
	with := func(m Message, change func(*Message)) Message {
		change(&m)
		return m
	}
	asks := func(t dhcpv6.MessageType) Message {
		return with(reconfigure, func(m *Message) { m.ReconfigureMessage = t })
	}
	noServer := func(m *Message) { m.ServerID = "" }
	noClient := func(m *Message) { m.ClientID = "" }
	for _, tt := range []struct {
		name string
		m    Message
		want error
	}{
		{"an Advertise", advertise, nil},
		{"C-16.3-01 an Advertise without Server Identifier", with(advertise, noServer), ErrNoServerID},
		{"C-16.3-02 an Advertise without Client Identifier", with(advertise, noClient), ErrNoClientID},
		{"a Reply", reply, nil},
		{"C-16.10-01 a Reply without Server Identifier", with(reply, noServer), ErrNoServerID},
		{"C-16.10-05 a Reply without Client Identifier may answer an anonymous request", with(reply, noClient), nil},
		{"a Reply that is cut off is used as far as it goes", with(reply, func(m *Message) { m.Truncated = true }), nil},
		{"a Reconfigure", reconfigure, nil},
		{"C-16.11-02 a Reconfigure without Server Identifier", with(reconfigure, noServer), ErrNoServerID},
		{"C-16.11-03 a Reconfigure without Client Identifier", with(reconfigure, noClient), ErrNoClientID},
		{"C-16.11-04 a Reconfigure without Reconfigure Message", asks(0), ErrNoReconfigureMessage},
		{"C-16.11-05 a Reconfigure that asks for Solicit", asks(1), ErrReconfigureMessage},
		{"C-16.11-05 a Reconfigure that asks for Request", asks(3), ErrReconfigureMessage},
		{"C-16.11-05 a Reconfigure that asks for Confirm", asks(4), ErrReconfigureMessage},
		{"C-16.11-05 a Reconfigure that asks for 255", asks(255), ErrReconfigureMessage},
		{"C-16.11-05 a Reconfigure that asks for Rebind", asks(6), nil},
		{"C-16.11-05 a Reconfigure that asks for Information-request", asks(11), nil},
		{"C-16.11-06 a Reconfigure without authentication", with(reconfigure, func(m *Message) { m.Auth = nil }), ErrNoAuth},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.m.CheckForClient(); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	for typ := dhcpv6.MessageTypeSolicit; typ <= dhcpv6.MessageTypeInformationRequest; typ++ {
		if IsClientMessage(typ) {
			t.Run("C-16.2-01 "+TypeName(typ), func(t *testing.T) {
				m := Message{Type: typ, ClientID: guest, ServerID: server}
				if err := m.CheckForClient(); !errors.Is(err, ErrNotForClient) {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}
