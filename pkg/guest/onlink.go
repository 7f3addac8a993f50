package guest

import (
	"context"
	"net/netip"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/link"
)

// onLink is the on-link routes that v6guest has installed on a NIC.
type onLink struct {
	routes map[netip.Prefix]clock.Instant
}

func (o *onLink) deadline() clock.Instant { return clock.Never }

func (o *onLink) lost(link.Route, clock.Instant) {}

func (o *onLink) prefixes() []netip.Prefix { return nil }

func (n *managedNIC) tendOnLink(context.Context, clock.Instant) {}
