package leasestore

import (
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
)

// How much of the oldest segment a commit looks at while there is too much that is void: this many
// records for each change, and at least so many.
const (
	siftPerChange = 4
	siftAtLeast   = 256
)

// run writes what waits, as one group: what comes while a group is being flushed makes the next one.
func (s *Store) run() {
	defer close(s.done)
	spare, d := &batch{}, &draft{}
	names := s.heard()
	next := newPace(s.o.Pace)
	defer next.timer.Stop()
	for {
		select {
		case <-s.wake:
		case <-next.timer.C:
		case events, ok := <-names:
			if !ok {
				names = nil
			}
			if named, written := s.concerns(events); named || !ok {
				s.look(written)
			}
			continue
		}
		s.mu.Lock()
		b, closed := s.waiting, s.closed
		if !closed && b.paced && len(b.ops) < enough && next.early() {
			s.mu.Unlock()
			continue
		}
		s.waiting = spare
		s.mu.Unlock()
		if len(b.begins) > 0 {
			s.tell(b, d, s.write(b, d))
		}
		b.reset()
		spare = b
		if closed {
			return // nothing can have come since
		}
	}
}

// look finds the file that is not in its place though nobody writes, or which somebody else has written.
func (s *Store) look(written bool) {
	if s.ended() != nil || s.db == nil {
		return
	}
	if err := s.home(); err != nil || s.suspect { // Astray is told, or the next commit looks
		return
	}
	if !s.intact() || written && s.whole() != nil {
		_ = s.spoiled() // Astray is told
	}
}

// write makes a batch durable.
func (s *Store) write(b *batch, d *draft) error {
	if err := s.ended(); err != nil {
		return err
	}
	if s.suspect {
		if err := s.recover(); err != nil {
			return err
		}
	}
	if s.astray != nil {
		if err := s.home(); err != nil {
			return err
		}
	}
	var landed bool
	err := s.bolted(func() (err error) {
		landed, err = s.transact(func(tx *bbolt.Tx) error { return s.draft(tx, b, d) })
		return err
	})
	if ended := s.ended(); ended != nil {
		return ended
	}
	switch {
	case err == nil:
		s.written(b, d)
		if err := s.home(); err != nil {
			return fmt.Errorf("%w: %w", ErrUncertain, err)
		}
		return nil
	case landed:
		return s.landed(err)
	}
	s.suspect = true
	return s.refused(err)
}

// written takes over what a commit has changed.
func (s *Store) written(b *batch, d *draft) {
	segments := s.journal.segments
	before, oldest := len(segments), uint64(0)
	if before > 0 {
		oldest = segments[0].first
	}
	d.done(b, s.first(b, d))
	if now := s.journal.segments; len(now) > 0 && (len(now) != before || now[0].first != oldest) {
		// Now and then: how long this boot has run, and no more memory for pages than is needed.
		s.stale = true
		s.release()
		return
	}
	s.stale = false
}

// first is the sequence number of a batch's first record: they stand at the end.
func (s *Store) first(b *batch, d *draft) uint64 {
	records := uint64(0)
	for _, o := range b.ops {
		if o.kind == kindLease || o.kind == kindForget {
			records++
		}
	}
	return d.changed.next - records
}

// transact runs f in a transaction and commits it. Where that fails, landed says that the file has the
// transaction all the same, as far as can be read: bbolt writes the meta page before the last flush.
func (s *Store) transact(f func(*bbolt.Tx) error) (landed bool, err error) {
	tx, err := s.db.Begin(true)
	if err != nil {
		return false, err
	}
	id := uint64(tx.ID())
	if id != s.last+1 {
		return false, errors.Join(s.spoiled(), tx.Rollback())
	}
	if err := f(tx); err != nil {
		return false, errors.Join(err, tx.Rollback())
	}
	if err := s.commit(tx); err != nil {
		return s.reached(id), err
	}
	s.last = id
	return false, nil
}

// draft puts a batch into a transaction, and some compaction before it: what is moved is older.
func (s *Store) draft(tx *bbolt.Tx, b *batch, d *draft) error {
	d.begin(tx, &s.journal, s.o.segment)
	if s.stale {
		if err := s.saveBoots(tx); err != nil {
			return err
		}
	}
	if err := d.compact(max(siftAtLeast, siftPerChange*len(b.ops))); err != nil {
		return err
	}
	values := tx.Bucket(valuesBucket)
	for _, o := range b.ops {
		var err error
		switch o.kind {
		case kindLease, kindForget:
			_, err = d.append(b.arena[o.from:o.to])
		case kindSet:
			err = putValue(values, b.arena[o.from:o.name], b.arena[o.name:o.to])
		case kindUnset:
			err = deleteValue(values, b.arena[o.from:o.name])
		}
		if err != nil {
			return err
		}
	}
	return d.end()
}

// tell reports a batch to those who began it.
func (s *Store) tell(b *batch, d *draft, err error) {
	s.publish(len(b.ops), err)
	seq, from := uint64(0), 0
	if err == nil {
		seq = s.first(b, d) - 1
	}
	s.results = s.results[:0]
	for _, w := range b.begins {
		r := Result{ID: w.id, Err: err}
		for _, o := range b.ops[from:w.end] {
			if err == nil && (o.kind == kindLease || o.kind == kindForget) {
				seq++
				r.Seq = seq
			}
		}
		from = w.end
		if w.waiter != nil {
			w.waiter <- r
			continue
		}
		s.results = append(s.results, r)
	}
	if s.o.Done != nil && len(s.results) > 0 {
		s.o.Done(s.results)
	}
}

// publish makes the figures that Stats gives; changes are those of a group that has just been written.
func (s *Store) publish(changes int, err error) {
	var size int64
	if info, err := s.file.Stat(); err == nil {
		size = info.Size()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.stats
	st.Leases, st.Records, st.Segments, st.Bytes = len(s.journal.live), s.journal.records, len(s.journal.segments), size
	switch {
	case err != nil:
		st.Failures++
	case changes > 0:
		st.Commits++
		st.Changes += uint64(changes)
	}
}
