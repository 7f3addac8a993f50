package main

import (
	"context"
	"errors"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/v6guest/v6guest/cmd/internal/cmdline"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/guest"
)

// defaultTimeout is how long a one-shot command waits for a NIC when nobody says otherwise.
const defaultTimeout = "30s"

func (e *env) leaseCommand() *cli.Command {
	return &cli.Command{
		Name: "lease", Usage: "lease an address now, or check and refresh the one there is",
		ArgsUsage: "[NIC…]",
		Description: "Asks the running agent; where none runs, leases itself, installs the address and leaves it on the NIC.\n" +
			"Without a NIC it leases on every NIC that v6guest manages.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "timeout", Value: defaultTimeout, Usage: "how long to try: a `DURATION` as 30s or 2m"},
			cmdline.JSONFlag(),
		},
		Action: func(c *cli.Context) error {
			req, err := e.request(c)
			if err != nil {
				return err
			}
			res, err := e.either(c, guest.Controller.Lease, req)
			if err != nil {
				return err
			}
			return e.printLeases(res, c.Bool("json"), "leased")
		},
	}
}

func (e *env) releaseCommand() *cli.Command {
	return &cli.Command{
		Name: "release", Usage: "give the address back to its server and take it off the NIC",
		ArgsUsage: "[NIC…]",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "timeout", Value: defaultTimeout, Usage: "how long to wait for the server: a `DURATION` as 30s or 2m"},
			cmdline.JSONFlag(),
		},
		Action: func(c *cli.Context) error {
			req, err := e.request(c)
			if err != nil {
				return err
			}
			res, err := e.either(c, guest.Controller.Release, req)
			if err != nil {
				return err
			}
			return e.printLeases(res, c.Bool("json"), "released")
		},
	}
}

func (e *env) request(c *cli.Context) (guest.LeaseRequest, error) {
	d, err := time.ParseDuration(c.String("timeout"))
	if err != nil || d <= 0 {
		return guest.LeaseRequest{}, e.Usagef("--timeout %q: write a number with its unit, as 30s or 2m", c.String("timeout"))
	}
	return guest.LeaseRequest{NICs: c.Args().Slice(), Timeout: guest.Seconds(d), Trace: c.Bool("verbose")}, nil
}

// either asks the running agent, or does it in this process where none runs.
func (e *env) either(c *cli.Context, do func(guest.Controller, context.Context, guest.LeaseRequest) ([]guest.LeaseResult, error),
	req guest.LeaseRequest,
) ([]guest.LeaseResult, error) {
	res, err := do(guest.NewControlClient(c.String("run-dir")), c.Context, req)
	if !errors.Is(err, guest.ErrNoAgent) {
		for _, r := range res {
			for _, p := range r.Packets {
				e.Say("%s", p)
			}
		}
		return res, err
	}
	opts, err := e.options(c, "warn")
	if err != nil {
		return nil, err
	}
	req.Trace = false // options writes each packet as it comes
	return do(guest.NewOnce(opts), c.Context, req)
}

// printLeases prints how it went on each NIC; the error is the first NIC's that failed.
func (e *env) printLeases(res []guest.LeaseResult, asJSON bool, done string) error {
	var failed error
	if asJSON {
		if err := e.PrintJSON(res); err != nil {
			return err
		}
	}
	for _, r := range res {
		if r.Warning != "" {
			e.Say("v6guest: warning: %s", r.Warning)
		}
		if r.Fault != nil {
			if failed != nil { // the last line is main's; the others are printed here
				e.Exit(failed)
			}
			failed = r.Fault.Fault()
		} else if !asJSON {
			e.printLease(r, done)
		}
	}
	return firstExit(res, failed)
}

// firstExit gives err the exit code of the first NIC that failed.
func firstExit(res []guest.LeaseResult, err error) error {
	for _, r := range res {
		if r.Fault != nil {
			last := guest.Report(err)
			return &fault.Fault{Err: errors.New(last.Error), Cure: last.Cure, Exit: r.Fault.Exit}
		}
	}
	return nil
}

func (e *env) printLease(r guest.LeaseResult, done string) {
	if done == "released" {
		e.Print("%s  %s released", r.NIC, r.Was)
		return
	}
	e.Print("%s  %s  preferred %s, valid %s", r.NIC, r.Address, r.Preferred, r.Valid)
	if r.Was.IsValid() && r.Was != r.Address {
		e.Print("      in the place of %s", r.Was)
	}
	from := ""
	if r.From.IsValid() {
		from = " at " + r.From.String()
	}
	e.Print("      server %s%s, took %s", r.Server, from, r.Took)
}
