package responder

import (
	"maps"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/wire"
)

// counts are what the engine counts: messages by type, and what is seldom by its name.
type counts struct {
	received, sent [256]uint64
	other          map[string]uint64
}

// all gives each count that is not 0 a name.
func (c *counts) all() map[string]uint64 {
	out := maps.Clone(c.other)
	for t := range c.received {
		name := wire.TypeName(dhcpv6.MessageType(t))
		if n := c.received[t]; n > 0 {
			out["received "+name] += n
		}
		if n := c.sent[t]; n > 0 {
			out["sent "+name] += n
		}
	}
	return out
}
