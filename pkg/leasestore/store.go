package leasestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/inotify"
)

// Format is the number of the format that this version writes. It reads every one up to it.
const Format = 1

// The buckets of the file, and the key of the format's number.
var (
	metaBucket    = []byte("meta")
	bootsBucket   = []byte("boots")
	journalBucket = []byte("journal") // a bucket a segment, named by its first sequence number
	valuesBucket  = []byte("values")

	formatKey = []byte("format")
)

// DefaultMaxQueue is how many changes may wait for the disk where Options says nothing.
const DefaultMaxQueue = 16384

// Options say which store is opened and by whom.
type Options struct {
	// Path is the file; it is made, with mode 0600, if it is missing. Its folder must be there.
	Path string
	// BootID is the identity of the running boot (clock.BootID), and Clock is its clock.
	BootID string
	Clock  clock.Clock
	// Wall is the wall clock, for Lease.Wall; nil stands for time.Now.
	Wall func() time.Time

	// MaxQueue is how many changes may wait while others are written; 0 stands for DefaultMaxQueue.
	MaxQueue int
	// Pace is the least time from the beginning of one group's writing to that of the next one's: what comes
	// meanwhile shares its flushes, unless it is enough for a group of its own. What comes after a longer pause
	// is written at once, as is what only Commits ask for: one that is repeated would wait each time, and nobody shares
	// its flush. 0 for none.
	Pace time.Duration

	// Load is told each lease once, with Granted on this boot's clock, before Open returns; nil: nobody.
	// The Lease is its own from then on.
	Load func(*Lease)
	// Done is told what has become of Begins, in their order; nil: nobody. It is called by the store's
	// one goroutine, which writes nothing meanwhile: it must not wait for the store. The slice is the
	// store's.
	Done func([]Result)
	// Astray is told when the file is not at Path any more (it was removed, renamed or replaced), or was written
	// over. Back says that it is there again, with all that it had; else nothing can be stored until somebody
	// does what the Fault says. Nil: nobody. It is called by the store's goroutine, by Open
	// and by Close.
	Astray func(what *Fault, back bool)

	segment uint64 // records; tests make it small
}

// A Store is an open lease store. Its methods may be called by several goroutines at once.
type Store struct {
	o       Options
	present uint64        // the number of this boot
	wake    chan struct{} // one value: something waits
	done    chan struct{} // closed when the writer has ended

	mu      sync.Mutex
	waiting *batch
	closed  bool
	stats   Stats
	dead    error // why nothing can be read or written any more

	// What follows is the writer's, except that others may read values while they hold bolt for reading.
	bolt    sync.RWMutex
	file    *os.File // bbolt's
	id      fileID   // of file, or of the one that was last open
	last    uint64   // bbolt's transaction that the file ends with
	astray  *Fault   // why the path does not lead to file
	names   *inotify.Watcher
	absent  error // why db is nil, where it could not be opened anew
	db      *bbolt.DB
	journal journal
	holds   holding // from scan to load
	boots   boots
	stale   bool // the boots are not stored as they are
	suspect bool // the last commit failed: look at the file before the next
	commit  func(*bbolt.Tx) error
	results []Result
}

// Stats are figures of a store, for metrics.
type Stats struct {
	Leases   int // in the store
	Records  int // in the journal: leases, and what newer records have made void
	Segments int
	Bytes    int64 // of the file, the free part of it included

	Commits  uint64 // groups of changes written and flushed
	Changes  uint64 // in them
	Failures uint64 // groups that the disk did not take
	Refused  uint64 // Begins answered by ErrBusy
	Queued   int    // changes that wait now

	Returns uint64 // times that the file was not at its path, and was written there again
	Astray  bool   // it is not there now, or was written over
}

// Since returns the figures with what was counted by an earlier Store, in whose place this one is.
func (s Stats) Since(earlier Stats) Stats {
	s.Commits += earlier.Commits
	s.Changes += earlier.Changes
	s.Failures += earlier.Failures
	s.Refused += earlier.Refused
	s.Returns += earlier.Returns
	return s
}

// Open opens the store, checks all of it, and tells Load its leases. It fails with a *Fault, which has
// the cure, where the file is locked (ErrLocked), damaged (ErrCorrupt), of a newer version (ErrNewer) or
// not this user's; it never makes a new store in the place of one that it cannot read.
func Open(o Options) (*Store, error) {
	if o.BootID == "" || len(o.BootID) > maxName || o.Clock == nil {
		return nil, fmt.Errorf("lease store %s: boot id %q or clock %w", o.Path, o.BootID, ErrInvalid)
	}
	if o.Wall == nil {
		o.Wall = time.Now
	}
	if o.MaxQueue == 0 {
		o.MaxQueue = DefaultMaxQueue
	}
	if o.segment == 0 {
		o.segment = segmentRecords
	}
	s := &Store{
		o: o, wake: make(chan struct{}, 1), done: make(chan struct{}), waiting: &batch{},
		commit: (*bbolt.Tx).Commit,
	}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("lease store: %w", err)
	}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("lease store: %w", errors.Join(err, s.closeBolt()))
	}
	s.publish(0, nil)
	s.names, _ = inotify.New() // without it each commit looks all the same
	s.listen()
	go s.run()
	return s, nil
}

// open opens and checks the file and reads what the journal has, but not yet the leases.
func (s *Store) open() error {
	known := s.id != fileID{}
	if !known {
		if err := s.finish(); err != nil {
			return err
		}
	}
	f, err := openFile(s.o.Path, !known)
	if known && errors.Is(err, fs.ErrNotExist) {
		return s.lost(err)
	}
	if err != nil {
		return err
	}
	if id, _, err := idOf(f); err != nil || known && id != s.id {
		return errors.Join(s.lost(err), f.Close())
	}
	sweep(s.o.Path)
	if err := s.openLocked(f); err != nil {
		_ = f.Close() // bbolt may have closed it
		return err
	}
	return nil
}

func (s *Store) openLocked(f *os.File) error {
	if err := verify(f); err != nil {
		return damaged(s.o.Path, err)
	}
	db, err := openBolt(s.o.Path, f)
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return fmt.Errorf("%s: %w", s.o.Path, err) // no memory for the map, and the like
	}
	if err != nil {
		return damaged(s.o.Path, err)
	}
	s.db, s.file = db, f
	if s.id, _, err = idOf(f); err != nil {
		return errors.Join(err, s.shut())
	}
	metas, err := readMetas(f)
	if err != nil {
		return errors.Join(err, s.shut())
	}
	s.last = newest(metas).transaction
	err = s.bolted(func() error { return db.View(s.scan) })
	switch {
	case err == nil:
		err = settle(f)
	case !errors.Is(err, ErrNewer) && !errors.Is(err, ErrCorrupt):
		err = damaged(s.o.Path, err)
	}
	if err != nil {
		return errors.Join(err, s.shut())
	}
	return nil
}

// Close writes and flushes what was begun, tells Done, and closes the file. A second Close does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		<-s.done
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.nudge()
	<-s.done
	err := s.ended()
	if err == nil {
		if err = s.farewell(); s.db != nil && s.ended() == nil {
			err = errors.Join(err, s.home())
		}
	}
	if s.ended() != nil { // be it since farewell
		s.abandon()
	}
	if s.names != nil {
		err = errors.Join(err, s.names.Close())
	}
	if err = errors.Join(err, s.closeBolt()); err != nil {
		return fmt.Errorf("close lease store: %w", err)
	}
	return nil
}

// abandon gives up the file, and its lock, from under a bbolt that cannot be closed any more. The memory
// map stays, and would keep the lock.
func (s *Store) abandon() {
	_ = unix.Flock(int(s.file.Fd()), unix.LOCK_UN) // it may be closed already
	_ = s.file.Close()
}

// closeBolt closes the file when nobody reads in it any more.
func (s *Store) closeBolt() error {
	s.bolt.Lock()
	defer s.bolt.Unlock()
	return s.shut()
}

// shut closes the file, unless bbolt has panicked and may hold its own locks for ever.
func (s *Store) shut() error {
	if usable := s.ended() == nil; s.db == nil || !usable {
		return nil
	}
	err := s.bolted(s.db.Close)
	s.db = nil
	return err
}

// bolted runs f, which uses bbolt. If bbolt panics, it may hold its locks for ever: nobody may use it then.
func (s *Store) bolted(f func() error) error {
	if err := s.ended(); err != nil {
		return err
	}
	err := guard(f)
	if panicked := (*panicError)(nil); errors.As(err, &panicked) {
		return s.end(damaged(s.o.Path, err))
	}
	return err
}

// end says why nothing more can be done with the file.
func (s *Store) end(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead == nil {
		s.dead = err
	}
	return s.dead
}

// ended is the error of end, nil if there was none.
func (s *Store) ended() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead
}

// Stats returns the store's figures as they are now.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Queued = len(s.waiting.ops)
	return st
}
