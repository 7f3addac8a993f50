package responder

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/v6guest/v6guest/pkg/responder/hosts"
	"github.com/v6guest/v6guest/pkg/wire"
)

// class holds a class against the networks that it is for.
func (s *checker) class() {
	if len(s.keys) == 0 {
		s.warn("", "class %s gives nothing and takes nothing away; write a key into it, or take it out", s.name)
		return
	}
	tag, only, _ := strings.Cut(s.name, " ")
	var networks []*NetworkConfig
	for i := range s.config.Networks {
		if n := &s.config.Networks[i]; only == "" || n.Name == only {
			networks = append(networks, n)
			c := n.Classes[slices.IndexFunc(n.Classes, func(c Class) bool { return c.where == s.where })]
			s.classLifetimes(n, &c)
		}
	}
	if v, ok := s.keys["preferred_lifetime"]; ok && v.Text == "infinite" {
		s.warn("preferred_lifetime", "clients of infinite lifetimes never renew: they notice a change only when they start; write one that ends, where that matters")
	}
	for _, name := range slices.Sorted(maps.Keys(s.keys)) {
		if s.keys[name].Text == "" && !slices.ContainsFunc(networks, func(n *NetworkConfig) bool { return n.gives(name, tag, s.where) }) {
			s.warn(name, "%s has no effect: clients of class %s are given none anyway; write what they shall get, or take it out", name, s.name)
		}
	}
}

// classLifetimes finds a preferred lifetime above the valid one where one of them is the network's: both are then
// the valid one.
func (s *checker) classLifetimes(n *NetworkConfig, c *Class) {
	switch {
	case c.Preferred != 0 && c.Valid == 0 && c.Preferred > n.Valid:
		s.warn("preferred_lifetime", "preferred_lifetime of class %s is longer than valid_lifetime of network %s (%s and %s): clients get the latter for both; write valid_lifetime into the class, too",
			s.name, n.Name, lasting(c.Preferred), lasting(n.Valid))
	case c.Valid != 0 && c.Preferred == 0 && n.Preferred > c.Valid:
		s.warn("valid_lifetime", "valid_lifetime of class %s is shorter than preferred_lifetime of network %s (%s and %s): clients get the former for both; write preferred_lifetime into the class, too",
			s.name, n.Name, lasting(c.Valid), lasting(n.Preferred))
	}
}

// gives reports whether clients with the tag would get what the key is about, if it were not for the class that
// stands there.
func (n *NetworkConfig) gives(key, tag, where string) bool {
	o, refresh := n.Parameters, n.InformationRefresh
	if tag == TagNonDefault {
		o = Parameters{}
	}
	for i := range n.Classes {
		if c := &n.Classes[i]; c.where != where {
			o = c.over(o) // of whatever tag: a client may have several
			refresh = max(refresh, c.InformationRefresh)
		}
	}
	switch key {
	case "dns":
		return len(o.DNS) > 0
	case "search":
		return len(o.Search) > 0
	case "ntp":
		return len(o.NTP)+len(o.NTPOthers) > 0
	case "information_refresh":
		return refresh != 0
	}
	code, err := rawCode(key)
	return err == nil && slices.ContainsFunc(o.Raw, func(r wire.Option) bool { return r.Code == code })
}

// lasting is a lifetime as a person reads it.
func lasting(d time.Duration) string {
	if d == wire.Infinite {
		return "infinite"
	}
	return d.String()
}

// mixed says of a line of several tags what its classes make of one another in a network.
func (n *Network) mixed(h *hosts.Host) []string {
	if len(h.Tags()) < 2 || len(h.Within(n.Prefix)) == 0 && len(h.Addrs()) > 0 {
		return nil
	}
	x := exchange{network: n, host: h}
	var preferred, valid *Class
	for c := range x.classes {
		if c.Preferred != 0 {
			preferred = c
		}
		if c.Valid != 0 {
			valid = c
		}
	}
	var out []string
	if preferred != nil && valid != nil && preferred != valid && preferred.Preferred > valid.Valid && h.Lifetime == 0 {
		out = append(out, fmt.Sprintf("preferred_lifetime of its class %s is longer than valid_lifetime of its class %s (%s and %s): it gets the latter for both; write both into one",
			preferred.Tag, valid.Tag, lasting(preferred.Preferred), lasting(valid.Valid)))
	}
	if o := x.options(); o.size() > maxOptions {
		out = append(out, fmt.Sprintf("its classes and network %s together give it options of %d bytes; at most %d fit into an answer here: give fewer", n.Name, o.size(), maxOptions))
	}
	return out
}
