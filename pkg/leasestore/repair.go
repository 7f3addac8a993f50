package leasestore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// settle writes the meta pages once more as they are and flushes the file. What this process sees may be
// in the page cache only: written by a process that was killed before it flushed, or left there, marked
// as written, by a flush that failed. bbolt would go on from it and write over pages that the meta page
// on the disk still needs.
func settle(f *os.File) error {
	metas, err := readMetas(f)
	if err != nil {
		return err
	}
	for i, m := range metas {
		if m == nil {
			continue
		}
		page, at := make([]byte, m.pageSize), int64(i)*int64(m.pageSize)
		if _, err := f.ReadAt(page, at); err != nil {
			return err
		}
		if _, err := f.WriteAt(page, at); err != nil {
			return err
		}
	}
	if err := unix.Fdatasync(int(f.Fd())); err != nil {
		return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}

// reached says whether the file, as far as it can be read, has the transaction of that number.
func (s *Store) reached(transaction uint64) bool {
	metas, err := readMetas(s.file)
	if err != nil {
		return true // nobody knows: landed finds out
	}
	m := newest(metas)
	return m != nil && m.transaction >= transaction
}

// landed deals with a commit that failed when its meta page had been written: if that can be flushed
// now, the commit has succeeded. bbolt believes that it has not, so the file is opened anew.
func (s *Store) landed(failed error) error {
	s.suspect = true
	if err := settle(s.file); err != nil {
		return s.refused(fmt.Errorf("%w: %w; then: %w", ErrUncertain, failed, err))
	}
	if err := s.reopen(); err != nil {
		s.giveUpIfDamaged(err)
		return nil // it is on the disk; the next group is told what became of the store
	}
	return nil
}

// recover brings the store back after a commit that failed, or says why that is not possible yet.
func (s *Store) recover() error {
	if err := s.probe(); err != nil {
		return s.refused(err)
	}
	if err := s.reopen(); err != nil {
		s.giveUpIfDamaged(err)
		return fmt.Errorf("lease store: %w", err)
	}
	return nil
}

func (s *Store) giveUpIfDamaged(err error) {
	if errors.Is(err, ErrCorrupt) {
		_ = s.end(err)
	}
}

// reopen opens the file anew and reads from it what the writer must know. Who reads values waits.
func (s *Store) reopen() error {
	if s.db != nil && !s.inPlace() {
		return s.home() // which opens what it has put there
	}
	s.bolt.Lock()
	s.absent = s.shut()
	if s.absent == nil {
		s.absent = s.open()
	}
	err := s.absent
	s.bolt.Unlock()
	if err != nil {
		return err
	}
	s.suspect, s.holds = false, holding{}
	s.release()
	return nil
}

// probeSize is what must fit beside the store before a failed commit is followed by another.
const probeSize = 256 << 10

// probe finds out cheaply whether the disk takes anything: opening a large store anew is dear.
func (s *Store) probe() (err error) {
	folder, base := filepath.Split(s.o.Path)
	f, err := os.CreateTemp(folder, base+".new-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	if _, err := f.Write(make([]byte, probeSize)); err != nil {
		return err
	}
	return f.Sync()
}

// refused is the error of a commit that the disk did not take.
func (s *Store) refused(err error) error {
	return &Fault{
		Err:  fmt.Errorf("lease store %s: %w", s.o.Path, err),
		Cure: "make room on the disk, or see the kernel's log for its errors" + GoesOn,
	}
}
