package client

import (
	"net/netip"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/wire"
)

// A Lease is a binding as it is kept across restarts: the server's Reply as it came, and when. At the
// next start it is decoded and checked exactly as if it came just then from the network.
type Lease struct {
	Reply []byte     // the datagram
	From  netip.Addr // its source address
	// Received is when the Reply came. It may lie before the boot, and is then negative.
	Received clock.Instant
	// AgeUnknown says that Received is only the latest possible moment, since the wall clock gave no
	// sane answer: the binding is renewed as soon as it is confirmed.
	AgeUnknown bool
	IAID       wire.IAID
	// Reconfigure is what is needed to recognise the server's Reconfigures; nil when it may send none.
	Reconfigure *ReconfigureKey
}

// A ReconfigureKey is the state of the Reconfiguration Key Authentication Protocol with one server
// (RFC 9915, section 20.4).
type ReconfigureKey struct {
	Server wire.DUID
	Key    [16]byte
	// Accepted says that the server agreed to send Reconfigures (section 21.20).
	Accepted bool
	// HasKey says that Key was received.
	HasKey bool
	// Replay is the last replay detection value that was accepted, when HasReplay says so.
	Replay    uint64
	HasReplay bool
}
