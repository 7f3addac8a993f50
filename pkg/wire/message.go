package wire

import (
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
)

// Infinite is the lifetime, T1 or T2 that is written 0xffffffff on the wire: it never ends
// (RFC 9915, section 7.7). Every finite lifetime is shorter. A deadline made from it is clock.Never.
const Infinite = 0xffffffff * time.Second

// A Message is a DHCPv6 message between client and server (RFC 9915, section 8), decoded as far as
// guest and router need it. Options that are absent have the zero value. Nothing in it refers to
// the datagram that it was decoded from.
type Message struct {
	Type          dhcpv6.MessageType
	TransactionID dhcpv6.TransactionID

	ClientID DUID // option 1
	ServerID DUID // option 2

	IANAs []IANA // option 3, in the order of the message
	IAPDs []IAPD // option 25

	// Requested holds the codes of the Option Request option (6).
	Requested []dhcpv6.OptionCode
	// Preference is the server's (option 7): absent counts as 0 (section 18.2.1).
	Preference uint8
	// Elapsed is the time since the first message of the exchange (option 8). Encode writes it in
	// every message that a client sends, in hundredths of a second, and stops at 0xffff.
	Elapsed time.Duration
	// Status is the status of the message as a whole (option 13); nil means Success (section 7.5).
	Status *Status

	RapidCommit        bool               // option 14
	ReconfigureAccept  bool               // option 20
	ReconfigureMessage dhcpv6.MessageType // option 19, 0 when absent
	Auth               *Auth              // option 11

	DNS    []netip.Addr // option 23
	Search []string     // option 24: names without the final dot, each checked to be a host or domain name
	NTP    []netip.Addr // option 56 (addresses; names and multicast groups stay in Others) and option 31; Encode writes 56

	// SOLMaxRT and INFMaxRT are options 82 and 83 as received: whoever uses them checks that they
	// lie in 60 s to 86,400 s (section 21.24). Zero when absent.
	SOLMaxRT, INFMaxRT time.Duration
	// InformationRefresh is option 32; nil when absent, since 0 is a value.
	InformationRefresh *time.Duration

	FQDN *FQDN // option 39

	// Others are the options that have no field above, as raw bytes in the order of the message.
	Others []Option

	// Truncated says that the last option claims more bytes than the datagram has. What came before
	// it was read; CheckForServer refuses such a message, so that it changes no state.
	Truncated bool
	// Flaws says what Decode left out of the message and why (at most MaxFlaws).
	Flaws []Flaw
}

// An IANA is an Identity Association for Non-temporary Addresses (option 3).
type IANA struct {
	ID        IAID
	T1, T2    time.Duration // from reception; 0 leaves the choice to the client, Infinite means never
	Addresses []Address     // option 5
	Status    *Status       // nil means Success
}

// An Address is an IA Address option (5): a lease of one address.
type Address struct {
	Addr             netip.Addr
	Preferred, Valid time.Duration // from reception; Preferred <= Valid is the receiver's to check
	Status           *Status       // nil means Success
}

// An IAPD is an Identity Association for Prefix Delegation (option 25).
type IAPD struct {
	ID       IAID
	T1, T2   time.Duration
	Prefixes []Prefix // option 26
	Status   *Status
}

// A Prefix is an IA Prefix option (26).
type Prefix struct {
	Prefix           netip.Prefix
	Preferred, Valid time.Duration
	Status           *Status
}

// A Status is a Status Code option (13). Text is what the sender wrote, in valid UTF-8 and bounded,
// but otherwise not to be trusted: print it with %q.
type Status struct {
	Code iana.StatusCode
	Text string
}

// Success reports whether s stands for success, as an absent Status Code does (section 7.5).
func (s *Status) Success() bool { return s == nil || s.Code == iana.StatusSuccess }

// An Auth is an Authentication option (11; RFC 9915, section 21.11).
type Auth struct {
	Protocol, Algorithm, RDM uint8
	Replay                   uint64
	Info                     []byte
}

// An FQDN is a Client FQDN option (39; RFC 4704).
type FQDN struct {
	Flags uint8  // FQDNServerUpdates, FQDNOverride, FQDNNoUpdate; other bits are neither read nor written
	Name  string // without a final dot, checked as Search is; "" asks the server for a name
	// Partial says that the name is not fully qualified: it is written without the root label.
	Partial bool
}

// An Option is one whose content wire does not know.
type Option struct {
	Code dhcpv6.OptionCode
	Data []byte
}

// A Flaw is an option that Decode dropped, or a tail that it could not read.
type Flaw struct {
	Code   dhcpv6.OptionCode
	Reason string
}

// MaxFlaws is how many flaws of a message are described; the rest is dropped in silence.
const MaxFlaws = 8

// A Relay is what one relay agent put around a message (RFC 9915, section 9).
type Relay struct {
	HopCount  uint8
	LinkAddr  netip.Addr
	PeerAddr  netip.Addr
	Interface []byte // option 18, to be echoed
	// ClientLinkLayer is option 79 (RFC 6939) with its hardware type; nil when absent.
	ClientLinkLayer *LinkLayer
	RemoteID        []byte // option 37 as raw data
	Others          []Option
}

// A LinkLayer is a link-layer address with its IANA hardware type.
type LinkLayer struct {
	Type uint16
	Addr []byte
}
