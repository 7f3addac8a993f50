package pool

import (
	"container/heap"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/leasestore"
)

// A queue has the bindings that end, the first one to come due at its head. A binding that is extended
// keeps its place until it comes due there: clients extend theirs many times before one ends.
type queue []*Binding

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i]; q[i].at, q[j].at = int32(i), int32(j) }

// Push is heap.Interface's.
func (q *queue) Push(x any) {
	b := x.(*Binding) //nolint:forcetypeassert // only this package pushes
	b.at = int32(len(*q))
	*q = append(*q, b)
}

// Pop is heap.Interface's.
func (q *queue) Pop() any {
	last := len(*q) - 1
	b := (*q)[last]
	(*q)[last], b.at = nil, -1
	*q = (*q)[:last]
	return b
}

// next is when something happens to the binding by itself: it ends, or it has been kept back long enough.
func (b *Binding) next() clock.Instant {
	if b.state == leasestore.Expired {
		return b.Ends().Add(b.grace())
	}
	return b.Ends()
}

// LeastGrace is how long an address is kept back in any case. An answer that waits for the disk may reach
// its client so much later than its lifetimes count from.
const LeastGrace = time.Second

func (b *Binding) grace() time.Duration {
	if b.pool == nil {
		return LeastGrace
	}
	return max(LeastGrace, b.pool.Grace)
}

// schedule puts the binding where it comes due at the latest when it must.
func (t *Table) schedule(b *Binding) {
	due := b.next()
	switch {
	case b.at < 0 && due != clock.Never:
		b.due = due
		heap.Push(&t.queue, b)
	case b.at >= 0 && due.Before(b.due):
		b.due = due
		heap.Fix(&t.queue, int(b.at))
	}
}

// Deadline is when Due has something to tell, clock.Never if it has not.
func (t *Table) Deadline() clock.Instant {
	if len(t.queue) == 0 {
		return clock.Never
	}
	return t.queue[0].due
}

// Due returns the next binding to which something has happened by now, nil if there is none: one that has
// expired and is kept back, or, with over set, one that was free again and is not in the table any more.
func (t *Table) Due(now clock.Instant) (b *Binding, over bool) {
	for len(t.queue) > 0 && !now.Before(t.queue[0].due) {
		b := t.queue[0]
		heap.Pop(&t.queue)
		switch due := b.next(); {
		case now.Before(due):
			t.schedule(b)
		case b.state == leasestore.Bound:
			b.state = leasestore.Expired
			t.schedule(b)
			return b, false
		default:
			t.Remove(b)
			return b, true
		}
	}
	return nil, false
}
