package main

import (
	"encoding/json"

	"github.com/urfave/cli/v2"

	"github.com/v6guest/v6guest/cmd/internal/cmdline"
	"github.com/v6guest/v6guest/pkg/responder"
)

func (e *env) traceCommand() *cli.Command {
	return &cli.Command{
		Name: "trace", Usage: "show what the running server hears and sends, each packet as one line", ArgsUsage: "[NIC…]",
		Description: "DHCPv6 and Router Advertisements of these NICs, or of all, until interrupted. Packets that are no DHCPv6 message are not shown.\n" +
			"A NIC that is of no network is refused, unless relays are trusted, which may come in by any.",
		Flags: []cli.Flag{cmdline.JSONFlag()},
		Action: func(c *cli.Context) error {
			asJSON := c.Bool("json")
			return responder.WatchPackets(c.Context, c.String("run-dir"), c.Args().Slice(), func(p responder.Traced) error {
				if asJSON {
					b, err := json.Marshal(p)
					e.Print("%s", b)
					return err
				}
				e.Print("%s  %s %s", p.At.Local().Format("15:04:05.000"), p.Interface, p.Line)
				return nil
			})
		},
	}
}
