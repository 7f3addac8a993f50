package sysctl

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// keepOwner gives the new file mode and owner of the one that it replaces.
func keepOwner(root *os.Root, f *os.File) error {
	old, err := root.Lstat(File)
	if errors.Is(err, fs.ErrNotExist) {
		return f.Chmod(0o644) // whatever the umask: the file is for all to read
	}
	if err != nil {
		return err
	}
	if err := f.Chmod(old.Mode().Perm()); err != nil {
		return err
	}
	was, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if now, ok := info.Sys().(*syscall.Stat_t); ok && now.Uid == was.Uid && now.Gid == was.Gid {
		return nil
	}
	return f.Chown(int(was.Uid), int(was.Gid))
}
