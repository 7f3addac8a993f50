package distro

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/v6guest/v6guest/pkg/plainfile"
)

// maxFile bounds what is read from a root folder, in bytes: a configuration file that is larger is none.
const maxFile = 1 << 20

// ErrTooLarge means that a file is larger than any configuration file.
var ErrTooLarge = errors.New("larger than 1 MiB")

// ErrLinkLoop means that symbolic links lead in a circle.
var ErrLinkLoop = plainfile.ErrLinkLoop

// errMasked means that a file is a link to /dev/null, by which people switch it off.
var errMasked = errors.New("a link to /dev/null")

// unreadable reports whether a file may well say something that could not be read, unlike one that is
// not there, that is masked, or a folder. From a pipe the stack itself would read, and wait.
func unreadable(err error) bool {
	if kind := (*plainfile.KindError)(nil); errors.As(err, &kind) {
		return !kind.Mode.IsDir()
	}
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, ErrTooLarge) || errors.Is(err, ErrLinkLoop)
}

// readCure is what helps against an error of Read.
func readCure(name string, err error) string {
	switch {
	case errors.Is(err, plainfile.ErrNotRegular), errors.Is(err, errMasked):
		return "put a regular file in the place of " + name + ", or nothing"
	case errors.Is(err, ErrTooLarge):
		return "look what stands in " + name + ", and make it smaller"
	case errors.Is(err, ErrLinkLoop):
		return "correct the symbolic links that lead to " + name
	case errors.Is(err, fs.ErrPermission):
		return "run as root; look who may read " + name + ", and each folder above it"
	}
	return "look whether " + name + " can be read (cat), and at the kernel's log (dmesg)"
}

// unread is the refusal because of a file that cannot be read.
func unread(nic, name string, err error) *RefusalError {
	return &RefusalError{NIC: nic, File: name, Cure: readCure(name, err), Err: fmt.Errorf("%w: %w", err, ErrUnreadable)}
}

// A Tree is a root folder to read from. Names are absolute paths below it ("/etc/network/interfaces").
// Symbolic links are followed as they would be from inside: an absolute target starts at the root
// folder, and ".." at the top stays there; so no link leads out.
//
// A Tree may carry files that differ from what the folder holds (With): what a plan has edited so far.
type Tree struct {
	fsys fs.FS
	over map[string][]byte // by real name; a nil slice is a file that is not there
}

// NewTree reads from fsys. Links are seen where fsys is an fs.ReadLinkFS, and a pipe holds nobody up
// where it is a plainfile.FS.
func NewTree(fsys fs.FS) *Tree { return &Tree{fsys: fsys} }

// With is the same tree with some files' bytes replaced; a nil slice takes the file away.
func (t *Tree) With(files map[string][]byte) *Tree {
	over := make(map[string][]byte, len(t.over)+len(files))
	for name, b := range t.over {
		over[name] = b
	}
	for name, b := range files {
		real, err := t.Resolve(name)
		if err != nil {
			real = path.Clean(name)
		}
		over[real] = b
	}
	return &Tree{fsys: t.fsys, over: over}
}

// Resolve follows every symbolic link of name and gives the name of the file itself, which need not exist.
func (t *Tree) Resolve(name string) (string, error) { return plainfile.Follow(name, t.readLink) }

// inFS is a name as package fs wants it.
func inFS(name string) string {
	if name = strings.TrimPrefix(path.Clean(name), "/"); name == "" {
		return "."
	}
	return name
}

// readLink is the target of a link whose folder part has no links.
func (t *Tree) readLink(name string) (string, bool) {
	if _, ok := t.over[name]; ok {
		return "", false
	}
	target, err := fs.ReadLink(t.fsys, inFS(name))
	return target, err == nil
}

// Link is the target of the symbolic link name, as written; ok is false if name is no link.
func (t *Tree) Link(name string) (target string, ok bool) {
	dir, err := t.Resolve(path.Dir(name))
	if err != nil {
		return "", false
	}
	return t.readLink(path.Join(dir, path.Base(name)))
}

// Read is a file's bytes. Errors: those of the file system (fs.ErrNotExist …), ErrTooLarge, ErrLinkLoop.
func (t *Tree) Read(name string) ([]byte, error) {
	real, err := t.Resolve(name)
	if err != nil {
		return nil, err
	}
	if b, ok := t.over[real]; ok {
		if b == nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		return slices.Clone(b), nil
	}
	if real == "/dev/null" {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errMasked}
	}
	f, err := t.open(name, real)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s: %w", name, ErrTooLarge)
	}
	return b, nil
}

// open opens a regular file, whose name without links is real. It looks before it opens: opening a pipe
// waits for whoever writes, and some devices do something.
func (t *Tree) open(name, real string) (fs.File, error) {
	info, err := fs.Stat(t.fsys, inFS(real))
	if err == nil {
		err = plainfile.Check(name, info)
	}
	if err != nil {
		return nil, err
	}
	return t.fsys.Open(inFS(real))
}

// text is a file's bytes, or none if it cannot be read: for files that only give hints.
func (t *Tree) text(name string) string {
	b, err := t.Read(name)
	if err != nil {
		return ""
	}
	return string(b)
}

// Exists reports whether name is there, whatever it is; a link that leads nowhere is not.
func (t *Tree) Exists(name string) bool {
	real, err := t.Resolve(name)
	if err != nil {
		return false
	}
	if b, ok := t.over[real]; ok {
		return b != nil
	}
	for name, b := range t.over { // a folder that a plan will make
		if b != nil && strings.HasPrefix(name, real+"/") {
			return true
		}
	}
	_, err = fs.Stat(t.fsys, inFS(real))
	return err == nil
}

// Present reports whether name is there, be it a link that leads nowhere.
func (t *Tree) Present(name string) bool {
	if _, ok := t.Link(name); ok {
		return true
	}
	return t.Exists(name)
}

// Mode is the permission bits of a file; 0 if it is not there.
func (t *Tree) Mode(name string) fs.FileMode {
	info, err := t.stat(name)
	if err != nil {
		return 0
	}
	return info.Mode().Perm()
}

// stat is what the file system says of a file, behind its links.
func (t *Tree) stat(name string) (fs.FileInfo, error) {
	real, err := t.Resolve(name)
	if err != nil {
		return nil, err
	}
	return fs.Stat(t.fsys, inFS(real))
}

// List is the names in a folder, sorted; none if it cannot be read.
func (t *Tree) List(dir string) []string {
	real, err := t.Resolve(dir)
	if err != nil {
		return nil
	}
	var names []string
	var entries []fs.DirEntry
	if info, err := fs.Stat(t.fsys, inFS(real)); err == nil && info.IsDir() {
		entries, _ = fs.ReadDir(t.fsys, inFS(real)) // a folder that cannot be read holds nothing for us
	}
	for _, e := range entries {
		if b, ok := t.over[path.Join(real, e.Name())]; !ok || b != nil {
			names = append(names, e.Name())
		}
	}
	for name, b := range t.over {
		if below, ok := strings.CutPrefix(name, strings.TrimSuffix(real, "/")+"/"); ok && b != nil {
			first, _, _ := strings.Cut(below, "/")
			names = append(names, first)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Glob is the paths that match a shell pattern, part by part, sorted. Hidden names match only a part
// that begins with a dot.
func (t *Tree) Glob(pattern string) []string {
	found := []string{"/"}
	for _, part := range plainfile.Parts(pattern) {
		var next []string
		for _, dir := range found {
			next = append(next, t.globPart(dir, part)...)
		}
		found = next
	}
	return found
}

// globPart is the names in dir that match one part of a pattern.
func (t *Tree) globPart(dir, part string) (out []string) {
	if !strings.ContainsAny(part, `*?[`) {
		if name := path.Join(dir, part); t.Exists(name) {
			out = append(out, name)
		}
		return out
	}
	for _, name := range t.List(dir) {
		hidden := strings.HasPrefix(name, ".") && !strings.HasPrefix(part, ".")
		if !hidden && fnmatch(part, name) {
			out = append(out, path.Join(dir, name))
		}
	}
	return out
}
