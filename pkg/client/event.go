package client

import (
	"net/netip"

	"github.com/v6guest/v6guest/pkg/wire"
)

// An Event is what happened; Engine.Step takes it.
type Event interface{ event() }

type (
	// Start begins the engine's life, or a new one after Stop. Saved is the lease of an earlier life, or
	// nil. Nothing is sent before Carrier says that the link can be used.
	Start struct{ Saved *Lease }

	// Carrier says whether the NIC can send: it is up, has a carrier, and its link-local address has
	// passed duplicate address detection. Going up is a possible change of link (section 18.2.12).
	Carrier struct{ Up bool }

	// LinkChanged says that the NIC may be on another link although its carrier stayed: resume, snapshot
	// revert, live migration, a jump of the wall clock (section 18.2.12). Why is for reports.
	LinkChanged struct{ Why string }

	// PrefixChanged says that Router Advertisements changed the set of on-link prefixes; the binding is
	// confirmed, at most once in 30 s (section 18.2.12).
	PrefixChanged struct{}

	// LinkLocalChanged says that the client now speaks from another link-local address (section 18.2.4).
	LinkLocalChanged struct{}

	// Received is a message that came to the client's port.
	Received struct {
		Msg  *wire.Message
		Raw  []byte     // the datagram as it came; the engine keeps it with a lease
		From netip.Addr // its source
		To   netip.Addr // its destination; the zero Addr when unknown, which then is not taken for unicast
	}

	// Expired says that the moment of Engine.Deadline has come. One that comes early or late does no harm.
	Expired struct{}

	// AddressUsable says that an address passed duplicate address detection, or needs none. Every Install
	// of an address that is not known to be usable is answered by this, AddressDuplicate or InstallFailed.
	AddressUsable struct{ Addr netip.Addr }

	// AddressDuplicate says that another node uses the address (RFC 4862, section 5.4.5). The engine
	// removes and declines it.
	AddressDuplicate struct{ Addr netip.Addr }

	// InstallFailed says that the kernel did not take the address.
	InstallFailed struct {
		Addr netip.Addr
		Err  error
	}

	// RenewNow starts a Renew as if T1 had come; without a binding it does nothing.
	RenewNow struct{}

	// LeaseNow is the command `lease`: get an address now, or check and refresh the one there is
	// (recheck.go). A Finished action ends it.
	LeaseNow struct{}

	// ReleaseNow is the command `release`: give the addresses back. The engine then is in StateReleased
	// until LeaseNow or Start. A Finished action ends it.
	ReleaseNow struct{}

	// InformNow starts an Information-request exchange beside whatever else goes on (section 18.2.6).
	InformNow struct{}

	// Stop ends the engine's life: nothing is sent any more and no timer runs. Addresses stay on the NIC
	// with the lifetimes that the kernel has, and the saved lease stays.
	Stop struct{}
)

func (Start) event()            {}
func (Carrier) event()          {}
func (LinkChanged) event()      {}
func (PrefixChanged) event()    {}
func (LinkLocalChanged) event() {}
func (Received) event()         {}
func (Expired) event()          {}
func (AddressUsable) event()    {}
func (AddressDuplicate) event() {}
func (InstallFailed) event()    {}
func (RenewNow) event()         {}
func (LeaseNow) event()         {}
func (ReleaseNow) event()       {}
func (InformNow) event()        {}
func (Stop) event()             {}
