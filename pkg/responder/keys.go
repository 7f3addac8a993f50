package responder

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/v6guest/v6guest/pkg/wire"
)

// A Key is one key of the configuration: everything that the parser, the manual page and the
// documentation say of it.
type Key struct {
	Section  string // "server" or "network"
	Name     string
	Default  string // "" where nothing is the default
	Values   string // what may be written
	Unit     string // "" for keys that have none
	Sentence string // what it does
	// Class says that a [class TAG] section may have it too.
	Class bool

	set        func(*Config, string) error
	setNetwork func(*NetworkConfig, string) error
}

// Units of durations.
const (
	unitTime     = "seconds, or a number with s, m, h, d or w"
	unitLifetime = unitTime + ", or infinite"
)

// Keys returns every key in the order of the documentation. The slice is the caller's.
func Keys() []Key {
	keys := slices.Concat(serverKeys(), networkKeys(), poolKeys(), delegationKeys(), raKeys())
	for i := range keys {
		keys[i].Section = keys[i].section()
	}
	return keys
}

func serverKeys() []Key {
	return []Key{
		{
			Name: "hosts", Values: "an absolute path",
			Sentence: "The reservations, in the syntax of dnsmasq's dhcp-hostsfile: a file, or a folder of such files.",
			set:      func(c *Config, v string) (err error) { c.Hosts, err = absolute(v); return err },
		},
		{
			Name: "identity", Default: "duid", Values: "duid | frame",
			Sentence: "What a client is known by: the MAC in its DUID-LL, or the MAC that its frames come from whatever its DUID is.",
			set:      word(func(c *Config, v string) { c.Identity = Identity(v) }, "duid", "frame"),
		},
		{
			Name: "verify_frame", Default: "yes", Values: "yes | no",
			Sentence: "Whether a DUID-LL counts only in frames from its own MAC; no is for links on which a bridge rewrites MACs, and lets a guest take any other's address.",
			set:      word(func(c *Config, v string) { c.AnyFrame = v == "no" }, "yes", "no"),
		},
		{
			Name: "duid", Values: "a DUID in hex",
			Sentence: "The server's own DUID; without it the DUID-LL of the first network's NIC, which is kept in the state folder.",
			set:      func(c *Config, v string) (err error) { c.DUID, err = optional(v, wire.ParseDUID); return err },
		},
		{
			Name: "trusted_relays", Values: "addresses, separated by blanks",
			Sentence: "The relay agents whose word about a client's MAC (option 79, RFC 6939) counts; through others no reservation is given. :: stands for switches that relay (RFC 6221).",
			set:      setRelays,
		},
		{
			Name: "rapid_commit", Default: "yes", Values: "yes | no",
			Sentence: "Whether a Solicit with Rapid Commit gets its address at once.",
			set:      word(func(c *Config, v string) { c.NoRapidCommit = v == "no" }, "yes", "no"),
		},
		{
			Name: "preference", Default: "0", Values: "0 to 255",
			Sentence: "Clients take the server with the highest preference. Write 255 where this is the only server: a client that does no Rapid Commit then does not wait a second for others.",
			set: func(c *Config, v string) error {
				n, err := number(v, 0, 255)
				c.Preference = uint8(n)
				return err
			},
		},
		{
			Name: "metrics", Values: "an address and a port",
			Sentence: "Where Prometheus finds the metrics, at http://ADDRESS:PORT/metrics; without it nowhere.",
			set:      func(c *Config, v string) (err error) { c.Metrics, err = optional(v, addressPort); return err },
		},
	}
}

func networkKeys() []Key {
	return []Key{
		{
			Name: "interface", Values: "the name of a NIC",
			Sentence:   "The NIC on this network; without it the network is served through trusted relays only.",
			setNetwork: setInterface,
		},
		{
			Name: "prefix", Values: "an IPv6 prefix",
			Sentence:   "The network's prefix, a /64.",
			setNetwork: setPrefix,
		},
		{
			Name: "allow_any_prefix", Default: "no", Values: "yes | no",
			Sentence:   "Whether the prefix may be other than a /64.",
			setNetwork: word(func(n *NetworkConfig, v string) { n.anyPrefix = v == "yes" }, "yes", "no"),
		},
		{
			Name: "assign", Default: "hosts", Values: "hosts | eui64",
			Sentence:   "Where reservations come from: the hosts file, or for every MAC the address that prefix and MAC make (a hosts line for the MAC wins).",
			setNetwork: word(func(n *NetworkConfig, v string) { n.Assign = Assign(v) }, "hosts", "eui64"),
		},
		{
			Name: "dns", Values: "IPv6 addresses, separated by blanks", Class: true,
			Sentence:   "DNS servers, for clients that ask and are not tagged nondefault6.",
			setNetwork: func(n *NetworkConfig, v string) (err error) { n.DNS, err = addresses(v); return err },
		},
		{
			Name: "search", Values: "domains, separated by blanks", Class: true,
			Sentence:   "Search domains, likewise.",
			setNetwork: setSearch,
		},
		{
			Name: "ntp", Values: "IPv6 addresses, groups too, and names, separated by blanks", Class: true,
			Sentence:   "Time servers, likewise (RFC 5908); addresses also in the older option (RFC 4075).",
			setNetwork: setNTP,
		},
		{
			Name: rawKey, Values: "bytes in hex", Class: true,
			Sentence: "Any other option by its code, likewise: a key for each, option.59 for the URL of a boot file.",
			// What a section gives is read by section.raw.
			setNetwork: func(*NetworkConfig, string) error { return nil },
		},
		inClass(networkTime("preferred_lifetime", "12h", unitLifetime, "The preferred lifetime of addresses of the pool, and of those whose hosts line gives none.",
			time.Minute, wire.Infinite, func(n *NetworkConfig, d time.Duration) { n.Preferred = d })),
		inClass(networkTime("valid_lifetime", "1d", unitLifetime, "The valid lifetime of addresses of the pool, and of those whose hosts line gives none.",
			time.Minute, wire.Infinite, func(n *NetworkConfig, d time.Duration) { n.Valid = d })),
		networkTime("sol_max_rt", "", unitTime, "The longest time between two Solicits (SOL_MAX_RT), for clients that ask.",
			time.Minute, 24*time.Hour, func(n *NetworkConfig, d time.Duration) { n.SOLMaxRT = d }),
		networkTime("inf_max_rt", "", unitTime, "The longest time between two Information-requests (INF_MAX_RT), for clients that ask.",
			time.Minute, 24*time.Hour, func(n *NetworkConfig, d time.Duration) { n.INFMaxRT = d }),
		inClass(networkTime("information_refresh", "", unitLifetime, "When clients that only ask for information ask again.",
			10*time.Minute, wire.Infinite, func(n *NetworkConfig, d time.Duration) { n.InformationRefresh = d })),
	}
}

// inClass lets a key stand in a class too.
func inClass(k Key) Key {
	k.Class = true
	return k
}

// networkTime is a key that takes a duration between two bounds, or nothing where that is the default.
func networkTime(name, def, unit, sentence string, least, most time.Duration, set func(*NetworkConfig, time.Duration)) Key {
	return Key{
		Name: name, Default: def, Values: "a duration", Unit: unit, Sentence: sentence,
		setNetwork: func(n *NetworkConfig, v string) error {
			d, err := optional(v, func(v string) (time.Duration, error) { return duration(v, least, most) })
			set(n, d)
			return err
		},
	}
}

// word makes a setter that takes one of the given words.
func word[T any](set func(*T, string), words ...string) func(*T, string) error {
	return func(to *T, v string) error {
		for _, w := range words {
			if v == w {
				set(to, v)
				return nil
			}
		}
		return fmt.Errorf("%.40q is not one of: %s", v, strings.Join(words, ", "))
	}
}

// optional takes an empty value for the zero one.
func optional[T any](v string, parse func(string) (T, error)) (T, error) {
	if v == "" {
		var zero T
		return zero, nil
	}
	return parse(v)
}

func absolute(v string) (string, error) {
	if v != "" && v[0] != '/' {
		return "", fmt.Errorf("%.80q: write the whole path, from / on", v)
	}
	return v, nil
}

func number(v string, least, most uint64) (uint64, error) {
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%.40q is no number from %d to %d", v, least, most)
	}
	return n, nil
}

// addresses reads IPv6 addresses between blanks or commas.
func addresses(v string) ([]netip.Addr, error) {
	var out []netip.Addr
	for _, w := range list(v) {
		a, err := netip.ParseAddr(w)
		if err != nil || !a.Is6() || a.Is4In6() || a.Zone() != "" || a.IsMulticast() || a.IsUnspecified() {
			return nil, fmt.Errorf("%.60q is no IPv6 address of a host", w)
		}
		out = append(out, a)
	}
	return out, nil
}

func addressPort(v string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(v)
	if err != nil || a.Port() == 0 {
		return netip.AddrPort{}, fmt.Errorf("%.60q is no address with a port; write it as [::1]:9547 or 127.0.0.1:9547", v)
	}
	return a, nil
}

func list(v string) []string { return strings.Fields(strings.ReplaceAll(v, ",", " ")) }

// duration reads seconds, a number with a unit, or infinite where the bound allows it.
func duration(v string, least, most time.Duration) (time.Duration, error) {
	if v == "infinite" && most == wire.Infinite {
		return wire.Infinite, nil
	}
	digits, unit := v, time.Second
	if i := strings.IndexByte("smhdw", lastByte(v)); i >= 0 {
		unit = [...]time.Duration{time.Second, time.Minute, time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}[i]
		digits = v[:len(v)-1]
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%.40q is no duration; write %s", v, unitOf(most))
	}
	if d := time.Duration(n) * unit; d >= least && d <= most && n <= uint64(most/unit) && d != wire.Infinite {
		return d, nil
	}
	if most == wire.Infinite {
		return 0, fmt.Errorf("%.40q is out of range: at least %s", v, least)
	}
	return 0, fmt.Errorf("%.40q is out of range: %s to %s", v, least, most)
}

func lastByte(v string) byte {
	if v == "" {
		return 0
	}
	return v[len(v)-1]
}

func unitOf(most time.Duration) string {
	if most == wire.Infinite {
		return unitLifetime
	}
	return unitTime
}

func setRelays(c *Config, v string) error {
	c.TrustedRelays = nil
	for _, w := range list(v) {
		if w == "::" {
			c.TrustedRelays = append(c.TrustedRelays, anyLDRA)
			continue
		}
		one, err := addresses(w)
		if err != nil {
			return err
		}
		c.TrustedRelays = append(c.TrustedRelays, one...)
	}
	return nil
}

func setInterface(n *NetworkConfig, v string) error {
	if len(v) > 15 || v == "." || v == ".." || strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '/' || r == ':' }) {
		return fmt.Errorf("%.40q is no name of a NIC", v)
	}
	n.Interface = v
	return nil
}

func setPrefix(n *NetworkConfig, v string) error {
	if v == "" {
		return nil // the check of the whole section says that it is missing
	}
	p, err := netip.ParsePrefix(v)
	switch {
	case err != nil || !p.Addr().Is6() || p.Addr().Is4In6():
		return fmt.Errorf("%.60q is no IPv6 prefix; write it as 2001:db8:1::/64", v)
	case p != p.Masked():
		return fmt.Errorf("%s has bits set behind its length; write %s", p, p.Masked())
	case !p.Addr().IsGlobalUnicast():
		return fmt.Errorf("%s is no prefix of global or unique local addresses", p)
	}
	n.Prefix = p
	return nil
}

func setNTP(n *NetworkConfig, v string) error {
	n.NTP, n.NTPOthers = nil, nil
	for _, w := range list(v) {
		a, err := netip.ParseAddr(w)
		switch {
		case err == nil && a.Is6() && a.IsMulticast() && a.Zone() == "":
			n.NTPOthers = append(n.NTPOthers, wire.NTPMulticast(a))
		case err == nil || strings.Contains(w, ":"):
			one, err := addresses(w)
			if err != nil {
				return err
			}
			n.NTP = append(n.NTP, one...)
		default:
			o, err := wire.NTPName(w)
			if err != nil {
				return err
			}
			n.NTPOthers = append(n.NTPOthers, o)
		}
	}
	return nil
}

func setSearch(n *NetworkConfig, v string) error {
	n.Search = nil
	for _, name := range list(v) {
		if err := wire.CheckName(name); err != nil {
			return err
		}
		n.Search = append(n.Search, strings.TrimSuffix(name, "."))
	}
	return nil
}
