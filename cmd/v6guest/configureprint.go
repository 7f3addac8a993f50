package main

import (
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/distro"
	"github.com/v6guest/v6guest/pkg/guest"
)

// A configuredSystem is what `configure --json` prints.
type configuredSystem struct {
	Default string           `json:"default_reason"`
	NICs    []configuredNIC  `json:"nics"`
	Changes []configuredFile `json:"changes"`
	Live    []guest.LiveStep `json:"live,omitempty"`
	Applied bool             `json:"applied"`
}

type configuredNIC struct {
	NIC       string            `json:"nic"`
	Role      guest.Role        `json:"role"`
	Reason    string            `json:"reason"`
	Stack     distro.Stack      `json:"stack"`
	Generator string            `json:"generator,omitempty"`
	Client    string            `json:"client,omitempty"`
	Finding   string            `json:"finding"`
	Lease     guest.LeaseMode   `json:"lease"`
	RA        distro.RA         `json:"ra"`
	Switches  map[string]string `json:"switches"`
	Notes     []string          `json:"notes,omitempty"`
	AtBoot    bool              `json:"at_boot,omitempty"`
}

type configuredFile struct {
	Path string   `json:"path"`
	What string   `json:"what"`
	Why  []string `json:"why"`
	Diff string   `json:"diff"`
}

func configured(p *guest.FilePlan, steps []guest.LiveStep, applied bool) configuredSystem {
	out := configuredSystem{Default: p.Default, NICs: []configuredNIC{}, Changes: []configuredFile{}, Live: steps, Applied: applied}
	for _, n := range p.NICs {
		nic := configuredNIC{
			NIC: n.NIC.Name, Role: n.Role, Reason: n.Reason, Stack: n.Files.Finding.Stack, Generator: n.Files.Finding.Generator,
			Client: n.Files.Finding.Client, Finding: n.Files.Finding.Reason(), Lease: n.Settings.Lease, RA: n.Files.RA,
			Switches: map[string]string{}, Notes: n.Files.Notes, AtBoot: n.Files.AtBoot,
		}
		for _, s := range n.Switches {
			nic.Switches[string(s.Switch)] = s.Value
		}
		out.NICs = append(out.NICs, nic)
	}
	for _, c := range p.Changes {
		out.Changes = append(out.Changes, configuredFile{c.Path, whatChanges(c), c.Why, c.Diff()})
	}
	return out
}

// whatChanges is what becomes of a file, in a word.
func whatChanges(c distro.Change) string {
	switch {
	case c.Before == nil:
		return "new"
	case c.After == nil:
		return "removed"
	}
	return "changed"
}

// printFilePlan prints each NIC with the chain of reasons, and each file with what the change is for.
func (e *env) printFilePlan(p *guest.FilePlan, dry bool) {
	e.Print("default NIC: %s", p.Default)
	for _, n := range p.NICs {
		e.Print("%s (%s): %s", n.NIC.Name, n.Role, strings.TrimPrefix(n.Files.Finding.String(), n.NIC.Name+": "))
		for _, note := range n.Files.Notes {
			e.Print("  note: %s", note)
		}
		if n.Files.AtBoot {
			e.Print("  note: a generator writes the files at boot: v6guest-configure.service makes the change again then")
		}
	}
	if len(p.Changes) == 0 {
		e.Print("every file is as it should be")
	}
	for _, c := range p.Changes {
		e.Print("%s: %s", c.Path, whatChanges(c))
		for _, why := range c.Why {
			e.Print("  %s", why)
		}
		if dry {
			e.printDiff(c.Diff())
		}
	}
}

// Colours of a diff, as diff(1) has them.
const (
	bold  = "\x1b[1m"
	red   = "\x1b[31m"
	green = "\x1b[32m"
	cyan  = "\x1b[36m"
	plain = "\x1b[m"
)

// noColour is the variable by which people ask programs for no colours (no-color.org).
const noColour = "NO_COLOR" //nolint:misspell // a name of others

// printDiff prints a unified diff: in colour and with control characters escaped on a terminal, as it is
// elsewhere, so that patch(1) takes it.
func (e *env) printDiff(diff string) {
	if !e.onTerminal() {
		e.Raw(diff)
		return
	}
	for line := range strings.Lines(diff) {
		colour := ""
		switch {
		case strings.HasPrefix(line, "--- "), strings.HasPrefix(line, "+++ "):
			colour = bold
		case strings.HasPrefix(line, "@@"):
			colour = cyan
		case strings.HasPrefix(line, "-"):
			colour = red
		case strings.HasPrefix(line, "+"):
			colour = green
		}
		if os.Getenv(noColour) != "" {
			colour = ""
		}
		e.PrintColour(colour, strings.TrimSuffix(line, "\n"), plain)
	}
}

// onTerminal says whether standard output is a terminal.
func (e *env) onTerminal() bool {
	f, ok := e.Stdout.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// printSteps prints what was done on the running system, and what was left.
func (e *env) printSteps(steps []guest.LiveStep) {
	for _, s := range steps {
		if s.Left {
			e.Print("%s: left for the next boot, since it would cut IPv4 off for a moment: %s (%s)", s.NIC, s.What, s.Why)
		} else {
			e.Print("%s: done: %s (%s)", s.NIC, s.What, s.Why)
		}
	}
}

// printLive prints what was done on the running system, or when the files will count.
func (e *env) printLive(p *guest.FilePlan, steps []guest.LiveStep, c *cli.Context) {
	switch {
	case c.Bool("dry-run"):
		e.Print("nothing was changed: this was a dry run")
	case c.String("apply") == "live":
		e.printSteps(steps)
		e.Print("the kernel's switches are set")
	case len(p.Changes) > 0:
		e.Print("the files count from the next boot on; `v6guest restore` brings the originals back")
	}
}
