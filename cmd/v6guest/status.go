package main

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/v6guest/v6guest/cmd/internal/cmdline"
	"github.com/v6guest/v6guest/pkg/guest"
)

func (e *env) statusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "what is, what is missing, and why",
		Flags: []cli.Flag{cmdline.JSONFlag()},
		Action: func(c *cli.Context) error {
			if err := e.NoArguments(c); err != nil {
				return err
			}
			s, err := guest.NewControlClient(c.String("run-dir")).Status(c.Context)
			if err != nil {
				return err
			}
			if c.Bool("json") {
				return e.PrintJSON(s)
			}
			page{e.Print}.status(s)
			return nil
		},
	}
}

// A page prints lines of printable text; what it is given may come from packets.
type page struct {
	line func(format string, args ...any)
}

// field prints a named value under a NIC, nothing for an empty one.
func (p page) field(name, value string) {
	if value != "" {
		p.line("  %-9s %s", name, value)
	}
}

func (p page) status(s guest.Status) {
	p.line("v6guest %s, process %d, up %s", s.Version, s.PID, guest.Lifetime(s.Uptime))
	p.line("%s", s.Summary)
	name := s.DefaultNIC
	if name == "" {
		name = "none"
	}
	p.line("default NIC %s: %s", name, s.DefaultReason)
	for _, m := range s.Missing {
		p.line("no NIC is %s yet", m)
	}
	if r := s.Resolver; r != nil {
		p.resolver(r)
	}
	for _, n := range s.Notes {
		p.line("note: %s", n)
	}
	for _, n := range s.NICs {
		if n.Managed {
			p.line("")
			p.nic(n)
		}
	}
	first := true
	for _, n := range s.NICs {
		if n.Managed {
			continue
		}
		if first {
			p.line("")
			first = false
		}
		p.line("%s: left alone: %s", n.Name, n.Reason)
	}
}

// resolver tells to whom DNS servers were handed.
func (p page) resolver(r *guest.ResolverStatus) {
	switch {
	case r.Problem != "":
		p.line("DNS servers: cannot hand them over: %s (%s)", r.Problem, r.Reason)
	case r.To == "":
		p.line("DNS servers: not handed over: %s", r.Reason)
	default:
		p.line("DNS servers: handed to %s: %s", r.To, r.Reason)
	}
}

func (p page) nic(n guest.NICStatus) {
	p.line("%s (%s): %s", n.Name, n.Role, n.State)
	p.field("problem", n.Problem)
	p.field("try", n.Cure)
	for _, a := range n.Addresses {
		by := ""
		if a.Leased {
			by = "leased, "
		}
		if a.Autoconfigured {
			by = "autoconfigured, "
		}
		p.field("address", fmt.Sprintf("%s %s%s, valid %s", a.Prefix, by, a.State, a.Valid))
	}
	if b := n.Binding; b != nil {
		from := ""
		if b.From.IsValid() {
			from = " at " + b.From.String()
		}
		p.field("server", fmt.Sprintf("%s%s; renew %s, rebind %s", b.Server, from, in(b.Renew), in(b.Rebind)))
	}
	p.field("DUID", fmt.Sprintf("%s, IAID %s", n.DUID, n.IAID))
	for _, r := range n.Routers {
		p.field("router", routerLine(r))
	}
	for _, prefix := range n.OnLink {
		p.field("on-link", prefix.String())
	}
	for _, r := range n.Refused {
		p.field("refused", fmt.Sprintf("no %s for %s: %s", r.What, r.Prefix, r.Why))
	}
	for _, r := range n.DefaultRoutes {
		p.field("default", "via "+r.String())
	}
	p.field("DNS", join(n.DNS))
	p.field("search", strings.Join(n.Search, " "))
	if s := n.Source; s != nil {
		p.field("source", sourceLine(s))
	}
	if n.Removed > 0 {
		p.field("removed", fmt.Sprintf("%d default routes of others", n.Removed))
	}
	var switches []string
	for _, name := range slices.Sorted(maps.Keys(n.Switches)) {
		switches = append(switches, name+"="+n.Switches[name])
	}
	p.field("switches", strings.Join(switches, " "))
	p.field("packets", fmt.Sprintf("%d sent, %d received", n.Sent, n.Received))
	p.field("why", n.Reason)
}

// in says when something is due of which so much time is left.
func in(left guest.Lifetime) string {
	if left.Infinite() {
		return "never"
	}
	return "in " + left.String()
}

// sourceLine tells what leaves by the NIC for its source address.
func sourceLine(s *guest.SourceStatus) string {
	if len(s.Addresses) == 0 {
		return "answers leave as the main table says (" + s.Reason + ")"
	}
	return fmt.Sprintf("answers from %s leave by this NIC via %s, table %d (%s)", join(s.Addresses), join(s.Routers), s.Table, s.Reason)
}

func join(addrs []netip.Addr) string {
	words := make([]string, len(addrs))
	for i, a := range addrs {
		words[i] = a.String()
	}
	return strings.Join(words, " ")
}

func routerLine(r guest.RouterStatus) string {
	var flags, prefixes string
	if r.Managed {
		flags += " M"
	}
	if r.Other {
		flags += " O"
	}
	for _, x := range r.Prefixes {
		prefixes += " " + x.String()
	}
	return fmt.Sprintf("%s lifetime %s%s%s", r.Addr, r.Lifetime, flags, prefixes)
}
