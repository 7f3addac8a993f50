package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/v6guest/v6guest/cmd/internal/cmdline"
	"github.com/v6guest/v6guest/pkg/distro"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/guest"
	"github.com/v6guest/v6guest/pkg/resolver"
)

func (e *env) restoreCommand() *cli.Command {
	return &cli.Command{
		Name: "restore", Usage: "bring every file back as it was before `v6guest configure`",
		Description: "A file that somebody edited since stops it, and is named: then nothing is changed, unless --force is given.\n" +
			"The originals count from the next boot on, or as soon as the network stack reads its files again.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "force", Usage: "put originals also over files that somebody edited since", DisableDefaultText: true},
			applyFlag(),
			rootFlag(),
			cmdline.JSONFlag(),
		},
		Action: func(c *cli.Context) error {
			if err := e.NoArguments(c); err != nil {
				return err
			}
			if err := e.checkRoot(c); err != nil {
				return err
			}
			if err := e.checkApply(c, isImage(c)); err != nil {
				return err
			}
			f, err := guest.OpenFiles(c.String("root"), c.String("state-dir"), time.Now)
			if err != nil {
				return err
			}
			return errors.Join(e.restore(c, f), f.Close())
		},
	}
}

// A restoredSystem is what `restore --json` prints.
type restoredSystem struct {
	Restored []string         `json:"restored"`
	Live     []guest.LiveStep `json:"live,omitempty"`
	Notes    []string         `json:"notes,omitempty"`
}

func (e *env) restore(c *cli.Context, f *guest.Files) error {
	files, err := f.Restore(c.Bool("force"))
	if err != nil {
		return err
	}
	dns := dnsFault(guest.RestoreDNS(c.Context, c.String("root"), c.String("state-dir")), c.String("state-dir"))
	out := restoredSystem{Restored: append([]string{}, files...)}
	if !isImage(c) {
		out.Notes = f.Again(c.Context, c.String("run-dir"))
	}
	var failed error
	if c.String("apply") == "live" {
		out.Live, failed = e.restoreLive(c, f, files)
	}
	failed = errors.Join(failed, dns)
	if c.Bool("json") {
		return errors.Join(e.PrintJSON(out), failed)
	}
	for _, name := range files {
		e.Print("%s: as it was", name)
	}
	if len(files) == 0 {
		e.Print("there is nothing to bring back: v6guest has changed no file")
	}
	e.printSteps(out.Live)
	for _, note := range out.Notes {
		e.Print("note: %s", note)
	}
	return failed
}

// dnsFault says that the files are as they were, and name resolution may not be.
func dnsFault(err error, stateDir string) error {
	if err == nil {
		return nil
	}
	f := &fault.Fault{
		Err:  fmt.Errorf("DNS servers that the agent handed over were not taken back, files were: %w", err),
		Exit: fault.ExitFailure, Cure: fault.Cure(err),
	}
	if f.Cure == "" {
		f.Cure = "look at /etc/resolv.conf, move " + filepath.Join(stateDir, resolver.RecordFile) + " away, and run restore again"
	}
	return f
}

// restoreLive makes the originals count on the running system.
func (e *env) restoreLive(c *cli.Context, f *guest.Files, files []string) ([]guest.LiveStep, error) {
	sys, err := guest.OpenLive()
	if err != nil {
		return nil, err
	}
	facts, err := readFacts(c.Context, c.String("state-dir"))
	if err != nil {
		return nil, err
	}
	processes, err := distro.Processes(os.DirFS("/proc"), time.Now())
	if err != nil {
		return nil, err
	}
	return f.RestoreLive(c.Context, sys, facts.NICs, processes, c.String("run-dir"), files)
}
