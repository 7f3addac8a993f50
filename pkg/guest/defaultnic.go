package guest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/v6guest/v6guest/pkg/link"
)

// A defaultChoice is the default NIC with the whole chain of reasons (decision 3).
type defaultChoice struct {
	index       int // 0 when no NIC is it
	provisional bool
	remember    *link.Key
	reasons     []string
}

func (c *defaultChoice) because(format string, args ...any) {
	c.reasons = append(c.reasons, fmt.Sprintf(format, args...))
}

// chooseDefault tries the steps of decision 3 in order; nics are the managed ones by index.
func chooseDefault(cfg *Config, f Facts, nics []link.NIC) defaultChoice {
	var c defaultChoice
	steps := []func(*Config, Facts, []link.NIC) bool{c.configured, c.remembered, c.byFiles, c.byIPv4, c.byBus}
	for _, step := range steps {
		if step(cfg, f, nics) {
			break
		}
	}
	return c
}

// configured is the first step: what the configuration says is final, also while that NIC is away.
func (c *defaultChoice) configured(cfg *Config, f Facts, nics []link.NIC) bool {
	want := cfg.DefaultNIC
	if want == nil {
		c.because("default_nic = auto")
		return false
	}
	c.because("default_nic = %s", want)
	match := func(n link.NIC) bool { return matches(*want, n, f) }
	if i := slices.IndexFunc(nics, match); i >= 0 {
		c.index = nics[i].Index
	} else if slices.ContainsFunc(f.NICs, match) {
		c.because("v6guest does not manage it, so every managed NIC is secondary")
	} else {
		c.because("it is not there, so every NIC is secondary until it is")
	}
	return true
}

// remembered is the second step. A NIC that went away while the agent ran keeps its role for a while:
// a driver that is loaded anew must not flip the roles.
func (c *defaultChoice) remembered(_ *Config, f Facts, nics []link.NIC) bool {
	if f.Remembered == nil {
		if f.MemoryError != nil {
			c.because("what was remembered is lost (%s)", oneLine(f.MemoryError))
			return false
		}
		c.because("none is remembered")
		return false
	}
	if i := slices.IndexFunc(nics, func(n link.NIC) bool { return n.Key().Equal(*f.Remembered) }); i >= 0 {
		c.because("%s is remembered", f.Remembered)
		c.index = nics[i].Index
		return true
	}
	if f.RememberedLeft && !f.WaitOver {
		c.because("%s is remembered and went away; it is waited for", f.Remembered)
		return true
	}
	c.because("%s is remembered but not here", f.Remembered)
	return false
}

// byFiles is the third step: the NIC whose files carry the IPv4 gateway or IPv4 by DHCP, if only one does.
// It settles the choice.
func (c *defaultChoice) byFiles(_ *Config, f Facts, nics []link.NIC) bool {
	var found []link.NIC
	why := ""
	for _, u := range f.Uplinks {
		if i := slices.IndexFunc(nics, func(n link.NIC) bool { return n.Index == u.Index }); i >= 0 {
			found = append(found, nics[i])
			why = u.Why
		}
	}
	switch len(found) {
	case 0:
		return false // nobody may have looked
	case 1:
		c.because("the only one whose files give it IPv4's way out: %s", why)
		c.index, c.remember = found[0].Index, new(found[0].Key())
		return true
	}
	c.because("the files of %d NICs give them IPv4's way out", len(found))
	return false
}

// byIPv4 is the step of the IPv4 default route with the lowest metric. It settles the choice.
func (c *defaultChoice) byIPv4(_ *Config, f Facts, nics []link.NIC) bool {
	if len(f.IPv4Defaults) == 0 {
		c.because("no IPv4 default route")
		return false
	}
	routes := slices.SortedFunc(slices.Values(f.IPv4Defaults), compareRoutes)
	for _, r := range routes {
		i := slices.IndexFunc(nics, func(n link.NIC) bool { return n.Index == r.Index })
		if i < 0 {
			continue
		}
		c.because("the IPv4 default route is through it (metric %d)", r.Metric)
		c.index, c.remember = nics[i].Index, new(nics[i].Key())
		return true
	}
	c.because("the IPv4 default route is through %s, which is not managed", nameOf(routes[0].Index, f.NICs))
	return false
}

// byBus is the last step: provisional until an IPv4 default route comes or the wait is over.
func (c *defaultChoice) byBus(_ *Config, f Facts, nics []link.NIC) bool {
	if len(nics) == 0 {
		c.because("no NIC is managed")
		return false
	}
	first := slices.MinFunc(nics, link.ComparePlace)
	c.index = first.Index
	switch {
	case len(nics) == 1:
		c.because("the only managed NIC")
	case first.DevicePath != "":
		c.because("first on the bus")
	default:
		c.because("lowest index")
	}
	if f.WaitOver {
		c.because("the wait for an IPv4 default route is over")
		c.remember = new(first.Key())
		return true
	}
	c.because("provisional until an IPv4 default route appears")
	c.provisional = true
	return true
}

// oneLine is the text of err on one line: reasons are lines.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

func compareRoutes(a, b IPv4Default) int {
	return cmp.Or(cmp.Compare(a.Metric, b.Metric), cmp.Compare(a.Index, b.Index))
}

// notes are what a person should know about the choice although it is not followed.
func notes(f Facts, p Plan) []string {
	if p.Default == 0 || len(f.IPv4Defaults) == 0 {
		return nil
	}
	best := slices.MinFunc(f.IPv4Defaults, compareRoutes)
	if best.Index == p.Default || slices.ContainsFunc(f.IPv4Defaults, func(r IPv4Default) bool { return r.Index == p.Default }) {
		return nil
	}
	return []string{fmt.Sprintf("the IPv4 default route is through %s; the default NIC stays %s (to change it, set default_nic)",
		nameOf(best.Index, f.NICs), p.defaultName())}
}
