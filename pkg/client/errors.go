package client

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/v6guest/v6guest/pkg/wire"
)

// What a command can end with, beside RefusedError and DeclinedError.
var (
	// ErrNoServer: no server answered. An address that the NIC has stays.
	ErrNoServer = errors.New("no DHCPv6 server answered")
	// ErrNoLink: the NIC has no carrier, or no link-local address that passed duplicate detection.
	ErrNoLink = errors.New("the link is not ready: no carrier, or no usable link-local address")
	// ErrStopped: the client was stopped or told to release before the command was done.
	ErrStopped = errors.New("the DHCPv6 client was stopped")
	// ErrStateless: the client is configured to ask for no address.
	ErrStateless = errors.New("no address is asked for on this NIC")
	// ErrProbing: there is an address, and duplicate address detection has not ended.
	ErrProbing = errors.New("leased, but duplicate address detection has not ended")
	// ErrNoBinding: there is nothing to release.
	ErrNoBinding = errors.New("no lease to release")
)

// A RefusedError says that a server answered and gave no address.
type RefusedError struct {
	Server wire.DUID
	// Status is the status code option that says so. Its text is the server's: print it with %q.
	Status wire.Status
	// Reason is set, with a Status of Success, when it was this client that refused what was offered.
	Reason string
}

// Error says which server refused, and why.
func (e *RefusedError) Error() string {
	if e.Reason != "" {
		return fmt.Sprintf("offer of DHCPv6 server %s refused: %s", e.Server, e.Reason)
	}
	if e.Status.Text == "" {
		return fmt.Sprintf("DHCPv6 server %s refused: %s", e.Server, e.Status.Code)
	}
	return fmt.Sprintf("DHCPv6 server %s refused: %s (%q)", e.Server, e.Status.Code, e.Status.Text)
}

// A DeclinedError says that the leased address is in use by another node and was declined.
type DeclinedError struct {
	Addr   netip.Addr
	Server wire.DUID
}

// Error names the address and the server that gave it.
func (e *DeclinedError) Error() string {
	return fmt.Sprintf("%s, leased from DHCPv6 server %s, is in use by another node: declined", e.Addr, e.Server)
}
