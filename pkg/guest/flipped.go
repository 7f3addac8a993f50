package guest

import (
	"context"

	"github.com/v6guest/v6guest/pkg/sysctl"
)

// followSwitches begins to hear who else sets the kernel's switches. Where that cannot be had, a switch
// that somebody flips is set right with the next event of its NIC.
func (a *Agent) followSwitches(ctx context.Context) {
	a.written = &sysctl.Written{}
	if a.passive {
		return
	}
	w, err := a.sys.Written(ctx)
	if err != nil {
		a.log.Warn("a switch that somebody changes is noticed late", "error", err)
		return
	}
	a.written = w
}

// switchesWritten takes in that somebody has written to switches of a NIC; it may have been this agent.
func (a *Agent) switchesWritten(nic string) {
	for _, n := range a.nics {
		if n.nic.Name == nic {
			n.switchesWritten()
		}
	}
}

// switchesWritten has a switch that is not as planned set back: at once, but with growing pauses where
// somebody insists.
func (n *managedNIC) switchesWritten() {
	n.check = true // IPv6 may be off now, or on again
	now := n.a.clock.Now()
	for _, s := range n.plan.Switches {
		v, err := n.a.sys.Get(n.nic.Name, s.Switch)
		if err != nil || v == s.Value || n.off != "" {
			continue
		}
		if at := n.flips.at(now); n.unsetAt > at {
			n.unsetAt = at
			n.flips.done(now)
		}
		if ok, silent := n.flipLines.allow(now, string(s.Switch)); ok {
			n.log.Warn("a switch was changed by somebody and is set back", "switch", s.Switch, "value", v, "to", s.Value, "unreported", silent)
		}
		if s.Switch == sysctl.AcceptRA && n.plan.Role == RoleDefault {
			n.solicit = true // what routers said meanwhile was not taken
		}
	}
}

// followSwitches names the switches of the NIC that are followed, under its present name.
func (n *managedNIC) followSwitches() {
	if n.followed != n.nic.Name && n.followed != "" {
		n.a.written.Forget(n.followed)
	}
	n.followed = n.nic.Name
	names := []sysctl.Switch{sysctl.DisableIPv6}
	for _, s := range n.plan.Switches {
		names = append(names, s.Switch)
	}
	n.problem("follow the kernel's switches", n.a.written.Follow(n.nic.Name, names...))
}
