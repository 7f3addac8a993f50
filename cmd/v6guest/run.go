package main

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/guest"
	"github.com/v6guest/v6guest/pkg/link"
)

func (e *env) runCommand() *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "the agent: keep the address of every NIC, until stopped",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "dry-run", Usage: "print what would be done, and why, and end"}},
		Action: func(c *cli.Context) error {
			if err := e.NoArguments(c); err != nil {
				return err
			}
			if c.Bool("dry-run") {
				return e.dryRun(c)
			}
			if err := guest.CheckPrivilege(); err != nil {
				return err
			}
			opts, err := e.options(c, "info")
			if err != nil {
				return err
			}
			tune()
			a, err := guest.NewAgent(opts)
			if err != nil {
				return err
			}
			return a.Run(c.Context)
		},
	}
}

// tune keeps a process small that lives for months and works for milliseconds: garbage is collected
// early, since the work that this costs is rare, and one thread at a time runs, so that a storm of
// packets costs the guest one CPU at the most and waking up is cheap.
func tune() {
	debug.SetGCPercent(25)
	runtime.GOMAXPROCS(1)
}

func (e *env) dryRun(c *cli.Context) error {
	cfg, err := config(c)
	if err != nil {
		return err
	}
	facts, err := readFacts(c.Context, c.String("state-dir"))
	if err != nil {
		return err
	}
	plan := guest.NewPlan(cfg, facts)
	for line := range strings.Lines(plan.String()) {
		e.Print("%s", strings.TrimSuffix(line, "\n"))
	}
	return nil
}

// readFacts asks the kernel and the state folder for what a plan rests on.
func readFacts(ctx context.Context, stateDir string) (guest.Facts, error) {
	k, err := link.Open(link.Config{})
	if err != nil {
		return guest.Facts{}, err
	}
	facts, err := guest.ReadFacts(ctx, k, stateDir)
	return facts, errors.Join(err, k.Close())
}

// options are those of an agent on this machine; level is the log's where the command line names none.
func (e *env) options(c *cli.Context, level string) (guest.Options, error) {
	cfg, err := config(c)
	if err != nil {
		return guest.Options{}, err
	}
	log, err := e.Logger(c, level)
	if err != nil {
		return guest.Options{}, err
	}
	sys, err := guest.OpenSystem()
	if err != nil {
		return guest.Options{}, err
	}
	opts := guest.Options{
		Config: cfg, System: sys, Clock: clock.Boottime{}, Log: log,
		StateDir: c.String("state-dir"), RunDir: c.String("run-dir"), Version: version,
		ConfigFile: c.String("config"),
	}
	if c.Bool("verbose") {
		opts.Trace = e.tracer()
	}
	return opts, nil
}

// tracer prints each packet as one line, whole lines even when several NICs speak at once.
func (e *env) tracer() func(line string) {
	var mu sync.Mutex
	return func(line string) {
		mu.Lock()
		defer mu.Unlock()
		e.Say("%s", line)
	}
}
