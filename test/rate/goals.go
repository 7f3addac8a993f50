package main

import (
	"fmt"
	"strings"
	"time"
)

// The goals that v6responder is held against.
const (
	mostCost     = 1.5  // of the echo's CPU
	leastRate    = 0.80 // of the echo's
	leastKea     = 2.5  // of Kea's rate
	mostGrowth   = 0.20 // of the cost, from the fewest hosts or leases to the most
	mostResident = 512 << 10
	mostStart    = 5 * time.Second
)

// A goal is one line of the first table. It is made of the run's own figures, so that words and figures cannot
// disagree.
type goal struct {
	what, measured string
	reached        bool
}

// results are what a run has measured; a part that it left out is nil.
type results struct {
	guests int
	steady []row // by server, as the others
	load   []climb
	storm  []figure
	scale  []series
}

// goals judges a run.
func (r *results) goals() (all []goal) {
	if r.steady != nil {
		all = append(all, r.costs()...)
	}
	if r.load != nil {
		all = append(all, r.underPerfdhcp(ours)...)
		all = append(all, r.underPerfdhcp(oursPool)...)
	}
	if r.steady != nil {
		all = append(all, r.rates()...)
	}
	for _, s := range r.scale {
		all = append(all, s.goals()...)
	}
	if r.storm != nil {
		all = append(all, r.stormy(ours), r.stormy(oursPool))
	}
	return all
}

func (r *results) costs() (all []goal) {
	for _, i := range []int{ours, oursRapid, oursPool, oursFresh} {
		x := float64(r.steady[i].cpu) / float64(r.steady[echoOf(i)].cpu)
		all = append(all, goal{
			fmt.Sprintf("%s: CPU of an exchange at most %.1f times the echo's", servers[i].name, mostCost), fmt.Sprintf("%.2f times", x), x <= mostCost,
		})
	}
	return all
}

// underPerfdhcp are the goals of CPU and rate with Kea's load: its clients at the highest rate that both hold.
func (r *results) underPerfdhcp(i int) []goal {
	own, floor := &r.load[i], &r.load[echoRow]
	highest := 0
	for rate, f := range own.at {
		if e, ok := floor.at[rate]; ok && rate > highest && few(&f) && few(&e) {
			highest = rate
		}
	}
	cost := goal{what: fmt.Sprintf("%s, under perfdhcp: CPU of an exchange at most %.1f times the echo's, at the highest rate that both hold", servers[i].name, mostCost), measured: "none"}
	if highest > 0 {
		x := float64(own.at[highest].cpu) / float64(floor.at[highest].cpu)
		cost.measured, cost.reached = fmt.Sprintf("%.2f times at %s a second", x, count(highest)), x <= mostCost
	}
	x := own.most.rate / floor.most.rate
	return []goal{cost, {
		fmt.Sprintf("%s, under perfdhcp: at least %.0f %% of the highest rate that the echo holds", servers[i].name, 100*leastRate),
		fmt.Sprintf("%.0f %%", 100*x), x >= leastRate,
	}}
}

func (r *results) rates() (all []goal) {
	for _, i := range []int{ours, oursRapid, oursPool, oursFresh} {
		x := r.steady[i].rate / r.steady[echoOf(i)].rate
		all = append(all, goal{fmt.Sprintf("%s: at least %.0f %% of the echo's rate", servers[i].name, 100*leastRate), fmt.Sprintf("%.0f %%", 100*x), x >= leastRate})
	}
	for _, of := range [][2]int{{ours, keaRow}, {oursPool, keaPoolRow}, {oursFresh, keaPoolRow}} {
		x := r.steady[of[0]].rate / r.steady[of[1]].rate
		all = append(all, goal{fmt.Sprintf("%s: at least %.1f times Kea's rate", servers[of[0]].name, leastKea), fmt.Sprintf("%.1f times", x), x >= leastKea})
	}
	return all
}

// A series is v6responder beside ever more hosts or leases.
type series struct {
	name string
	rows []scaled
}

// A scaled is one of them.
type scaled struct {
	kept int
	figure
}

func (s *series) goals() []goal {
	least, most, last := s.rows[0].cpu, s.rows[0].cpu, s.rows[len(s.rows)-1]
	for _, r := range s.rows {
		least, most = min(least, r.cpu), max(most, r.cpu)
	}
	growth := float64(most)/float64(least) - 1
	kept := count(last.kept)
	return []goal{
		{fmt.Sprintf("%s: CPU of an exchange flat within %.0f %% from %s to %s", s.name, 100*mostGrowth, count(s.rows[0].kept), kept), fmt.Sprintf("%.0f %%", 100*growth), growth <= mostGrowth},
		{fmt.Sprintf("%s: %s in less than %d MiB", s.name, kept, mostResident>>10), fmt.Sprintf("%.0f MiB", float64(last.resident)/1024), last.resident < mostResident},
		{fmt.Sprintf("%s: with %s the first answer in less than %.0f s", s.name, kept, mostStart.Seconds()), fmt.Sprintf("%.1f s", last.start.Seconds()), last.start < mostStart},
	}
}

func (r *results) stormy(i int) goal {
	f := r.storm[i]
	g := goal{
		what:     fmt.Sprintf("%s: %s guests that start within a second bound within 3 s, no address twice", servers[i].name, count(r.guests)),
		measured: fmt.Sprintf("%s within 3 s, %d addresses twice", count(f.Early), f.Twice),
		reached:  f.Early == r.guests && f.Twice == 0,
	}
	if f.Bound == r.guests {
		g.measured += fmt.Sprintf(", the last one %.2f s after the first began", f.Took.Seconds())
	}
	return g
}

// echoOf is the row of the echo that a server is held against.
func echoOf(server int) int {
	if servers[server].rapid {
		return echoRapidRow
	}
	return echoRow
}

// count writes a number with commas.
func count(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// table writes the goals.
func table(goals []goal) string {
	var b strings.Builder
	b.WriteString("| goal | measured | reached |\n|---|---|---|\n")
	for _, g := range goals {
		reached := "yes"
		if !g.reached {
			reached = "**no**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", g.what, g.measured, reached)
	}
	return b.String()
}
