package leasestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// made is the transaction with which create leaves an empty store.
const made = 2

// finish does what a process was about to do that was killed: it had made a whole copy of its file, which was
// removed, moved or replaced, and not put it into its place yet. Whoever else is in such a copy has it locked.
func (s *Store) finish() error {
	left, err := filepath.Glob(s.o.Path + ".new-*")
	if err != nil {
		return nil //nolint:nilerr // the path has a wildcard in it that is none
	}
	for _, name := range left {
		f, err := openRegular(name)
		if err != nil {
			continue // it is nobody's copy, or gone
		}
		if lock(f) == nil && isCopy(f) {
			err = s.adopt(f)
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return reachable(s.o.Path, err)
		}
	}
	return nil
}

// isCopy reports whether the file is a whole store in which something was stored.
func isCopy(f *os.File) bool {
	metas, err := readMetas(f)
	if err != nil {
		return false
	}
	m := newest(metas)
	return m != nil && m.transaction > made && verify(f) == nil
}

// adopt puts the copy into the store's place, unless somebody has put another file there since it was made, as who
// restores a backup does; then it is kept beside that.
func (s *Store) adopt(f *os.File) error {
	copied, err := f.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(s.o.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case os.SameFile(there, copied):
		return s.unname(f.Name())
	case changed(there).After(changed(copied)):
		return s.keepBeside(f.Name(), copied)
	}
	if half := s.foundName(copied); half != "" { // under which it was to change places
		if err := os.Remove(half); err != nil {
			return err
		}
	}
	kept, err := PutInPlace(f.Name(), s.o.Path)
	if err == nil {
		err = s.unname(f.Name())
	}
	if err == nil {
		s.returned("the file was removed or moved while in use, and v6responder killed then", kept)
	}
	return err
}

// keepBeside keeps the copy under the first name that is free.
func (s *Store) keepBeside(name string, copied fs.FileInfo) error {
	kept := s.foundName(copied)
	if kept == "" {
		var err error
		if kept, err = keepBeside(name, s.o.Path); err != nil {
			return err
		}
	}
	s.report(&Fault{
		Err: fmt.Errorf("lease store %s: an earlier run missed its file, and was killed before it had put a copy there; that is kept as %s", s.o.Path, kept),
		Cure: fmt.Sprintf("the file that was put there since then is used; to go on with what the earlier run had: stop v6responder, rename %s to %s and start",
			kept, s.o.Path),
	}, true)
	return s.unname(name)
}

// unname takes from the copy the name under which it was made; the other one is durable.
func (s *Store) unname(name string) error {
	return errors.Join(syncFolder(filepath.Dir(s.o.Path)), os.Remove(name))
}

// foundName is the name of a kept file that the copy has too, "" for none.
func (s *Store) foundName(copied fs.FileInfo) string {
	for n := 1; n <= MaxFound; n++ {
		if other, err := os.Lstat(s.found(n)); err == nil && os.SameFile(other, copied) {
			return s.found(n)
		}
	}
	return ""
}

// changed is when a file was written or got a name last.
func changed(info fs.FileInfo) time.Time {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return info.ModTime()
	}
	return time.Unix(st.Ctim.Unix())
}
