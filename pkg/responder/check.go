package responder

import (
	"errors"
	"fmt"
	"time"

	"github.com/v6guest/v6guest/pkg/wire"
)

var errNoNetwork = errors.New("no network is configured")

// check says what does not fit together, and completes c. Errors begin with file and line, and are
// joined. It is asked only where every line by itself is in order: what a wrong line has left open
// would be told as a second mistake.
func (d *draft) check(c *Config) error {
	if len(c.Networks) == 0 {
		return errNoNetwork
	}
	var errs []error
	at := d.all("network")
	for i := range c.Networks {
		n := &c.Networks[i]
		s := checker{section: &at[i], errs: &errs, config: c}
		s.prefix(n)
		s.link(n)
		s.lifetimes(n)
		s.options(n)
		s.pool(n)
		s.delegation(n)
		for j := range i {
			s.beside(n, &c.Networks[j])
		}
		for j := range c.Networks {
			s.delegationBeside(n, &c.Networks[j], j < i)
		}
		s.idle(n)
		if n.Assign == AssignHosts && c.Hosts == "" && len(n.pools()) == 0 {
			s.warn("assign", "nobody gets an address in network %s, unless by v6responder hosts add: write hosts = into [server], pool = or assign = eui64", n.Name)
		}
	}
	for _, class := range d.all("class") {
		s := checker{section: &class, errs: &errs, config: c}
		s.class()
	}
	s := checker{section: d.server(), errs: &errs, config: c}
	switch {
	case c.Identity == IdentityFrame && c.AnyFrame:
		s.fail("verify_frame", "with identity = frame the frame's MAC is the identity; take verify_frame = no out")
	case c.AnyFrame:
		s.warn("verify_frame", "any guest can take the address of any other by its DUID; write verify_frame = yes where no bridge rewrites MACs")
	}
	return errors.Join(errs...)
}

// A checker tells of one section.
type checker struct {
	*section
	errs   *[]error
	config *Config
}

// at is where the key stands, or its section if it is not given.
func (s *checker) at(key string) string {
	if v, ok := s.keys[key]; ok {
		return v.Where
	}
	return s.where
}

func (s *checker) fail(key, format string, args ...any) {
	*s.errs = append(*s.errs, fmt.Errorf("%s: %s", s.at(key), fmt.Sprintf(format, args...)))
}

func (s *checker) warn(key, format string, args ...any) {
	s.config.Warnings = append(s.config.Warnings, s.at(key)+": "+fmt.Sprintf(format, args...))
}

func (s *checker) prefix(n *NetworkConfig) {
	bits := n.Prefix.Bits()
	switch {
	case !n.Prefix.IsValid():
		s.fail("prefix", "network %s has no prefix; write prefix = 2001:db8:1::/64", n.Name)
	case bits != 64 && n.Assign == AssignEUI64:
		s.fail("prefix", "%s is no /64, of which alone assign = eui64 can make addresses", n.Prefix)
	case bits != 64 && !n.anyPrefix:
		s.fail("prefix", "%s is no /64; if it shall be so, write allow_any_prefix = yes", n.Prefix)
	case bits != 64:
		s.warn("prefix", "%s is no /64: guests make no addresses of their own in it (SLAAC), and [::38] in the hosts file stands for none", n.Prefix)
	}
}

// link checks how the network is reached.
func (s *checker) link(n *NetworkConfig) {
	if n.Interface != "" {
		return
	}
	if len(s.config.TrustedRelays) == 0 {
		s.fail("interface", "network %s has no interface, and no trusted_relays are set in [server]", n.Name)
	}
	if v, ok := s.keys["send_ra"]; ok && n.RA.Send {
		s.fail("send_ra", "send_ra = %s needs an interface", v.Text)
	}
	n.RA.Send = false
}

// lasts warns of what ends before it is said again.
func (s *checker) lasts(key string, d time.Duration, n *NetworkConfig) {
	if d != 0 && d < n.RA.MaxInterval {
		s.warn(key, "%s is shorter than ra_max_interval, %s: what it is about ends before the next advertisement; write a longer one, or a shorter ra_max_interval", key, n.RA.MaxInterval)
	}
}

func (s *checker) lifetimes(n *NetworkConfig) {
	if n.Preferred > n.Valid {
		s.fail("preferred_lifetime", "preferred_lifetime is longer than valid_lifetime (%s and %s); write both", lasting(n.Preferred), lasting(n.Valid))
	}
	if n.RA.PrefixPreferred > n.RA.PrefixValid {
		s.fail("prefix_preferred_lifetime", "prefix_preferred_lifetime is longer than prefix_valid_lifetime (%s and %s); write both", lasting(n.RA.PrefixPreferred), lasting(n.RA.PrefixValid))
	}
	if n.RA.MinInterval == 0 { // RFC 4861, section 6.2.1
		n.RA.MinInterval = n.RA.MaxInterval / 3
		if n.RA.MaxInterval < 9*time.Second {
			n.RA.MinInterval = n.RA.MaxInterval * 3 / 4
		}
	}
	if n.RA.MinInterval > n.RA.MaxInterval*3/4 {
		s.fail("ra_min_interval", "ra_min_interval is more than 0.75 of ra_max_interval")
	}
	if l := n.RA.RouterLifetime; l != 0 && l < n.RA.MaxInterval {
		s.fail("router_lifetime", "router_lifetime is shorter than ra_max_interval: guests would lose their default route between two advertisements")
	}
	if n.RA.OnLink || n.RA.Autonomous {
		s.lasts("prefix_valid_lifetime", n.RA.PrefixValid, n)
	}
	s.lasts("ra_dns_lifetime", n.RA.DNSLifetime, n)
	s.lasts("route_lifetime", n.RA.RouteLifetime, n)
	if n.RA.Autonomous && n.Prefix.Bits() != 64 {
		s.warn("prefix_autonomous", "guests make addresses in a /64 only; take it out")
	}
	if n.Preferred == wire.Infinite {
		s.warn("preferred_lifetime", "clients of infinite lifetimes never renew: they notice a change only when they start; write one that ends, where that matters")
	}
}

// options bounds what an answer holds, whatever tags its client has.
func (s *checker) options(n *NetworkConfig) {
	if size := n.size(); size > maxOptions {
		s.fail("dns", "dns, search, ntp and option.NN of network %s take %d bytes; at most %d fit into an answer here", n.Name, size, maxOptions)
	}
	for i := range n.Classes {
		o := n.Classes[i].over(n.Parameters)
		if size := o.size(); size > maxOptions {
			s.fail("dns", "with class %s, dns, search, ntp and option.NN of network %s take %d bytes; at most %d fit into an answer here",
				n.Classes[i].Tag, n.Name, size, maxOptions)
		}
	}
}

// beside checks a network against one that stands before it.
func (s *checker) beside(n, other *NetworkConfig) {
	if n.Interface != "" && n.Interface == other.Interface {
		s.fail("interface", "%s is the interface of network %s already", n.Interface, other.Name)
	}
	if n.Prefix.IsValid() && other.Prefix.IsValid() && n.Prefix.Overlaps(other.Prefix) {
		s.fail("prefix", "%s overlaps %s of network %s", n.Prefix, other.Prefix, other.Name)
	}
}
