package guest

import (
	"fmt"

	"github.com/v6guest/v6guest/pkg/client"
)

// PacketLine is a DHCPv6 message as one readable line; what the sender wrote in it is escaped.
func PacketLine(nic string, m client.TracedMessage) string {
	if m.Sent {
		return fmt.Sprintf("%s > %s", nic, m.Msg)
	}
	return fmt.Sprintf("%s < %s from %s", nic, m.Msg, m.Peer)
}
