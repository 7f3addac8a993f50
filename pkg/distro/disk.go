package distro

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/plainfile"
)

// A disk does the writing below a root folder: each of its actions is whole or not at all, and on the
// disk when it returns. Names have no symbolic links (Tree.Resolve took them out), and os.Root sees to
// it that none that appears meanwhile leads out of the folder.
type disk struct {
	root *os.Root
	// at is called before and after each action; an error ends it there, as a kill would. It is nil
	// outside of tests.
	at func(action, name string) error
}

// point is a place where a test may end the program.
func (d *disk) point(action, name string) error {
	if d.at == nil {
		return nil
	}
	return d.at(action, name)
}

// write makes a new file with these bytes and attributes; what lies there under that name goes first.
func (d *disk) write(name string, b []byte, attr metadata) (err error) {
	if err := d.point("write", name); err != nil {
		return err
	}
	if err := d.takeAway(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := d.root.OpenFile(inFS(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return d.explain(err, path.Dir(name))
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			err = errors.Join(err, d.remove(name))
		}
	}()
	if _, err := f.Write(b); err != nil {
		return err
	}
	if err := d.point("attributes", name); err != nil {
		return err
	}
	if err := attr.put(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return d.point("written", name)
}

// rename moves a file to its place, over what is there.
func (d *disk) rename(from, to string) error {
	if err := d.point("rename", to); err != nil {
		return err
	}
	if err := d.root.Rename(inFS(from), inFS(to)); err != nil {
		return d.explain(err, to, path.Dir(to))
	}
	if err := d.point("renamed", to); err != nil {
		return err
	}
	return d.sync(path.Dir(to))
}

// remove takes a file or an empty folder away; it is no error if it is not there.
func (d *disk) remove(name string) error {
	if err := d.point("remove", name); err != nil {
		return err
	}
	if err := d.takeAway(name); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return d.explain(err, name, path.Dir(name))
	}
	if err := d.point("removed", name); err != nil {
		return err
	}
	return d.sync(path.Dir(name))
}

// takeAway removes a name. The kernel refuses that on a read-only file system also where there is no such
// name, which is no failure to us.
func (d *disk) takeAway(name string) error {
	if _, err := d.root.Lstat(inFS(name)); err != nil {
		return err
	}
	return d.root.Remove(inFS(name))
}

// mkdir makes one folder, with that mode whatever the umask is: others, like networkd, must read what lies in it.
func (d *disk) mkdir(name string, mode fs.FileMode) error {
	if err := d.point("mkdir", name); err != nil {
		return err
	}
	err := d.root.Mkdir(inFS(name), mode)
	if err == nil {
		err = d.root.Chmod(inFS(name), mode)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return d.explain(err, path.Dir(name))
	}
	if err := d.point("made", name); err != nil {
		return err
	}
	return d.sync(path.Dir(name))
}

// sync puts a folder's names on the disk.
func (d *disk) sync(name string) error {
	f, err := plainfile.OpenFolderIn(d.root, inFS(name))
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// notCopied are attributes that belong to the old bytes and make the new ones invalid.
var notCopied = []string{"security.ima", "security.evm"}

// metadataOf reads what a file has beside its bytes.
func (d *disk) metadataOf(name string) (m metadata, err error) {
	f, err := d.root.OpenFile(inFS(name), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return m, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return m, err
	}
	m.Mode = info.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		m.UID, m.GID = int(st.Uid), int(st.Gid)
	}
	m.Xattrs, err = xattrs(int(f.Fd()))
	if err != nil {
		return m, fmt.Errorf("extended attributes of %s: %w", name, err)
	}
	return m, nil
}

// names is how many names a file has; only one of them would get the new bytes.
func (d *disk) names(name string) (uint64, error) {
	info, err := d.root.Lstat(inFS(name))
	if err != nil {
		return 0, err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink), nil //nolint:unconvert // it is narrower on some architectures
	}
	return 1, nil
}

// xattrs reads a file's extended attributes, the SELinux label among them.
func xattrs(fd int) (map[string][]byte, error) {
	n, err := unix.Flistxattr(fd, nil)
	if errors.Is(err, unix.ENOTSUP) || err == nil && n == 0 {
		return nil, nil
	}
	list := make([]byte, n+256)
	if err == nil {
		n, err = unix.Flistxattr(fd, list)
	}
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for name := range strings.SplitSeq(strings.TrimRight(string(list[:n]), "\x00"), "\x00") {
		if name == "" || slices.Contains(notCopied, name) {
			continue
		}
		value := make([]byte, 64<<10) // the kernel's limit
		n, err := unix.Fgetxattr(fd, name, value)
		if errors.Is(err, unix.ENODATA) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = value[:n]
	}
	return out, nil
}

// put gives an open file the attributes. An owner of -1 leaves it as it is.
func (m metadata) put(f *os.File) error {
	if m.UID >= 0 && (m.UID != os.Geteuid() || m.GID != os.Getegid()) {
		if err := f.Chown(m.UID, m.GID); err != nil {
			return err
		}
	}
	if err := f.Chmod(m.Mode); err != nil {
		return err
	}
	for name, value := range m.Xattrs {
		if err := unix.Fsetxattr(int(f.Fd()), name, value, 0); err != nil && !errors.Is(err, unix.ENOTSUP) {
			return fmt.Errorf("set %s of %s: %w", name, f.Name(), err)
		}
	}
	return nil
}
