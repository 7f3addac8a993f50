package leasestore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/inotify"
)

// MaxFound is how many files that were put in the store's place are kept beside it.
const MaxFound = 9

// A fileID is which file an open one is, whatever its name.
type fileID struct{ device, inode uint64 }

// idOf tells, besides, whether the file has a name still.
func idOf(f *os.File) (id fileID, named bool, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return id, false, &os.PathError{Op: "fstat", Path: f.Name(), Err: err}
	}
	return fileID{st.Dev, st.Ino}, st.Nlink > 0, nil
}

// inPlace reports whether the path leads to the file that is written.
func (s *Store) inPlace() bool {
	var st unix.Stat_t
	return unix.Stat(s.o.Path, &st) == nil && fileID{st.Dev, st.Ino} == s.id
}

// home sees to it that the path leads to the file that is written: the next start finds only what stands
// there. A file that was removed, renamed or replaced is written to its path again, whole. The error is a
// *Fault; while it lasts nothing that is begun can be promised.
func (s *Store) home() error {
	if s.inPlace() {
		if s.astray != nil {
			s.putBackBySomebody()
		}
		return nil
	}
	what, err := s.whatBecame()
	kept := ""
	if err == nil {
		kept, err = s.writeAgain()
	}
	if err == nil {
		s.astray = nil
		s.returned(what, kept)
		return nil
	}
	if fault := (*Fault)(nil); errors.As(err, &fault) && errors.Is(err, ErrCorrupt) {
		return s.end(err)
	}
	s.stray(what, err)
	return s.astray
}

// whatBecame says where the file is that was in use.
func (s *Store) whatBecame() (string, error) {
	_, named, err := idOf(s.file)
	if err != nil {
		return "the file cannot be found any more", err
	}
	now, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", s.file.Fd()))
	switch {
	case named && err == nil && !strings.HasSuffix(now, " (deleted)"): // as after copied, whose name is away
		return "the file was moved to " + now + " while in use", nil
	case named:
		return "the file was moved while in use", nil
	}
	return "the file was removed while in use", nil
}

// nothingLost is the cure where the store has helped itself.
const nothingLost = "nothing is lost; stop v6responder before the file is moved, removed or replaced"

// putBackBySomebody tells of a file that has its place again without the store's doing.
func (s *Store) putBackBySomebody() {
	s.astray = nil
	s.report(&Fault{Err: fmt.Errorf("lease store %s: the file is in its place again", s.o.Path), Cure: nothingLost}, true)
}

// returned tells of a file that the store has put into its place again.
func (s *Store) returned(what, kept string) {
	f := &Fault{Cure: nothingLost}
	if kept != "" {
		what = "another file was put in its place while in use, which is kept as " + kept
		f.Cure = fmt.Sprintf("nothing is lost; to go on with the other file stop v6responder, rename %s to %s and start", kept, s.o.Path)
	}
	f.Err = fmt.Errorf("lease store %s: %s; all that it had is written there again", s.o.Path, what)
	s.mu.Lock()
	s.stats.Returns++
	s.mu.Unlock()
	s.report(f, true)
}

// report tells Astray.
func (s *Store) report(f *Fault, back bool) {
	s.mu.Lock()
	s.stats.Astray = !back
	s.mu.Unlock()
	if s.o.Astray != nil {
		s.o.Astray(f, back)
	}
}

// stray tells, once, of a file that has not its place again, and why.
func (s *Store) stray(what string, err error) {
	cure := "put the file, or its folder, back; or make the folder anew, so that this user can write to it: the store then goes on by itself"
	if fault := (*Fault)(nil); errors.As(err, &fault) {
		cure = fault.Cure
	}
	now := &Fault{Err: fmt.Errorf("lease store %s: %s, and is not written there again: %w", s.o.Path, what, err), Cure: cure}
	if s.astray != nil && s.astray.Error() == now.Error() {
		return // told already
	}
	s.astray = now
	s.report(now, false)
}

// writeAgain makes the path lead to a copy of the file, and goes on with that. Kept is the name that a file
// has now which stood there.
func (s *Store) writeAgain() (kept string, err error) {
	if err := s.mayReturn(); err != nil {
		return "", err
	}
	f, err := s.copied()
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = f.Close() // bbolt may have closed it
		}
	}()
	kept, err = PutInPlace(f.Name(), s.o.Path)
	if err = errors.Join(err, os.Remove(f.Name())); err != nil {
		return kept, err
	}
	if err := syncFolder(filepath.Dir(s.o.Path)); err != nil {
		return kept, err
	}
	id, _, err := idOf(f)
	if err != nil {
		return kept, err
	}
	s.bolt.Lock()
	defer s.bolt.Unlock()
	if s.absent = s.shut(); s.absent == nil {
		s.id = id
		s.absent = s.openLocked(f)
	}
	s.holds, s.suspect = holding{}, s.absent != nil
	s.listen() // the folder may be another
	return kept, s.absent
}

// mayReturn says cheaply what keeps the file from its place: opening and copying a large one is dear.
func (s *Store) mayReturn() error {
	folder := filepath.Dir(s.o.Path)
	var disk unix.Statfs_t
	if err := unix.Statfs(folder, &disk); err != nil {
		return &os.PathError{Op: "statfs", Path: folder, Err: err}
	}
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	if free := disk.Bavail * uint64(disk.Bsize); uint64(info.Size()) > free {
		return &Fault{
			Err:  fmt.Errorf("%s: %w: %d bytes are free, %d are needed", folder, unix.ENOSPC, free, info.Size()),
			Cure: "make room on the disk" + GoesOn,
		}
	}
	f, err := claim(s.o.Path)
	if f != nil {
		_ = f.Close() // it was only looked at
	}
	if err != nil {
		return err
	}
	for n := 0; n <= MaxFound; n++ {
		name := s.o.Path // what stands there is to be kept
		if n > 0 {
			name = s.found(n)
		}
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	return replacedOften(s.o.Path)
}

// found is the name under which the nth file is kept that stood in the store's place.
func (s *Store) found(n int) string { return found(s.o.Path, n) }

func found(path string, n int) string { return fmt.Sprintf("%s.found-%d", path, n) }

// keepBeside gives a file a second name, the first that is free of those for files which stood in the place of
// the store at path. It fails with a Fault where none is, or as os.Link does.
func keepBeside(file, path string) (kept string, err error) {
	for n := 1; n <= MaxFound; n++ {
		kept := found(path, n)
		if err := os.Link(file, kept); !errors.Is(err, fs.ErrExist) {
			return kept, err
		}
	}
	return "", replacedOften(path)
}

// errOften is in the error where no name is free for another file that was put in the store's place.
var errOften = errors.New("was replaced")

func replacedOften(path string) error {
	return &Fault{
		Err:  fmt.Errorf("%s %w %d times", path, errOften, MaxFound),
		Cure: fmt.Sprintf("find out what puts files there, and move %s.found-1 and so on away%s", path, GoesOn),
	}
}

// GoesOn is at the end of a cure after which a store that is open needs nothing more.
const GoesOn = "; the store goes on by itself"

// claim locks what stands in the store's place; nil if there is nothing, or nothing that can be opened.
// It is opened for reading: closing a file that was open for writing would be heard, and looked at again.
func claim(path string) (*os.File, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, reachable(path, err)
	case !info.Mode().IsRegular():
		return nil, &Fault{
			Err:  fmt.Errorf("%s stands in its place, which is no file", path),
			Cure: "move it away" + GoesOn,
		}
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrPermission) {
		if pid := holder(info, "/proc/locks"); pid != "" {
			return nil, locked(path, pid)
		}
		return nil, nil // root has restored a backup: whoever may not open it may rename it
	}
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// copied makes a locked copy of the file in the folder of its place, which a start finishes or removes.
func (s *Store) copied() (f *os.File, err error) {
	defer func() {
		if p := (*fs.PathError)(nil); errors.As(err, &p) {
			p.Path = s.o.Path // the same words at each attempt, so that they are told once
		}
	}()
	folder, base := filepath.Split(s.o.Path)
	if f, err = os.CreateTemp(folder, base+".new-*"); err != nil {
		return nil, reachable(s.o.Path, err)
	}
	info, err := s.file.Stat()
	if err == nil {
		err = lock(f) // from the start: else another process could take it for one that was left
	}
	if err == nil {
		_, err = io.Copy(f, io.NewSectionReader(s.file, 0, info.Size()))
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return f, nil
}

// PutInPlace gives a whole store's file, which nobody writes to, the name of the store at path besides its own. What has
// that name, and is in use by nobody, gets another, which is returned; both at once, so that whenever this process dies
// a whole store stands there. It is durable when the folder is synced.
func PutInPlace(file, path string) (kept string, err error) {
	for n := 1; n <= MaxFound; {
		err := os.Link(file, path)
		if failed := (*os.LinkError)(nil); errors.As(err, &failed) && !errors.Is(err, fs.ErrExist) {
			// A copy has another name at each attempt: that is not told each time.
			return "", &os.PathError{Op: failed.Op, Path: path, Err: failed.Err}
		}
		if err == nil {
			return "", nil
		}
		there, err := claim(path)
		if err != nil {
			return "", err
		}
		kept := found(path, n)
		if err = os.Link(file, kept); err == nil {
			err = unix.Renameat2(unix.AT_FDCWD, kept, unix.AT_FDCWD, path, unix.RENAME_EXCHANGE)
			if err != nil {
				err = errors.Join(err, os.Remove(kept))
			}
		}
		if there != nil {
			err = errors.Join(err, there.Close())
		}
		switch {
		case err == nil:
			return kept, nil
		case errors.Is(err, fs.ErrExist):
			n++
		case !errors.Is(err, fs.ErrNotExist):
			return "", &Fault{
				Err:  fmt.Errorf("%s stands in its place and cannot be renamed: %w", path, err),
				Cure: "move it away" + GoesOn,
			}
		}
	}
	return "", replacedOften(path)
}

// lost is the Fault of a file that is not in its place when it cannot be read either.
func (s *Store) lost(err error) *Fault {
	f := &Fault{
		Err:  fmt.Errorf("%s: another file stands there now than the one that was in use", s.o.Path),
		Cure: "put the file back that was in use; or restart v6responder with what is there, and " + forgotten,
	}
	if err != nil {
		f.Err = err
	}
	return f
}

// spoiled ends the use of a file that somebody else has written to: bbolt would go on with pages that are
// not its own.
func (s *Store) spoiled() error {
	f := &Fault{
		Err:  fmt.Errorf("lease store %s: %w: it was written over while in use", s.o.Path, ErrCorrupt),
		Cure: "stop v6responder before a backup is restored; if it is started with what the file has now, " + forgotten,
	}
	s.report(f, false)
	return s.end(f)
}

// whole reads all of the file that is in use: whoever has written to it may have written over pages that
// the last transaction, whose number still stands there, needs.
func (s *Store) whole() error {
	defer s.release()
	if err := verify(s.file); err != nil {
		return err
	}
	return s.bolted(func() error { return s.db.View(s.same) })
}

// same reads everything and holds the journal against what the writer knows of it.
func (s *Store) same(tx *bbolt.Tx) error {
	if err := checkFormat(tx, s.o.Path); err != nil {
		return err
	}
	if _, err := loadBoots(tx); err != nil {
		return err
	}
	next, records := uint64(0), 0
	err := eachRecord(tx, func(seq uint64, record []byte) error {
		if seq != next {
			return fmt.Errorf("it stands in the place of %d", next)
		}
		next++
		records++
		_, _, err := openRecord(record, seq)
		return err
	}, func(first uint64) error {
		if records > 0 && first != next {
			return fmt.Errorf("segment %d in the place of %d", first, next)
		}
		next = first
		return nil
	})
	if err != nil {
		return err
	}
	if j := &s.journal; records != j.records || records > 0 && next != j.next {
		return fmt.Errorf("%d records up to %d, which should be %d up to %d", records, next, j.records, j.next)
	}
	return checkValues(tx.Bucket(valuesBucket))
}

// intact reports whether the file ends with the transaction that was the last one.
func (s *Store) intact() bool {
	metas, err := readMetas(s.file)
	if err != nil {
		return !errors.Is(err, errPageSize) // of others the next commit tells
	}
	m := newest(metas)
	return m != nil && m.transaction == s.last
}

// forgotten is what a start with an older file means.
const forgotten = "let the pools start at other addresses until the longest valid lifetime has passed: " +
	"what was given out since that file was made is forgotten"

// listen hears of names that change in the folder. Where that cannot be, each commit finds out.
func (s *Store) listen() {
	if s.names == nil {
		return
	}
	// IN_CLOSE_WRITE: whoever has written over the file, as cp does. The store itself does not close it.
	const mask = unix.IN_CLOSE_WRITE | unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE | unix.IN_MOVE_SELF | unix.IN_DELETE_SELF
	_, _ = s.names.Add(filepath.Dir(s.o.Path), mask)
}

// concerns reports what of the events is the store's: that the file's name may lead elsewhere, that somebody may have
// written to the file, and that a name is free for which it waits. The store's own files beside it are none, nor are
// those that it makes on the way back: it would never come to rest while that fails.
func (s *Store) concerns(events []inotify.Event) (named, written bool) {
	return concern(filepath.Base(s.o.Path), s.astray != nil && errors.Is(s.astray, errOften), events)
}

func concern(base string, waits bool, events []inotify.Event) (named, written bool) {
	for _, e := range events {
		lost := e.Watch == -1
		freed := waits && e.Mask&(unix.IN_DELETE|unix.IN_MOVED_FROM) != 0 && strings.HasPrefix(e.Name, base+".found-")
		named = named || lost || freed || e.Name == "" || e.Name == base
		written = written || lost || e.Name == base && e.Mask&unix.IN_CLOSE_WRITE != 0
	}
	return named, written
}

// heard is what listen hears, nil if nothing can be heard.
func (s *Store) heard() <-chan []inotify.Event {
	if s.names == nil {
		return nil
	}
	return s.names.C
}
