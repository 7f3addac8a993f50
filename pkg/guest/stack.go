package guest

import (
	"context"
	"os"
	"time"

	"github.com/v6guest/v6guest/pkg/distro"
	"github.com/v6guest/v6guest/pkg/holder"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/plainfile"
)

// Stacks tells of the distribution's network stacks.
type Stacks interface {
	// StackRA is what the stack in charge of the default NIC allows under that lease mode. It reads
	// files and the list of processes.
	StackRA(nic link.NIC, lease LeaseMode) StackRA
	// InCharge says which stack is in charge of a NIC; distro.None when none is.
	InCharge(nic link.NIC) distro.Finding
	// SharesPort says whether a program that leases on other NICs, not on this one, has the client's port
	// for all of them, and its process; 0 while it does not run.
	SharesPort(nic link.NIC) (pid int, shares bool)
	// Ended is closed when the process has ended, or ctx; an error says that this kernel does not tell.
	Ended(ctx context.Context, pid int) (<-chan struct{}, error)
}

// StackRA asks the running system; before a stack runs, its files say that it will.
func (machine) StackRA(nic link.NIC, lease LeaseMode) StackRA {
	running, boot := thisSystem()
	want := distro.Want{NIC: distroNIC(running.Tree, nic), Default: true, Lease: distro.Policy(lease)}
	if out, ok := planRA(running, want); ok {
		return out
	}
	out, _ := planRA(boot, want)
	return out
}

// InCharge asks the running system in the same way.
func (machine) InCharge(nic link.NIC) distro.Finding {
	running, boot := thisSystem()
	nics := []distro.NIC{distroNIC(running.Tree, nic)}
	if f := distro.Detect(running, nics)[0]; f.Stack != distro.None {
		return f
	}
	return distro.Detect(boot, nics)[0]
}

// SharesPort asks the running system: dhcpcd is such a program.
func (machine) SharesPort(nic link.NIC) (pid int, shares bool) {
	return distro.SharesPort(distro.NewTree(plainfile.Folder("/")), processes, distro.NIC{Name: nic.Name})
}

// Ended asks the kernel.
func (machine) Ended(ctx context.Context, pid int) (<-chan struct{}, error) {
	return holder.Ended(ctx, pid)
}

// processes are those that run; where none can be seen, files decide.
func processes() []distro.Process {
	out, _ := distro.Processes(os.DirFS("/proc"), time.Now())
	return out
}

// thisSystem is the system that this process runs on, as it runs and as its files say that it boots.
func thisSystem() (running, boot distro.System) {
	tree := distro.NewTree(plainfile.Folder("/"))
	return distro.System{Tree: tree, Moment: distro.Running, Facts: distro.Facts{Processes: processes()}},
		distro.System{Tree: tree, Moment: distro.Boot}
}

// planRA is what the stack in charge allows, as far as one is found; ok is false if none is. What cannot
// be planned is left to the kernel.
func planRA(s distro.System, want distro.Want) (out StackRA, ok bool) {
	if plan, err := distro.NewPlan(s, []distro.Want{want}, distro.Options{}); err == nil {
		return stackRA(plan.NICs[0]), plan.NICs[0].Finding.Stack != distro.None
	}
	found := distro.Detect(s, []distro.NIC{want.NIC})[0]
	return StackRA{Reason: found.String()}, found.Stack != distro.None
}

// A stackMemory is what was last said of the stack in charge of the default NIC.
type stackMemory struct {
	nic   string
	index int
	lease LeaseMode
	said  StackRA
}

// askStackAgain has the plan made anew with what the stack in charge says of itself now.
func (a *Agent) askStackAgain() { a.stack, a.dirty = stackMemory{}, true }

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
	said := a.stack.said
	if said.Mode == RAStack && a.follows.differ(*d) {
		said = StackRA{Mode: RAAgent, Reason: "the files that the stack goes by were made for " + a.follows.inForce + " as the default NIC; " + said.Reason}
	}
	return map[int]StackRA{d.NIC.Index: said}
}
