package main

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/v6guest/v6guest/cmd/internal/cmdline"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/guest"
	"github.com/v6guest/v6guest/pkg/wire"
)

func (e *env) duidCommand() *cli.Command {
	return &cli.Command{
		Name: "duid", Usage: "print the DUID and IAID that a NIC speaks with, for the server's reservation",
		ArgsUsage: "[NIC or MAC…]",
		Flags:     []cli.Flag{cmdline.JSONFlag()},
		Action: func(c *cli.Context) error {
			cfg, err := config(c)
			if err != nil {
				return err
			}
			ids, err := identities(c.Context, cfg, c.String("state-dir"), c.Args().Slice())
			if err != nil {
				return err
			}
			return e.printIdentities(ids, c.Bool("json"))
		},
	}
}

// An identity is what a server knows a NIC by.
type identity struct {
	NIC  string    `json:"nic,omitempty"`
	MAC  string    `json:"mac"`
	DUID wire.DUID `json:"duid"`
	IAID wire.IAID `json:"iaid"`
}

// identities are those of the NICs named, or of every managed one. A MAC that no NIC here has is
// answered too: reservations are often made before the machine exists.
func identities(ctx context.Context, cfg *guest.Config, stateDir string, args []string) ([]identity, error) {
	facts, err := readFacts(ctx, stateDir)
	if err != nil {
		return nil, err
	}
	plan := guest.NewPlan(cfg, facts)
	var out []identity
	if len(args) == 0 {
		for _, n := range plan.NICs {
			if n.Managed {
				out = append(out, identity{n.NIC.Name, n.NIC.MAC.String(), n.DUID, n.IAID})
			}
		}
		if len(out) == 0 {
			return nil, &fault.Fault{
				Err: fmt.Errorf("v6guest manages no NIC here:\n%s", strings.TrimSuffix(plan.String(), "\n")), Exit: fault.ExitFailure,
				Cure: "name a NIC, or set nics in the configuration",
			}
		}
		return out, nil
	}
	for _, arg := range args {
		n, err := guest.FindNIC(facts.NICs, arg)
		if mac, isMAC := net.ParseMAC(arg); err != nil && isMAC == nil && len(mac) == 6 {
			out = append(out, identity{"", mac.String(), wire.LinkLayerDUID(mac), wire.IAIDFromMAC(mac)})
			continue
		}
		if err != nil {
			return nil, err
		}
		duid, iaid := plan.Identity(cfg, n)
		out = append(out, identity{n.Name, n.MAC.String(), duid, iaid})
	}
	return out, nil
}

func (e *env) printIdentities(ids []identity, asJSON bool) error {
	if asJSON {
		return e.PrintJSON(ids)
	}
	width := len("NIC")
	for _, i := range ids {
		width = max(width, len(i.NIC))
	}
	e.Print("%-*s  %-29s  %s", width, "NIC", "DUID", "IAID")
	for _, i := range ids {
		name := i.NIC
		if name == "" {
			name = "-"
		}
		e.Print("%-*s  %-29s  %s", width, name, i.DUID, i.IAID)
	}
	return nil
}
