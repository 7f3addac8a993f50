package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/v6guest/v6guest/cmd/internal/cmdline"
	"github.com/v6guest/v6guest/pkg/distro"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/guest"
	"github.com/v6guest/v6guest/pkg/sysctl"
)

func (e *env) configureCommand() *cli.Command {
	return &cli.Command{
		Name: "configure", Usage: "make the distribution's own network files agree with v6guest",
		Description: "Finds the network stack in charge of each NIC and edits its files, so that one DHCPv6 client works on each\n" +
			"NIC and only the default one has an IPv6 default route. IPv4 stays as it is. The originals are kept:\n" +
			"`v6guest restore` brings them back. The files count from the next boot on.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "dry-run", Usage: "print what would be changed, as a diff, and change nothing", DisableDefaultText: true},
			&cli.BoolFlag{Name: "recipe", Usage: "write the texts of the CloudStack manual exactly as they are known", DisableDefaultText: true},
			&cli.StringFlag{Name: "backend", Usage: "configure the stack `NAME`, whatever is detected: " + guest.StackNames()},
			applyFlag(),
			&cli.BoolFlag{Name: "boot", Usage: "no network stack runs yet, as in v6guest-configure.service", DisableDefaultText: true},
			rootFlag(),
			&cli.StringSliceFlag{Name: "nic", Usage: "a NIC that the image will have, `NAME=MAC` (NAME alone where the MAC is not known); for each one (default: those that its files name)"},
			&cli.StringFlag{Name: "default", Usage: "the image's default NIC is `NAME`"},
			cmdline.JSONFlag(),
		},
		Action: func(c *cli.Context) error {
			if err := e.checkConfigure(c); err != nil {
				return err
			}
			f, err := guest.OpenFiles(c.String("root"), c.String("state-dir"), time.Now)
			if err != nil {
				return err
			}
			return errors.Join(e.configure(c, f), f.Close())
		},
	}
}

// applyFlag is the option of commands that can make files count at once.
func applyFlag() cli.Flag {
	return cmdline.Choice(&cli.StringFlag{
		Name: "apply", Value: "boot", Usage: "`WHEN` the files shall count: live (now, as far as IPv4 is not cut off) or boot",
	}, "live", "boot")
}

// checkApply refuses what --apply cannot mean; no says that nothing runs here that it could be about.
func (e *env) checkApply(c *cli.Context, no bool) error {
	switch live := c.String("apply") == "live"; {
	case !live && c.String("apply") != "boot":
		return e.Usagef("--apply %q: write live or boot", c.String("apply"))
	case live && no:
		return e.Usagef("--apply=live is for a running system whose files are changed: not with --root, --boot or --dry-run")
	}
	return nil
}

// rootFlag is the option of commands that can work on an unbooted image.
func rootFlag() cli.Flag {
	return &cli.StringFlag{Name: "root", TakesFile: true, Value: "/", Usage: "work on the unbooted image in `DIR`; no link leads out of it"}
}

// checkRoot refuses a --root that is no folder.
func (e *env) checkRoot(c *cli.Context) error {
	name := c.String("root")
	if name == "" {
		return e.Usagef("--root is empty: write a folder, or leave it out")
	}
	info, err := os.Stat(name)
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		err = at.Err
	}
	if err != nil {
		return fault.New(fault.ExitUsage, "name the folder where the image's root file system is mounted", "--root %s: %w", name, err)
	}
	return nil
}

// checkConfigure refuses options that say nothing together.
func (e *env) checkConfigure(c *cli.Context) error {
	if err := e.NoArguments(c); err != nil {
		return err
	}
	if err := e.checkRoot(c); err != nil {
		return err
	}
	if !isImage(c) && (c.IsSet("nic") || c.IsSet("default")) {
		return e.Usagef("--nic and --default are for an image: name it with --root")
	}
	if isImage(c) && c.Bool("boot") {
		return e.Usagef("--boot is for the running system: not with --root, whose files are planned for the image's own first boot")
	}
	for _, name := range []string{"backend", "default"} {
		if c.IsSet(name) && c.String(name) == "" {
			return e.Usagef("--%s is empty: write a name, or leave it out", name)
		}
	}
	return e.checkApply(c, isImage(c) || c.Bool("boot") || c.Bool("dry-run"))
}

// isImage says whether the command is about an unbooted image.
func isImage(c *cli.Context) bool { return filepath.Clean(c.String("root")) != "/" }

func (e *env) configure(c *cli.Context, f *guest.Files) error {
	opts, err := e.fileOptions(c, f)
	if err != nil {
		return err
	}
	plan, err := f.Plan(opts)
	if err != nil {
		return err
	}
	if !c.Bool("dry-run") {
		if err := f.Apply(plan); err != nil {
			return err
		}
		if plan.Remember != nil && !isImage(c) { // the agent must not choose otherwise
			if err := guest.Remember(c.String("state-dir"), *plan.Remember); err != nil {
				return err
			}
		}
	}
	if c.Bool("boot") && !c.Bool("dry-run") && !c.Bool("recipe") {
		e.bootSwitches(c, plan)
	}
	var steps []guest.LiveStep
	var failed error
	if c.String("apply") == "live" {
		sys, err := guest.OpenLive()
		if err != nil {
			return err
		}
		steps, failed = plan.ApplyLive(c.Context, sys, c.String("run-dir"))
		if err := guest.NewControlClient(c.String("run-dir")).FilesChanged(c.Context); !errors.Is(err, guest.ErrNoAgent) {
			failed = errors.Join(failed, err)
		}
	}
	if c.Bool("json") {
		return errors.Join(e.PrintJSON(configured(plan, steps, !c.Bool("dry-run"))), failed)
	}
	e.printFilePlan(plan, c.Bool("dry-run"))
	e.printLive(plan, steps, c)
	return errors.Join(failed, e.warnOverrides(c, plan))
}

// bootSwitches sets the kernel's switches before any NIC is up. What fails costs no boot: the agent sets
// them again.
func (e *env) bootSwitches(c *cli.Context, plan *guest.FilePlan) {
	sys, err := guest.OpenLive()
	if err == nil {
		err = errors.Join(plan.SetSwitches(c.Context, sys, c.String("run-dir")), plan.NoteInForce(c.String("run-dir")))
	}
	if err != nil {
		e.Say("v6guest: warning: %s", strings.Join(strings.Fields(err.Error()), " "))
	}
}

// fileOptions are what the command line says of the system and of how to change it.
func (e *env) fileOptions(c *cli.Context, f *guest.Files) (o guest.FileOptions, err error) {
	o.Recipe, o.Moment = c.Bool("recipe"), distro.Running
	if name := c.String("backend"); name != "" {
		if o.Backend, err = guest.Stack(name); err != nil {
			return o, err
		}
	}
	if isImage(c) {
		return e.imageOptions(c, f, o)
	}
	if o.Config, err = config(c); err != nil {
		return o, err
	}
	if o.Facts, err = readFacts(c.Context, c.String("state-dir")); err != nil {
		return o, err
	}
	o.Facts.WaitOver = !c.Bool("boot")
	if c.Bool("boot") {
		o.Moment = distro.Boot
		return o, nil
	}
	o.Processes, err = distro.Processes(os.DirFS("/proc"), time.Now())
	return o, err
}

// imageOptions are those of an unbooted image.
func (e *env) imageOptions(c *cli.Context, f *guest.Files, o guest.FileOptions) (guest.FileOptions, error) {
	var err error
	o.Moment = distro.Image
	if c.IsSet("config") {
		o.Config, err = config(c)
	} else {
		o.Config, err = f.ImageConfig()
	}
	if err != nil {
		return o, err
	}
	if o.Facts, err = f.ImageFacts(c.StringSlice("nic")); err != nil {
		return o, err
	}
	if name := c.String("default"); name != "" {
		p, err := guest.ParsePattern(name)
		if err != nil {
			return o, err
		}
		var found []string
		for _, n := range o.Facts.NICs {
			if p.Match(n.Name, n.MAC) {
				found = append(found, n.Name)
			}
		}
		switch {
		case len(found) == 0:
			return o, e.Usagef("--default %s: the image has no such NIC", name)
		case len(found) > 1:
			return o, e.Usagef("--default %s: that is %s; name one", name, strings.Join(found, " and "))
		}
		o.Config.DefaultNIC = &p
	}
	return o, nil
}

// warnOverrides tells of lines of other files that win over the switches.
// What cannot be read costs only the warning: the files are changed already.
func (e *env) warnOverrides(c *cli.Context, plan *guest.FilePlan) error {
	if c.Bool("dry-run") || c.Bool("recipe") {
		return nil
	}
	root, err := filepath.Abs(c.String("root"))
	if err != nil {
		return err
	}
	p := sysctl.Persistent{Root: root}
	for _, n := range plan.NICs {
		found, err := p.Overrides(n.NIC.Name)
		if err != nil {
			e.Say("v6guest: warning: it is not known whether lines of other files win over the switches of %s: %v", n.NIC.Name, err)
		}
		for _, o := range found {
			e.Say("v6guest: warning: %s", o)
			e.Say("v6guest: try: %s", o.Cure())
		}
	}
	return nil
}
