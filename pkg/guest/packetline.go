package guest

import (
	"fmt"
	"strings"

	"github.com/v6guest/v6guest/pkg/client"
	"github.com/v6guest/v6guest/pkg/ra"
)

// PacketLine is a DHCPv6 message as one readable line; what the sender wrote in it is escaped.
func PacketLine(nic string, m client.TracedMessage) string {
	if m.Sent {
		return fmt.Sprintf("%s > %s", nic, m.Msg)
	}
	return fmt.Sprintf("%s < %s from %s", nic, m.Msg, m.Peer)
}

// RouterLine is a Router Advertisement or Solicitation as one readable line. It holds no text that the
// sender chose: names are counted only.
func RouterLine(nic string, p ra.TracedPacket) string {
	if p.Sent {
		return fmt.Sprintf("%s > Router Solicitation from %s to %s", nic, p.Packet.From, p.To)
	}
	a, err := p.Packet.Advertisement()
	if err != nil {
		return fmt.Sprintf("%s < Router Advertisement from %s: dropped: %v", nic, p.Packet.From, err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s < Router Advertisement from %s lifetime %s preference %s", nic, p.Packet.From, a.RouterLifetime, a.Preference)
	mark(&b, a.Managed, " M")
	mark(&b, a.Other, " O")
	for _, x := range a.Prefixes {
		fmt.Fprintf(&b, " [%s", x.Prefix)
		mark(&b, x.OnLink, " L")
		mark(&b, x.Autonomous, " A")
		fmt.Fprintf(&b, " pref %s valid %s]", Lifetime(x.Preferred), Lifetime(x.Valid))
	}
	for _, x := range a.RDNSS {
		fmt.Fprintf(&b, " DNS %v", x.Servers)
	}
	for _, x := range a.DNSSL {
		fmt.Fprintf(&b, " search domains: %d", len(x.Domains))
	}
	if len(a.Flaws) > 0 {
		fmt.Fprintf(&b, " options left out: %d", len(a.Flaws))
	}
	return b.String()
}

func mark(b *strings.Builder, set bool, name string) {
	if set {
		b.WriteString(name)
	}
}
