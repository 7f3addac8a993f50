package main

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/v6guest/v6guest/cmd/internal/cmdline"
	"github.com/v6guest/v6guest/pkg/responder"
)

func (e *env) hostsCommand() *cli.Command {
	return &cli.Command{
		Name: "hosts", Usage: "the reservations of the running server",
		Subcommands: []*cli.Command{
			e.hostsListCommand(),
			{
				Name: "add", Usage: "reserve an address, durably and at once, without a line in a file", ArgsUsage: "LINE…",
				Description: "Each LINE is one of the hosts file: 06:a0:f0:00:00:38,[2001:db8:1::38],vm-38. It takes the place of what was\n" +
					"added for the same client. Where the hosts file says otherwise the file wins.",
				Flags: []cli.Flag{cmdline.JSONFlag()},
				Action: func(c *cli.Context) error {
					return e.eachHost(c, "a line of the hosts file", "added", responder.AddHost)
				},
			},
			{
				Name: "del", Usage: "take back what was added", ArgsUsage: "CLIENT…",
				Description: "A CLIENT is named by its MAC, its DUID or its address.",
				Flags:       []cli.Flag{cmdline.JSONFlag()},
				Action: func(c *cli.Context) error {
					return e.eachHost(c, "a MAC, a DUID or an address", "taken out", responder.DropHost)
				},
			},
		},
		Action: e.NeedsSubcommand,
	}
}

func (e *env) hostsListCommand() *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "the reservations in force, and where they stand", ArgsUsage: "[FILTER…]",
		Description: "Of several filters each must be part of the MAC, DUID, address, name, tag, file or line.",
		Flags:       []cli.Flag{cmdline.JSONFlag()},
		Action: func(c *cli.Context) error {
			found, err := responder.ListHosts(c.Context, c.String("run-dir"), c.Args().Slice())
			if err != nil {
				return err
			}
			if c.Bool("json") {
				return e.PrintJSON(found)
			}
			rows := [][]string{{"ADDRESS", "CLIENT", "NAME", "LIFETIME", "TAGS", "WHERE"}}
			for _, h := range found {
				addresses := strings.Join(h.Addresses, " ")
				if h.Ignore {
					addresses = "ignored"
				}
				rows = append(rows, []string{addresses, strings.Join(h.Clients, " "), h.Name, lifetime(h.Lifetime), strings.Join(h.Tags, " "), h.Where})
			}
			if len(found) > 0 {
				e.table(rows)
			}
			for _, h := range found {
				e.warnHost(h)
			}
			e.Print("%s", cmdline.Count(len(found), "reservation", "reservations"))
			return nil
		},
	}
}

// lifetime is that of a line, "" where it says none.
func lifetime(seconds uint32) string {
	switch seconds {
	case 0:
		return ""
	case math.MaxUint32:
		return "infinite"
	}
	return (time.Duration(seconds) * time.Second).String()
}

func (e *env) warnHost(h responder.HostLine) {
	for _, w := range h.Warnings {
		e.Say("%s: warning: %s: %s", e.Name, strings.Join(h.Clients, " "), w)
	}
}

// eachHost does one thing to each of the arguments.
func (e *env) eachHost(c *cli.Context, wanted, done string, do func(ctx context.Context, dir, arg string) (responder.HostLine, error)) error {
	if !c.Args().Present() {
		return e.Usagef("hosts %s: name %s", c.Command.Name, wanted)
	}
	all := []responder.HostLine{}
	for _, arg := range c.Args().Slice() {
		h, err := do(c.Context, c.String("run-dir"), arg)
		if err != nil {
			return err
		}
		e.warnHost(h)
		if all = append(all, h); !c.Bool("json") {
			e.Print("%s: %s %s", done, strings.Join(h.Clients, " "), strings.Join(h.Addresses, " "))
		}
	}
	if c.Bool("json") {
		return e.PrintJSON(all)
	}
	return nil
}
