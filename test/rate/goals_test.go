package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// measured is what a run may have measured: every goal is reached, but that new guests of a pool cost three times the echo's CPU.
func measured() *results {
	r := &results{
		guests: 10000, steady: make([]row, len(servers)), load: make([]climb, len(servers)), storm: make([]figure, len(servers)),
		scale: []series{{"v6responder, pool", []scaled{
			{1000, figure{cpu: 10 * time.Microsecond}},
			{1000000, figure{cpu: 11 * time.Microsecond, resident: 400 << 10, start: 3 * time.Second}},
		}}},
	}
	for i := range servers {
		r.steady[i] = row{servers[i].name, figure{cpu: 5 * time.Microsecond, rate: 1000}}
		r.load[i] = climb{at: map[int]figure{1000: {cpu: 50 * time.Microsecond}, 20000: {cpu: 30 * time.Microsecond}}, most: figure{rate: 20000}}
		r.storm[i] = figure{Result: Result{Bound: 10000, Early: 10000, Took: time.Second}}
	}
	r.steady[oursFresh].cpu = 15 * time.Microsecond
	r.steady[keaRow].rate, r.steady[keaPoolRow].rate = 100, 100
	return r
}

func TestGoalsAreJudgedByTheRunsFigures(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*results)
		want   string // a line of the table
	}{
		{"CPU", nil, "| v6responder, reservations: CPU of an exchange at most 1.5 times the echo's | 1.00 times | yes |"},
		{"a pool's CPU", nil, "| v6responder, pool: CPU of an exchange at most 1.5 times the echo's | 1.00 times | yes |"},
		{"that of new guests", nil, "| v6responder, pool, no guest twice (harder than the goal's load): CPU of an exchange at most 1.5 times the echo's | 3.00 times | **no** |"},
		{"Rapid Commit beside its own echo", func(r *results) { r.steady[echoRapidRow].cpu /= 5 }, "| v6responder, Rapid Commit: CPU of an exchange at most 1.5 times the echo's | 5.00 times | **no** |"},
		{"perfdhcp", nil, "| v6responder, pool, under perfdhcp: CPU of an exchange at most 1.5 times the echo's, at the highest rate that both hold | 1.00 times at 20,000 a second | yes |"},
		{"the highest rate of perfdhcp is too dear", func(r *results) {
			r.load[ours].at[20000] = figure{cpu: 60 * time.Microsecond}
		}, "| v6responder, reservations, under perfdhcp: CPU of an exchange at most 1.5 times the echo's, at the highest rate that both hold | 2.00 times at 20,000 a second | **no** |"},
		{"the highest rate of perfdhcp was not held", func(r *results) {
			r.load[ours].at[20000] = figure{Result: Result{Bound: 99, Lost: 1}}
		}, "| v6responder, reservations, under perfdhcp: CPU of an exchange at most 1.5 times the echo's, at the highest rate that both hold | 1.00 times at 1,000 a second | yes |"},
		{"no rate of perfdhcp was held", func(r *results) { r.load[ours].at = nil }, "| v6responder, reservations, under perfdhcp: CPU of an exchange at most 1.5 times the echo's, at the highest rate that both hold | none | **no** |"},
		{"perfdhcp's rate", func(r *results) { r.load[oursPool].most.rate = 15000 }, "| v6responder, pool, under perfdhcp: at least 80 % of the highest rate that the echo holds | 75 % | **no** |"},
		{"rate", func(r *results) { r.steady[ours].rate = 790 }, "| v6responder, reservations: at least 80 % of the echo's rate | 79 % | **no** |"},
		{"Kea", func(r *results) { r.steady[keaPoolRow].rate = 500 }, "| v6responder, pool: at least 2.5 times Kea's rate | 2.0 times | **no** |"},
		{"flat", nil, "| v6responder, pool: CPU of an exchange flat within 20 % from 1,000 to 1,000,000 | 10 % | yes |"},
		{"memory", func(r *results) { r.scale[0].rows[1].resident = 512 << 10 }, "| v6responder, pool: 1,000,000 in less than 512 MiB | 512 MiB | **no** |"},
		{"start", nil, "| v6responder, pool: with 1,000,000 the first answer in less than 5 s | 3.0 s | yes |"},
		{"storm", nil, "| v6responder, pool: 10,000 guests that start within a second bound within 3 s, no address twice | 10,000 within 3 s, 0 addresses twice, the last one 1.00 s after the first began | yes |"},
		{"an address twice", func(r *results) { r.storm[ours].Twice = 1; r.storm[ours].Bound = 9999 }, "| v6responder, reservations: 10,000 guests that start within a second bound within 3 s, no address twice | 10,000 within 3 s, 1 addresses twice | **no** |"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := measured()
			if c.change != nil {
				c.change(r)
			}
			if got := table(r.goals()); !strings.Contains(got, c.want+"\n") {
				t.Errorf("no line\n%s\nin\n%s", c.want, got)
			}
		})
	}
}

func TestPartsThatWereNotRunAreNotJudged(t *testing.T) {
	r := measured()
	r.steady, r.load, r.scale = nil, nil, nil
	if got := len(r.goals()); got != 2 {
		t.Errorf("%d goals after the storm alone, want its 2:\n%s", got, table(r.goals()))
	}
}

func TestThePageKeepsWhatStandsAroundTheTables(t *testing.T) {
	page := filepath.Join(t.TempDir(), "performance.md")
	if err := os.WriteFile(page, []byte("before\n"+pageBegin+"old\n"+pageEnd+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // once more changes nothing
		if err := write(page, "goals\n", "\ntables\n", measured().steady); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	want := "before\n" + pageBegin + "\ngoals\n\n![CPU of the server for one exchange](" + plotName + ")\n\ntables\n\n" + pageEnd + "after\n"
	if string(text) != want {
		t.Errorf("the page is\n%s\nwant\n%s", text, want)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(page), plotName)); err != nil {
		t.Error(err)
	}
}
