// Command rate puts v6responder, Kea, dnsmasq and two stateless echoes side by side in one run, over a veth
// pair: what an exchange costs each, how many a second it holds, and what becomes of a boot storm. It
// writes the tables and the plot of docs/performance.md. `rate load` is the generator of guests and
// `rate echo` the echo; both are run in the laboratory's machines, where this program is found by its name.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/v6guest/v6guest/test/roots"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "rate:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "load":
			return generate(os.Args[2:])
		case "echo":
			return echo(os.Args[2:])
		}
	}
	b := bench{}
	flag.StringVar(&b.bin, "bin", "bin", "the folder with v6responder and this program, rate")
	flag.IntVar(&b.rounds, "rounds", 3, "how often everything is measured, in turn; medians count")
	flag.IntVar(&b.guests, "guests", 10000, "how many guests and reservations there are")
	flag.IntVar(&b.most, "most", 1000000, "the largest number of reservations")
	flag.DurationVar(&b.during, "for", 3*time.Second, "how long each load lasts")
	flag.StringVar(&b.only, "only", "", "one part alone: steady, perfdhcp, storm or scale")
	flag.Func("servers", "only the servers whose name the expression matches, without goals", func(text string) (err error) {
		b.servers, err = regexp.Compile(text)
		return err
	})
	flag.Func("rates", "these rates, with commas between, instead of those of the table under perfdhcp", func(text string) error {
		return b.setRates(text)
	})
	flag.StringVar(&b.page, "page", "", "the page to write the tables into, beside a plot; else they are printed")
	flag.Parse()
	if b.rounds < 1 || b.guests < 1 || b.most < b.guests {
		return errors.New("-rounds and -guests: one at least; -most: as many as -guests at least")
	}
	if (b.only != "" || b.servers != nil || b.rates != nil) && b.page != "" {
		return errors.New("-only, -servers or -rates, and -page: the page needs everything")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if b.bin, err = filepath.Abs(b.bin); err != nil {
		return err
	}
	if b.root, err = roots.Get(ctx, roots.Peers, os.Stderr); err != nil {
		return err
	}
	return b.run(ctx)
}
