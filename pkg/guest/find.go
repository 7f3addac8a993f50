package guest

import (
	"slices"
	"strings"

	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/link"
)

// FindNIC is the NIC that a person named on the command line, by its name or MAC, if it can lease at
// all: it exists and has an Ethernet address. The error is a Fault that lists the NICs there are.
func FindNIC(nics []link.NIC, arg string) (link.NIC, error) {
	p, err := ParsePattern(arg)
	if err != nil {
		return link.NIC{}, err
	}
	i := slices.IndexFunc(nics, func(n link.NIC) bool { return p.exact() && p.Match(n.Name, n.MAC) })
	if i < 0 {
		return link.NIC{}, fault.New(fault.ExitUsage, "name one of: "+strings.Join(leasable(nics), ", "), "there is no NIC %s", arg)
	}
	n := nics[i]
	if !hasMAC(n) {
		return n, fault.New(fault.ExitUsage, "name one of: "+strings.Join(leasable(nics), ", "),
			"%s has no Ethernet address (MAC), so no DUID can be made for it", n.Name)
	}
	return n, nil
}

// leasable are the names of the NICs that could lease.
func leasable(nics []link.NIC) []string {
	var names []string
	for _, n := range nics {
		if hasMAC(n) {
			names = append(names, n.Name)
		}
	}
	if names == nil {
		return []string{"(this machine has no Ethernet NIC)"}
	}
	return names
}

func hasMAC(n link.NIC) bool {
	return n.Ethernet && !n.Loopback && len(n.MAC) == 6 && !allZero(n.MAC)
}
