package leasestore

import (
	"net/netip"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/wire"
)

// A State is what has become of a binding.
type State uint8

// The states. The store gives them no meaning; all of them are kept until Forget.
const (
	Bound    State = 1 // given to the client for the lifetimes
	Released State = 2 // given back by the client (RFC 9915, section 18.3.7)
	Declined State = 3 // another node uses it (section 18.3.8); set aside until Ends
	Expired  State = 4 // the valid lifetime has passed
)

// String is the state in lower case.
func (s State) String() string {
	switch s {
	case Bound:
		return "bound"
	case Released:
		return "released"
	case Declined:
		return "declined"
	case Expired:
		return "expired"
	}
	return "unknown"
}

func (s State) valid() bool { return s >= Bound && s <= Expired }

// A Lease is the record of one address or delegated prefix. Prefix is its key: the store has at most one
// lease of a prefix, whoever the client and whatever the network, so that none is given twice.
type Lease struct {
	// Prefix is the address as /128, or the delegated prefix, masked, without zone.
	Prefix netip.Prefix
	// Delegated says that it is in an IA_PD (RFC 9915, section 21.21), else in an IA_NA.
	Delegated bool
	State     State

	// DUID and IAID are the client's (sections 11 and 12).
	DUID wire.DUID
	IAID wire.IAID
	// MAC is the Ethernet address that the first binding was made for; zero when it was not known.
	MAC [6]byte

	// Network and Interface are the names that the lease was made under; at most 255 bytes each.
	Network, Interface string

	// Via is the client's own address on its link, which a delegated prefix is to be routed through; the zero
	// Addr where it is not known, and of addresses.
	Via netip.Addr

	// Granted is when the lifetimes began, on this boot's clock: below zero if before this boot.
	Granted clock.Instant
	// Wall is the wall clock's word for Granted, to the millisecond, for readers only: it may have been
	// wrong. Put fills it in where it is zero.
	Wall time.Time
	// Preferred and Valid are lifetimes counted from Granted, in whole seconds as on the wire (rounded
	// up), wire.Infinite for ever.
	Preferred, Valid time.Duration
}

// Ends is the first moment at which the valid lifetime can have passed; clock.Never if it is infinite.
func (l *Lease) Ends() clock.Instant {
	if l.Valid >= wire.Infinite {
		return clock.Never
	}
	return l.Granted.Add(l.Valid)
}

// A Change is one thing that Begin and Commit make durable: a Put, Forget, Set or Unset.
type Change interface{ change() }

type (
	// Put stores a lease in place of the one of the same prefix. The lease is the caller's again as soon
	// as Begin has returned.
	Put struct{ Lease *Lease }

	// Forget removes the lease of a prefix; none is no error.
	Forget struct{ Prefix netip.Prefix }

	// Set stores a small value under a name (1 to 255 bytes), in place of the one that is there.
	// Names are grouped by what stands before a slash: host/06:a0:f0:00:00:38.
	Set struct {
		Name  string
		Value []byte // at most 64 KiB
	}

	// Unset removes the value of a name; none is no error.
	Unset struct{ Name string }
)

func (Put) change()    {}
func (Forget) change() {}
func (Set) change()    {}
func (Unset) change()  {}

// A Result says what has become of one Begin.
type Result struct {
	ID uint64 // of the Begin
	// Seq is the sequence number of its last lease record, 0 if it had none. It grows with every record.
	Seq uint64
	Err error // nil: all of its changes are on disk; else see the package's comment
}
