package sysctl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/plainfile"
)

// File is where Persistent keeps its settings, below the root folder. Its name sorts after the
// distributions' own 99-sysctl.conf.
const File = "etc/sysctl.d/99-v6guest.conf"

// header begins a file that Persistent makes.
const header = `# Written by v6guest: IPv6 switches of the NICs that it manages, a line each.
# v6guest changes the lines of its NICs and no others; "v6guest restore" removes them.
`

// maxFile is how much of a file is read: a sysctl.d file that is larger is none.
const maxFile = 1 << 20

// Persistent keeps settings for the boots to come.
type Persistent struct {
	// Root is the folder that stands for /; empty for / itself. Symbolic links do not lead out of it.
	Root string
}

// Path is the file's path, for people and logs.
func (p Persistent) Path() string { return path.Join("/", p.Root, File) }

// Settings are those of one NIC as the file has them, in its order; none if there is no file.
func (p Persistent) Settings(nic string) (out []Setting, err error) {
	err = p.inside(func(root *os.Root) error {
		b, err := p.load(root)
		out = settings(b, nic)
		return err
	})
	return out, err
}

// NICs are the names of the NICs that the file has settings for, in its order.
func (p Persistent) NICs() (out []string, err error) {
	err = p.inside(func(root *os.Root) error {
		b, err := p.load(root)
		for _, l := range parse(b) {
			if nic, _, ok := l.setting(); ok && !slices.Contains(out, nic) {
				out = append(out, nic)
			}
		}
		return err
	})
	return out, err
}

// Put makes settings the ones of a NIC: lines of that NIC that are not among them go, all other lines
// stay byte for byte. changed is false if the file said just that already. It is written whole or not
// at all, is on the disk when Put returns, and was read back.
//
// Errors: ErrBadName, ErrBadValue, and those of the file system.
func (p Persistent) Put(nic string, settings []Setting) (changed bool, err error) {
	if _, err := Edit(nil, nic, settings); err != nil { // before the file is locked
		return false, fmt.Errorf("write %s: %w", p.Path(), err)
	}
	return p.edit(func(b []byte) []byte { return put(b, nic, settings) })
}

// Edit is the text of File with these settings as the ones of a NIC: lines of that NIC that are not
// among them go, all other lines stay byte for byte. It is empty if nothing is left.
//
// Errors: ErrBadName, ErrBadValue.
func Edit(b []byte, nic string, settings []Setting) ([]byte, error) {
	if err := checkWritable(nic); err != nil {
		return nil, err
	}
	for i, s := range settings {
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", nic, err)
		}
		if slices.ContainsFunc(settings[:i], func(o Setting) bool { return o.Switch == s.Switch }) {
			return nil, fmt.Errorf("%s: %w: %s is given twice", nic, ErrBadValue, s.Switch)
		}
	}
	return put(b, nic, settings), nil
}

// Remove takes the lines of a NIC out of the file, and the file away when nothing else is in it.
func (p Persistent) Remove(nic string) (changed bool, err error) {
	return p.edit(func(b []byte) []byte { return put(b, nic, nil) })
}

// Rename hands the lines of one NIC on to another, in place of those that it had.
func (p Persistent) Rename(from, to string) (changed bool, err error) {
	if err := checkWritable(to); err != nil {
		return false, fmt.Errorf("write %s: %w", p.Path(), err)
	}
	return p.edit(func(b []byte) []byte {
		s := settings(b, from)
		if from == to || len(s) == 0 {
			return b
		}
		return put(put(b, from, nil), to, s)
	})
}

func settings(b []byte, nic string) []Setting {
	var out []Setting
	for _, l := range parse(b) {
		if name, s, ok := l.setting(); ok && name == nic {
			out = append(out, s)
		}
	}
	return out
}

// put replaces the lines of a NIC in b. They stay where its first line was; those of a new NIC come
// last. The result is empty if no assignment and no comment of others is left.
func put(b []byte, nic string, want []Setting) []byte {
	if slices.Equal(settings(b, nic), want) {
		return b
	}
	var block, out strings.Builder
	for _, s := range want {
		block.WriteString(render(nic, s))
	}
	placed := false
	for text := range strings.Lines(string(b)) {
		l, ok := parseLine(text)
		name, _, ours := l.setting()
		if !ok || !ours || name != nic {
			out.WriteString(text)
			continue
		}
		if !placed {
			out.WriteString(block.String())
			placed = true
		}
	}
	if !placed && block.Len() > 0 {
		if out.Len() == 0 {
			out.WriteString(header)
		} else if !strings.HasSuffix(out.String(), "\n") {
			out.WriteString("\n")
		}
		out.WriteString(block.String())
	}
	if out.String() == header {
		return nil
	}
	return []byte(out.String())
}

// inside calls do with the root folder.
func (p Persistent) inside(do func(*os.Root) error) error {
	dir := path.Join("/", p.Root)
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open %s: %w", dir, err)
	}
	return errors.Join(do(root), root.Close())
}

// load reads the file; a missing one is empty. Whatever else stands in its place is an error.
func (p Persistent) load(root *os.Root) ([]byte, error) {
	info, err := root.Lstat(File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxFile) {
		err = errors.New("not a regular file of up to 1 MiB")
	}
	var f *os.File
	if err == nil {
		f, err = plainfile.OpenIn(root, File)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", p.Path(), err)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile))
	return b, errors.Join(err, f.Close())
}

// edit replaces the file's content by change's result; an empty one removes the file. The folder is
// locked meanwhile: the agent and a command may both be at work.
func (p Persistent) edit(change func([]byte) []byte) (changed bool, err error) {
	err = p.inside(func(root *os.Root) error {
		dir, err := p.folder(root, len(change(nil)) > 0)
		if dir == nil || err != nil {
			return err
		}
		defer dir.Close()
		before, err := p.load(root)
		if err != nil {
			return err
		}
		after := change(before)
		if bytes.Equal(before, after) {
			return nil
		}
		if err := errors.Join(store(root, after), dir.Sync()); err != nil {
			return fmt.Errorf("write %s: %w", p.Path(), err)
		}
		changed = true
		back, err := p.load(root)
		if err == nil && !bytes.Equal(back, after) {
			err = fmt.Errorf("write %s: it reads back otherwise: another program writes it too", p.Path())
		}
		return err
	})
	return changed, err
}

// folder opens and locks the file's folder; it is nil if it is not there and shall not be made.
func (p Persistent) folder(root *os.Root, create bool) (*os.File, error) {
	name := path.Dir(File)
	fail := func(err error) error { return fmt.Errorf("open %s: %w", path.Dir(p.Path()), err) }
	if create {
		if err := root.MkdirAll(name, 0o755); err != nil {
			return nil, fail(err)
		}
	}
	dir, err := plainfile.OpenFolderIn(root, name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !create:
		return nil, nil
	case err != nil:
		return nil, fail(err)
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fail(err), dir.Close())
	}
	return dir, nil
}

// store writes the file beside its place, has it on the disk, and puts it there.
func store(root *os.Root, b []byte) error {
	if len(b) == 0 {
		return root.Remove(File)
	}
	// A name without .conf is applied by nobody, should it be left behind.
	temp := path.Join(path.Dir(File), ".99-v6guest.conf.new")
	if err := root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, keepOwner(root, f), f.Sync(), f.Close()); err == nil {
		err = root.Rename(temp, File)
	}
	if err != nil {
		return errors.Join(err, root.Remove(temp))
	}
	return nil
}
