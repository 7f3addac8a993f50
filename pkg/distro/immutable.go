package distro

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// An ImmutableError means that somebody made a file or a folder unchangeable (chattr +i or +a), for root too.
type ImmutableError struct {
	Name string // as seen from inside the root folder
	Flag string // chattr's letter for it
	Err  error
}

// Error names what is unchangeable.
func (e *ImmutableError) Error() string {
	return fmt.Sprintf("%s has the attribute %s, so that nobody can change it: %v", e.Name, e.Flag, e.Err)
}

// Unwrap makes errors.Is look into Err.
func (e *ImmutableError) Unwrap() error { return e.Err }

// Cure is what takes the attribute off.
func (e *ImmutableError) Cure() string {
	return fmt.Sprintf("nothing was changed; if that is not wanted: chattr -%s %s", e.Flag, e.Name)
}

// explain finds out why the kernel refused to change one of the names; the error stays as it is for any
// other reason than such an attribute.
func (d *disk) explain(err error, names ...string) error {
	if !errors.Is(err, unix.EPERM) { // what rights forbid is EACCES
		return err
	}
	for _, name := range names {
		if flag := d.flag(name); flag != "" {
			return &ImmutableError{Name: name, Flag: flag, Err: err}
		}
	}
	return err
}

// flag is the attribute that keeps a file or folder as it is, by chattr's letter; "" for none.
func (d *disk) flag(name string) string {
	info, err := d.root.Lstat(inFS(name))
	if err != nil || info.Mode().Type()&^fs.ModeDir != 0 {
		return ""
	}
	f, err := d.root.OpenFile(inFS(name), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	switch {
	case err != nil:
		return ""
	case flags&unix.STATX_ATTR_IMMUTABLE != 0: // the same bits as FS_IMMUTABLE_FL and FS_APPEND_FL
		return "i"
	case flags&unix.STATX_ATTR_APPEND != 0:
		return "a"
	}
	return ""
}
