package listener

import (
	"log/slog"
	"net/netip"

	"github.com/v6guest/v6guest/pkg/ra"
)

// An Event is what happened; Engine.Step takes it.
type Event interface{ event() }

type (
	// LinkUp says that the NIC can be used and that LinkLocal, its link-local address, has passed
	// duplicate address detection. It begins a new round of solicitations, also where the link was up
	// already: it may be another link.
	LinkUp struct {
		LinkLocal netip.Addr
		// NoDelay sends the first solicitation at once, not after a random time of up to a second: right
		// where such a wait was just made, as it is before duplicate address detection (RFC 4861,
		// section 6.3.7).
		NoDelay bool
	}

	// LinkDown says that the NIC cannot be used. What is known stays known until its time ends.
	LinkDown struct{}

	// SolicitNow begins a new round of solicitations: the machine was suspended or moved, or forwarding
	// was turned off. It means nothing while the link is down.
	SolicitNow struct{}

	// Received is a message that came in on the NIC.
	Received struct{ Packet ra.Packet }

	// Addresses says which addresses the NIC has now. A prefix that holds one keeps its place when the
	// list is full.
	Addresses struct{ Held []netip.Addr }

	// Expired says that the Deadline has come.
	Expired struct{}
)

func (LinkUp) event()     {}
func (LinkDown) event()   {}
func (SolicitNow) event() {}
func (Received) event()   {}
func (Addresses) event()  {}
func (Expired) event()    {}

// An Action is something that must now be done.
type Action interface{ action() }

type (
	// Solicit sends a Router Solicitation to ff02::2.
	Solicit struct {
		From netip.Addr // the NIC's link-local address
		Data []byte     // the message, from the ICMPv6 type on
	}

	// Changed says how things are now. It comes when a router, prefix, flag or any other entry is new,
	// gone or different, when an end has become earlier, and when half of the time that was told last
	// has gone and there is more by now; not for each advertisement. It comes at most once a second in
	// the long run, ten times in a row.
	Changed struct{ Snapshot Snapshot }

	// Report is something that a person may want to know. Message is constant, Attrs tell the rest.
	// Those that packets cause are bounded already: one an hour for each reason and router.
	Report struct {
		Level   slog.Level
		Message string
		Attrs   []slog.Attr
	}
)

func (Solicit) action() {}
func (Changed) action() {}
func (Report) action()  {}
