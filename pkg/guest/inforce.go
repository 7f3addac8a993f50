package guest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// filesInForce says which NIC is the default one in the network files that the stacks go by in this boot.
// `configure` notes it in the run folder, the agent reads it: on a first boot the files may have been made
// before an IPv4 default route settled the choice (decision 3), and then they must follow.
type filesInForce struct {
	runNote
	Default string `json:"default"` // MAC, and VLAN where it is one
}

func inForceFile(runDir string) string { return filepath.Join(runDir, "files.json") }

// ReconfigureFile is the file in the run folder by which the agent asks for files that agree with its choice
// of the default NIC: v6guest-reconfigure.path waits for it.
const ReconfigureFile = "reconfigure"

// defaultInForce is the default NIC of the files in force, by its key; "" if nobody noted it. A note that
// cannot be used counts as none.
func defaultInForce(runDir string) string {
	note, ok := thisBoot(runDir)
	var n filesInForce
	if !ok || !note.read(inForceFile(runDir), &n) {
		return ""
	}
	return n.Default
}

// NoteInForce notes that the stacks go by the plan's files from now on.
func (p *FilePlan) NoteInForce(runDir string) error {
	note, ok := thisBoot(runDir)
	n := filesInForce{runNote: note}
	for _, nic := range p.NICs {
		if nic.Role == RoleDefault {
			n.Default = nic.NIC.Key().String()
		}
	}
	if !ok || n.Default == "" {
		return nil
	}
	err := os.MkdirAll(runDir, 0o755)
	if err == nil {
		err = writeRunNote(inForceFile(runDir), n)
	}
	if err != nil {
		return fmt.Errorf("note which files are in force: %w", err)
	}
	return nil
}

// forgetInForce forgets it: the files are the user's again.
func forgetInForce(runDir string) error {
	if runDir == "" {
		return nil
	}
	if err := os.Remove(inForceFile(runDir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget which files were in force: %w", err)
	}
	return nil
}

// followed is what the agent knows of the files in force and has asked for.
type followed struct {
	inForce string // the default NIC of the files; "": unknown
	asked   string // the default NIC that files were asked for
}

// differ says whether the files in force make another NIC the default one.
func (f *followed) differ(d NICPlan) bool {
	return f.inForce != "" && f.inForce != d.NIC.Key().String()
}

// follow asks, once for each choice, for files that agree with the default NIC. Until they count, v6guest
// itself does there what the stack was told not to do.
func (a *Agent) follow() {
	d := a.plan.nic(a.plan.Default)
	if a.passive || d == nil || a.plan.Provisional || !a.follows.differ(*d) || a.follows.asked == d.NIC.Key().String() {
		return
	}
	a.follows.asked = d.NIC.Key().String()
	a.log.Info("the network files were made for another default NIC and are asked to follow", "nic", d.NIC.Name, "files_for", a.follows.inForce)
	if err := os.WriteFile(filepath.Join(a.opts.RunDir, ReconfigureFile), []byte(a.follows.asked+"\n"), 0o644); err != nil {
		a.log.Warn("the network files follow at the next boot only", "error", err)
	}
}

// FilesChanged makes the agent look again at what the stacks go by.
func (a *Agent) FilesChanged(ctx context.Context) error {
	return a.do(ctx, func() {
		a.follows.inForce = defaultInForce(a.opts.RunDir)
		a.askStackAgain()
	})
}
