package leasestore

import (
	"fmt"
	"strconv"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// scan reads the whole store once and keeps what the writer must know.
func (s *Store) scan(tx *bbolt.Tx) error {
	if err := checkFormat(tx, s.o.Path); err != nil {
		return err
	}
	bs, err := loadBoots(tx)
	if err != nil {
		return err
	}
	c := census{journal: journal{next: 1, live: make(map[key]uint64, expected(tx.Bucket(journalBucket)))}, boots: bs}
	if err := eachRecord(tx, c.record, c.segment); err != nil {
		return err
	}
	if end := tx.Bucket(journalBucket).Sequence(); end != c.next && (end > 0 || c.records > 0) {
		return fmt.Errorf("its last record is %d, which should be %d", c.next-1, end-1)
	}
	if err := checkValues(tx.Bucket(valuesBucket)); err != nil {
		return err
	}
	s.journal, s.holds = c.journal, c.holds
	s.boots, s.stale = c.boots.enter(s.o.BootID)
	if s.stale && c.oldest > 0 {
		s.boots = s.boots.since(c.oldest)
	}
	return s.enter(s.boots.present().number)
}

// enter sets the number of this boot, which Begin reads: it is the same whenever the file is opened anew.
func (s *Store) enter(number uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.present != 0 && s.present != number {
		return fmt.Errorf("boot %d is boot %d now", s.present, number)
	}
	s.present = number
	return nil
}

// checkFormat refuses a file that a newer version wrote, or somebody else.
func checkFormat(tx *bbolt.Tx, path string) error {
	for _, name := range [][]byte{metaBucket, bootsBucket, journalBucket, valuesBucket} {
		if tx.Bucket(name) == nil {
			return fmt.Errorf("no bucket %s: it is a bbolt file, but no lease store", name)
		}
	}
	stored := string(tx.Bucket(metaBucket).Get(formatKey))
	switch n, err := strconv.Atoi(stored); {
	case err != nil || n < 1:
		return fmt.Errorf("format number %q", stored)
	case n > Format:
		return &Fault{
			Err: fmt.Errorf("%s: %w: %d, this version knows %d", path, ErrNewer, n, Format),
			Cure: "install the version that wrote it or a later one; " +
				"or give this one a folder of its own (--state-dir) and pools that start at other addresses",
		}
	}
	return nil
}

// expected is about how many leases a journal has, if it has been compacted lately.
func expected(root *bbolt.Bucket) uint64 {
	name, _ := root.Cursor().First()
	first, err := number(name)
	if end := root.Sequence(); err == nil && end > first {
		return min((end-first)/2, 1<<24)
	}
	return 0
}

// A census is what scan finds out.
type census struct {
	journal
	boots  boots
	oldest uint64 // number of the oldest boot that a record has, 0 if none
	holds  holding
}

// A holding says which records hold, a bit each, so that a second pass need not look up each of them.
type holding struct {
	first uint64 // sequence number of the first bit
	bits  []uint64
}

func (h *holding) has(seq uint64) bool {
	return seq >= h.first && (seq-h.first)/64 < uint64(len(h.bits)) && h.bits[(seq-h.first)/64]>>((seq-h.first)%64)&1 == 1
}

func (h *holding) set(seq uint64) {
	if len(h.bits) == 0 {
		h.first = seq
	}
	for uint64(len(h.bits)) <= (seq-h.first)/64 {
		h.bits = append(h.bits, 0)
	}
	h.bits[(seq-h.first)/64] |= 1 << ((seq - h.first) % 64)
}

func (h *holding) clear(seq uint64) { h.bits[(seq-h.first)/64] &^= 1 << ((seq - h.first) % 64) }

func (c *census) segment(first uint64) error {
	if n := len(c.segments); n > 0 && first != c.next {
		return fmt.Errorf("segment %d in the place of %d", first, c.next)
	}
	c.next = first
	c.segments = append(c.segments, segment{first: first})
	return nil
}

func (c *census) record(seq uint64, record []byte) error {
	if seq != c.next {
		return fmt.Errorf("it stands in the place of %d", c.next)
	}
	kind, k, err := openRecord(record, seq)
	if err != nil {
		return err
	}
	c.next = seq + 1
	c.records++
	c.segments[len(c.segments)-1].records++
	if old, ok := c.live[k]; ok {
		c.holds.clear(old)
	}
	if kind == kindForget {
		delete(c.live, k)
		return nil
	}
	c.holds.set(seq)
	boot, granted, err := momentOf(record)
	if err != nil {
		return err
	}
	if c.oldest == 0 || boot < c.oldest {
		c.oldest = boot
	}
	c.live[k] = seq
	return c.boots.seen(boot, granted)
}

// eachRecord goes through the segments and their records in ascending order.
func eachRecord(tx *bbolt.Tx, record func(seq uint64, record []byte) error, segment func(first uint64) error) error {
	root := tx.Bucket(journalBucket)
	return root.ForEach(func(name, _ []byte) error {
		first, err := number(name)
		if err != nil {
			return fmt.Errorf("segment: %w", err)
		}
		bucket := root.Bucket(name)
		if bucket == nil {
			return fmt.Errorf("segment %d is no bucket", first)
		}
		if err := segment(first); err != nil {
			return err
		}
		return bucket.ForEach(func(k, v []byte) error {
			seq, err := number(k)
			if err == nil {
				err = record(seq, v)
			}
			if err != nil {
				return fmt.Errorf("segment %d, record %d: %w", first, seq, err)
			}
			return nil
		})
	})
}

// load tells the leases to their user.
func (s *Store) load() error {
	defer func() { s.holds = holding{} }()
	defer s.release()
	if s.o.Load == nil {
		return nil
	}
	intern, telling := interner{}, false
	err := s.bolted(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			return eachRecord(tx, func(seq uint64, record []byte) error {
				if !s.holds.has(seq) {
					return nil
				}
				l, boot, err := decodeLease(record, intern)
				if err != nil {
					return err
				}
				l.Granted = s.boots.here(boot, l.Granted)
				telling = true
				s.o.Load(l)
				telling = false
				return nil
			}, func(uint64) error { return nil })
		})
	})
	if telling {
		panic(err) // Load's own: no word about the file
	}
	if err != nil && s.ended() == nil {
		return damaged(s.o.Path, err)
	}
	return err
}

// release gives back the memory of the file's pages that were read; those that are needed come back from
// the page cache. The store is read as a whole only when it is loaded and when it is compacted.
func (s *Store) release() {
	_ = s.bolted(func() error { // what fails costs only memory
		return s.db.View(func(tx *bbolt.Tx) error {
			_, _, errno := unix.Syscall(unix.SYS_MADVISE, s.db.Info().Data, uintptr(tx.Size()), unix.MADV_DONTNEED)
			if errno != 0 {
				return errno
			}
			return nil
		})
	})
}

// saveBoots stores the boots with what is known of the present one.
func (s *Store) saveBoots(tx *bbolt.Tx) error {
	p := s.boots.present()
	p.last = min(max(p.last, s.o.Clock.Now()), farthest)
	if err := s.boots.save(tx); err != nil {
		return fmt.Errorf("boots: %w", err)
	}
	return nil
}

// farewell notes how long this boot has run.
func (s *Store) farewell() error {
	if s.suspect || s.db == nil {
		return nil // it is known well enough by the moments of the leases
	}
	return s.bolted(func() error {
		landed, err := s.transact(s.saveBoots)
		if landed {
			return settle(s.file)
		}
		return err
	})
}
