package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A bench is one run.
type bench struct {
	bin, root, page      string
	only                 string         // one part, "" for all
	servers              *regexp.Regexp // those whose name it matches; nil for all
	rates                []int          // under perfdhcp; nil for those of the table
	rounds, guests, most int
	during               time.Duration

	results results
	text    strings.Builder // the tables, each with a line before it
}

func (b *bench) run(ctx context.Context) error {
	b.results.guests = b.guests
	where := place(b.rounds, b.during)
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{{"steady", b.steady}, {"perfdhcp", b.perfdhcp}, {"storm", b.storm}, {"scale", b.scale}} {
		if b.only != "" && b.only != part.name {
			continue
		}
		if err := part.run(ctx); err != nil {
			return err
		}
	}
	if b.servers != nil { // what the goals compare may be missing
		fmt.Print(where, "\n", b.text.String())
		return nil
	}
	head := where + "\n" + table(b.results.goals())
	if b.page == "" {
		fmt.Print(head, "\n", b.text.String())
		return nil
	}
	return write(b.page, head, b.text.String(), b.results.steady)
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(&b.text, format+"\n", args...) }

// progress tells a person who waits.
func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// leaves reports whether a server is left out of this run.
func (b *bench) leaves(s server) bool { return b.servers != nil && !b.servers.MatchString(s.name) }

// once measures one load on a server that was just started.
func (b *bench) once(ctx context.Context, s server, prepared setup, args ...string) (f figure, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	p, err := serve(ctx, b.root, b.bin, s, prepared)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if s.rapid {
		args = append(args, "-rapid")
	}
	return p.under(func() (Result, error) { return p.own(ctx, args...) })
}

// A row is a server with its median figure.
type row struct {
	name string
	figure
}

// newGuests is how many guests there are where each of them is a new one: none comes twice.
const newGuests = 1_000_000

// freshWindow is how many exchanges of new guests run at once.
const freshWindow = 1024

// often is how many times as often as the others the servers are measured that the goals hold against each other:
// on a quiet machine single measurements of one program still differ by 15 %.
const often = 3

// steady: as many exchanges as each server holds, 128 at once, every guest with its own MAC; more at once where each
// guest is a new one. Servers that depend on the kernel's neighbour table get as many guests as it has room for.
func (b *bench) steady(ctx context.Context) error {
	all := make([][]figure, len(servers))
	for round := range often * b.rounds {
		for i, s := range servers {
			if b.leaves(s) || round >= b.rounds && !judged(i) {
				continue
			}
			guests, window := b.guests, 128
			if s.fresh { // an answer waits for the disk: more of them share a flush
				guests, window = newGuests, freshWindow
			}
			if s.neighbours {
				guests, window = min(guests, 500), 128
			}
			if s.few {
				guests, window = 20, 4
			}
			f, err := b.once(ctx, s, setup{reservations: b.guests, noLimits: true},
				"-guests", strconv.Itoa(guests), "-window", strconv.Itoa(window), "-for", b.during.String())
			if err != nil {
				return err
			}
			progress("round %d: %s: %.0f/s, %s an exchange, %d lost", round+1, s.name, f.rate, f.cpu, f.Lost)
			all[i] = append(all[i], f)
		}
	}
	var rows []row
	for i, s := range servers {
		rows = append(rows, row{s.name, median(all[i])})
	}
	b.results.steady = rows
	b.say("\n| server | exchanges a second | of the echo's | CPU of the server an exchange | of the echo's | half within | lost | resident |")
	b.say("|---|---|---|---|---|---|---|---|")
	for i, r := range rows {
		if r.cpu == 0 {
			continue
		}
		echo := rows[echoOf(i)]
		b.say("| %s | %.0f | %.0f %% | **%s** | %.2f | %s | %s | %.0f MiB |", r.name, r.rate, 100*r.rate/echo.rate, us(r.cpu), float64(r.cpu)/float64(echo.cpu), us(r.P50),
			share(r.Lost, r.Lost+r.Bound), float64(r.resident)/1024)
	}
	return nil
}

// median is the figure in the middle by the CPU's time, with the rate in the middle; that of nothing is nothing.
func median(all []figure) (middle figure) {
	if len(all) == 0 {
		return figure{}
	}
	rates := make([]float64, len(all))
	for i := range all {
		rates[i] = all[i].rate
	}
	slices.Sort(rates)
	slices.SortFunc(all, func(x, y figure) int { return cmp.Compare(x.cpu, y.cpu) })
	middle = all[len(all)/2]
	middle.rate = rates[len(rates)/2]
	return middle
}

// storm: all guests start within a second, ask again as the standard says, and overrun the neighbour table. Every
// limit is as it is by default.
func (b *bench) storm(ctx context.Context) error {
	b.say("\n| server in a boot storm of %d guests in 1 s | bound within 3 s of the start | bound within 20 s | last one after | slowest guest | addresses given twice |\n|---|---|---|---|---|---|", b.guests)
	for _, s := range servers {
		if s.floor || s.rapid || s.fresh || b.leaves(s) {
			b.results.storm = append(b.results.storm, figure{})
			continue
		}
		f, err := b.once(ctx, s, setup{reservations: b.guests}, "-guests", strconv.Itoa(b.guests), "-storm", "1s", "-for", "20s")
		if err != nil {
			return err
		}
		b.results.storm = append(b.results.storm, f)
		progress("storm: %s: %d within 3 s, %d within 20 s", s.name, f.Early, f.Bound)
		last := "never"
		if f.Bound == b.guests {
			last = fmt.Sprintf("%.2f s", f.Took.Seconds())
		}
		b.say("| %s | %d | %d | %s | %.2f s | %d |", s.name, f.Early, f.Bound, last, f.Slow.Seconds(), f.Twice)
	}
	return nil
}

// scale: what an exchange costs v6responder beside ever more reservations, or leases of a pool. The numbers take turns.
func (b *bench) scale(ctx context.Context) error {
	b.say("\n| reservations, or leases at the start | CPU of v6responder an exchange | start to the first answer | resident |\n|---|---|---|---|")
	for _, s := range []server{servers[ours], servers[oursPool], servers[oursFresh]} {
		if b.leaves(s) {
			continue
		}
		rounds := b.rounds
		if !s.pool {
			rounds *= often
		}
		kept := slices.DeleteFunc([]int{1000, b.guests, 100000, b.most}, func(n int) bool { return n > b.most })
		all := make([][]figure, len(kept))
		for range rounds {
			for i, n := range kept {
				f, err := b.beside(ctx, s, n)
				if err != nil {
					return err
				}
				progress("%d of %s: %s an exchange, first answer after %s, %d KiB", n, s.name, f.cpu, f.start, f.resident)
				all[i] = append(all[i], f)
			}
		}
		of := series{name: s.name}
		for i, n := range kept {
			f := median(all[i])
			of.rows = append(of.rows, scaled{n, f})
			b.say("| %d, %s | %s | %.2f s | %.0f MiB |", n, s.name, us(f.cpu), f.start.Seconds(), float64(f.resident)/1024)
		}
		b.results.scale = append(b.results.scale, of)
	}
	return nil
}

// beside measures one load beside so many reservations or leases: that of guests whose they are, who come again and
// again, or of guests of whom the server knows nothing yet.
func (b *bench) beside(ctx context.Context, s server, n int) (figure, error) {
	guests := min(n, b.guests)
	load := []string{"-guests", strconv.Itoa(guests), "-stride", strconv.Itoa(n / guests), "-for", b.during.String()}
	if s.fresh {
		load = []string{"-guests", strconv.Itoa(newGuests), "-first", strconv.Itoa(n), "-window", strconv.Itoa(freshWindow), "-for", b.during.String()}
	}
	return b.once(ctx, s, setup{reservations: n, leases: n, noLimits: true}, load...)
}

func us(d time.Duration) string {
	if d >= 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.1f µs", float64(d)/1e3)
}

func share(part, whole int) string {
	return fmt.Sprintf("%.2f %%", 100*float64(part)/float64(max(whole, 1)))
}
