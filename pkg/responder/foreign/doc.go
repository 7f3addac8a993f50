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
	Told
}

// Told is what is said of a file; each line begins with file and line of it.
type Told struct {
	// Left says what cannot be taken over, why, and what to do; More is how much of it is not told.
	Left []string `json:"left"`
	More int      `json:"left_untold,omitempty"`
	// Notes say what should be known, though nothing is missing.
	Notes []string `json:"notes"`
}

// cureLease is what becomes of a lease that cannot be read.
const cureLease = "correct it, or let its client get another"

// MaxLeft is how many things that cannot be taken over are told one by one.
const MaxLeft = 1000

// Leave tells what cannot be taken over.
func (t *Told) Leave(where, format string, args ...any) {
	if len(t.Left) < MaxLeft {
		t.Left = append(t.Left, where+": "+fmt.Sprintf(format, args...))
	} else {
		t.More++
	}
}

// Note tells what need not be taken over, or should be known.
func (t *Told) Note(where, format string, args ...any) {
	if len(t.Notes) < MaxLeft {
		t.Notes = append(t.Notes, where+": "+fmt.Sprintf(format, args...))
	}
}
