package guest

import (
	"log/slog"
	"maps"
	"net/netip"
	"slices"
)

// refusals are the advertised prefixes of which something is not taken since another NIC has the better right to
// it, and why. They are as many as prefixes are heard, at the most.
type refusals map[netip.Prefix]string

// A Refusal is an advertised prefix that the NIC does not take, since another NIC has the better right to it.
type Refusal struct {
	Prefix netip.Prefix `json:"prefix"`
	What   string       `json:"what"` // that it gets not: a route, an address
	Why    string       `json:"why"`
}

// refuse notes that a prefix gets no route or no address, and logs what is new.
func (n *managedNIC) refuse(now *refusals, before refusals, p netip.Prefix, what, why string) {
	if *now == nil {
		*now = refusals{}
	}
	(*now)[p] = why
	if before[p] != why {
		n.heardLine(slog.LevelWarn, "advertised prefix gets no "+what, "prefix", p, "why", why)
	}
}

// refusedPrefixes are what is refused now.
func (n *managedNIC) refusedPrefixes() (out []Refusal) {
	add := func(r refusals, what string) {
		for _, p := range slices.SortedFunc(maps.Keys(r), netip.Prefix.Compare) {
			out = append(out, Refusal{p, what, r[p]})
		}
	}
	add(n.onLink.refused, "route")
	add(n.slaac.refused, "address")
	return out
}
