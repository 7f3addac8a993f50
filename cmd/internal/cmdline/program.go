// Package cmdline is what the command lines of both programs have in common: options wherever they
// stand, what is printed and how, the log, and the exit code.
package cmdline

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/v6guest/v6guest/pkg/fault"
)

// A Program is one command line's program, and where its output goes.
type Program struct {
	Name           string // as it is called
	Version        string
	Stdout, Stderr io.Writer

	lost error // why output was lost
}

// Run parses and runs one command line; args[0] is the program's name. It never exits the process. That
// output was lost is an error, too.
func (p *Program) Run(ctx context.Context, app *cli.App, args []string) error {
	p.Finish(app)
	args, err := p.reorder(app, args)
	if err != nil {
		return err
	}
	return errors.Join(app.RunContext(ctx, args), p.lost)
}

// Finish adds to an application what both programs do alike.
func (p *Program) Finish(app *cli.App) {
	app.Name = p.Name
	app.Writer, app.ErrWriter = p.Stdout, p.Stderr
	app.Flags = append(app.Flags, &cli.BoolFlag{Name: "version", Hidden: true, DisableDefaultText: true})
	app.Commands = append(app.Commands, p.versionCommand(), p.completionCommand(app))
	app.HideVersion, app.HideHelpCommand = true, true
	// A name with a comma is one name, and only main exits.
	app.DisableSliceFlagSeparator = true
	app.ExitErrHandler = func(*cli.Context, error) {}
	app.OnUsageError = p.usageError
	for _, c := range app.Commands {
		c.OnUsageError = p.usageError
	}
	app.Before = func(c *cli.Context) error { // a word that is none is told by commands too that log nothing
		_, err := p.Logger(c, "info")
		return err
	}
	app.Action = func(c *cli.Context) error {
		switch {
		case c.Bool("version"):
			return p.printVersion(false)
		case c.Args().Present():
			return p.noCommand(app.Commands, c.Args().First())
		}
		return p.Usagef("no command given")
	}
}

// usageError replaces the library's own handling, which prints to standard output.
func (p *Program) usageError(_ *cli.Context, err error, _ bool) error { return p.Usagef("%w", err) }

// Usagef is the error of a command line that is wrong; the message is formatted as by fmt.Errorf.
func (p *Program) Usagef(format string, args ...any) error {
	return fault.New(fault.ExitUsage, p.Name+" --help, or "+p.Name+" COMMAND --help", format, args...)
}

// NoArguments refuses arguments of a command that takes none.
func (p *Program) NoArguments(c *cli.Context) error {
	if c.Args().Present() {
		return p.Usagef("%s takes no argument, but was given %q", c.Command.Name, c.Args().First())
	}
	return nil
}

// Exit prints err, once, with its cure, and returns the exit code.
func (p *Program) Exit(err error) int {
	if err == nil {
		return fault.ExitDone
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		p.Say("%s: %s", p.Name, line)
	}
	if cure := fault.Cure(err); cure != "" {
		first, more, _ := strings.Cut(cure, "\n")
		p.Say("%s: try: %s", p.Name, first)
		for line := range strings.Lines(more) {
			p.Say("    %s", strings.TrimSuffix(line, "\n"))
		}
	}
	return fault.ExitCode(err)
}

// GlobalFlags are the options that both programs know before any command; levels says in the help what
// the log's level is without one.
func GlobalFlags(levels string) []cli.Flag {
	return []cli.Flag{
		Choice(&cli.StringFlag{Name: "log-level", Usage: "what is logged: debug, info, warn or error (default: " + levels + ")"}, "debug", "info", "warn", "error"),
		Choice(&cli.StringFlag{Name: "log-format", Value: "text", Usage: "how it is logged: text or json"}, "text", "json"),
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "show each packet as one line", DisableDefaultText: true},
	}
}

// JSONFlag is the option of commands that can print JSON.
func JSONFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "print JSON", DisableDefaultText: true}
}

// Logger makes the log that the global flags ask for, on standard error; usual is the level where they
// name none.
func (p *Program) Logger(c *cli.Context, usual string) (*slog.Logger, error) {
	word := c.String("log-level")
	if word == "" {
		word = usual
	}
	var level slog.Level
	switch word {
	case "debug", "info", "warn", "error":
		_ = level.UnmarshalText([]byte(word)) // cannot fail: one of the four
	default:
		return nil, p.Usagef("--log-level %q: write debug, info, warn or error", word)
	}
	opts := &slog.HandlerOptions{Level: level, ReplaceAttr: readable}
	switch c.String("log-format") {
	case "text":
		return slog.New(slog.NewTextHandler(p.Stderr, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(jsonLog{p.Stderr}, opts)), nil
	}
	return nil, p.Usagef("--log-format %q: write text or json", c.String("log-format"))
}

func (p *Program) versionCommand() *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "print the version",
		Flags: []cli.Flag{JSONFlag()},
		Action: func(c *cli.Context) error {
			if err := p.NoArguments(c); err != nil {
				return err
			}
			return p.printVersion(c.Bool("json"))
		},
	}
}

func (p *Program) printVersion(asJSON bool) error {
	if asJSON {
		return p.PrintJSON(map[string]string{"version": p.Version, "go": runtime.Version(), "arch": runtime.GOARCH})
	}
	p.Print("%s %s (%s, %s)", p.Name, p.Version, runtime.Version(), runtime.GOARCH)
	return nil
}
