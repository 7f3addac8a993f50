package guest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/v6guest/v6guest/pkg/wire"
)

// A Key is one key of the configuration: everything that the parser, the manual page and the
// documentation say of it.
type Key struct {
	Name     string
	Default  string
	Values   string // what may be written
	Unit     string // "" for keys that have none
	Sentence string // what it does
	PerNIC   bool   // may stand in [nic NAME] too

	set    func(*Config, string) error
	setNIC func(*Settings, string) error
}

// Keys returns every key in the order of the documentation. The slice is the caller's.
func Keys() []Key {
	return []Key{
		agentKey("nics", "auto", "auto | names, globs or MACs, separated by spaces",
			"The NICs that v6guest looks after; auto is every Ethernet NIC with a device behind it and no master.", setNICs),
		agentKey("default_nic", "auto", "auto | a name or a MAC",
			"The NIC that keeps its IPv6 default route; auto remembers the first choice by MAC.", setDefaultNIC),
		nicKey("lease", "agent", "agent | distro",
			"Who leases the address: v6guest, or the distribution's own DHCPv6 client.",
			choice(func(s *Settings, v string) { s.Lease = LeaseMode(v) }, "agent", "distro")),
		nicKey("duid", "nic", "nic | host | a DUID in hex (only in a [nic NAME] section)",
			"The DUID that the NIC speaks with: a DUID-LL of its own MAC, or of the default NIC's for all.", setDUID),
		nicKey("start", "now", "now | on-managed-ra",
			"When the first Solicit is sent: at once, or after a Router Advertisement with the M flag.",
			choice(func(s *Settings, v string) { s.Start = StartMode(v) }, "now", "on-managed-ra")),
		nicKey("start_delay", "random", "random | none",
			"The delay before the first Solicit: the standard's 0 to 1 s, or none.",
			choice(func(s *Settings, v string) { s.NoStartDelay = v == "none" }, "random", "none")),
		withUnit(agentKey("wait", "90s", "a duration",
			"How long wait-online waits at the most, and how long an IPv4 default route may still settle the choice of the default NIC.",
			setWait), "s, m or h"),
		nicKey("ra", "auto", "auto | kernel | stack | agent",
			"Who processes Router Advertisements on the default NIC: the kernel (accept_ra=2), the distribution's stack, or v6guest itself; auto is what the stack in charge allows.",
			choice(func(s *Settings, v string) { s.RA = RAMode(v) }, "auto", "kernel", "stack", "agent")),
		nicKey("slaac", "auto", "auto | off",
			"Whether v6guest makes the address of prefix and MAC (EUI-64) where no DHCPv6 server leases one.",
			choice(func(s *Settings, v string) { s.SLAAC = v == "auto" }, "auto", "off")),
		nicKey("routers", "", "link-local addresses, separated by spaces",
			"The only routers that are believed; empty means any. It implies ra = agent, so that no other router's route ever enters.", setRouters),
		nicKey("servers", "", "DUIDs or link-local addresses, separated by spaces",
			"The only DHCPv6 servers that are believed; empty means any.", setServers),
		nicKey("secondary_ra", "off", "off | no-default-route",
			"What keeps a default route off every other NIC: accept_ra=0, or accept_ra_defrtr=0.",
			choice(func(s *Settings, v string) { s.SecondaryRA = SecondaryRA(v) }, "off", "no-default-route")),
		nicKey("link_local", "eui64", "eui64 | keep",
			"Which link-local address v6guest speaks from: the EUI-64 one, added beside the stack's own where that is another, or what the stack has made.",
			choice(func(s *Settings, v string) { s.KeepLinkLocal = v == "keep" }, "eui64", "keep")),
		nicKey("dns", "auto", "auto | off",
			"Whether the DNS servers and search domains of this NIC's network are handed to the system: to systemd-resolved or resolvconf, or into /etc/resolv.conf where it has no usable server and is nobody else's.",
			choice(func(s *Settings, v string) { s.DNS = v == "auto" }, "auto", "off")),
		nicKey("optimistic_dad", "no", "yes | no",
			"Use an address while duplicate address detection still runs (RFC 4429; a documented deviation).",
			choice(func(s *Settings, v string) { s.OptimisticDAD = v == "yes" }, "yes", "no")),
		nicKey("source_routing", "auto", "auto | yes | no",
			"Whether answers leave a NIC that is not the default one by the NIC that they came in on, through its own router and a routing table of its own; auto: from addresses that not every default router there calls on-link.",
			choice(func(s *Settings, v string) { s.SourceRouting = SourceRouting(v) }, "auto", "yes", "no")),
		nicKey("release_on_stop", "no", "yes | no",
			"Release the lease and remove the address when the agent is stopped.",
			choice(func(s *Settings, v string) { s.ReleaseOnStop = v == "yes" }, "yes", "no")),
	}
}

func agentKey(name, def, values, sentence string, set func(*Config, string) error) Key {
	return Key{Name: name, Default: def, Values: values, Sentence: sentence, set: set}
}

func nicKey(name, def, values, sentence string, set func(*Settings, string) error) Key {
	return Key{
		Name: name, Default: def, Values: values, Sentence: sentence, PerNIC: true, setNIC: set,
		set: func(c *Config, v string) error { return set(&c.Settings, v) },
	}
}

func withUnit(k Key, unit string) Key {
	k.Unit = unit
	return k
}

// DefaultConfig is the configuration where no file says otherwise.
func DefaultConfig() *Config {
	c := new(Config)
	for _, k := range Keys() {
		if err := k.set(c, k.Default); err != nil {
			panic("guest: default of " + k.Name + ": " + err.Error()) // the table contradicts itself
		}
	}
	return c
}

// choice makes a setter that takes one of the given words.
func choice(set func(*Settings, string), words ...string) func(*Settings, string) error {
	return func(s *Settings, v string) error {
		for _, w := range words {
			if v == w {
				set(s, v)
				return nil
			}
		}
		return fmt.Errorf("%q is not one of: %s", v, strings.Join(words, ", "))
	}
}

func setNICs(c *Config, v string) error {
	words := strings.Fields(strings.ReplaceAll(v, ",", " "))
	switch {
	case len(words) == 0:
		return errors.New("no NIC is named; write auto, or names, globs or MACs")
	case len(words) == 1 && words[0] == "auto":
		c.NICs = nil
		return nil
	}
	patterns := make([]Pattern, len(words))
	for i, w := range words {
		p, err := ParsePattern(w)
		if err != nil {
			return err
		}
		if w == "auto" {
			return errors.New("auto stands alone, without other names")
		}
		patterns[i] = p
	}
	c.NICs = patterns
	return nil
}

func setDefaultNIC(c *Config, v string) error {
	if v == "auto" {
		c.DefaultNIC = nil
		return nil
	}
	p, err := ParsePattern(v)
	if err != nil {
		return err
	}
	if !p.exact() {
		return fmt.Errorf("%q may match several NICs; write a name or a MAC", v)
	}
	c.DefaultNIC = &p
	return nil
}

func setWait(c *Config, v string) error {
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		return fmt.Errorf("%q is not a duration; write a number with its unit, as 90s or 2m", v)
	}
	c.Wait = d
	return nil
}

func setDUID(s *Settings, v string) error {
	if v == DUIDNIC || v == DUIDHost {
		s.DUID, s.ExplicitDUID = v, ""
		return nil
	}
	d, err := wire.ParseDUID(v)
	if err != nil {
		return fmt.Errorf("%q is neither nic nor host nor a DUID: %w", v, err)
	}
	s.DUID, s.ExplicitDUID = "", d
	return nil
}
