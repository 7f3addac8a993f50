package distro

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// An RA says who processes Router Advertisements on a NIC once the planned files are in force.
type RA string

// The processors of Router Advertisements.
const (
	RAKernel RA = "kernel" // accept_ra
	RAStack  RA = "stack"  // the stack, in user space
	RAAgent  RA = "agent"  // the stack cannot without DHCPv6, or not at all: v6guest must
	RANone   RA = "none"   // nobody installs a default route: the NIC is not the default one
)

// Options say how to plan.
type Options struct {
	// Backend overrides detection for every NIC; empty for what is detected.
	Backend Stack
	// Recipe writes the texts of the CloudStack manual exactly as they are known, not what works best.
	Recipe bool
}

// A Plan is what becomes of a system's files.
type Plan struct {
	NICs    []NICPlan // in the order of the wants
	Changes []Change  // by path; none if everything is as wanted
}

// A NICPlan is what is said of one NIC.
type NICPlan struct {
	Want    Want
	Finding Finding
	RA      RA
	// AcceptRA and Autoconf are what the kernel's switches of the NIC must be, beside the files.
	AcceptRA, Autoconf int
	// Notes are choices and departures that concern the NIC, a sentence each.
	Notes []string
	// AtBoot says that the plan is whole only when it is made again at boot: a generator makes the
	// stack's files then.
	AtBoot bool
	// Live is what makes the change count on the running system, in order.
	Live []LiveStep
}

// A LiveStep is one action that makes a change of files count without a reboot.
type LiveStep struct {
	// Argv is a command; empty where StopPID is set.
	Argv []string
	// StopPID names a file with the number of a process that must be ended (SIGTERM).
	StopPID string
	// CutsIPv4 says that the NIC's IPv4 address goes away for a moment.
	CutsIPv4 bool
	Why      string
}

// ownHeader begins every file of v6guest's own. Only files that begin so are ever taken away.
const ownHeader = "# Written by v6guest"

// NewPlan says what must become of the files of a system so that each NIC is as wanted. It is pure, and
// the plan for a system that is as planned has no changes. Callers plan from Store.Originals, and pass
// the changes through Store.Rebase.
//
// The error joins one *RefusalError for each reason why it cannot be done; then there is no plan.
func NewPlan(s System, wants []Want, o Options) (*Plan, error) {
	w := newWorkspace(s, o)
	w.all = wants
	p := &Plan{NICs: make([]NICPlan, len(wants))}
	byStack := map[Stack][]*NICPlan{}
	for i, want := range wants {
		n := &p.NICs[i]
		if o.Recipe {
			note := "the recipe lets the distribution's own client lease"
			if want.Lease != LeaseDistro { // the agent reads only its configuration
				note += ": set lease = distro too where v6guest's agent runs, which else waits until that client is gone"
			}
			n.note(note)
			want.Lease = LeaseDistro
		}
		n.Want, n.Finding = want, w.detect(want.NIC)
		if o.Backend != "" && n.Finding.Stack != o.Backend {
			n.Finding = w.asked(n.Finding, want.NIC, o.Backend)
		}
		if n.RA = RAKernel; !want.Default {
			n.RA = RANone
		}
		if n.Finding.Conflict != "" {
			n.Notes = append(n.Notes, n.Finding.Conflict+" claims the NIC as well; switch one of the two off")
		}
		byStack[n.Finding.Stack] = append(byStack[n.Finding.Stack], n)
	}
	var errs []error
	for _, b := range backends() {
		nics := byStack[b.stack()]
		if len(nics) == 0 {
			continue
		}
		if o.Recipe && b.stack() != Ifupdown && b.stack() != Initscripts {
			errs = append(errs, refuse(ErrUnsupported, nics[0].name(), "", 0, "leave out --recipe", "there is no recipe for %s", b.stack()))
			continue
		}
		if r := w.hidden[b.stack()]; r != nil {
			errs = append(errs, r)
			continue
		}
		errs = append(errs, b.render(w, nics))
	}
	if err := onceEach(errors.Join(errs...)); err != nil {
		return nil, err
	}
	for i := range p.NICs {
		if p.NICs[i].RA == RAKernel {
			p.NICs[i].AcceptRA = 2 // 1 would lose the route as soon as somebody switches forwarding on
		}
	}
	p.Changes = w.finish()
	return p, nil
}

// onceEach is the errors that err joins, of those that say the same only the first: a file that is no good
// is so for every NIC.
func onceEach(err error) error {
	var out []error
	said := map[string]bool{}
	var add func(error)
	add = func(err error) {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range joined.Unwrap() {
				add(e)
			}
			return
		}
		if err != nil && !said[err.Error()] {
			said[err.Error()] = true
			out = append(out, err)
		}
	}
	add(err)
	return errors.Join(out...)
}

// asked is the finding of a NIC whose stack was asked for: what that stack says of itself, if anything.
func (d *detector) asked(found Finding, nic NIC, stack Stack) Finding {
	f := Finding{Stack: stack}
	for _, probe := range probes {
		if c := probe(d, nic); c.yes && c.Stack == stack {
			f = c.Finding
		}
	}
	f.NIC, f.Generator = nic.Name, generatorOf(f.File, d.Tree)
	f.Reasons = append(slices.Concat(found.Reasons, f.Reasons), "and "+string(stack)+" was asked for")
	return f
}

// name is the NIC's name.
func (n *NICPlan) name() string { return n.Want.NIC.Name }

// note adds a sentence.
func (n *NICPlan) note(text string) { n.Notes = append(n.Notes, text) }

// keepsRA says that Router Advertisements are processed on a NIC that is not the default one.
func (n *NICPlan) keepsRA() bool { return n.Want.KeepRA && !n.Want.Default }

// kernelRA is the kernel's accept_ra where nobody else processes Router Advertisements.
func (n *NICPlan) kernelRA() int {
	if n.Want.Default || n.keepsRA() {
		return 2
	}
	return 0
}

// noteKeptRA tells that the stack's files cannot keep the default route of Router Advertisements alone away.
func (n *NICPlan) noteKeptRA(what string) {
	if n.keepsRA() {
		n.note("secondary_ra = no-default-route counts once v6guest runs: " + what + ", so that until then no Router Advertisement is processed")
	}
}

// stackDoesRA leaves Router Advertisements on the default NIC to the stack.
func (n *NICPlan) stackDoesRA() {
	if n.Want.Default {
		n.RA = RAStack
	}
}

// agentDoesRA makes Router Advertisements on the default NIC v6guest's own business.
func (n *NICPlan) agentDoesRA() {
	if n.Want.Default {
		n.RA = RAAgent
	}
}

// A workspace is the system with what a plan has edited so far.
type workspace struct {
	*detector
	options Options
	disk    *Tree // as it is
	all     []Want
	changes map[string]*Change
	own     []string // files of v6guest's own that are there
}

// newWorkspace hides v6guest's own files, so that a plan is made from the user's.
func newWorkspace(s System, o Options) *workspace {
	w := &workspace{options: o, disk: s.Tree, changes: map[string]*Change{}}
	hidden := map[string][]byte{}
	for _, pattern := range []string{
		"/etc/systemd/network/05-v6guest-*.network", "/etc/systemd/network/*.network.d/90-v6guest.conf", "/etc/netplan/90-v6guest.yaml",
		"/etc/NetworkManager/system-connections/v6guest-*.nmconnection", "/etc/network/ifupdown2/policy.d/v6guest.json",
	} {
		for _, name := range s.Tree.Glob(pattern) {
			if strings.HasPrefix(s.Tree.text(name), ownHeader) || strings.HasSuffix(name, ".json") {
				w.own = append(w.own, name)
				hidden[name] = nil
			}
		}
	}
	s.Tree = s.Tree.With(hidden)
	w.detector = newDetector(s)
	if d, ok := dialects[o.Backend]; ok {
		w.ifup, w.interfaces = o.Backend, parseInterfaces(s.Tree, d)
	}
	return w
}

// read is a file as edited so far; nil if there is none.
func (w *workspace) read(name string) ([]byte, error) {
	b, err := w.Tree.Read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// put edits a file: mode is for a new one.
func (w *workspace) put(name string, after []byte, mode fs.FileMode, why ...string) {
	c := w.changes[name]
	if c == nil {
		c = &Change{Path: name, Mode: mode}
		if b, err := w.disk.Read(name); err == nil {
			c.Before = append([]byte{}, b...)
		}
		w.changes[name] = c
	}
	c.After = after
	for _, reason := range why {
		if !slices.Contains(c.Why, reason) {
			c.Why = append(c.Why, reason)
		}
	}
	w.Tree = w.Tree.With(map[string][]byte{name: after})
}

// finish is the changes that change something, by path.
func (w *workspace) finish() (out []Change) {
	for _, name := range w.own {
		if w.changes[name] == nil {
			w.put(name, nil, 0, "v6guest needs its own file no longer")
		}
	}
	for _, c := range w.changes {
		if !bytes.Equal(c.Before, c.After) || (c.Before == nil) != (c.After == nil) {
			out = append(out, *c)
		}
	}
	slices.SortFunc(out, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// ownFile is a file of v6guest's own: its header, what it is for, and its body.
func ownFile(purpose, text string) []byte {
	return []byte(ownHeader + ": " + purpose + "\n# \"v6guest restore\" removes it; edits are lost.\n" + text)
}

// switchName is a NIC's kernel switch as sysctl(8) takes it, also for names with a dot.
func switchName(nic, key string) string {
	if strings.Contains(nic, ".") {
		return path.Join("net/ipv6/conf", nic, key)
	}
	return "net.ipv6.conf." + nic + "." + key
}
