package responder

import (
	"log/slog"
	"net"
	"net/netip"

	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/responder/hosts"
	"github.com/v6guest/v6guest/pkg/wire"
)

// An Event is what happened; Engine.Step takes it.
type Event interface{ event() }

type (
	// Received is a message that came in, directly or through relay agents.
	Received struct {
		Msg    *wire.Message
		Relays []wire.Relay // around it, outermost first; none for a direct message
		// Interface is the name of the NIC that it came in by.
		Interface string
		// FrameMAC is the link-layer source address of the frame; nil where it is not known, as of
		// what came by the UDP socket.
		FrameMAC net.HardwareAddr
		// From is the source address and port of the datagram; the address has no zone.
		From netip.AddrPort
		// Unicast says that it was sent to an address of the server instead of a group.
		Unicast bool
	}

	// Malformed is a datagram that wire.DecodeRelayed refused.
	Malformed struct {
		Interface string
		FrameMAC  net.HardwareAddr // nil where it is not known
		From      netip.AddrPort
		Err       error
	}

	// HostsChanged says which reservations the files have from now on.
	HostsChanged struct{ Hosts *hosts.Index }

	// HostPut adds one reservation beside those of the files, which win over it.
	HostPut struct{ Host *hosts.Host }

	// HostDropped takes the added reservation with that key out.
	HostDropped struct{ Key string }

	// ConfigChanged says what holds from now on. Bindings stay; those of addresses that are in no pool
	// any more are not extended.
	ConfigChanged struct{ Config EngineConfig }

	// OwnAddress says that this machine has an address now, or with Gone set, that it has it no more.
	OwnAddress struct {
		Addr netip.Addr
		Gone bool
	}

	// Revoke takes a binding from its client, who is not told: the operator wants it so. Where there is
	// none, nothing happens.
	Revoke struct{ Prefix netip.Prefix }

	// Stored says what has become of Stores.
	Stored struct{ Results []leasestore.Result }

	// Expired says that the moment of Engine.Deadline has come.
	Expired struct{}
)

func (Received) event()     {}
func (Malformed) event()    {}
func (HostsChanged) event() {}
func (HostPut) event()      {}
func (HostDropped) event()  {}

func (ConfigChanged) event() {}
func (OwnAddress) event()    {}
func (Revoke) event()        {}
func (Stored) event()        {}
func (Expired) event()       {}

// An Action is something that must now be done.
type Action interface{ action() }

type (
	// Send sends an answer.
	Send struct {
		Msg    *wire.Message
		Relays []wire.Relay // to put around it as Relay-replies, outermost first
		// Interface is the name of the NIC that it leaves by (RFC 9915, section 18.3.10).
		Interface string
		// To is the client's address and port 546, or the nearest relay's and port 547.
		To netip.AddrPort
		// MAC is where the frame goes; nil leaves that to the kernel and the UDP socket.
		MAC net.HardwareAddr
	}

	// Store makes changes of bindings durable, together; a Stored event tells of it under the ID. What
	// must wait for it the engine keeps: answers are Send actions of that Step.
	Store struct {
		ID      uint64
		Changes []leasestore.Change
	}

	// Changed is a change of a binding that is durable, or that time has made.
	Changed struct {
		Event string            // EventLeased and so on
		Lease *leasestore.Lease // as it was made
		Relay netip.Addr        // the relay agent that the client spoke through; zero for none
		Name  string            // the client's, of the hosts files; "" for none
		// Operator says that he wanted it so.
		Operator bool
	}

	// Report is something that a person may want to know. Message is constant, Attrs tell the rest.
	// Those that packets cause are bounded already (decision 11 of the design).
	Report struct {
		Level   slog.Level
		Message string
		Attrs   []slog.Attr
	}
)

func (*Send) action() {}
func (Store) action() {}

func (*Changed) action() {}
func (Report) action()   {}
