package client

import (
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/v6guest/v6guest/pkg/wire"
)

// A Config says how one NIC speaks. DUID and Rand are required; every other field's zero value is the
// default that its comment names.
type Config struct {
	// DUID is the client identifier of the NIC (section 11).
	DUID wire.DUID
	// IAID names the NIC's one IA_NA (section 12). A saved lease with another IAID wins over it, since
	// the use is the same.
	IAID wire.IAID
	// Rand draws transaction ids and jitter: NewRand in production, a seeded source in tests.
	Rand *rand.Rand

	// Stateless asks for no address: only an Information-request exchange is run (section 18.2.6).
	Stateless bool
	// NoRapidCommit leaves Rapid Commit (section 18.2.1) out of the Solicit.
	NoRapidCommit bool
	// NoReconfigure refuses Reconfigures: Reconfigure Accept (section 21.20) is not sent.
	NoReconfigure bool
	// NoStartDelay takes away the random delay of 0 to 1 s before the first Solicit, Confirm and
	// Information-request (SOL_MAX_DELAY, CNF_MAX_DELAY, INF_MAX_DELAY): for one-shot commands.
	NoStartDelay bool

	// Options are the codes to be asked for beside SOL_MAX_RT and its like; nil means DNS servers (23),
	// search list (24), SNTP servers (31) and NTP servers (56).
	Options []dhcpv6.OptionCode
	// FQDN is sent in Solicit, Request, Renew and Rebind, and asked for, when not nil (RFC 4704).
	FQDN *wire.FQDN

	// AcceptServer says whether messages of a server count; nil accepts every server. From is the
	// source address of the message.
	AcceptServer func(server wire.DUID, from netip.Addr) bool
	// Refuse names the reason for which addr must not be taken ("a router's address", "on eth1 already"),
	// or returns ""; nil refuses nothing. Addresses that are neither global unicast nor ULA, and the
	// server's own, are refused in any case. It is
	// called from within Engine.Step, so it must not wait, and must not count this NIC's own addresses.
	Refuse func(addr netip.Addr) string

	// RateBurst messages may leave at once, and as many again in RateInterval (section 14.1); the
	// defaults are 20 and 20 s. A message held back is late, not lost.
	RateBurst    int
	RateInterval time.Duration

	// SolicitCount and SolicitDuration bound discovery (MRC and MRD of section 18.2.1); zero means no
	// bound, as the standard advises. At the bound the engine is in StateFailed until Lease, LinkChanged
	// or a new carrier.
	SolicitCount    int
	SolicitDuration time.Duration
	// RefreshMax caps the information refresh time, infinity included (section 21.23); zero means no cap.
	RefreshMax time.Duration
}

// NewRand returns a cryptographically strong source, so that nobody guesses a transaction id
// (sections 16.1 and 22.3).
func NewRand() *rand.Rand {
	var seed [32]byte
	_, _ = crand.Read(seed[:]) // it never fails: the program ends first
	return rand.New(rand.NewChaCha8(seed))
}

var defaultOptions = []dhcpv6.OptionCode{
	dhcpv6.OptionDNSRecursiveNameServer, dhcpv6.OptionDomainSearchList,
	dhcpv6.OptionSNTPServerList, dhcpv6.OptionNTPServer,
}

// neverRequested are the codes that section 21.7 forbids in an Option Request; 32, 82 and 83 are
// there too because the engine puts them in where they belong.
var neverRequested = []dhcpv6.OptionCode{1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 18, 19, 20, 25, 26, 32, 82, 83}

// withDefaults checks c and fills in what was left open.
func (c Config) withDefaults() (Config, error) {
	if len(c.DUID) < wire.MinDUID || len(c.DUID) > wire.MaxDUID {
		return c, fmt.Errorf("client DUID of %d bytes: it must have %d to %d", len(c.DUID), wire.MinDUID, wire.MaxDUID)
	}
	if c.Rand == nil {
		return c, errors.New("client without a random source")
	}
	if c.Options == nil {
		c.Options = defaultOptions
	}
	for _, code := range c.Options {
		if slices.Contains(neverRequested, code) {
			return c, fmt.Errorf("option %d cannot be asked for in an Option Request", code)
		}
	}
	if c.RateBurst <= 0 {
		c.RateBurst = 20
	}
	if c.RateInterval <= 0 {
		c.RateInterval = 20 * time.Second
	}
	return c, nil
}
