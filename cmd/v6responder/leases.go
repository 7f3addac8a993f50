package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/v6guest/v6guest/cmd/internal/cmdline"
	"github.com/v6guest/v6guest/pkg/responder"
)

func (e *env) leasesCommand() *cli.Command {
	return &cli.Command{
		Name: "leases", Usage: "what the pools of the running server have given out",
		Subcommands: []*cli.Command{e.leasesListCommand(), e.leasesReleaseCommand()},
		Action:      e.NeedsSubcommand,
	}
}

func (e *env) leasesListCommand() *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "the addresses and prefixes that are given out, and why clients got none within the last hour", ArgsUsage: "[FILTER…]",
		Description: "Of several filters each must be part of the address or prefix, MAC, DUID, network, interface or state (bound,\n" +
			"expired and kept back, declined and set aside, refused). Reservations have no binding: `hosts` are they.",
		Flags: []cli.Flag{cmdline.JSONFlag(), &cli.BoolFlag{Name: "watch", Usage: "show changes as they happen, until interrupted"}},
		Action: func(c *cli.Context) error {
			if c.Bool("watch") {
				return e.watchLeases(c)
			}
			found, err := responder.ListLeases(c.Context, c.String("run-dir"), c.Args().Slice())
			if err != nil {
				return err
			}
			if c.Bool("json") {
				return e.PrintJSON(found)
			}
			e.printLeases(found)
			return nil
		},
	}
}

func (e *env) watchLeases(c *cli.Context) error {
	asJSON := c.Bool("json")
	return responder.WatchLeases(c.Context, c.String("run-dir"), c.Args().Slice(), func(l responder.Lease) error {
		if asJSON {
			b, err := json.Marshal(l)
			e.Print("%s", b)
			return err
		}
		via := ""
		if l.Via != "" {
			via = "  via " + l.Via
		}
		until := ""
		if l.Event == responder.EventLeased || l.Event == responder.EventDeclined {
			until = "  until " + ends(l)
		}
		e.Print("%s  %-8s  %s  %s  %s  %s%s%s", time.Now().Format(time.TimeOnly), l.Event, l.Address, l.MAC, l.DUID, l.Network, until, via)
		return nil
	})
}

// printLeases prints two tables.
func (e *env) printLeases(found responder.Leases) {
	rows := [][]string{{"ADDRESS OR PREFIX", "STATE", "UNTIL", "MAC", "DUID", "IAID", "NETWORK"}}
	for _, l := range found.Leases {
		rows = append(rows, []string{l.Address, l.State, ends(l), l.MAC, l.DUID.String(), l.IAID, l.Network})
	}
	if len(found.Leases) > 0 {
		e.table(rows)
	}
	if len(found.Refused) > 0 {
		e.Print("%s", "without an address or a prefix:")
		rows := [][]string{{"MAC", "DUID", "NETWORK", "LAST", "TIMES", "REASON"}}
		for _, r := range found.Refused {
			rows = append(rows, []string{r.MAC, r.DUID.String(), r.Network, local(r.At), fmt.Sprint(r.Times), r.Reason})
		}
		e.table(rows)
	}
	e.Print("%s, %s", cmdline.Count(len(found.Leases), "lease", "leases"), cmdline.Count(len(found.Refused), "client without one", "clients without one"))
}

// table prints rows in columns.
func (e *env) table(rows [][]string) {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		_, _ = fmt.Fprintln(w, strings.Join(r, "\t")) // into memory
	}
	_ = w.Flush() // into memory
	for line := range strings.Lines(b.String()) {
		e.Print("%s", strings.TrimRight(line, " \n"))
	}
}

func ends(l responder.Lease) string {
	if l.Ends == nil {
		return "infinite"
	}
	return local(*l.Ends)
}

func local(t time.Time) string { return t.Local().Format(time.DateTime) }

func (e *env) leasesReleaseCommand() *cli.Command {
	return &cli.Command{
		Name: "release", Usage: "take an address or prefix of a pool from its client", ArgsUsage: "ADDRESS…",
		Description: "The client is not told: it uses the address until it renews, gets NoBinding then, and asks for another. Until\n" +
			"then the address may be given to another client.",
		Flags: []cli.Flag{cmdline.JSONFlag()},
		Action: func(c *cli.Context) error {
			if !c.Args().Present() {
				return e.Usagef("leases release: name an address, as `leases list` shows it")
			}
			released := []responder.Lease{}
			for _, a := range c.Args().Slice() {
				l, err := responder.ReleaseLease(c.Context, c.String("run-dir"), a)
				if err != nil {
					return err
				}
				released = append(released, l)
				if !c.Bool("json") {
					e.Print("released %s of %s %s", l.Address, l.MAC, l.DUID)
				}
			}
			if c.Bool("json") {
				return e.PrintJSON(released)
			}
			return nil
		},
	}
}
