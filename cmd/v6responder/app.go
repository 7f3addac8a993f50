package main

import (
	"context"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/v6guest/v6guest/cmd/internal/cmdline"
	"github.com/v6guest/v6guest/pkg/responder"
)

// An env is what a command has to do with the process that it runs in.
type env struct {
	cmdline.Program
	hangups <-chan os.Signal // SIGHUP: read the hosts anew
}

// run parses and runs one command line; args[0] is the program's name.
func (e *env) run(ctx context.Context, args []string) error { return e.Run(ctx, e.app(), args) }

func (e *env) app() *cli.App {
	return &cli.App{
		Usage: "reserved IPv6 addresses for a network of guests: DHCPv6 and Router Advertisements",
		Description: "A DHCPv6 server that gives every NIC the address reserved for its MAC, from the hosts file that\n" +
			"CloudStack's virtual router writes for dnsmasq, or made of prefix and MAC. The smallest configuration:\n\n   " +
			strings.ReplaceAll(strings.TrimSpace(responder.SmallestConfig), "\n", "\n   "),
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "config", TakesFile: true, Value: responder.DefaultConfigFile, Usage: "configuration `FILE`; FILE.d/*.conf overrides it"},
			&cli.StringFlag{Name: "state-dir", TakesFile: true, Value: responder.DefaultStateDir, Usage: "`DIR` for the server's DUID and the lease store"},
			&cli.StringFlag{Name: "run-dir", TakesFile: true, Value: responder.DefaultRunDir, Usage: "`DIR` for the control socket"},
		}, cmdline.GlobalFlags("info")...),
		Commands: []*cli.Command{e.serveCommand(), e.checkConfigCommand(), e.reloadCommand(), e.statusCommand(), e.traceCommand(), e.leasesCommand(), e.hostsCommand(), e.importCommand()},
	}
}
