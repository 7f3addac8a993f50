package wire

// A DiscardError is the reason for which a received message is discarded. Every one is a constant, so
// that a receiver can test for it with errors.Is and, through errors.As, count discards by reason:
//
//	var reason wire.DiscardError
//	if errors.As(err, &reason) {
//		counter[reason]++
//	}
type DiscardError string

// Error returns the reason in words.
func (e DiscardError) Error() string { return string(e) }

// The reasons for which Decode and DecodeRelayed refuse a datagram.
const (
	// ErrShort: fewer bytes than the fixed header: 4, or 34 in a relay message (RFC 9915, sections 8 and 9).
	ErrShort DiscardError = "shorter than the header"
	// ErrMessageType: a message type that DHCPv6 as spoken here does not have (section 16).
	ErrMessageType DiscardError = "unknown message type"
	// ErrRelayed: a Relay-forward or Relay-reply where only a message between client and server is taken.
	ErrRelayed DiscardError = "relay message"
	// ErrServerDUID: a Server Identifier that is no DUID, being shorter than 3 or longer than 130 bytes
	// (section 11.1).
	ErrServerDUID DiscardError = "server identifier of bad length"
	// ErrTwoIdentifiers: two Client Identifiers or two Server Identifiers that differ.
	ErrTwoIdentifiers DiscardError = "two different identifiers"
	// ErrNoRelayMessage: a Relay-forward without a readable Relay Message option (section 9.1).
	ErrNoRelayMessage DiscardError = "relay-forward without relay message"
	// ErrTwoRelayMessages: a Relay-forward with more than one Relay Message option.
	ErrTwoRelayMessages DiscardError = "relay-forward with two relay messages"
	// ErrRelayDepth: more Relay-forwards around one message than MaxRelays (section 19.1.2).
	ErrRelayDepth DiscardError = "too many relays"
)

// The reasons for which CheckForServer and CheckForClient refuse a message that could be decoded
// (RFC 9915, section 16).
const (
	// ErrNotForServer: a message that only servers or relay agents send.
	ErrNotForServer DiscardError = "not a message for a server"
	// ErrNotForClient: a message that only clients or relay agents send.
	ErrNotForClient DiscardError = "not a message for a client"
	// ErrTruncated: the last option claims more bytes than the datagram has.
	ErrTruncated DiscardError = "truncated"
	// ErrNoClientID: no Client Identifier, or none of valid length, where there must be one.
	ErrNoClientID DiscardError = "no client identifier"
	// ErrNoServerID: no Server Identifier where there must be one.
	ErrNoServerID DiscardError = "no server identifier"
	// ErrServerID: a Server Identifier where there must be none.
	ErrServerID DiscardError = "server identifier not allowed"
	// ErrIA: an Information-request with an identity association.
	ErrIA DiscardError = "identity association not allowed"
	// ErrNoReconfigureMessage: a Reconfigure without a Reconfigure Message option.
	ErrNoReconfigureMessage DiscardError = "no reconfigure message option"
	// ErrReconfigureMessage: a Reconfigure that asks for another message than Renew, Rebind or
	// Information-request.
	ErrReconfigureMessage DiscardError = "bad reconfigure message type"
	// ErrNoAuth: a Reconfigure without an Authentication option. Whether one is valid is for the
	// holder of the key to say.
	ErrNoAuth DiscardError = "no authentication"
)
