package guest

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/v6guest/v6guest/pkg/link"
)

// chooseNICs says of each NIC whether v6guest manages it, and why (decision 12). The result is in the
// order of the indices.
func chooseNICs(cfg *Config, f Facts) []NICPlan {
	nics := slices.Clone(f.NICs)
	slices.SortFunc(nics, func(a, b link.NIC) int { return cmp.Compare(a.Index, b.Index) })
	out := make([]NICPlan, 0, len(nics))
	for _, n := range nics {
		ok, why := eligible(cfg, n, f)
		if ok {
			if twin := twin(out, n); twin != "" {
				ok, why = false, fmt.Sprintf("it has the MAC of %s, which is managed", twin)
			}
		}
		out = append(out, NICPlan{NIC: n, Managed: ok, Reason: why})
	}
	return out
}

// eligible judges one NIC by itself.
func eligible(cfg *Config, n link.NIC, f Facts) (ok bool, why string) {
	switch {
	case n.Loopback:
		return false, "it is the loopback"
	case !hasMAC(n) && !f.Image:
		return false, "it has no Ethernet address (MAC)"
	}
	by := named(cfg, n, f)
	if n.Master != 0 && (by == nil || !by.exact() || sameMAC(n, f.NICs)) {
		return false, "it belongs to " + nameOf(n.Master, f.NICs)
	}
	switch {
	case by != nil:
		return true, "named by nics = " + by.String()
	case len(cfg.NICs) > 0:
		return false, "nics does not name it"
	case f.Container != "" && uplink(n):
		return true, fmt.Sprintf("nics = auto: the way out of this container (%s, %s)", f.Container, n.Kind)
	case !n.Device:
		return false, "nics = auto, and no device is behind it" + kind(n)
	}
	return true, "nics = auto: Ethernet with a device behind it, no master"
}

// uplink says whether a NIC is a container's way out: its other end, or the NIC below it, is in another
// namespace. A container that holds containers itself has their ends here.
func uplink(n link.NIC) bool {
	return (n.Kind == "veth" || n.Kind == "macvlan") && n.Parent == 0
}

func kind(n link.NIC) string {
	if n.Kind == "" {
		return ""
	}
	return " (" + n.Kind + ")"
}

// named is the pattern of `nics` that chooses the NIC, one that names it exactly before a glob; nil
// when none does. A NIC that was renamed is still chosen by its earlier name.
func named(cfg *Config, n link.NIC, f Facts) *Pattern {
	var found *Pattern
	for i, p := range cfg.NICs {
		if matches(p, n, f) && (found == nil || p.exact()) {
			found = &cfg.NICs[i]
		}
	}
	return found
}

// matches says whether the pattern chooses the NIC by its MAC, its name or a name that it bore.
func matches(p Pattern, n link.NIC, f Facts) bool {
	return p.Match(n.Name, n.MAC) ||
		slices.ContainsFunc(f.OldNames[n.Index], func(old string) bool { return p.Match(old, n.MAC) })
}

// missing are the patterns of `nics` that name one NIC which is not here.
func missing(cfg *Config, f Facts) []Pattern {
	var out []Pattern
	for _, p := range cfg.NICs {
		if p.exact() && !slices.ContainsFunc(f.NICs, func(n link.NIC) bool { return matches(p, n, f) }) {
			out = append(out, p)
		}
	}
	return out
}

// twin is the name of a NIC already chosen that has the same MAC and is in the same VLAN: a lease is kept by
// both, and two NICs that ask with one DUID would take it from each other.
func twin(chosen []NICPlan, n link.NIC) string {
	for _, c := range chosen {
		if c.Managed && hasMAC(n) && c.NIC.Key().Equal(n.Key()) {
			return c.NIC.Name
		}
	}
	return ""
}

// sameMAC says whether the NIC's master bears the NIC's own MAC.
func sameMAC(n link.NIC, nics []link.NIC) bool {
	return slices.ContainsFunc(nics, func(m link.NIC) bool {
		return m.Index == n.Master && m.MAC.String() == n.MAC.String()
	})
}

func nameOf(index int, nics []link.NIC) string {
	for _, n := range nics {
		if n.Index == index {
			return n.Name
		}
	}
	return fmt.Sprintf("NIC %d", index)
}

func allZero(mac []byte) bool {
	return !slices.ContainsFunc(mac, func(b byte) bool { return b != 0 })
}
