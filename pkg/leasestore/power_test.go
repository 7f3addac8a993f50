package leasestore

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// A disk is one that loses what was not flushed: some of it, in any order, sectors of a page apart.
type disk struct {
	flushed []byte
	pending []diskEvent
}

// applied is a file after a write or a truncate.
func applied(b []byte, e diskEvent) []byte {
	switch e.call {
	case "truncate":
		return append(b[:min(int64(len(b)), e.at)], make([]byte, max(0, e.at-int64(len(b))))...)
	case "write":
		if end := int(e.at) + len(e.data); end > len(b) {
			b = append(b, make([]byte, end-len(b))...)
		}
		copy(b[e.at:], e.data)
	}
	return b
}

func (d *disk) flush() {
	for _, e := range d.pending {
		d.flushed = applied(d.flushed, e)
	}
	d.pending = nil
}

// lost is what is on the disk after a loss of power at which the pending events that keep admits were
// written; torn, if not nil, leaves out sectors of them.
func (d *disk) lost(keep func(i int) bool, torn *rand.Rand) []byte {
	const sector = 512
	b := bytes.Clone(d.flushed)
	for i, e := range d.pending {
		switch {
		case !keep(i):
		case torn == nil || e.call != "write":
			b = applied(b, e)
		default:
			for at := 0; at < len(e.data); at += sector {
				if torn.IntN(2) == 0 {
					b = applied(b, diskEvent{"write", e.at + int64(at), e.data[at:min(at+sector, len(e.data))]})
				}
			}
		}
	}
	return b
}

// each calls f with what may be on the disk if the power fails before the next flush has succeeded.
func (d *disk) each(r *rand.Rand, f func(how string, b []byte)) {
	n := len(d.pending)
	f("all lost", d.lost(func(int) bool { return false }, nil))
	f("all written", d.lost(func(int) bool { return true }, nil))
	for k := range n {
		f(fmt.Sprintf("%d of %d lost", k, n), d.lost(func(i int) bool { return i != k }, nil))
		f(fmt.Sprintf("first %d of %d written", k, n), d.lost(func(i int) bool { return i < k }, nil))
	}
	for range 3 {
		set := r.Uint64()
		f(fmt.Sprintf("of %d written: %b", n, set), d.lost(func(i int) bool { return set>>(i%64)&1 == 1 }, nil))
		f(fmt.Sprintf("%d torn", n), d.lost(func(int) bool { return true }, r))
	}
}

// An audit checks what may be on a disk against what was acknowledged.
type audit struct {
	t               *testing.T
	disk            disk
	image           string
	history         history
	random          *rand.Rand
	steps           int // that were begun
	named, quiet    bool
	acknowledged    int
	writes, flushes int
	seen            map[string]int // states of the disk, and what was acknowledged when they were checked
}

func newAudit(t *testing.T, steps int) *audit {
	return &audit{t: t, image: temporary(t), random: rand.New(rand.NewPCG(8, 8)), steps: steps, seen: map[string]int{}}
}

// check opens what may be on the disk: it must have all that was acknowledged, and whole steps only.
func (a *audit) check(how string, b []byte) {
	a.t.Helper()
	if least, ok := a.seen[string(b)]; a.quiet || ok && least >= a.acknowledged {
		return
	}
	a.seen[string(b)] = a.acknowledged
	if err := os.WriteFile(a.image, b, 0o600); err != nil {
		a.t.Fatal(err)
	}
	got, err := clients(a.image)
	if err != nil {
		a.t.Fatalf("flush %d, %s: %v", a.flushes, how, err)
	}
	if a.history.find(got, a.acknowledged, a.steps) < 0 {
		a.t.Fatalf("flush %d, %s, %d acknowledged: %v", a.flushes, how, a.acknowledged, got)
	}
}

// follow goes through what a process did, and lets the power fail at every flush.
func (a *audit) follow(events []diskEvent) {
	a.t.Helper()
	for _, e := range events {
		switch e.call {
		case "say":
			lines := strings.Fields(string(e.data))
			a.acknowledged = atoi(lines[len(lines)-1]) + 1
			a.check("what is not flushed lost", a.disk.flushed)
		case "link":
			if len(a.disk.pending) > 0 {
				a.t.Fatalf("the file has its name before it is flushed: %d writes", len(a.disk.pending))
			}
			a.named = true
		case "flush":
			if a.named {
				a.disk.each(a.random, a.check)
			}
			a.flushes++
			a.disk.flush()
		default:
			a.writes++
			a.disk.pending = append(a.disk.pending, e)
		}
	}
}

// TestPowerMayFailAtAnyMoment records every write and every flush of processes that make, fill, compact
// and reopen a store, as the kernel sees them, and what they acknowledged in between. Then, at every
// flush, the power fails: of what was not flushed some is written, the rest is not, pages are torn.
func TestPowerMayFailAtAnyMoment(t *testing.T) {
	const steps = 240
	path, a := temporary(t), newAudit(t, steps)
	a.follow(trace(t, child(t, "write", path, 0, steps/2, 6), path))
	a.follow(trace(t, child(t, "write", path, steps/2, steps, 6), path))
	if got, err := clients(path); err != nil || a.history.find(got, steps, steps) < 0 {
		t.Fatalf("without a loss of power: %v, %v", got, err)
	}
	t.Logf("%d steps, %d writes, %d flushes, %d states of the disk", a.acknowledged, a.writes, a.flushes, len(a.seen))
	if a.acknowledged != steps || a.flushes < 100 {
		t.Errorf("%d steps, %d flushes: the trace is not whole", a.acknowledged, a.flushes)
	}
}

// TestPowerMayFailAfterAKill: a process is killed between a write and its flush. The next one finds the
// write in the page cache and goes on from it, and then the power fails. bbolt alone does not survive
// that: the next commit may write over pages that the meta page on the disk still needs.
func TestPowerMayFailAfterAKill(t *testing.T) {
	const before, after = 60, 12
	path := temporary(t)
	events := trace(t, child(t, "write", path, 0, before, 6), path)
	killed := 0
	for i := len(events) - 1; i > 0 && killed < 5; i-- {
		if events[i].call != "flush" || events[i-1].call != "write" || events[i-1].at >= int64(2*os.Getpagesize()) {
			continue // not the flush of a meta page
		}
		killed++
		a := newAudit(t, before+after)
		a.quiet = true // the other test's part
		a.follow(events[:i])
		a.quiet = false
		cached := a.disk.lost(func(int) bool { return true }, nil)
		path := temporary(t)
		if err := os.WriteFile(path, cached, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := clients(temporaryCopy(t, path))
		if err != nil {
			t.Fatal(err)
		}
		at := a.history.find(got, a.acknowledged, before)
		a.follow(trace(t, child(t, "write", path, at, at+after, 6), path))
		if a.acknowledged != at+after {
			t.Errorf("%d steps, want %d", a.acknowledged, at+after)
		}
	}
	if killed < 5 {
		t.Errorf("only %d flushes to be killed at", killed)
	}
}

func temporaryCopy(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	to := temporary(t)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}
