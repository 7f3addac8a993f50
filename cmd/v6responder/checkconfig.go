package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/responder"
)

func (e *env) checkConfigCommand() *cli.Command {
	return &cli.Command{
		Name: "check-config", Usage: "check the configuration and the hosts file, and say what does not hold",
		Description: "Exit code 0 when all is in order, 2 when the configuration cannot be used or a hosts line is left out.\n" +
			"What the configuration cannot promise: reservations are safe from other guests only where the\n" +
			"hypervisor keeps guests from sending frames with a MAC that is not theirs.",
		Flags:        []cli.Flag{jsonFlag()},
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			cfg, err := responder.LoadConfig(c.String("config"))
			if err != nil {
				return err
			}
			return e.printCheck(responder.CheckHosts(cfg), c.Bool("json"))
		},
	}
}

func (e *env) printCheck(found responder.Check, asJSON bool) error {
	if asJSON {
		if err := printJSON(e.stdout, found); err != nil {
			return err
		}
	} else if _, err := io.WriteString(e.stdout, checkText(found)); err != nil {
		return err
	}
	if len(found.Errors) > 0 {
		return &fault.Fault{
			Err:  fmt.Errorf("%d hosts lines are left out", len(found.Errors)),
			Cure: "correct the lines named; the others are in force", Exit: fault.ExitUsage,
		}
	}
	return nil
}

// checkText is what was found, for a person.
func checkText(found responder.Check) string {
	var b strings.Builder
	for _, w := range found.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", printable(w))
	}
	for _, p := range found.Errors {
		fmt.Fprintf(&b, "error: %s\n", printable(p))
	}
	fmt.Fprintf(&b, "%d networks, %d hosts lines, %d errors, %d warnings\n",
		found.Networks, found.Lines, len(found.Errors), len(found.Warnings))
	return b.String()
}
