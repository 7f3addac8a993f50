package leasestore

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"
)

// segmentRecords is how many records a segment takes. Dropping one is the largest piece of work that a
// commit can have: it frees about 400 pages.
const segmentRecords = 1 << 14

// A segment is a bucket of records with ascending sequence numbers.
type segment struct {
	first   uint64 // sequence number of its first record, and its name
	records int
}

// A journal is what the writer knows of the segments: all that it takes to append and to compact.
//
// The newest record of a key holds. The oldest segment is always the one that is compacted: those of its
// records that hold are appended again, then it is dropped. So a record that removes a key may go with
// its segment: every record that it made void is at least as old, and gone with it.
type journal struct {
	next     uint64 // sequence number of the next record
	segments []segment
	records  int
	scan     uint64         // what of the oldest segment stands before this has been looked at
	live     map[key]uint64 // the sequence number of the record that holds
}

// A draft is what a transaction does to the journal. It is taken over when the commit has succeeded.
type draft struct {
	*journal
	tx      *bbolt.Tx
	root    *bbolt.Bucket
	bucket  *bbolt.Bucket // of the last segment, nil if not yet needed
	limit   int           // records a segment
	moved   []placed
	arena   []byte // of the records that are moved
	changed journal
}

// A placed is a key and the sequence number of its newest record.
type placed struct {
	key key
	seq uint64
}

// begin prepares a draft, which takes the memory of an earlier one.
func (d *draft) begin(tx *bbolt.Tx, j *journal, limit uint64) {
	d.journal, d.tx, d.root, d.bucket, d.limit = j, tx, tx.Bucket(journalBucket), nil, int(limit)
	d.moved, d.arena = d.moved[:0], d.arena[:0]
	segments := append(d.changed.segments[:0], j.segments...)
	d.changed = *j
	d.changed.segments = segments
}

// append puts a record at the end and returns its sequence number.
func (d *draft) append(record []byte) (uint64, error) {
	c := &d.changed
	if n := len(c.segments); n == 0 || c.segments[n-1].records >= d.limit {
		bucket, err := d.root.CreateBucket(sequence(c.next))
		if err != nil {
			return 0, fmt.Errorf("segment %d: %w", c.next, err)
		}
		d.bucket = bucket
		c.segments = append(c.segments, segment{first: c.next})
	}
	last := &c.segments[len(c.segments)-1]
	if d.bucket == nil {
		if d.bucket = d.root.Bucket(sequence(last.first)); d.bucket == nil {
			return 0, fmt.Errorf("segment %d is missing", last.first)
		}
	}
	d.bucket.FillPercent = 1 // keys ascend: a page that is full stays so
	seq := c.next
	seal(record, seq)
	if err := d.bucket.Put(sequence(seq), record); err != nil {
		return 0, fmt.Errorf("record %d: %w", seq, err)
	}
	c.next++
	c.records++
	last.records++
	return seq, nil
}

// excess is how many void records there are beyond those that are left alone: as many as hold, and two
// segments. With that a record is written about once more in its life, and the file has twice the size.
func (d *draft) excess() int {
	return d.changed.records - 2*len(d.live) - 2*d.limit
}

// compact looks at up to budget records of the oldest segment.
func (d *draft) compact(budget int) error {
	for budget > 0 && d.excess() > 0 && len(d.changed.segments) > 1 {
		oldest := d.changed.segments[0]
		bucket := d.root.Bucket(sequence(oldest.first))
		if bucket == nil {
			return fmt.Errorf("segment %d is missing", oldest.first)
		}
		used, end, err := d.sift(bucket, budget)
		if err != nil {
			return fmt.Errorf("segment %d: %w", oldest.first, err)
		}
		if budget -= used; !end {
			return nil
		}
		if err := d.root.DeleteBucket(sequence(oldest.first)); err != nil {
			return fmt.Errorf("drop segment %d: %w", oldest.first, err)
		}
		d.changed.segments = d.changed.segments[1:]
		d.changed.records -= oldest.records
		d.changed.scan = 0
	}
	return nil
}

// sift appends again what holds among the next records of a segment; end says that they were the last.
func (d *draft) sift(bucket *bbolt.Bucket, budget int) (used int, end bool, err error) {
	c := bucket.Cursor()
	k, v := c.Seek(sequence(d.changed.scan))
	for ; k != nil && used < budget; k, v = c.Next() {
		seq, err := number(k)
		if err != nil {
			return used, false, err
		}
		kind, key, err := openRecord(v, seq)
		if err != nil {
			return used, false, fmt.Errorf("record %d: %w", seq, err)
		}
		used++
		d.changed.scan = seq + 1
		if kind != kindLease || d.live[key] != seq {
			continue
		}
		// A copy: bbolt's map may move before the commit, and the checksum becomes another.
		record := bytes.Clone(v)
		moved, err := d.append(record)
		if err != nil {
			return used, false, err
		}
		d.moved = append(d.moved, placed{key, moved})
	}
	return used, k == nil, nil
}

// end notes where the journal ends, so that a page that has lost its last records is not believed. The
// bucket's own number stands in a page that every commit writes anyway.
func (d *draft) end() error { return d.root.SetSequence(d.changed.next) }

// done takes the draft over, with the keys that the batch has changed.
func (d *draft) done(b *batch, first uint64) {
	for _, m := range d.moved {
		d.live[m.key] = m.seq
	}
	seq := first
	for _, o := range b.ops {
		switch o.kind {
		case kindLease:
			d.live[o.key] = seq
			seq++
		case kindForget:
			delete(d.live, o.key)
			seq++
		}
	}
	old := d.segments
	*d.journal = d.changed
	d.changed.segments = old[:0]
}
