package guest

import (
	"fmt"
	"net"
	"strings"

	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/sysctl"
	"github.com/v6guest/v6guest/pkg/wire"
)

// Facts are what the plan rests on beside the configuration: all of it is read before, so that the
// plan itself asks nobody.
type Facts struct {
	NICs []link.NIC // as the kernel lists them
	// IPv4Defaults are the IPv4 default routes, in any order.
	IPv4Defaults []IPv4Default
	// Uplinks are the NICs whose files give them IPv4's way out, in any order; none where nobody looked.
	Uplinks []Uplink
	// Image says that the system does not run: its NICs may be known by name alone.
	Image bool
	// Remembered is the NIC that an earlier choice made the default one; nil when there is none.
	Remembered *link.Key
	// MemoryError says why nothing could be remembered although something was; nil in the usual case.
	MemoryError error
	// RememberedLeft says that the remembered NIC was here since the agent started and went away.
	RememberedLeft bool
	// WaitOver says that the time in which an IPv4 default route may still settle the choice, or a
	// NIC that went away may come back to its role, has passed.
	WaitOver bool
	// RA is who processes Router Advertisements by the stack in charge of a NIC, by index; no entry
	// counts as RAKernel.
	RA map[int]StackRA
	// Place is where the agent runs; the zero Place for a machine of its own.
	Place
	// OldNames are the names that a NIC bore since the agent knows it, by index, latest first.
	OldNames map[int][]string
}

// An IPv4Default is an IPv4 default route.
type IPv4Default struct {
	Index  int    // of the NIC that it leaves by
	Metric uint32 // the lowest wins
}

// An Uplink is a NIC that the distribution's files give the IPv4 gateway, or IPv4 by DHCP.
type Uplink struct {
	Index int
	Why   string // which file says so
}

// A StackRA is what the network stack in charge of a NIC allows, and why.
type StackRA struct {
	Mode   RAMode
	Reason string // the stack with its whole chain of reasons, in one line
}

// A Role says what a NIC is among the managed ones (decision 3).
type Role string

// The roles of a NIC.
const (
	RoleDefault   Role = "default"   // it keeps the IPv6 default route
	RoleSecondary Role = "secondary" // it must never have one
	RoleNone      Role = ""          // v6guest leaves the NIC alone
)

// A Plan says what is to become of each NIC, and why. Planning twice from the same facts gives the same plan.
type Plan struct {
	NICs    []NICPlan // every NIC of the facts, by index
	Default int       // index of the default NIC; 0 when none could be chosen
	Reason  string    // the whole chain of reasons of the choice of the default NIC, in one line
	// Provisional says that an IPv4 default route may still change the choice (decision 3).
	Provisional bool
	// Remember is the NIC to remember as the default one; nil when nothing new is to be remembered.
	Remember *link.Key
	Missing  []Pattern // of `nics`, those that no NIC matches
	Notes    []string  // what a person should know, a line each

	host net.HardwareAddr // of which duid = host is made
}

// A NICPlan is what is to become of one NIC.
type NICPlan struct {
	NIC      link.NIC
	Managed  bool
	Role     Role
	Reason   string // the whole chain of reasons, in one line
	Settings Settings
	RA       RAMode // who processes Router Advertisements; "" on a NIC that takes no default route
	DUID     wire.DUID
	IAID     wire.IAID
	Switches []sysctl.Setting // in the order in which they are set
}

// NewPlan decides. It is pure: no kernel, no file, no clock.
func NewPlan(cfg *Config, f Facts) Plan {
	var p Plan
	p.NICs = chooseNICs(cfg, f)
	p.Missing = missing(cfg, f)
	choice := chooseDefault(cfg, f, managed(p.NICs))
	p.Default, p.Provisional = choice.index, choice.provisional
	p.Reason = strings.Join(choice.reasons, "; ")
	p.Remember = choice.remember
	p.Notes = notes(f, p)
	if f.Remembered != nil {
		p.host = f.Remembered.MAC // the default NIC may be away for a moment: that changes no identity
	}
	if d := p.nic(p.Default); d != nil {
		p.host = d.NIC.MAC
	}
	for i := range p.NICs {
		if p.NICs[i].Managed {
			p.plan(&p.NICs[i], cfg, f)
		}
	}
	return p
}

// plan fills in what follows for a managed NIC from its role and its settings.
func (p *Plan) plan(n *NICPlan, cfg *Config, f Facts) {
	n.Settings = cfg.For(n.NIC.MAC, append([]string{n.NIC.Name}, f.OldNames[n.NIC.Index]...)...)
	n.Role = RoleSecondary
	if n.NIC.Index == p.Default {
		n.Role = RoleDefault
	}
	if hasMAC(n.NIC) { // else an image's NIC, which gets it with its machine
		n.IAID = wire.IAIDFromMAC(n.NIC.MAC)
		n.DUID = p.duid(n.NIC, n.Settings)
	}
	n.Reason += "; " + string(n.Role)
	switch {
	case n.Role == RoleDefault:
	case p.Default == 0:
		n.Reason += ": no NIC is the default one now"
	default:
		n.Reason += ": " + p.defaultName() + " is the default NIC"
	}
	if n.Settings.Lease == LeaseDistro {
		n.Reason += "; lease = distro: the distribution's client leases"
	} else {
		n.Reason += "; v6guest leases"
	}
	if n.Role == RoleDefault {
		var why string
		n.RA, why = raMode(n.Settings, f.RA[n.NIC.Index], f.FixedSwitches)
		n.Reason += "; " + why
	}
	n.Switches = n.switches()
}

// kernelRA says whether the kernel processes Router Advertisements on the NIC.
func (n *NICPlan) kernelRA() bool {
	if n.Role == RoleDefault {
		return n.RA == RAKernel
	}
	return n.Settings.SecondaryRA == SecondaryNoDefaultRoute
}

// ownOnLink says whether on-link routes are v6guest's business: it alone processes Router Advertisements,
// or the kernel is told to leave prefixes alone. The kernel would believe any, another NIC's too, and the
// addresses that it made of them are v6guest's to make where it leases.
func (n *NICPlan) ownOnLink() bool {
	if n.Role == RoleDefault && n.RA == RAStack {
		return false
	}
	return !n.kernelRA() || n.Settings.Lease == LeaseAgent
}

// raMode is who processes Router Advertisements on the default NIC, and why (decision 4).
func raMode(s Settings, stack StackRA, fixed bool) (RAMode, string) {
	switch {
	case len(s.Routers) > 0:
		return RAAgent, "v6guest processes Router Advertisements: routers are pinned"
	case s.RA == RAAgent, s.RA == RAKernel, s.RA == RAStack:
		return s.RA, "ra = " + string(s.RA)
	case fixed && (stack.Mode == "" || stack.Mode == RAKernel):
		return RAAgent, "ra = auto: v6guest processes Router Advertisements: /proc/sys is read-only, so that the kernel cannot be told to"
	case stack.Mode == "":
		return RAKernel, "ra = auto: the kernel processes Router Advertisements"
	}
	return stack.Mode, "ra = auto: " + string(stack.Mode) + " processes Router Advertisements (" + stack.Reason + ")"
}

// switches are the kernel switches of the NIC, in the order in which they are set (decisions 4, 5 and 13).
func (n *NICPlan) switches() []sysctl.Setting {
	var out []sysctl.Setting
	set := func(name sysctl.Switch, value string) { out = append(out, sysctl.Setting{Switch: name, Value: value}) }
	if n.Settings.Lease == LeaseAgent {
		set(sysctl.Autoconf, "0")
	}
	if n.kernelRA() {
		set(sysctl.AcceptRADefrtr, oneIf(n.Role == RoleDefault))
		set(sysctl.AcceptRAPinfo, oneIf(!n.ownOnLink()))
		// 2, not 1: with 1 the route is lost as soon as Docker or Kubernetes switches forwarding on.
		set(sysctl.AcceptRA, "2")
	} else {
		set(sysctl.AcceptRA, "0") // one processor is enough: two would each make a default route
	}
	if n.Settings.OptimisticDAD {
		set(sysctl.OptimisticDAD, "1")
		set(sysctl.UseOptimistic, "1")
	}
	return out
}

func oneIf(on bool) string {
	if on {
		return "1"
	}
	return "0"
}

// nic is the plan of the NIC with that index, nil when there is none.
func (p *Plan) nic(index int) *NICPlan {
	for i := range p.NICs {
		if p.NICs[i].NIC.Index == index {
			return &p.NICs[i]
		}
	}
	return nil
}

func (p *Plan) defaultName() string {
	if d := p.nic(p.Default); d != nil {
		return d.NIC.Name
	}
	return "none"
}

func managed(nics []NICPlan) []link.NIC {
	var out []link.NIC
	for _, n := range nics {
		if n.Managed {
			out = append(out, n.NIC)
		}
	}
	return out
}

// String prints the plan for a person, a line for each choice.
func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "default NIC %s: %s\n", p.defaultName(), p.Reason)
	for _, n := range p.NICs {
		if !n.Managed {
			fmt.Fprintf(&b, "%s: left alone: %s\n", n.NIC.Name, n.Reason)
			continue
		}
		fmt.Fprintf(&b, "%s: %s\n", n.NIC.Name, n.Reason)
		fmt.Fprintf(&b, "  DUID %s, IAID %s\n", n.DUID, n.IAID)
		for _, s := range n.Switches {
			fmt.Fprintf(&b, "  net.ipv6.conf.%s.%s = %s\n", n.NIC.Name, s.Switch, s.Value)
		}
	}
	for _, m := range p.Missing {
		fmt.Fprintf(&b, "no NIC is %s yet\n", m)
	}
	for _, n := range p.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	return b.String()
}
