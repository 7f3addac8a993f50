// Package plainfile reads regular files and holds nobody up: what stands in a file's place, a named pipe, a
// socket, a device, is told and never waited for.
package plainfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ErrNotRegular means that what stands in a file's place is none.
var ErrNotRegular = errors.New("not a regular file")

// ErrTooLarge means that a file is larger than any of its kind.
var ErrTooLarge = errors.New("larger than such a file may be")

// A KindError says what stands in a file's place. It is ErrNotRegular to errors.Is.
type KindError struct {
	Mode fs.FileMode
}

// Error names the kind.
func (e *KindError) Error() string {
	kind := "something else"
	switch {
	case e.Mode.IsDir():
		kind = "a folder"
	case e.Mode&fs.ModeNamedPipe != 0:
		kind = "a named pipe"
	case e.Mode&fs.ModeSocket != 0:
		kind = "a socket"
	case e.Mode&fs.ModeDevice != 0:
		kind = "a device"
	}
	return kind + ", " + ErrNotRegular.Error()
}

// Is makes errors.Is find ErrNotRegular.
func (*KindError) Is(target error) bool { return target == ErrNotRegular }

// Check is an error unless info is of a regular file.
func Check(name string, info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return &fs.PathError{Op: "read", Path: name, Err: &KindError{info.Mode()}}
}

// waitless are the flags by which opening waits for nobody and takes no terminal.
const waitless = os.O_RDONLY | syscall.O_NONBLOCK | syscall.O_NOCTTY

// Open opens a regular file to read from it. It looks first, since opening alone does something to some
// devices, and again at what it opened.
func Open(name string) (*os.File, error) { return open(name, os.Stat, os.OpenFile) }

// OpenIn is Open below a root folder.
func OpenIn(root *os.Root, name string) (*os.File, error) {
	return open(name, root.Stat, root.OpenFile)
}

// Read is the bytes of a regular file of at most that many; of a larger one the error is ErrTooLarge.
func Read(name string, most int64) ([]byte, error) {
	f, err := Open(name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if int64(len(b)) > most {
		return nil, &fs.PathError{Op: "read", Path: name, Err: ErrTooLarge}
	}
	return b, nil
}

// open does it with the functions of one of both.
func open(name string, stat func(string) (fs.FileInfo, error), openFile func(string, int, fs.FileMode) (*os.File, error)) (*os.File, error) {
	info, err := stat(name)
	if err == nil {
		err = Check(name, info)
	}
	if err != nil {
		return nil, err
	}
	f, err := openFile(name, waitless, 0)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil {
		err = Check(name, info)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// OpenFolderIn opens a folder below a root folder. Anything else there is the error ENOTDIR.
func OpenFolderIn(root *os.Root, name string) (*os.File, error) {
	return root.OpenFile(name, os.O_RDONLY|syscall.O_DIRECTORY, 0)
}

// whole is what the file systems of package os can.
type whole interface {
	fs.StatFS
	fs.ReadDirFS
	fs.ReadLinkFS
}

// An FS is a folder whose regular files can be read, and the folders in it.
type FS struct {
	whole
	open func(name string) (*os.File, error)
	dir  func(name string) (*os.File, error)
}

// Below is what lies below a root folder.
func Below(root *os.Root) FS {
	return FS{
		root.FS().(whole), //nolint:forcetypeassert // documented of os.Root.FS
		func(name string) (*os.File, error) { return OpenIn(root, name) },
		func(name string) (*os.File, error) { return OpenFolderIn(root, name) },
	}
}

// Folder is what lies in a folder of the system, links out of it included.
func Folder(dir string) FS {
	return FS{
		os.DirFS(dir).(whole), //nolint:forcetypeassert // documented of os.DirFS
		func(name string) (*os.File, error) { return Open(filepath.Join(dir, name)) },
		func(name string) (*os.File, error) {
			return os.OpenFile(filepath.Join(dir, name), os.O_RDONLY|syscall.O_DIRECTORY, 0)
		},
	}
}

// Open opens a regular file.
func (f FS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	return f.open(name)
}

// ReadDir reads a folder's names.
func (f FS) ReadDir(name string) ([]fs.DirEntry, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	d, err := f.dir(name)
	if err != nil {
		return nil, err
	}
	entries, err := d.ReadDir(-1)
	return entries, errors.Join(err, d.Close())
}
