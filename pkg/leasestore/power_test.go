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

// TestPowerMayFailAtAnyMoment records every write and every flush of processes that make, fill, compact
// and reopen a store, as the kernel sees them, and what they acknowledged in between. Then, at every
// flush, the power fails: of what was not flushed some is written, the rest is not, pages are torn. The
// store must open and have all that was acknowledged by then, and what else it has must be whole steps.
func TestPowerMayFailAtAnyMoment(t *testing.T) {
	const steps = 240
	path := temporary(t)
	events := trace(t, child(t, "write", path, 0, steps/2, 6), path)
	events = append(events, trace(t, child(t, "write", path, steps/2, steps, 6), path)...)
	h := &history{}
	if got, err := clients(path); err != nil || h.find(got, steps, steps) < 0 {
		t.Fatalf("without a loss of power: %v, %v", got, err)
	}

	r, d, image := rand.New(rand.NewPCG(8, 8)), &disk{}, temporary(t)
	named, acknowledged, writes, flushes, seen := false, 0, 0, 0, map[string]int{}
	check := func(how string, b []byte) {
		if least, ok := seen[string(b)]; ok && least >= acknowledged {
			return
		}
		seen[string(b)] = acknowledged
		if err := os.WriteFile(image, b, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := clients(image)
		if err != nil {
			t.Fatalf("flush %d, %s: %v", flushes, how, err)
		}
		if h.find(got, acknowledged, steps) < 0 {
			t.Fatalf("flush %d, %s, %d acknowledged: %v", flushes, how, acknowledged, got)
		}
	}
	for _, e := range events {
		switch e.call {
		case "say":
			lines := strings.Fields(string(e.data))
			acknowledged = atoi(lines[len(lines)-1]) + 1
			check("nothing lost but what is not flushed", d.flushed)
		case "link":
			if len(d.pending) > 0 {
				t.Fatalf("the file has its name before it is flushed: %d writes", len(d.pending))
			}
			named = true
		case "flush":
			if named {
				d.each(r, check)
			}
			flushes++
			d.flush()
		default:
			writes++
			d.pending = append(d.pending, e)
		}
	}
	t.Logf("%d steps, %d writes, %d flushes, %d states of the disk", acknowledged, writes, flushes, len(seen))
	if acknowledged != steps || flushes < 100 {
		t.Errorf("%d steps, %d flushes: the trace is not whole", acknowledged, flushes)
	}
}
