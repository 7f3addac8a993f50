package responder

import (
	"net/netip"
	"time"

	"github.com/v6guest/v6guest/pkg/wire"
)

// Where the files of the responder are unless the command line says otherwise.
const (
	DefaultConfigFile = "/etc/v6responder/v6responder.conf"
	DefaultStateDir   = "/var/lib/v6responder"
	DefaultRunDir     = "/run/v6responder"
)

// A Config is the whole configuration. LoadConfig makes one that is complete and consistent.
type Config struct {
	// Hosts is the hosts file or folder; "" for none.
	Hosts string
	// DUID is the server's; "" to keep the DUID-LL of the first network's NIC.
	DUID wire.DUID

	Identity      Identity
	AnyFrame      bool // verify_frame = no
	TrustedRelays []netip.Addr
	NoRapidCommit bool
	Preference    uint8

	// Metrics is where Prometheus finds the metrics; the zero value for nowhere.
	Metrics netip.AddrPort

	Networks []NetworkConfig

	// Warnings say what can be meant so, but probably is not; each begins with file and line.
	Warnings []string
}

// A NetworkConfig is one [network NAME] section.
type NetworkConfig struct {
	Network
	RA RAConfig

	anyPrefix bool // allow_any_prefix
}

// An RAConfig says what the Router Advertisements of a network carry (RFC 4861, section 6.2.1).
type RAConfig struct {
	Send           bool
	Managed, Other bool // the M and O flags
	// RouterLifetime is 0 unless this machine is a default router.
	RouterLifetime time.Duration
	// RouterPreference is "low", "medium" or "high" (RFC 4191).
	RouterPreference string
	MTU              uint32 // 0 leaves the option out
	// MinInterval and MaxInterval bound the time between two unsolicited ones.
	MinInterval, MaxInterval time.Duration
	// PrefixPreferred and PrefixValid are the lifetimes of the on-link prefix; wire.Infinite for ever.
	PrefixPreferred, PrefixValid time.Duration
	OnLink, Autonomous           bool // the prefix's L and A flags
	// DNS puts the network's DNS servers and search domains into the advertisement (RFC 8106).
	DNS bool
	// DNSLifetime, and RouteLifetime of the routes, are 0 for three times MaxInterval.
	DNSLifetime, RouteLifetime time.Duration
	Routes                     []netip.Prefix
	RoutePreference            string         // as RouterPreference
	PREF64                     []netip.Prefix // of NAT64s (RFC 8781)
}

// routes reports whether the advertisements send guests through this machine.
func (r *RAConfig) routes() bool { return r.Send && (r.RouterLifetime > 0 || len(r.Routes) > 0) }

// Engine is what the configuration says to the engine; serverID is the DUID to use.
func (c *Config) Engine(serverID wire.DUID) EngineConfig {
	out := EngineConfig{
		ServerID: serverID, Identity: c.Identity, AnyFrame: c.AnyFrame, TrustedRelays: c.TrustedRelays,
		NoRapidCommit: c.NoRapidCommit, Preference: c.Preference,
	}
	for _, n := range c.Networks {
		out.Networks = append(out.Networks, n.Network)
	}
	return out
}
