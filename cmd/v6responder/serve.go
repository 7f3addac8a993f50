package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/urfave/cli/v2"

	"github.com/v6guest/v6guest/cmd/internal/cmdline"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/responder"
)

func (e *env) serveCommand() *cli.Command {
	return &cli.Command{
		Name: "serve", Usage: "serve the configured networks until stopped",
		Description: "SIGHUP, as `v6responder reload`, reads the configuration and the hosts anew. SIGTERM stops: guests are told that this router is\n" +
			"none any more. SIGUSR1 stops for a restart, without telling them (systemd: RestartKillSignal=SIGUSR1).",
		Action: func(c *cli.Context) error {
			if err := e.NoArguments(c); err != nil {
				return err
			}
			lines := &cmdline.Batch{W: e.Stderr}
			e.Stderr = lines
			log, err := e.Logger(c, "info")
			if err != nil {
				return err
			}
			file := c.String("config")
			cfg, err := responder.LoadConfig(file)
			if err != nil {
				return err
			}
			for _, w := range cfg.Warnings {
				log.Warn("configuration", "problem", w)
			}
			opts := responder.Options{
				Config: cfg, Version: version, Load: func() (*responder.Config, error) { return responder.LoadConfig(file) }, StateDir: c.String("state-dir"), Log: log, Clock: clock.Boottime{},
				HoldLog: lines.Hold, ReleaseLog: lines.Release,
				Ready: func() { notify(log, daemon.SdNotifyReady) }, Reservations: new(tuner).tune,
			}
			// Fed by the server's own loop, twice as often as it has to be.
			if limit, err := daemon.SdWatchdogEnabled(false); err != nil {
				log.Warn("the watchdog of the service manager is not fed", "error", err)
			} else if limit > 0 {
				opts.Alive, opts.AliveEvery = func() { notify(log, daemon.SdNotifyWatchdog) }, limit/2
			}
			if c.Bool("verbose") {
				opts.Trace = func(line string) { e.Say("%s", line) }
			}
			return e.serve(c.Context, c.String("run-dir"), opts)
		},
	}
}

// A tuner weighs memory against the collector's time, unless GOGC or GOMEMLIMIT say how. It remembers what it has set:
// to set that again stops all threads for nothing.
type tuner struct {
	percent int
	limit   int64
}

func (t *tuner) tune(reservations int) {
	if percent := collectAt(reservations); percent != t.percent && os.Getenv("GOGC") == "" {
		t.percent = percent
		debug.SetGCPercent(percent)
	}
	if limit := collectBefore(reservations); limit != t.limit && os.Getenv("GOMEMLIMIT") == "" {
		t.limit = limit
		debug.SetMemoryLimit(limit)
	}
}

// collectBefore is how much memory there may be before garbage is collected whatever its share. While the hosts are
// read anew there are the old ones, the new ones and the text: some 400 bytes a line.
func collectBefore(reservations int) int64 {
	const least, each = 448 << 20, 450
	return max(least, each*int64(reservations))
}

// collectAt is by how many percent of what is kept garbage grows until it is collected: seldom while all there is to
// keep is small, more often as a million come near, which keep 330 MB: the whole is to stay under 512.
func collectAt(reservations int) int {
	const (
		seldom, often = 400, 50
		each, base    = 330, 8 << 20 // bytes that a lease keeps (a hosts line half of it), and that the rest keeps
		room          = 384 << 20
	)
	kept := base + each*reservations
	return min(seldom, max(often, (room-kept)/(kept/100)))
}

// serve runs the server with its control socket.
func (e *env) serve(ctx context.Context, runDir string, opts responder.Options) error {
	l, err := responder.ListenControl(runDir)
	if err != nil {
		return err
	}
	s := responder.NewServer(opts)
	helpers, stop := context.WithCancel(context.WithoutCancel(ctx))
	controlled := make(chan error, 1)
	go func() { controlled <- s.ServeControl(helpers, l) }()
	go e.reloadOnHangup(helpers, s)
	told := context.AfterFunc(ctx, func() { notify(opts.Log, daemon.SdNotifyStopping) })
	err = s.Serve(ctx)
	told()
	stop()
	return errors.Join(err, <-controlled)
}

// reloadOnHangup reads configuration and hosts anew at each SIGHUP.
func (e *env) reloadOnHangup(ctx context.Context, s *responder.Server) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.hangups:
		}
		_, _ = s.Reload(ctx) // the log tells what has become of it
	}
}

// notify tells systemd, where it asked for that. NOTIFY_SOCKET stays set for the next call.
func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd is not told", "state", state, "socket", os.Getenv("NOTIFY_SOCKET"), "error", err)
	}
}

func (e *env) reloadCommand() *cli.Command {
	return &cli.Command{
		Name: "reload", Usage: "make the running server read its configuration and its hosts anew, as they stand now",
		Description: "A configuration with a mistake leaves the old one in force: exit code 2. 1 when no server is running, a hosts line is left out or a hosts file cannot be read.",
		Flags:       []cli.Flag{cmdline.JSONFlag()},
		Action: func(c *cli.Context) error {
			if err := e.NoArguments(c); err != nil {
				return err
			}
			summary, err := responder.Reload(c.Context, c.String("run-dir"))
			if err != nil {
				return err
			}
			if err := e.printReload(summary, c.Bool("json")); err != nil {
				return err
			}
			return notInForce(summary.Tally, fault.ExitFailure)
		},
	}
}

func (e *env) printReload(s responder.Reloaded, asJSON bool) error {
	if asJSON {
		return e.PrintJSON(s)
	}
	for _, w := range s.Warnings {
		e.Say("%s: warning: %s", e.Name, w)
	}
	for _, p := range s.Problems {
		e.Say("%s: %s", e.Name, p)
	}
	e.Print("%s in force, %s", hostsLines(s.Lines), cmdline.Count(len(s.Problems), "problem", "problems"))
	return nil
}
