package responder

import (
	"fmt"

	"github.com/v6guest/v6guest/pkg/responder/hosts"
)

// A Check is what check-config finds in a configuration that can be used.
type Check struct {
	Networks int `json:"networks"`
	Lines    int `json:"hosts_lines"` // that are in force
	hosts.Tally
	Closed   int      `json:"closed"` // files and folders that the service's user cannot use
	Errors   []string `json:"errors"` // what the Tally and Closed count, in words
	Warnings []string `json:"warnings"`
}

// CheckHosts reads the hosts as they stand and says what in them, and in the configuration, is or may
// be a mistake.
func CheckHosts(c *Config) Check {
	out := Check{Networks: len(c.Networks), Errors: []string{}, Warnings: append([]string{}, c.Warnings...)}
	set := map[string]bool{}
	if c.Hosts == "" {
		out.Warnings = append(out.Warnings, c.unset(set)...)
		return out
	}
	u := hosts.Load(c.Hosts)
	out.Lines = u.Index.Len()
	for _, p := range u.Problems {
		out.Add(p)
		if p.Warning {
			out.Warnings = append(out.Warnings, p.String())
		} else {
			out.Errors = append(out.Errors, p.String())
		}
	}
	own := ownAddresses()
	more := 0
	for h := range u.Index.All() {
		if len(h.Tags()) > 0 {
			c.sets(h, set)
		}
		for _, w := range c.doubts(h, own) {
			if more++; more <= hosts.MaxProblems {
				out.Warnings = append(out.Warnings, h.Where()+": "+w)
			}
		}
	}
	if more > hosts.MaxProblems {
		out.Warnings = append(out.Warnings, fmt.Sprintf("%d more doubtful lines", more-hosts.MaxProblems))
	}
	out.Warnings = append(out.Warnings, c.unset(set)...)
	return out
}

// sets notes the classes that a line is in, by where they stand: those of networks in which its client can be.
func (c *Config) sets(h *hosts.Host, set map[string]bool) {
	for i := range c.Networks {
		n := &c.Networks[i]
		if len(h.Addrs()) > 0 && len(h.Within(n.Prefix)) == 0 {
			continue
		}
		for j := range n.Classes {
			if class := &n.Classes[j]; h.Tagged(class.Tag) {
				set[class.where] = true
			}
		}
	}
}

// unset names the classes that no line is in.
func (c *Config) unset(set map[string]bool) (out []string) {
	for i := range c.Networks {
		for _, class := range c.Networks[i].Classes {
			if !set[class.where] {
				set[class.where] = true // told once
				out = append(out, fmt.Sprintf("%s: class %s has no effect: no line of the hosts file sets its tag in a network that it is for; write set:%s into one, unless it comes by v6responder hosts add",
					class.where, class.Tag, class.Tag))
			}
		}
	}
	return out
}
