// Package durable keeps files so that a loss of power costs none.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Replace puts b in the place of the file name, whose folder must exist: readers see the old content or the
// new one, and so does whoever reads after a loss of power. More is done to the new file before anybody
// sees it, for what its content is not all of. What fails is said of name: that of the new file is another each
// time, and would make the same trouble a new one.
func Replace(name string, b []byte, mode fs.FileMode, more ...func(*os.File) error) error {
	err := replace(name, b, mode, more)
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return &fs.PathError{Op: e.Op, Path: name, Err: e.Err}
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return &fs.PathError{Op: e.Op, Path: name, Err: e.Err}
	}
	return err
}

func replace(name string, b []byte, mode fs.FileMode, more []func(*os.File) error) error {
	folder := filepath.Dir(name)
	f, err := os.CreateTemp(folder, "."+filepath.Base(name)+".*") // made with mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(mode))
	for _, do := range more {
		err = errors.Join(err, do(f))
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return SyncFolder(folder)
}

// SyncFolder makes what was renamed or removed in a folder last.
func SyncFolder(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
