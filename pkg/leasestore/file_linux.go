package leasestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/plainfile"
)

// openFile opens the store's file and locks it; a file that is missing is made if it may be.
func openFile(path string, mayMake bool) (*os.File, error) {
	for {
		f, err := openRegular(path)
		switch {
		case mayMake && errors.Is(err, fs.ErrNotExist):
			if err := leadsNowhere(path); err != nil {
				return nil, err
			}
			if err := create(path); err != nil {
				return nil, reachable(path, err)
			}
			continue
		case err != nil:
			return nil, reachable(path, err)
		}
		if err := lock(f); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		// Between open and lock the file may have been renamed, and another made in its place.
		if here, err := os.Stat(path); err == nil {
			if mine, err := f.Stat(); err == nil && os.SameFile(here, mine) {
				return f, nil
			}
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
}

// leadsNowhere is the Fault of a symbolic link to what is not there: no store can be made in its place, and
// one that is where it leads to would be missed.
func leadsNowhere(path string) error {
	to, err := os.Readlink(path)
	if err != nil {
		return nil //nolint:nilerr // it is no link
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil // it is there now, or opening it tells what is wrong
	}
	return &Fault{
		Err:  fmt.Errorf("%s is a symbolic link to %s, which is not there", path, to),
		Cure: fmt.Sprintf("put the store back that was there (is a disk not mounted?); or remove the link: then a new store is made at %s", path),
	}
}

// openRegular opens a regular file for reading and writing, and waits for nobody: a named pipe in its place
// would make it.
func openRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = plainfile.Check(path, info)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// reachable adds the cure to an error of a file that cannot be opened or made.
func reachable(path string, err error) error {
	var cure string
	switch {
	case errors.Is(err, unix.EROFS):
		cure = fmt.Sprintf("mount the file system of %s so that it can be written, or name a folder on another one (--state-dir)", filepath.Dir(path))
	case errors.Is(err, fs.ErrPermission):
		cure = fmt.Sprintf("let the service's user (uid %d) own and write %s and its folder", os.Geteuid(), path)
	case errors.Is(err, plainfile.ErrNotRegular), errors.Is(err, unix.EISDIR), errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENXIO):
		cure = fmt.Sprintf("move what stands at %s away, and put the store back that was there; without one a new store is made", path)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		cure = "make room on the disk of " + filepath.Dir(path)
	default:
		return err
	}
	return &Fault{Err: err, Cure: cure}
}

// lock takes the file for this process alone. bbolt locks the same open file again, which changes nothing.
func lock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return err
	}
	pid := ""
	if info, err := f.Stat(); err == nil {
		pid = holder(info, "/proc/locks")
	}
	return locked(f.Name(), pid)
}

// locked is the Fault of a file that the process with that number has locked; "" if that is not known.
func locked(path, pid string) *Fault {
	who := "the process that has it open (fuser tells)"
	if pid != "" {
		who = "process " + pid
	}
	return &Fault{
		Err:  fmt.Errorf("%s: %w", path, ErrLocked),
		Cure: fmt.Sprintf("stop %s, or give this one a folder of its own (--state-dir)", who),
	}
}

// holder finds the process that has locked a file in a file like /proc/locks, "" if that does not say:
//
//	1: FLOCK  ADVISORY  WRITE 4711 fe:00:131090 0 EOF
func holder(info fs.FileInfo, locks string) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	b, err := os.ReadFile(locks)
	if err != nil {
		return ""
	}
	file := fmt.Sprintf("%02x:%02x:%d", unix.Major(stat.Dev), unix.Minor(stat.Dev), stat.Ino)
	for line := range strings.Lines(string(b)) {
		if w := strings.Fields(line); len(w) >= 6 && w[1] == "FLOCK" && w[5] == file && w[4] != "0" {
			return w[4]
		}
	}
	return ""
}

// create makes an empty store. It is whole and flushed before it gets its name, so that a file of that
// name is never half a store; if another process was faster, that one's stays.
func create(path string) (err error) {
	folder, pattern := filepath.Split(path)
	pattern += ".new-*"
	temporary, err := os.CreateTemp(folder, pattern) // made with mode 0600
	if err != nil {
		return err
	}
	name := temporary.Name()
	defer func() { err = errors.Join(err, os.Remove(name)) }()
	if err := temporary.Close(); err != nil {
		return err
	}
	db, err := openBolt(name, nil)
	if err != nil {
		return err
	}
	err = db.Update(format)
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("make %s: %w", path, err)
	}
	if err := os.Link(name, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(folder)
}

// format makes the buckets of an empty store.
func format(tx *bbolt.Tx) error {
	for _, name := range [][]byte{journalBucket, valuesBucket, bootsBucket, metaBucket} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return tx.Bucket(metaBucket).Put(formatKey, fmt.Append(nil, Format))
}

// sweep removes what a process left that died in create, in copied or in a probe. Whoever is in create now goes on with
// the file that is there; a copy is locked. Nothing depends on it: an error leaves a few kilobytes.
func sweep(path string) {
	left, err := filepath.Glob(path + ".new-*")
	if err != nil {
		return // the path has a wildcard in it that is none
	}
	for _, name := range left {
		f, err := openRegular(name)
		if err == nil && lock(f) != nil {
			_ = f.Close()
			continue
		}
		_ = os.Remove(name)
		if err == nil {
			_ = f.Close()
		}
	}
}

// openBolt opens the file as bbolt has it: f, which is locked, or what the path names if f is nil.
// The list of free pages is not kept in the file but made anew from the pages in use: a damaged list
// would let bbolt write over them, and a long one would be written with every commit.
func openBolt(path string, f *os.File) (db *bbolt.DB, err error) {
	o := bbolt.Options{
		NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, NoStatistics: true,
		Timeout: time.Nanosecond, // one try
	}
	if f != nil {
		o.OpenFile = func(string, int, os.FileMode) (*os.File, error) { return f, nil }
	}
	err = guard(func() error {
		db, err = bbolt.Open(path, 0o600, &o)
		return err
	})
	if err != nil {
		return nil, err
	}
	return db, nil
}

// syncFolder makes durable which files are in a folder; "" is the present one.
func syncFolder(folder string) error {
	d, err := os.Open(filepath.Clean(folder))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
