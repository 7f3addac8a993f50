package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/v6guest/v6guest/cmd/internal/cmdline"
	"github.com/v6guest/v6guest/pkg/responder"
)

func (e *env) statusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "what the running server serves, and what should be looked at",
		Flags: []cli.Flag{cmdline.JSONFlag()},
		Action: func(c *cli.Context) error {
			if err := e.NoArguments(c); err != nil {
				return err
			}
			st, err := responder.AskStatus(c.Context, c.String("run-dir"))
			if err != nil {
				return err
			}
			if c.Bool("json") {
				return e.PrintJSON(st)
			}
			e.printStatus(&st)
			return nil
		},
	}
}

func (e *env) printStatus(st *responder.Status) {
	e.Print("v6responder %s, process %d, up %s", st.Version, st.PID, span(st.Uptime))
	e.Print("%s", st.Summary)
	for _, p := range st.Problems {
		e.Print("problem: %s", p.What)
		e.Print("  try: %s", p.Try)
	}
	verified := ""
	if !st.VerifyFrame {
		verified = ", frames are not verified"
	}
	e.Print("server DUID %s, identity = %s%s", orNone(st.DUID.String()), st.Identity, verified)
	e.Print("reservations: %d of %s, %d added by command", st.HostsLines, orNone(st.HostsFile), st.AddedHosts)
	if s := st.Store; s != nil {
		e.Print("lease store: %d leases, %d bytes, %d changes wait for the disk", s.Leases, s.Bytes, s.Queued)
	}
	if st.Refused > 0 {
		e.Print("%s within the last hour: v6responder leases list says why", cmdline.Count(st.Refused, "client got nothing", "clients got nothing"))
	}
	for _, n := range st.Networks {
		e.Print("")
		e.printNetwork(&n)
	}
	e.Print("")
	e.printCounts("received", st.Received)
	e.printCounts("sent", st.Sent)
	e.printCounts("dropped", st.Dropped)
}

func (e *env) printNetwork(n *responder.NetworkStatus) {
	where := ""
	if n.Interface != "" {
		where = " (" + n.Interface + ")"
	}
	e.Print("%s%s: %s", n.Name, where, n.State)
	e.Print("  prefix   %s, assign = %s", n.Prefix, n.Assign)
	if n.LinkLocal != "" {
		e.Print("  answers  from %s, %s", n.LinkLocal, n.MAC)
	}
	for _, p := range []struct {
		name string
		pool *responder.PoolStatus
	}{{"pool", n.Pool}, {"pd_pool", n.Prefixes}} {
		if p.pool != nil {
			e.Print("  %-8s %d of %d in use", p.name, p.pool.Used, p.pool.Size)
		}
	}
	if n.RA == nil {
		return
	}
	next := ""
	if n.RA.Next != nil {
		next = ", next in " + span(*n.RA.Next)
	}
	e.Print("  RA       router lifetime %s, %d sent, %d solicitations%s", span(n.RA.RouterLifetime), n.RA.Sent, n.RA.Solicitations, next)
	for _, p := range n.RA.Deprecated {
		e.Print("  RA       %s is deprecated", p)
	}
	for _, r := range n.RA.Routers {
		kind := "router"
		if r.Default {
			kind = "default router"
		}
		e.Print("  other    %s %s, heard %s ago", kind, r.Address, span(r.Heard))
	}
}

// printCounts prints counts on a line, the largest first.
func (e *env) printCounts(what string, counts map[string]uint64) {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return int(min(max(int64(counts[b])-int64(counts[a]), -1), 1))
		}
		return strings.Compare(a, b)
	})
	var words []string
	for _, n := range names {
		words = append(words, fmt.Sprintf("%d %s", counts[n], n))
	}
	e.Print("%-8s %s", what, orNone(strings.Join(words, ", ")))
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// span is a time as people read it.
func span(s responder.Seconds) string { return (time.Duration(s) * time.Second).String() }
