package leasestore

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// A model is what a store must have: the client of each address.
type model map[int]int

// change makes up one change of at most that many addresses, and notes it.
func (m model) change(r *rand.Rand, addresses int) Change {
	n := r.IntN(addresses)
	if r.IntN(4) == 0 {
		delete(m, n)
		return Forget{address(n)}
	}
	m[n] = r.IntN(1 << 20)
	return put(n, m[n])
}

func (m model) leases() []*Lease {
	var all []*Lease
	for n, client := range m {
		all = append(all, stamped(lease(n, client)))
	}
	return all
}

func TestCompactionLosesNothingAndBoundsTheJournal(t *testing.T) {
	for _, tt := range []struct {
		addresses, group int
	}{{1, 1}, {10, 3}, {200, 1}, {200, 50}, {1000, 7}} {
		t.Run(fmt.Sprintf("%d addresses in groups of %d", tt.addresses, tt.group), func(t *testing.T) {
			r, m := rand.New(rand.NewPCG(1, uint64(tt.addresses))), model{}
			h := open(t, temporary(t))
			for round := range 3 {
				for range 500 / tt.group {
					var changes []Change
					for range tt.group {
						changes = append(changes, m.change(r, tt.addresses))
					}
					h.do(t, changes...)
					// Two segments, what a round of sifting has not yet dropped, and the group itself.
					if s := h.Stats(); s.Leases != len(m) || s.Records > 2*s.Leases+4*16+siftAtLeast+tt.group {
						t.Fatalf("round %d: %d leases wanted; figures: %+v", round, len(m), s)
					}
				}
				h = h.again(t)
				h.want(t, m.leases()...)
			}
		})
	}
}

// TestCompactionIsDoneInPieces proves the bound of the work of one commit: a journal that is full of
// cold leases is sifted over many commits, and leases that nobody touches are carried along.
func TestCompactionIsDoneInPieces(t *testing.T) {
	h := open(t, temporary(t), func(_ *harness, o *Options) { o.segment = 512 })
	var changes []Change
	for n := range 2000 {
		changes = append(changes, put(n, n))
	}
	h.do(t, changes...)
	most, before := 0, h.Stats().Records
	for n := range 1500 {
		h.do(t, put(0, 3*n), put(0, 3*n+1), put(0, 3*n+2), put(0, n))
		s := h.Stats()
		most = max(most, s.Records-before-4)
		before = s.Records
	}
	if most > siftAtLeast {
		t.Errorf("one commit moved %d records", most)
	}
	if s := h.Stats(); s.Records > 2*2000+3*512 {
		t.Errorf("the journal grows: %+v", s)
	}
	h = h.again(t)
	if len(h.loaded) != 2000 || h.loaded[address(0)].IAID != 1499 || h.loaded[address(1321)].IAID != 1321 {
		t.Errorf("%d leases, %v", len(h.loaded), h.loaded[address(0)])
	}
}
