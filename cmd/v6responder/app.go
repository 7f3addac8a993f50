package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/responder"
)

// An env is what a command has to do with the process that it runs in.
type env struct {
	stdout, stderr io.Writer
	hangups        <-chan os.Signal // SIGHUP: read the hosts anew
}

// run parses and runs one command line; args[0] is the program's name. It never exits the process.
func (e *env) run(ctx context.Context, args []string) error {
	app := e.app()
	args, err := reorder(app, args)
	if err != nil {
		return err
	}
	return app.RunContext(ctx, args)
}

// exit prints err, once, with its cure, and returns the exit code.
func (e *env) exit(err error) int {
	if err == nil {
		return fault.ExitDone
	}
	var text strings.Builder
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintf(&text, "v6responder: %s\n", printable(line))
	}
	if f := (*fault.Fault)(nil); errors.As(err, &f) && f.Cure != "" {
		fmt.Fprintf(&text, "v6responder: try: %s\n", printable(f.Cure))
	}
	_, _ = io.WriteString(e.stderr, text.String()) // nobody is left to tell of a failure
	return fault.ExitCode(err)
}

func (e *env) app() *cli.App {
	return &cli.App{
		Name:  "v6responder",
		Usage: "reserved IPv6 addresses for a network of guests: DHCPv6 and Router Advertisements",
		Description: "A DHCPv6 server that gives every NIC the address reserved for its MAC, from the hosts file that\n" +
			"CloudStack's virtual router writes for dnsmasq, or made of prefix and MAC. The smallest configuration:\n\n" +
			"   [server]\n   hosts = /etc/v6responder/hosts\n   [network guests]\n   interface = eth1\n   prefix = 2001:db8:1::/64",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "config", Value: responder.DefaultConfigFile, Usage: "configuration `FILE`; FILE.d/*.conf overrides it"},
			&cli.StringFlag{Name: "state-dir", Value: responder.DefaultStateDir, Usage: "`DIR` for the server's DUID"},
			&cli.StringFlag{Name: "run-dir", Value: responder.DefaultRunDir, Usage: "`DIR` for the control socket"},
			&cli.StringFlag{Name: "log-level", Value: "info", Usage: "debug, info, warn or error"},
			&cli.StringFlag{Name: "log-format", Value: "text", Usage: "text or json"},
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "show each packet as one line"},
			&cli.BoolFlag{Name: "version", Hidden: true, DisableDefaultText: true},
		},
		Commands: []*cli.Command{e.serveCommand(), e.checkConfigCommand(), e.reloadCommand(), e.versionCommand()},
		Writer:   e.stdout, ErrWriter: e.stderr,
		HideVersion: true, HideHelpCommand: true,
		// A name with a comma is one name, and only main exits.
		DisableSliceFlagSeparator: true,
		ExitErrHandler:            func(*cli.Context, error) {},
		OnUsageError:              usageError,
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
	return &fault.Fault{
		Err: fmt.Errorf(format, args...), Cure: "v6responder --help, or v6responder COMMAND --help", Exit: fault.ExitUsage,
	}
}

// logger makes the log that the global flags ask for, on standard error.
func (e *env) logger(c *cli.Context) (*slog.Logger, error) {
	var level slog.Level
	switch c.String("log-level") {
	case "debug", "info", "warn", "error":
		_ = level.UnmarshalText([]byte(c.String("log-level"))) // cannot fail: one of the four
	default:
		return nil, usagef("--log-level %q: write debug, info, warn or error", c.String("log-level"))
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

// noArguments refuses arguments of a command that takes none.
func noArguments(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("%s takes no argument, but was given %q", c.Command.Name, c.Args().First())
	}
	return nil
}

func jsonFlag() cli.Flag { return &cli.BoolFlag{Name: "json", Usage: "print JSON"} }
