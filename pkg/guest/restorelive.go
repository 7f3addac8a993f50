package guest

import (
	"context"
	"errors"
	"slices"

	"github.com/v6guest/v6guest/pkg/distro"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/sysctl"
)

// RestoreLive makes files that Restore brought back count on the running system: stacks that can read
// them again without cutting IPv4 do, the kernel's switches are set back to what they were before
// ApplyLive, and the link-local addresses that the agent has added go, if it does not run. Stacks that read their files only when they bring a NIC up wait for that.
func (f *Files) RestoreLive(ctx context.Context, sys LiveSystem, nics []link.NIC, processes []distro.Process, runDir string, restored []string) ([]LiveStep, error) {
	var out []LiveStep
	var errs []error
	var done []string
	system := distro.System{Tree: f.store.Tree(), Moment: distro.Running, Facts: distro.Facts{Processes: processes}}
	if slices.ContainsFunc(restored, func(name string) bool { return name != "/"+sysctl.File }) {
		for _, n := range nics {
			if n.Loopback { // which NetworkManager has too, and v6guest never
				continue
			}
			found := distro.Detect(system, []distro.NIC{nicOf(system, n)})[0]
			steps, err := liveSteps(ctx, sys, n.Name, distro.Reread(system, found), &done)
			out = append(out, steps...)
			errs = append(errs, err)
		}
	}
	gone, err := RemoveSourceRouting(ctx, sys)
	errs = append(errs, err)
	for _, r := range gone {
		index, _ := ownTable(r.Table)
		out = append(out, LiveStep{NIC: nameOf(index, nics), What: "ip -6 rule del from " + r.From.String(), Why: "v6guest made it"})
	}
	if _, err := NewControlClient(runDir).Status(ctx); errors.Is(err, ErrNoAgent) { // else it puts them back
		note, ok := thisBoot(runDir)
		taken, err := loadAdded(note, ok, runDir).restore(ctx, sys, nics)
		out, errs = append(out, taken...), append(errs, err)
	}
	back, err := loadSwitches(runDir).restore(sys, nics)
	return append(out, back...), liveFault(append(errs, err, forgetInForce(runDir)))
}

// Again says what would configure the system again, a sentence each: the agent that runs, and the next
// boot.
func (f *Files) Again(ctx context.Context, runDir string) (notes []string) {
	if _, err := NewControlClient(runDir).Status(ctx); !errors.Is(err, ErrNoAgent) {
		notes = append(notes, "the agent runs and keeps the kernel's switches and its link-local addresses as it wants them; to stop it: systemctl disable --now v6guest")
	}
	if len(f.store.Tree().Glob("/etc/systemd/system/*.wants/v6guest-configure.service")) > 0 {
		notes = append(notes, "the next boot configures again; to prevent it: systemctl disable v6guest-configure")
	}
	return notes
}
