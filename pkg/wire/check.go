package wire

import (
	"fmt"
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv6"
)

// CheckForServer says whether a server may act upon m, by those rules of RFC 9915, section 16, that
// need only the message: which identifiers it must and must not have, and that it is one that clients
// send. Whether a Server Identifier is the server's own is the server's to check. The error is a
// DiscardError: ErrNotForServer, ErrTruncated, ErrNoClientID, ErrNoServerID, ErrServerID, ErrIA.
func (m *Message) CheckForServer() error {
	if err := m.checkForServer(); err != nil {
		return fmt.Errorf("%s: %w", TypeName(m.Type), err)
	}
	return nil
}

func (m *Message) checkForServer() error {
	switch m.Type {
	case dhcpv6.MessageTypeSolicit, dhcpv6.MessageTypeConfirm, dhcpv6.MessageTypeRebind: // 16.2, 16.5, 16.7
		switch {
		case m.Truncated:
			return ErrTruncated
		case m.ClientID == "":
			return ErrNoClientID
		case m.ServerID != "":
			return ErrServerID
		}
		return nil
	case dhcpv6.MessageTypeRequest, dhcpv6.MessageTypeRenew, // 16.4, 16.6
		dhcpv6.MessageTypeDecline, dhcpv6.MessageTypeRelease: // 16.8, 16.9
		switch {
		case m.Truncated:
			return ErrTruncated
		case m.ClientID == "":
			return ErrNoClientID
		case m.ServerID == "":
			return ErrNoServerID
		}
		return nil
	case dhcpv6.MessageTypeInformationRequest: // 16.12
		switch {
		case m.Truncated:
			return ErrTruncated
		case m.hasIA():
			return ErrIA
		}
		return nil
	default:
		return ErrNotForServer
	}
}

// hasIA reports whether m has an identity association of any kind.
func (m *Message) hasIA() bool {
	return len(m.IANAs) > 0 || len(m.IAPDs) > 0 || slices.ContainsFunc(m.Others, func(o Option) bool {
		return o.Code == dhcpv6.OptionIATA
	})
}

// CheckForClient says whether a client may act upon m, by those rules of RFC 9915, section 16, that
// need only the message. Whether the transaction id and the Client Identifier are its own (a Reply to
// an Information-request without one has none), which server it awaits and what an Authentication is
// worth is the client's to check. The error is a DiscardError: ErrNotForClient, ErrNoServerID,
// ErrNoClientID, ErrNoReconfigureMessage, ErrReconfigureMessage, ErrNoAuth.
func (m *Message) CheckForClient() error {
	if err := m.checkForClient(); err != nil {
		return fmt.Errorf("%s: %w", TypeName(m.Type), err)
	}
	return nil
}

func (m *Message) checkForClient() error {
	switch {
	case !IsServerMessage(m.Type):
		return ErrNotForClient
	case m.ServerID == "": // 16.3, 16.10, 16.11
		return ErrNoServerID
	case m.Type == dhcpv6.MessageTypeReply:
		return nil
	case m.ClientID == "": // 16.3, 16.11
		return ErrNoClientID
	case m.Type == dhcpv6.MessageTypeReconfigure:
		return m.checkReconfigure()
	}
	return nil
}

// checkReconfigure applies section 16.11.
func (m *Message) checkReconfigure() error {
	switch m.ReconfigureMessage {
	case 0:
		return ErrNoReconfigureMessage
	case dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRebind, dhcpv6.MessageTypeInformationRequest:
	default:
		return ErrReconfigureMessage
	}
	if m.Auth == nil {
		return ErrNoAuth
	}
	return nil
}
