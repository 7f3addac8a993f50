package client

import (
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/wire"
)

// A State says what the engine is about.
type State string

// The states. In all from StateConfirming to StateDeclining the NIC may have usable addresses.
const (
	StateStopped    State = "stopped"    // before Start and after Stop
	StateNoLink     State = "no-link"    // the link cannot be used
	StateSoliciting State = "soliciting" // looking for a server
	StateRequesting State = "requesting" // asking a chosen server
	StateConfirming State = "confirming" // asking whether the addresses fit the link
	StateProbing    State = "probing"    // leased; duplicate address detection runs
	StateBound      State = "bound"      // leased and usable
	StateRechecking State = "rechecking" // bound, asking whether the reservation has changed
	StateRenewing   State = "renewing"   // after T1
	StateRebinding  State = "rebinding"  // after T2
	StateDeclining  State = "declining"  // giving back a duplicate address
	StateReleasing  State = "releasing"  // giving back everything
	StateReleased   State = "released"   // given back; waits for LeaseNow
	StateInforming  State = "informing"  // stateless, asking
	StateInformed   State = "informed"   // stateless, answered
	StateFailed     State = "failed"     // discovery reached its configured bound
)

// A Snapshot is what a status command shows. It shares nothing with the engine.
type Snapshot struct {
	State State
	DUID  wire.DUID
	IAID  wire.IAID

	Server    wire.DUID     // of the binding, "" without one
	Received  clock.Instant // when the Reply came from which lifetimes count
	T1, T2    clock.Instant // clock.Never when they never come
	Addresses []AddressStatus
	// Replacing are addresses that are still on the NIC but go as soon as one of Addresses is usable.
	Replacing []AddressStatus
	Settings  Settings

	Deadline  clock.Instant // as Engine.Deadline
	Pending   error         // with what a pending LeaseNow would end if it were given up now; nil if none is pending
	LastError error         // the last failure since the binding was last in order; nil for none

	Sent, Answers map[dhcpv6.MessageType]uint64
	Dropped       map[string]uint64 // messages that were not used, by reason
}

// An AddressStatus is an address of a binding.
type AddressStatus struct {
	Address
	Installed bool // an Install was given out
	Usable    bool // it passed duplicate address detection
}
