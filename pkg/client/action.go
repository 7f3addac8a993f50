package client

import (
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/wire"
)

// An Action is something that must now be done. Actions are done in their order; each is done before
// the next begins, so that an address is off the NIC before its Release leaves.
type Action interface{ action() }

type (
	// Send sends a message to ff02::1:2, port 547, from the NIC's link-local address and port 546.
	Send struct{ Msg *wire.Message }

	// Install puts an address on the NIC as /128, or refreshes its lifetimes in place.
	Install struct{ Address Address }

	// Remove takes an address off the NIC; one that is not there is no error.
	Remove struct {
		Addr netip.Addr
		Why  string
	}

	// Save keeps a lease for the next start, in place of the one kept before.
	Save struct{ Lease *Lease }

	// Forget throws the kept lease away.
	Forget struct{}

	// Configure says which settings hold now, in place of all earlier ones of this NIC.
	Configure struct{ Settings Settings }

	// Report is something that a person may want to know. Message is constant, Attrs tell the rest.
	Report struct {
		Level   slog.Level
		Message string
		Attrs   []slog.Attr
		// Packet says that a packet caused the report: whoever logs it bounds how often (decision 11 of
		// the design), by Message and the attribute "reason".
		Packet bool
	}

	// Finished ends a command. Err is nil on success, else ErrNoServer, a *RefusedError, a *DeclinedError
	// or ErrStopped, or wraps the error of an InstallFailed.
	Finished struct {
		Command Command
		Err     error
	}
)

func (Send) action()      {}
func (Install) action()   {}
func (Remove) action()    {}
func (Save) action()      {}
func (Forget) action()    {}
func (Configure) action() {}
func (Report) action()    {}
func (Finished) action()  {}

// A Command is one that Finished ends.
type Command string

// The commands.
const (
	CommandLease   Command = "lease"
	CommandRelease Command = "release"
)

// An Address is a leased address with the ends of its lifetimes; clock.Never means for ever.
type Address struct {
	Addr           netip.Addr
	PreferredUntil clock.Instant // from then on it is deprecated
	ValidUntil     clock.Instant // from then on it must not be used
	// Unconfirmed says that no server has vouched for it since the NIC may be on another link: nobody
	// answered the Confirm. The address may be used on, but need not be of any use.
	Unconfirmed bool
}

// Lifetimes are the preferred and the valid lifetime that are left at now: never negative,
// wire.Infinite when they never end, preferred <= valid.
func (a Address) Lifetimes(now clock.Instant) (preferred, valid time.Duration) {
	left := func(until clock.Instant) time.Duration {
		if until == clock.Never {
			return wire.Infinite
		}
		return max(0, until.Sub(now))
	}
	return left(a.PreferredUntil), left(a.ValidUntil)
}

// Settings are what a server says beside addresses.
type Settings struct {
	DNS    []netip.Addr
	Search []string // without the final dot
	NTP    []netip.Addr
}

// Equal reports whether both hold the same values in the same order.
func (s Settings) Equal(t Settings) bool {
	return slices.Equal(s.DNS, t.DNS) && slices.Equal(s.Search, t.Search) && slices.Equal(s.NTP, t.NTP)
}
