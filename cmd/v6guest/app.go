package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/v6guest/v6guest/cmd/internal/cmdline"
	"github.com/v6guest/v6guest/pkg/guest"
)

// An env is what a command has to do with the process that it runs in.
type env struct{ cmdline.Program }

// run parses and runs one command line; args[0] is the program's name.
func (e *env) run(ctx context.Context, args []string) error { return e.Run(ctx, e.app(), args) }

func (e *env) app() *cli.App {
	return &cli.App{
		Usage: "the reserved IPv6 address of a cloud guest, on every NIC, kept",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "config", TakesFile: true, Value: guest.DefaultConfigFile, Usage: "configuration `FILE`; FILE.d/*.conf overrides it"},
			&cli.StringFlag{Name: "state-dir", TakesFile: true, Value: guest.DefaultStateDir, Usage: "`DIR` for leases and what is remembered"},
			&cli.StringFlag{Name: "run-dir", TakesFile: true, Value: guest.DefaultRunDir, Usage: "`DIR` for the control socket"},
		}, cmdline.GlobalFlags("info; warn for lease and release")...),
		Commands: []*cli.Command{
			e.runCommand(), e.leaseCommand(), e.releaseCommand(), e.statusCommand(), e.waitOnlineCommand(), e.duidCommand(),
			e.configureCommand(), e.restoreCommand(),
		},
	}
}

// config loads the configuration: a file named on the command line must be there.
func config(c *cli.Context) (*guest.Config, error) {
	return guest.LoadConfig(c.String("config"), c.IsSet("config"))
}
