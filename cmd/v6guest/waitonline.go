package main

import (
	"errors"

	"github.com/urfave/cli/v2"

	"github.com/v6guest/v6guest/cmd/internal/cmdline"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/guest"
)

func (e *env) waitOnlineCommand() *cli.Command {
	return &cli.Command{
		Name: "wait-online", Usage: "wait until the default NIC has a usable global address",
		Description: "Ends when the default NIC has a usable global address, and a default route if a router offers to be one\n" +
			"(15 s after the address without it); at once where IPv6 is switched off;\n" +
			"after 15 s (exit code 3) where neither a router nor a server was heard; else after wait of the configuration.",
		Flags: []cli.Flag{cmdline.JSONFlag()},
		Action: func(c *cli.Context) error {
			if err := e.NoArguments(c); err != nil {
				return err
			}
			o, err := guest.NewControlClient(c.String("run-dir")).WaitOnline(c.Context)
			if err != nil {
				return err
			}
			return e.printOnline(o, c.Bool("json"))
		},
	}
}

func (e *env) printOnline(o guest.Online, asJSON bool) error {
	switch {
	case asJSON:
		if err := e.PrintJSON(o); err != nil {
			return err
		}
	case o.Exit == fault.ExitDone:
		e.Print("%s", o.Reason)
	}
	if o.Exit == fault.ExitDone {
		return nil
	}
	return &fault.Fault{Err: errors.New(o.Reason), Cure: "v6guest status tells what is missing", Exit: o.Exit}
}
