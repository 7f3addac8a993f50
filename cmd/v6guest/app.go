package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/v6guest/v6guest/pkg/guest"
)

// An env is where a command's output goes.
type env struct {
	stdout, stderr io.Writer
	lost           error // why output was lost
}

// print prints a line of printable text on standard output. That it is lost is an error in the end.
func (e *env) print(format string, args ...any) {
	if _, err := fmt.Fprintln(e.stdout, printable(fmt.Sprintf(format, args...))); err != nil {
		e.lost = fmt.Errorf("output: %w", err)
	}
}

// say tells the person on standard error; where that is lost, nobody can be told.
func (e *env) say(format string, args ...any) {
	_, _ = fmt.Fprintln(e.stderr, printable(fmt.Sprintf(format, args...)))
}

// run parses and runs one command line; args[0] is the program's name. It never exits the process.
func (e *env) run(ctx context.Context, args []string) error {
	app := e.app()
	args, err := reorder(app, args)
	if err != nil {
		return err
	}
	return errors.Join(app.RunContext(ctx, args), e.lost)
}

// exit prints err, once, with its cure, and returns the exit code.
func (e *env) exit(err error) int {
	if err == nil {
		return guest.ExitDone
	}
	r := guest.Report(err)
	for line := range strings.SplitSeq(r.Error, "\n") {
		e.say("v6guest: %s", line)
	}
	if r.Cure != "" {
		e.say("v6guest: try: %s", r.Cure)
	}
	return r.Exit
}

func (e *env) app() *cli.App {
	return &cli.App{
		Name:  "v6guest",
		Usage: "the reserved IPv6 address of a cloud guest, on every NIC, kept",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "config", Value: guest.DefaultConfigFile, Usage: "configuration `FILE`; FILE.d/*.conf overrides it"},
			&cli.StringFlag{Name: "state-dir", Value: guest.DefaultStateDir, Usage: "`DIR` for leases and what is remembered"},
			&cli.StringFlag{Name: "run-dir", Value: guest.DefaultRunDir, Usage: "`DIR` for the control socket"},
			&cli.StringFlag{Name: "log-level", Usage: "debug, info, warn or error (default: info; warn for lease and release)"},
			&cli.StringFlag{Name: "log-format", Value: "text", Usage: "text or json"},
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "show each packet as one line", DisableDefaultText: true},
			&cli.BoolFlag{Name: "version", Hidden: true, DisableDefaultText: true},
		},
		Commands: []*cli.Command{
			e.runCommand(), e.leaseCommand(), e.releaseCommand(), e.statusCommand(),
			e.waitOnlineCommand(), e.duidCommand(), e.versionCommand(),
		},
		Writer: e.stdout, ErrWriter: e.stderr,
		HideVersion: true, HideHelpCommand: true,
		// A name with a comma is one name, and only main exits.
		DisableSliceFlagSeparator: true,
		ExitErrHandler:            func(*cli.Context, error) {},
		OnUsageError:              usageError,
		CommandNotFound:           nil,
		Action: func(c *cli.Context) error {
			switch {
			case c.Bool("version"):
				return e.printVersion(false)
			case c.Args().Present():
				return usagef("no command %q", c.Args().First())
			}
			return usagef("no command given")
		},
	}
}

// usageError replaces the library's own handling, which prints to standard output.
func usageError(_ *cli.Context, err error, _ bool) error { return usagef("%w", err) }

func usagef(format string, args ...any) error {
	return &guest.Fault{Err: fmt.Errorf(format, args...), Cure: "v6guest --help, or v6guest COMMAND --help", Exit: guest.ExitUsage}
}

// logger makes the log that the global flags ask for, on standard error; usual is the level where
// they name none.
func (e *env) logger(c *cli.Context, usual string) (*slog.Logger, error) {
	word := c.String("log-level")
	if word == "" {
		word = usual
	}
	var level slog.Level
	switch word {
	case "debug", "info", "warn", "error":
		_ = level.UnmarshalText([]byte(word)) // cannot fail: one of the four
	default:
		return nil, usagef("--log-level %q: write debug, info, warn or error", word)
	}
	opts := &slog.HandlerOptions{Level: level}
	switch c.String("log-format") {
	case "text":
		return slog.New(slog.NewTextHandler(e.stderr, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(e.stderr, opts)), nil
	}
	return nil, usagef("--log-format %q: write text or json", c.String("log-format"))
}

// config loads the configuration: a file named on the command line must be there.
func config(c *cli.Context) (*guest.Config, error) {
	return guest.LoadConfig(c.String("config"), c.IsSet("config"))
}

// noArguments refuses arguments of a command that takes none.
func noArguments(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("%s takes no argument, but was given %q", c.Command.Name, c.Args().First())
	}
	return nil
}
