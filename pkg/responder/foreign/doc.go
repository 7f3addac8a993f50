// Package foreign reads what other DHCPv6 servers have written: dnsmasq's leases file, Kea's memfile leases
// (CSV) and the reservations in Kea's configuration (JSON with comments). What it cannot read it says,
// one by one with file, line and cure; the rest counts.
package foreign

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/v6guest/v6guest/pkg/wire"
)

// A Lease is an address, or a prefix, that a client has from another server.
type Lease struct {
	Where string // file and line
	// Prefix is the address as /128, or a delegated prefix.
	Prefix    netip.Prefix
	Delegated bool
	DUID      wire.DUID
	IAID      wire.IAID
	MAC       [6]byte   // zero where it is not known
	Ends      time.Time // zero for never
}

// A Line is a reservation as a line of the hosts file.
type Line struct{ Where, Text string }

// Content is what a file says.
type Content struct {
	Leases []Lease
	Hosts  []Line
	Left   []string // what cannot be taken over, and why; each begins with file and line, and ends with the cure
	More   int      // how much of it is not told, since it is so much
	Notes  []string // what should be known, though nothing is missing
}

// cureLease is what becomes of a lease that cannot be read.
const cureLease = "correct it, or let its client get another"

// MaxLeft is how many things that cannot be taken over are told one by one.
const MaxLeft = 1000

func (c *Content) left(where, format string, args ...any) {
	if len(c.Left) < MaxLeft {
		c.Left = append(c.Left, where+": "+fmt.Sprintf(format, args...))
	} else {
		c.More++
	}
}
