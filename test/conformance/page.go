package conformance

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A List is a part of the demands, as the page shows it.
type List struct {
	Name    string // "client", in the table of counts
	Title   string
	Demands []Demand
}

// Lists reads all demands and sorts them by whom they are for.
func Lists(root string) ([]List, error) {
	client, err := ReadDemands(root, "client.tsv")
	if err != nil {
		return nil, err
	}
	server, err := ReadDemands(root, "server.tsv")
	if err != nil {
		return nil, err
	}
	ra, err := ReadDemands(root, "ra.tsv")
	if err != nil {
		return nil, err
	}
	host := List{"host", "Router Advertisements, host (v6guest and the guest's kernel)", nil}
	router := List{"router", "Router Advertisements, router (v6responder)", nil}
	for _, d := range ra {
		if d.ID[0] == 'H' {
			host.Demands = append(host.Demands, d)
		} else {
			router.Demands = append(router.Demands, d)
		}
	}
	return []List{{"client", "DHCPv6 client (v6guest)", client}, host, {"server", "DHCPv6 server (v6responder)", server}, router}, nil
}

// levels in the order of the page.
var levels = []string{"MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY"}

// Counts is the table that says how many demands of each level a test names.
func Counts(lists []List, p Proofs, reasons []Reason) string {
	var b strings.Builder
	b.WriteString("| list | level | demands | a test names it |")
	for _, k := range Kinds {
		fmt.Fprintf(&b, " %s |", k.Name)
	}
	b.WriteString(" no test yet |\n|---|---|---|---|" + strings.Repeat("---|", len(Kinds)) + "---|\n")
	for _, l := range lists {
		for _, level := range levels {
			fmt.Fprintf(&b, "| %s | %s |%s\n", l.Name, level, count(l, level, p, reasons))
		}
	}
	return b.String()
}

// count is one line of it.
func count(l List, level string, p Proofs, reasons []Reason) string {
	all, tested, open := 0, 0, 0
	kinds := make([]int, len(Kinds))
	for _, d := range l.Demands {
		if d.Level != level {
			continue
		}
		all++
		r := why(d.ID, reasons)
		switch {
		case len(p[d.ID]) > 0:
			tested++
		case r == nil:
			open++
		default:
			for i, k := range Kinds {
				if k.Name == r.Kind {
					kinds[i]++
				}
			}
		}
	}
	out := fmt.Sprintf(" %d | %d |", all, tested)
	for _, n := range kinds {
		out += fmt.Sprintf(" %d |", n)
	}
	return out + fmt.Sprintf(" %d |", open)
}

// why is the first reason for a demand, nil if there is none.
func why(id string, reasons []Reason) *Reason {
	i := slices.IndexFunc(reasons, func(r Reason) bool { return r.Speaks(id) })
	if i < 0 {
		return nil
	}
	return &reasons[i]
}

// Lines is what is said of each strict demand: its tests, or why it has none.
func Lines(lists []List, p Proofs, reasons []Reason) string {
	var b strings.Builder
	for _, l := range lists {
		fmt.Fprintf(&b, "\n### %s\n\n| id | source | level | demand | test, or why none |\n|---|---|---|---|---|\n", l.Title)
		for _, d := range l.Demands {
			if d.Strict() {
				fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", d.ID, d.Source, d.Level, escape(d.Text), escape(proof(d.ID, p, reasons)))
			}
		}
	}
	return b.String()
}

// proof is the last column.
func proof(id string, p Proofs, reasons []Reason) string {
	tests, r := p[id], why(id, reasons)
	switch {
	case len(tests) > 0:
		tests = slices.SortedFunc(slices.Values(tests), func(a, b string) int {
			return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b))
		})
		out := "`" + tests[0] + "`"
		if more := len(tests) - 1; more > 0 {
			out += fmt.Sprintf(" and %d more", more)
		}
		return out
	case r == nil:
		return "no test yet"
	}
	return r.Kind + ": " + r.Text
}

// rank puts tests before benchmarks and fuzz targets.
func rank(test string) int {
	if strings.Contains(test, ":Test") {
		return 0
	}
	return 1
}

func escape(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
