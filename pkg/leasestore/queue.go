package leasestore

import (
	"context"
	"fmt"
	"time"
)

const (
	maxValue = 64 << 10 // bytes of a value
	maxArena = 32 << 20 // bytes that may wait, whatever their number
)

// A batch is what waits: the changes of several Begins, encoded. Two of them take turns, so that in the
// long run nothing is allocated.
type batch struct {
	begins []begin
	ops    []op
	arena  []byte
	paced  bool      // it has a Begin, which may wait for others
	boot   time.Time // when this boot began, by the wall clock; zero until that is asked for
}

// A begin is one call of Begin or Commit.
type begin struct {
	id     uint64
	end    int           // its ops end here
	waiter chan<- Result // of a Commit, else nil
}

// An op is one change; its bytes are in the arena: a record, or a name and its value.
type op struct {
	kind           byte
	key            key
	from, name, to int
}

// The kinds of ops that are no records of the journal.
const (
	kindSet   = 128
	kindUnset = 129
)

func (b *batch) reset() {
	b.begins, b.ops, b.arena, b.paced, b.boot = b.begins[:0], b.ops[:0], b.arena[:0], false, time.Time{}
}

// Begin queues changes that are made durable together, in their order, and returns at once; Done is told
// under id what has become of them. It fails, and nothing is queued, with ErrBusy if as much as
// MaxQueue allows waits already (a Begin that is larger than MaxQueue is taken when nothing waits), with
// ErrClosed, or with ErrInvalid.
func (s *Store) Begin(id uint64, changes ...Change) error {
	return s.begin(begin{id: id}, changes)
}

// Commit makes changes durable together and waits for it; where no Begin waits, for no Pace. It fails as Begin
// does, with the error of the disk, or with ctx's; then they may still become durable. Done is not told.
func (s *Store) Commit(ctx context.Context, changes ...Change) error {
	c := make(chan Result, 1)
	if err := s.begin(begin{waiter: c}, changes); err != nil {
		return err
	}
	select {
	case r := <-c:
		return r.Err
	case <-ctx.Done():
		return fmt.Errorf("lease store: %w", ctx.Err())
	}
}

func (s *Store) begin(b begin, changes []Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.waiting
	switch {
	case s.closed:
		return ErrClosed
	case len(w.ops) > 0 && len(w.ops)+len(changes) > s.o.MaxQueue,
		len(w.begins) > s.o.MaxQueue, len(w.arena) > maxArena:
		s.stats.Refused++
		return ErrBusy
	}
	ops, arena := len(w.ops), len(w.arena)
	for _, c := range changes {
		if err := s.encode(w, c); err != nil {
			w.ops, w.arena = w.ops[:ops], w.arena[:arena]
			return err
		}
	}
	b.end = len(w.ops)
	w.begins = append(w.begins, b)
	w.paced = w.paced || b.waiter == nil
	if first := len(w.begins) == 1; first || ops < enough && len(w.ops) >= enough {
		s.nudge()
	}
	return nil
}

// encode adds one change to what waits.
func (s *Store) encode(w *batch, c Change) error {
	if err := Check(c); err != nil {
		return err
	}
	o := op{from: len(w.arena)}
	switch c := c.(type) {
	case Put:
		o.kind, o.key = kindLease, keyOf(c.Lease.Prefix)
		w.arena = appendLease(w.arena, s.stamped(w, c.Lease), s.present)
	case Forget:
		o.kind, o.key = kindForget, keyOf(c.Prefix)
		w.arena = appendForget(w.arena, o.key)
	case Set:
		o.kind = kindSet
		w.arena = append(w.arena, c.Name...)
		o.name = len(w.arena)
		w.arena = appendValue(w.arena, c.Name, c.Value)
	case Unset:
		o.kind = kindUnset
		w.arena = append(w.arena, c.Name...)
		o.name = len(w.arena)
	}
	o.to = len(w.arena)
	w.ops = append(w.ops, o)
	return nil
}

// Check says what keeps a change from being stored, whatever the store (ErrInvalid), nil if nothing does.
func Check(c Change) error {
	switch c := c.(type) {
	case Put:
		return checkLease(c.Lease)
	case Forget:
		return checkPrefix(c.Prefix)
	case Set:
		return checkValue(c.Name, c.Value)
	case Unset:
		return checkValue(c.Name, nil)
	}
	return fmt.Errorf("change %T %w", c, ErrInvalid)
}

// stamped is the lease with its moment on the wall clock. Both clocks are read once for all that waits.
func (s *Store) stamped(w *batch, l *Lease) *Lease {
	if !l.Wall.IsZero() {
		return l
	}
	if w.boot.IsZero() {
		w.boot = s.o.Wall().Add(-time.Duration(s.o.Clock.Now()))
	}
	c := *l
	c.Wall = w.boot.Add(time.Duration(l.Granted))
	return &c
}

// nudge wakes the writer: something waits, or enough, or nothing more comes.
func (s *Store) nudge() {
	select {
	case s.wake <- struct{}{}:
	default: // it is to wake already
	}
}
