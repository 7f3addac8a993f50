package main

import (
	"errors"
	"os"
	"os/user"

	"github.com/urfave/cli/v2"

	"github.com/v6guest/v6guest/cmd/internal/cmdline"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/responder"
	"github.com/v6guest/v6guest/pkg/responder/hosts"
)

func (e *env) checkConfigCommand() *cli.Command {
	return &cli.Command{
		Name: "check-config", Usage: "check the configuration and the hosts file, and say what does not hold",
		Description: "Exit code 0 when all is in order, 2 when the configuration cannot be used, a hosts line is left out,\n" +
			"or a file cannot be read by root or by the service's user.\n" +
			"What the configuration cannot promise: reservations are safe from other guests only where the\n" +
			"hypervisor keeps guests from sending frames with a MAC that is not theirs.",
		Flags: []cli.Flag{
			cmdline.JSONFlag(),
			&cli.StringFlag{Name: "user", Value: responder.ServiceUser, Usage: "whom the service runs as: root tries whether `NAME` can read the files; not where there is no such user"},
		},
		Action: func(c *cli.Context) error {
			if err := e.NoArguments(c); err != nil {
				return err
			}
			cfg, err := responder.LoadConfig(c.String("config"))
			if err != nil {
				return err
			}
			found := responder.CheckHosts(cfg)
			if err := closedToUser(c, cfg, &found); err != nil {
				return err
			}
			return e.printCheck(found, c.Bool("json"))
		},
	}
}

// closedToUser adds what the service's user cannot use.
func closedToUser(c *cli.Context, cfg *responder.Config, found *responder.Check) error {
	name := c.String("user")
	_, err := user.Lookup(name)
	switch {
	case os.Geteuid() != 0, err != nil && !c.IsSet("user"):
		return nil
	case err != nil:
		return fault.New(fault.ExitUsage, "name a user that there is by --user", "%w", err)
	}
	closed, err := responder.Closed(cfg, c.String("config"), c.String("state-dir"), name)
	found.Closed = len(closed)
	found.Errors = append(found.Errors, closed...)
	return err
}

func (e *env) printCheck(found responder.Check, asJSON bool) error {
	if asJSON {
		if err := e.PrintJSON(found); err != nil {
			return err
		}
		return failed(found)
	}
	for _, w := range found.Warnings {
		e.Print("warning: %s", w)
	}
	for _, p := range found.Errors {
		e.Print("error: %s", p)
	}
	e.Print("%s, %s, %s, %s", cmdline.Count(found.Networks, "network", "networks"), hostsLines(found.Lines),
		cmdline.Count(len(found.Errors), "error", "errors"), cmdline.Count(len(found.Warnings), "warning", "warnings"))
	return failed(found)
}

// failed is the error of a check that found what keeps the service from working as it is written.
func failed(found responder.Check) error {
	err := notInForce(found.Tally, fault.ExitUsage)
	if n := found.Closed; n > 0 {
		err = errors.Join(err, fault.New(fault.ExitUsage, "let the service's user read the file, and enter each folder on the way to it",
			"%s to the service's user", cmdline.Count(n, "file or folder is closed", "files or folders are closed")))
	}
	return err
}

func hostsLines(n int) string { return cmdline.Count(n, "hosts line", "hosts lines") }

// notInForce is the error of hosts that are not all in force as they stand; nil where they are.
func notInForce(t hosts.Tally, exit int) error {
	var errs []error
	if n := t.LeftOut; n > 0 {
		errs = append(errs, fault.New(exit, "correct the lines named; the others are in force", "%s left out", cmdline.Count(n, "hosts line is", "hosts lines are")))
	}
	if n := t.Unread; n > 0 {
		errs = append(errs, fault.New(exit, "write it, let the server's user read it, or correct hosts in [server]; the running server keeps the lines that it had before",
			"%s be read", cmdline.Count(n, "hosts file cannot", "hosts files cannot")))
	}
	return errors.Join(errs...)
}
