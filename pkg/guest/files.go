package guest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/v6guest/v6guest/pkg/distro"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/plainfile"
	"github.com/v6guest/v6guest/pkg/sysctl"
)

// Files changes the network files of a system below a root folder, and brings the originals back. It is
// for one goroutine; Close ends it.
type Files struct {
	store    *distro.Store
	stateDir string
}

// OpenFiles opens the root folder; stateDir is v6guest's state folder as seen from inside, where the
// originals are kept.
func OpenFiles(root, stateDir string, now func() time.Time) (*Files, error) {
	if filepath.Clean(root) == "/" {
		abs, err := filepath.Abs(stateDir)
		if err != nil {
			return nil, err
		}
		stateDir = abs
	}
	s, err := distro.OpenStore(root, stateDir, now)
	if err != nil {
		return nil, filesFault(err)
	}
	return &Files{s, stateDir}, nil
}

// Close lets the root folder go.
func (f *Files) Close() error { return f.store.Close() }

// FileOptions say what the files of a system are to be planned from.
type FileOptions struct {
	Config *Config
	Facts  Facts // the NICs; of an unbooted image, those that it will have
	Moment distro.Moment
	// Processes are those that run; none in an image and at boot.
	Processes []distro.Process
	// Backend is the stack to configure, whatever is detected; "" for what is.
	Backend distro.Stack
	// Recipe writes the texts that people know, not what works best.
	Recipe bool
}

// A FilePlan is what becomes of the files, and of each NIC by them.
type FilePlan struct {
	NICs    []NICFiles
	Default string // why the default NIC is the default one
	// Remember is the default NIC where the choice is to hold from now on; nil where it holds
	// already or is provisional.
	Remember *link.Key
	Changes  []distro.Change
}

// NICFiles is what the files make of one managed NIC.
type NICFiles struct {
	NICPlan
	Files distro.NICPlan
}

// Plan says what must become of the files. It changes nothing, except that it finishes or takes back
// what a run that was killed left half done. The error is a Fault that names file and line of each
// reason why it cannot be done; then nothing at all is planned.
func (f *Files) Plan(o FileOptions) (*FilePlan, error) {
	originals, err := f.store.Originals()
	if err != nil {
		return nil, filesFault(err)
	}
	system := distro.System{Tree: originals, Moment: o.Moment, Facts: distro.Facts{Processes: o.Processes}}
	o.Facts.Uplinks = uplinks(system, o.Facts.NICs)
	plan := NewPlan(o.Config, o.Facts)
	out := &FilePlan{Default: plan.Reason, Remember: plan.Remember}
	var wants []distro.Want
	for _, n := range plan.NICs {
		if n.Managed {
			out.NICs = append(out.NICs, NICFiles{NICPlan: n})
			wants = append(wants, distro.Want{
				NIC: nicOf(system, n.NIC), Default: n.Role == RoleDefault, Lease: distro.Policy(n.Settings.Lease),
				KeepRA: n.Settings.SecondaryRA == SecondaryNoDefaultRoute,
			})
		}
	}
	if wants == nil {
		return nil, fault.New(fault.ExitFailure, "name a NIC, or set nics in the configuration", "there is no NIC to configure:\n%s", plan.String())
	}
	planned, err := distro.NewPlan(system, wants, distro.Options{Backend: o.Backend, Recipe: o.Recipe})
	if err != nil {
		return nil, filesFault(err)
	}
	out.settle(o, planned)
	changes := planned.Changes
	if !o.Recipe { // the recipe's own lines set its switches
		c, err := switchesFile(originals, out.NICs)
		if err != nil {
			return nil, filesFault(err)
		}
		changes = append(changes, c...)
	}
	if out.Changes, err = f.store.Rebase(changes); err != nil {
		return nil, filesFault(err)
	}
	return out, nil
}

// Apply makes the changes of a plan: all of them, or none.
func (f *Files) Apply(p *FilePlan) error { return filesFault(f.store.Apply(p.Changes)) }

// Restore brings every file back as it was before v6guest first changed it, and names them. A file
// that somebody edited since stops all of it, unless force is set.
func (f *Files) Restore(force bool) ([]string, error) {
	restored, err := f.store.Restore(force)
	return restored, filesFault(err)
}

// stackRA is what the stack of a NIC allows once its files are as planned.
func stackRA(n distro.NICPlan) StackRA {
	modes := map[distro.RA]RAMode{distro.RAStack: RAStack, distro.RAAgent: RAAgent, distro.RAKernel: RAKernel}
	return StackRA{Mode: modes[n.RA], Reason: string(n.Finding.Stack) + ": " + n.Finding.Reason()}
}

// settle takes over what the distribution's part of the plan says of each NIC, and what follows from it.
func (p *FilePlan) settle(o FileOptions, planned *distro.Plan) {
	o.Facts.RA = map[int]StackRA{}
	for i, n := range p.NICs {
		p.NICs[i].Files = planned.NICs[i]
		o.Facts.RA[n.NIC.Index] = stackRA(planned.NICs[i])
	}
	again := NewPlan(o.Config, o.Facts)
	for i, n := range p.NICs {
		n.NICPlan = *again.nic(n.NIC.Index)
		if n.Settings.Lease == LeaseDistro { // the agent leaves autoconf to a client that is not its own
			n.Switches = append(n.Switches, sysctl.Setting{Switch: sysctl.Autoconf, Value: strconv.Itoa(n.Files.Autoconf)})
		}
		p.NICs[i] = n
	}
}

// switchesFile is the change of the file from which the switches are set at boot.
func switchesFile(t *distro.Tree, nics []NICFiles) ([]distro.Change, error) {
	name := "/" + sysctl.File
	before, err := t.Read(name)
	if errors.Is(err, fs.ErrNotExist) {
		before, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	after := before
	for _, n := range nics {
		if after, err = sysctl.Edit(after, n.NIC.Name, n.Switches); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if bytes.Equal(before, after) {
		return nil, nil
	}
	return []distro.Change{{
		Path: name, After: after, Mode: 0o644,
		Why: []string{"the kernel's switches from the next boot on: systemd sets them as each NIC appears"},
	}}, nil
}

// uplinks is the NICs whose files give them IPv4's way out.
func uplinks(s distro.System, nics []link.NIC) (out []Uplink) {
	for _, n := range nics {
		if why := distro.IPv4Uplink(s, nicOf(s, n)); why != "" {
			out = append(out, Uplink{n.Index, why})
		}
	}
	return out
}

// nicOf is a NIC of a system; that of an image gets its index at boot.
func nicOf(s distro.System, n link.NIC) distro.NIC {
	if s.Moment == distro.Image {
		n.Index = 0
	}
	return distroNIC(s.Tree, n)
}

// distroNIC is a NIC with what udev knows of it, by which stacks choose.
func distroNIC(t *distro.Tree, n link.NIC) distro.NIC {
	out := distro.NIC{Name: n.Name, MAC: n.MAC, PermanentMAC: n.PermanentMAC, Index: n.Index, Kind: n.Kind}
	if n.Kind == "vlan" || n.Kind == "bridge" || n.Kind == "bond" {
		out.Type = n.Kind // systemd's word for it is the kernel's
	}
	if n.Index == 0 {
		return out
	}
	b, err := t.Read("/run/udev/data/n" + strconv.Itoa(n.Index))
	if err != nil {
		return out // without udev nothing is chosen by it
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "E:ID_NET_DRIVER="); ok {
			out.Driver = strings.TrimSpace(v)
		}
		if v, ok := strings.CutPrefix(line, "E:ID_PATH="); ok {
			out.Path = strings.TrimSpace(v)
		}
	}
	return out
}

// filesFault gives an error of the files its exit code and its cures; nil stays nil.
func filesFault(err error) error {
	if err == nil {
		return nil
	}
	f := &fault.Fault{Err: err, Exit: fault.ExitFailure, Cure: fault.Cure(err)}
	switch {
	case f.Cure != "":
	case errors.Is(err, plainfile.ErrNotRegular):
		f.Cure = "put a regular file in its place, or nothing"
	case errors.Is(err, distro.ErrTooLarge):
		f.Cure = "look what it is; put a smaller file in its place, or nothing"
	case errors.Is(err, distro.ErrLinkLoop):
		f.Cure = "correct the symbolic links that lead there"
	case errors.Is(err, distro.ErrEdited):
		f.Cure = "look at what was changed; `v6guest restore --force` puts the original there all the same"
	case errors.Is(err, distro.ErrUnsafeBackup):
		f.Cure = "find out who made it; chown it to root and chmod it to 0700 if its originals can be trusted"
	case errors.Is(err, distro.ErrBadManifest):
		f.Cure = "the originals lie beside it, as 0001 and so on: bring back by hand what is to be brought back, then move the folder away"
	case errors.Is(err, distro.ErrNewerManifest):
		f.Cure = "use that newer v6guest"
	case errors.Is(err, distro.ErrBusy), errors.Is(err, distro.ErrStale):
		f.Cure = "try again"
	case errors.Is(err, syscall.EROFS):
		f.Cure = "nothing was changed; mount the file system for writing (mount -o remount,rw)"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		f.Cure = "nothing was changed; make room on the file system"
	case errors.Is(err, fs.ErrPermission):
		f.Exit = fault.ExitNotPermitted
		f.Cure = "run as root"
		if os.Geteuid() == 0 {
			f.Cure = "run as root with all its capabilities; look at SELinux or AppArmor (dmesg), and at the file's attributes (lsattr)"
		}
	default:
		f.Cure = "look at the file system that it is on (df, mount, dmesg), then try again"
	}
	if cures := refusalCures(err); len(cures) > 0 {
		f.Cure = strings.Join(cures, "\n")
	}
	return f
}

// refusalCures are the cures of every refusal that is joined in err, each once.
func refusalCures(err error) (out []string) {
	switch e := err.(type) { //nolint:errorlint // the whole tree is walked
	case *distro.RefusalError:
		if e.Cure != "" {
			out = []string{e.Cure}
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			for _, c := range refusalCures(inner) {
				if !slices.Contains(out, c) {
					out = append(out, c)
				}
			}
		}
	case interface{ Unwrap() error }:
		return refusalCures(e.Unwrap())
	}
	return out
}
