package sender

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/v6guest/v6guest/pkg/ra"
)

// A Config is what one interface advertises and how often (RFC 4861, section 6.2.1). DefaultConfig is
// where to start from.
type Config struct {
	// MaxInterval and MinInterval bound the random time between unsolicited advertisements. MaxInterval
	// is 4 s to 65,535 s (RFC 8319). MinInterval is 3 s to 0.75 MaxInterval; 0 stands for 0.33 of it
	// where that is 3 s at least, else for 0.75 of it.
	MaxInterval, MinInterval time.Duration

	Managed, Other bool // the M and O flags
	HopLimit       uint8
	// RouterLifetime makes the machine a default router: MaxInterval to 65,535 s (RFC 8319); 0: it is
	// none. It is sent as 0 while forwarding is off.
	RouterLifetime              time.Duration
	Preference                  ra.Preference // as default router
	ReachableTime, RetransTimer time.Duration // up to an hour, and up to 2^32-1 ms; 0 says nothing
	MTU                         uint32        // 0 sends none

	Prefixes []ra.Prefix
	// A lifetime of 0 in the following stands for three times MaxInterval.
	Routes []ra.Route // sent with lifetime 0 while forwarding is off
	RDNSS  []ra.RDNSS
	DNSSL  []ra.DNSSL
	PREF64 []ra.PREF64

	// UnicastAnswers answers a solicitation to its sender alone, where it has an address and names its
	// link-layer address (RFC 7772, section 5.1), as long as there are few.
	UnicastAnswers bool
	// OmitLinkLayer leaves the source link-layer address out, for load sharing (RFC 4861, section 6.2.3).
	OmitLinkLayer bool
}

// Limits of RFC 4861, sections 6.2.1 and 10, and RFC 8319.
const (
	leastMaxInterval   = 4 * time.Second
	leastMinInterval   = 3 * time.Second
	mostLifetime       = math.MaxUint16 * time.Second
	mostReachable      = time.Hour
	mostRetrans        = math.MaxUint32 * time.Millisecond
	mostPREF64         = 65528 * time.Second
	mostRoutes         = 17 // RFC 4191, section 4
	defaultMaxInterval = 600 * time.Second
	defaultHopLimit    = 64
)

// DefaultConfig is the standard's default, but for the router lifetime: the machine says nothing of
// itself as a router unless told so (decision 14 of the design).
func DefaultConfig() Config {
	return Config{MaxInterval: defaultMaxInterval, HopLimit: defaultHopLimit}
}

// DefaultPrefix is a prefix with the standard's defaults: on-link, autonomous, preferred for 7 days,
// valid for 30. A network whose addresses come from DHCPv6 clears Autonomous.
func DefaultPrefix(p netip.Prefix) ra.Prefix {
	const day = 24 * time.Hour
	return ra.Prefix{Prefix: p.Masked(), OnLink: true, Autonomous: true, Preferred: 7 * day, Valid: 30 * day}
}

// Check says what is wrong with the configuration, each fault an error of its own, joined. What is
// allowed but unwise comes as warnings, one line each.
func (c Config) Check() (warnings []string, err error) {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.MaxInterval < leastMaxInterval || c.MaxInterval > mostLifetime {
		wrong("the longest interval between advertisements is %s: it must be %s to %s", c.MaxInterval, leastMaxInterval, mostLifetime)
	}
	if c.MinInterval != 0 && (c.MinInterval < leastMinInterval || c.MinInterval > c.MaxInterval*3/4) {
		wrong("the shortest interval between advertisements is %s: it must be %s to 0.75 of the longest, %s", c.MinInterval, leastMinInterval, c.MaxInterval*3/4)
	}
	if c.RouterLifetime != 0 && (c.RouterLifetime < c.MaxInterval || c.RouterLifetime > mostLifetime) {
		wrong("the router lifetime is %s: it must be 0, or %s (the longest interval) to %s", c.RouterLifetime, c.MaxInterval, mostLifetime)
	}
	if c.ReachableTime < 0 || c.ReachableTime > mostReachable {
		wrong("the reachable time is %s: it must be 0 to %s", c.ReachableTime, mostReachable)
	}
	if c.RetransTimer < 0 || c.RetransTimer > mostRetrans {
		wrong("the retransmission timer is %s: it must be 0 to %s", c.RetransTimer, mostRetrans)
	}
	if c.MTU != 0 && c.MTU < ra.MinMTU {
		wrong("the MTU is %d: it must be 0 or at least %d", c.MTU, ra.MinMTU)
	}
	prefixWarnings, prefixErrs := checkPrefixes(c.Prefixes)
	errs = append(errs, prefixErrs...)
	errs = append(errs, c.checkLists()...)
	return append(prefixWarnings, c.warnings()...), errors.Join(errs...)
}

func checkPrefixes(prefixes []ra.Prefix) (warnings []string, errs []error) {
	for i, p := range prefixes {
		switch addr := p.Prefix.Addr(); {
		case !p.Prefix.IsValid() || !addr.Is6() || addr.Is4In6():
			errs = append(errs, fmt.Errorf("%s is not an IPv6 prefix", p.Prefix))
		case addr.IsLinkLocalUnicast() || addr.IsMulticast():
			errs = append(errs, fmt.Errorf("prefix %s: a link-local or multicast prefix is not advertised", p.Prefix))
		case p.Preferred < 0 || p.Valid < 0 || p.Preferred > p.Valid:
			errs = append(errs, fmt.Errorf("prefix %s: the preferred lifetime, %s, is above the valid lifetime, %s", p.Prefix, p.Preferred, p.Valid))
		case slices.ContainsFunc(prefixes[:i], func(q ra.Prefix) bool { return q.Prefix.Masked() == p.Prefix.Masked() }):
			errs = append(errs, fmt.Errorf("prefix %s stands twice", p.Prefix))
		case p.Autonomous && p.Prefix.Bits() != 64:
			warnings = append(warnings, fmt.Sprintf("prefix %s: hosts make addresses in a /64 only", p.Prefix))
		}
	}
	return warnings, errs
}

func (c Config) checkLists() (errs []error) {
	// What can be written can be sent: the codec knows prefixes, names and servers.
	probe := ra.Advertisement{Routes: c.Routes, RDNSS: c.RDNSS, DNSSL: c.DNSSL, PREF64: c.PREF64}
	if _, err := probe.Marshal(ra.MinMTU); err != nil {
		errs = append(errs, err)
	}
	for i, r := range c.Routes {
		if slices.ContainsFunc(c.Routes[:i], func(q ra.Route) bool { return q.Prefix.Masked() == r.Prefix.Masked() }) {
			errs = append(errs, fmt.Errorf("route %s stands twice", r.Prefix))
		}
	}
	for _, p := range c.PREF64 {
		if p.Lifetime < 0 || p.Lifetime > mostLifetime {
			errs = append(errs, fmt.Errorf("NAT64 prefix %s: its lifetime is %s: it must be at most %s", p.Prefix, p.Lifetime, mostLifetime))
		}
	}
	for _, r := range c.Routes {
		if r.Lifetime < 0 {
			errs = append(errs, fmt.Errorf("route %s: its lifetime is %s", r.Prefix, r.Lifetime))
		}
	}
	for _, r := range c.RDNSS {
		if r.Lifetime < 0 {
			errs = append(errs, fmt.Errorf("DNS servers: their lifetime is %s", r.Lifetime))
		}
	}
	for _, d := range c.DNSSL {
		if d.Lifetime < 0 {
			errs = append(errs, fmt.Errorf("search domains: their lifetime is %s", d.Lifetime))
		}
	}
	return errs
}

func (c Config) warnings() (warnings []string) {
	if n := len(c.Routes); n > mostRoutes {
		warnings = append(warnings, fmt.Sprintf("%d routes: hosts need not keep more than %d", n, mostRoutes))
	}
	if len(c.PREF64) > 0 && c.RouterLifetime > mostPREF64 {
		warnings = append(warnings, fmt.Sprintf("the router lifetime, %s, is longer than a NAT64 prefix can be valid, %s", c.RouterLifetime, mostPREF64))
	}
	for _, r := range c.RDNSS {
		if r.Lifetime != 0 && r.Lifetime < c.MaxInterval {
			warnings = append(warnings, fmt.Sprintf("DNS servers for %s only: they end before the next advertisement", r.Lifetime))
		}
	}
	for _, d := range c.DNSSL {
		if d.Lifetime != 0 && d.Lifetime < c.MaxInterval {
			warnings = append(warnings, fmt.Sprintf("search domains for %s only: they end before the next advertisement", d.Lifetime))
		}
	}
	return warnings
}

// minInterval is MinInterval or its default. The standard's default below 9 s, the maximum itself, is
// against the limit that it sets two lines above.
func (c Config) minInterval() time.Duration {
	switch third := c.MaxInterval * 33 / 100; {
	case c.MinInterval != 0:
		return c.MinInterval
	case c.MaxInterval >= 9*time.Second:
		return max(third, leastMinInterval)
	default:
		return max(c.MaxInterval*3/4, leastMinInterval)
	}
}

// advertisement is what the configuration says, with defaults filled in.
func (c Config) advertisement() ra.Advertisement {
	lifetime := min(3*c.MaxInterval, math.MaxUint32*time.Second)
	a := ra.Advertisement{
		HopLimit: c.HopLimit, Managed: c.Managed, Other: c.Other, Preference: c.Preference, RouterLifetime: c.RouterLifetime,
		ReachableTime: c.ReachableTime, RetransTimer: c.RetransTimer, MTU: c.MTU,
		Prefixes: slices.Clone(c.Prefixes), Routes: slices.Clone(c.Routes),
		RDNSS: slices.Clone(c.RDNSS), DNSSL: slices.Clone(c.DNSSL), PREF64: slices.Clone(c.PREF64),
	}
	orDefault := func(d *time.Duration, most time.Duration) {
		if *d == 0 {
			*d = min(lifetime, most)
		}
	}
	for i := range a.Prefixes {
		a.Prefixes[i].Prefix = a.Prefixes[i].Prefix.Masked()
	}
	for i := range a.Routes {
		a.Routes[i].Prefix = a.Routes[i].Prefix.Masked()
		orDefault(&a.Routes[i].Lifetime, ra.Infinite)
	}
	for i := range a.RDNSS {
		orDefault(&a.RDNSS[i].Lifetime, ra.Infinite)
	}
	for i := range a.DNSSL {
		orDefault(&a.DNSSL[i].Lifetime, ra.Infinite)
	}
	for i := range a.PREF64 {
		a.PREF64[i].Prefix = a.PREF64[i].Prefix.Masked()
		orDefault(&a.PREF64[i].Lifetime, mostPREF64)
	}
	return a
}
