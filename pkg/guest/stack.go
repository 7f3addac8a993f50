package guest

import (
	"os"

	"github.com/v6guest/v6guest/pkg/distro"
	"github.com/v6guest/v6guest/pkg/link"
)

// Stacks tells of the distribution's network stacks.
type Stacks interface {
	// StackRA is what the stack in charge of the default NIC allows under that lease mode. It reads
	// files and the list of processes.
	StackRA(nic link.NIC, lease LeaseMode) StackRA
}

// StackRA asks the running system; before a stack runs, its files say that it will.
func (machine) StackRA(nic link.NIC, lease LeaseMode) StackRA {
	tree := distro.NewTree(os.DirFS("/"))
	processes, _ := distro.Processes(os.DirFS("/proc")) // where none can be seen, files decide
	want := distro.Want{NIC: distroNIC(tree, nic), Default: true, Lease: distro.Policy(lease)}
	running := distro.System{Tree: tree, Moment: distro.Running, Facts: distro.Facts{Processes: processes}}
	found := distro.Detect(running, []distro.NIC{want.NIC})[0]
	system := running
	if found.Stack == distro.None {
		system = distro.System{Tree: tree, Moment: distro.Boot}
		found = distro.Detect(system, []distro.NIC{want.NIC})[0]
	}
	out := StackRA{Reason: found.String()}
	if plan, err := distro.NewPlan(system, []distro.Want{want}, distro.Options{}); err == nil {
		out = stackRA(plan.NICs[0])
	}
	return out
}

// A stackMemory is what was last said of the stack in charge of the default NIC.
type stackMemory struct {
	nic   string
	index int
	lease LeaseMode
	said  StackRA
}

// stackRA is what the stack in charge allows on the default NIC of a plan. It is asked for anew when
// another NIC is the default one or the NIC's name, by which files are chosen, has changed.
func (a *Agent) stackRA(p Plan) map[int]StackRA {
	d := p.nic(p.Default)
	if a.passive || d == nil || !d.Managed || d.Settings.RA != RAAuto || len(d.Settings.Routers) > 0 {
		return nil
	}
	if s := a.stack; s.index != d.NIC.Index || s.nic != d.NIC.Name || s.lease != d.Settings.Lease {
		a.stack = stackMemory{d.NIC.Name, d.NIC.Index, d.Settings.Lease, a.sys.StackRA(d.NIC, d.Settings.Lease)}
	}
	return map[int]StackRA{d.NIC.Index: a.stack.said}
}
