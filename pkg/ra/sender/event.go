package sender

import (
	"log/slog"
	"net/netip"

	"github.com/v6guest/v6guest/pkg/ra"
)

// An Event is what happened; Engine.Step takes it.
type Event interface{ event() }

type (
	// LinkUp says that the interface can be used and that LinkLocal, its link-local address, has passed
	// duplicate address detection. When another address follows, the old one bids farewell with router
	// lifetime 0, if it is still there (RFC 4861, section 6.2.8).
	LinkUp struct {
		LinkLocal netip.Addr
		MTU       int // of the interface; less than 1,280 stands for 1,280
	}

	// LinkDown says that the interface cannot be used or has no usable link-local address.
	LinkDown struct{}

	// Received is a message that came in on the interface: a solicitation, or another router's
	// advertisement.
	Received struct{ Packet ra.Packet }

	// Forwarding says whether the interface forwards. It counts where RouterLifetime is not 0 or there are
	// routes: both are sent with lifetime 0 while it does not.
	Forwarding struct{ On bool }

	// Reconfigure puts another configuration in force. One that Check refuses changes nothing and is
	// reported.
	Reconfigure struct{ Config Config }

	// Stop ends the engine's life: Stopped follows. Final sends an advertisement with router lifetime 0
	// first, three seconds after the last one at the earliest. Without it guests keep their routes:
	// the sender restarts, or another takes its place.
	Stop struct{ Final bool }

	// Unsent says that an advertisement could not be sent. All nodes get one as soon as that is allowed: the
	// next that is due may be half an hour away.
	Unsent struct{}

	// Expired says that the Deadline has come.
	Expired struct{}
)

func (LinkUp) event()      {}
func (LinkDown) event()    {}
func (Received) event()    {}
func (Forwarding) event()  {}
func (Reconfigure) event() {}
func (Stop) event()        {}
func (Unsent) event()      {}
func (Expired) event()     {}

// An Action is something that must now be done.
type Action interface{ action() }

type (
	// Send sends an advertisement.
	Send struct {
		From netip.Addr // the interface's link-local address
		To   netip.Addr // ra.AllNodes, or a host's address
		Data []byte     // the message, from the ICMPv6 type on; not longer than the MTU allows
	}

	// Report is something that a person may want to know. Message is constant, Attrs tell the rest.
	// Those that packets cause are bounded already: one an hour for each reason and router.
	Report struct {
		Level   slog.Level
		Message string
		Attrs   []slog.Attr
	}

	// Stopped says that the engine's life has ended.
	Stopped struct{}
)

func (Send) action()    {}
func (Report) action()  {}
func (Stopped) action() {}
