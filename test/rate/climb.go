package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The rates, in exchanges a second, at which servers are measured under perfdhcp. What an exchange costs depends
// on the rate, since fewer of them share a wake-up at a lower one: only figures of the same rate say anything
// beside each other. At the higher rates it is only looked for the highest that a server holds.
var (
	slowRates   = []int{100}
	sameRates   = []int{1000, 2500, 5000}
	higherRates = []int{7500, 10000, 15000, 20000, 25000}
)

// A climb is what one server did under perfdhcp: at each rate, and the highest that it has held without losing more
// than one exchange in a thousand.
type climb struct {
	at   map[int]figure
	most figure
}

// setRates reads a list of rates.
func (b *bench) setRates(text string) error {
	for _, f := range strings.Split(text, ",") {
		rate, err := strconv.Atoi(f)
		if err != nil || rate < 1 {
			return fmt.Errorf("rate %q: a number of exchanges a second", f)
		}
		b.rates = append(b.rates, rate)
	}
	return nil
}

// perfdhcp: every server at the same rates, and then as high as it gets. Those that the goals speak of are measured
// in each round.
func (b *bench) perfdhcp(ctx context.Context) error {
	all := make([]map[int][]figure, len(servers))
	b.results.load = make([]climb, len(servers))
	for round := range b.rounds {
		for i, s := range servers {
			if s.rapid || s.fresh || b.leaves(s) || round > 0 && i != ours && i != oursPool && i != echoRow {
				continue
			}
			if round == 0 {
				all[i] = map[int][]figure{}
			}
			rates := slices.Concat(sameRates, higherRates)
			switch {
			case b.rates != nil:
				rates = b.rates
			case s.few:
				rates = slices.Concat(slowRates, sameRates)
			}
			if err := b.climb(ctx, s, rates, func(rate int, f figure) { all[i][rate] = append(all[i][rate], f) }); err != nil {
				return err
			}
		}
	}
	b.say("\n| server under perfdhcp | CPU an exchange at 1,000 a second | of the echo's | at 2,500 | of the echo's | at 5,000 | of the echo's | most held, under 0.1 %% lost | CPU an exchange |")
	b.say("|---|---|---|---|---|---|---|---|---|")
	for i := range servers {
		c := climb{at: map[int]figure{}}
		for rate, list := range all[i] {
			if judged(i) && 2*len(list) <= b.rounds { // it was held in the fewer rounds
				continue
			}
			f := median(list)
			if c.at[rate] = f; f.rate > c.most.rate && few(&f) {
				c.most = f
			}
		}
		b.results.load[i] = c
	}
	for i, s := range servers {
		most := b.results.load[i].most
		switch {
		case s.rapid || s.fresh || b.leaves(s):
		case most.cpu == 0:
			b.say("| %s |%s none | – |", s.name, b.results.beside(i))
		default:
			b.say("| %s |%s %.0f | %s |", s.name, b.results.beside(i), most.rate, us(most.cpu))
		}
	}
	return nil
}

// beside are the cells of a server at the rates that all are measured at.
func (r *results) beside(i int) (cells string) {
	for _, rate := range sameRates {
		own, floor := r.load[i].at[rate], r.load[echoRow].at[rate]
		switch {
		case own.cpu == 0:
			cells += " – | – |"
		case floor.cpu == 0:
			cells += fmt.Sprintf(" **%s** | – |", us(own.cpu))
		default:
			cells += fmt.Sprintf(" **%s** | %.2f |", us(own.cpu), float64(own.cpu)/float64(floor.cpu))
		}
	}
	return cells
}

// few reports whether a server lost no more than one exchange in a thousand.
func few(f *figure) bool { return float64(f.Lost) <= 0.001*float64(f.Lost+f.Bound) }

// climb measures a server at ever higher rates, until it does not follow: at those that all are measured at, by a
// tenth; above them, by one exchange in a thousand.
func (b *bench) climb(ctx context.Context, s server, rates []int, did func(rate int, f figure)) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	p, err := serve(ctx, b.root, b.bin, s, setup{reservations: b.guests, oneFrame: true, noLimits: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	for _, rate := range rates {
		f, err := p.under(func() (Result, error) { return p.perfdhcp(ctx, rate, b.guests, max(b.during, time.Second)) })
		if err != nil {
			return err
		}
		progress("perfdhcp: %s at %d/s: %.0f/s, %s an exchange, %s lost (%d datagrams by perfdhcp itself)", s.name, rate, f.rate, f.cpu, share(f.Lost, f.Lost+f.Bound), f.Overrun)
		if f.Bound == 0 || f.rate < 0.9*float64(rate) || rate > sameRates[len(sameRates)-1] && !few(&f) {
			return nil
		}
		did(rate, f)
	}
	return nil
}
