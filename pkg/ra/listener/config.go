package listener

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
)

// A Config is what an Engine is made of.
type Config struct {
	// Rand gives the jitter of solicitations. Required; the engine's from now on.
	Rand *rand.Rand
	// MAC is the NIC's link-layer address, which solicitations name; nil names none.
	MAC net.HardwareAddr
	// MTU is the most that the NIC can carry: an advertised one above it is not believed. 0 stands for
	// 1500.
	MTU uint32
	// Accept says whether what a router says counts; nil accepts every router. From is without zone.
	Accept func(from netip.Addr) bool
}

// The limits of what is kept of one link.
const (
	MaxRouters  = 8
	MaxPrefixes = 16 // each counted once for every router that advertises it
	MaxRoutes   = 16 // likewise, and so on
	MaxServers  = 32
	MaxDomains  = 32
	MaxPREF64   = 16
)

const ethernetMTU = 1500

func (c Config) withDefaults() (Config, error) {
	if c.Rand == nil {
		return c, errors.New("listener: no source of randomness")
	}
	if c.MTU == 0 {
		c.MTU = ethernetMTU
	}
	return c, nil
}
