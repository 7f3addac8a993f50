package main

import (
	"github.com/urfave/cli/v2"

	"github.com/v6guest/v6guest/cmd/internal/cmdline"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/plainfile"
	"github.com/v6guest/v6guest/pkg/responder"
	"github.com/v6guest/v6guest/pkg/responder/foreign"
)

// maxImport is how long a file may be in bytes.
const maxImport = 1 << 30

func (e *env) importCommand() *cli.Command {
	formats := map[string]func(string, []byte) foreign.Content{
		"dnsmasq": foreign.Dnsmasq, "kea-leases": foreign.KeaLeases, "kea-config": foreign.KeaConfig,
	}
	return &cli.Command{
		Name: "import", Usage: "take over what another server has given out or reserved", ArgsUsage: "dnsmasq|kea-leases|kea-config FILE",
		Description: "dnsmasq: a leases file; kea-leases: a lease file of Kea's memfile; kea-config: the reservations in Kea's\n" +
			"configuration, which are added as by `hosts add`. Neither that server nor v6responder may run meanwhile. What cannot be\n" +
			"taken over is said, each with its line and what to do; the rest is. A dnsmasq hosts file needs no import: name it as hosts in [server].\n" +
			"Exit code 0 when all was taken over, 1 when something was not, 2 when nothing was, as of a file of another kind.",
		Flags: []cli.Flag{cmdline.JSONFlag(), &cli.BoolFlag{Name: "dry-run", Usage: "only say what would be taken over"}},
		Action: func(c *cli.Context) error {
			read, ok := formats[c.Args().First()]
			if !ok || c.Args().Len() != 2 {
				return e.Usagef("import: name dnsmasq, kea-leases or kea-config, and a file")
			}
			cfg, err := responder.LoadConfig(c.String("config"))
			if err != nil {
				return err
			}
			name := c.Args().Get(1)
			text, err := plainfile.Read(name, maxImport)
			if err != nil {
				return &fault.Fault{Err: err, Cure: "name a file that can be read", Exit: fault.ExitUsage}
			}
			done, err := responder.Import(c.Context, cfg, c.String("state-dir"), read(name, text), c.Bool("dry-run"))
			if err != nil {
				return err
			}
			if err := e.printImport(&done, c.Bool("json")); err != nil {
				return err
			}
			return done.Err()
		},
	}
}

func (e *env) printImport(done *responder.Imported, asJSON bool) error {
	if asJSON {
		return e.PrintJSON(done)
	}
	for _, l := range done.Notes {
		e.Say("%s: note: %s", e.Name, l)
	}
	for _, l := range done.Left {
		e.Say("%s: not taken over: %s", e.Name, l)
	}
	if done.More > 0 {
		e.Say("%s: not taken over: %d more", e.Name, done.More)
	}
	e.Print("%s and %s taken over, %s not", cmdline.Count(done.Leases, "lease", "leases"), cmdline.Count(done.Hosts, "reservation", "reservations"),
		cmdline.Count(len(done.Left)+done.More, "thing", "things"))
	return nil
}
