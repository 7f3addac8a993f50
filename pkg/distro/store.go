package distro

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/plainfile"
)

// A Store changes files below a root folder and keeps what they were before, so that Restore brings
// every one back. All its files lie in one folder below the root, which only its owner may read.
//
// A Store is for one goroutine; two at one time, also of several processes, exclude each other by a lock.
type Store struct {
	root *os.Root
	tree *Tree
	disk disk
	dir  string // the backup folder, as seen from inside
	now  func() time.Time
}

// OpenStore opens the root folder ("/" for the running system). state is v6guest's state folder as seen
// from inside, "/var/lib/v6guest"; the backup folder in it is made when it is first needed. now dates
// the manifest's entries.
func OpenStore(root, state string, now func() time.Time) (*Store, error) {
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, fmt.Errorf("open the root folder: %w", err)
	}
	tree := NewTree(plainfile.Below(r))
	dir, err := tree.Resolve(path.Join("/", state, "backup")) // /var may be a link
	if err != nil {
		return nil, errors.Join(fmt.Errorf("find the backup folder: %w", err), r.Close())
	}
	return &Store{root: r, tree: tree, disk: disk{root: r}, dir: dir, now: now}, nil
}

// Close lets the root folder go.
func (s *Store) Close() error { return s.root.Close() }

// Tree is the root folder as it is.
func (s *Store) Tree() *Tree { return s.tree }

// begin locks the store and finishes or takes back what an earlier run left half done.
func (s *Store) begin() (m *manifest, unlock func(), err error) {
	f, err := plainfile.OpenFolderIn(s.root, inFS(s.dir))
	if err != nil {
		return nil, nil, err
	}
	unlock = func() { _ = f.Close() } // which also gives the lock back
	if err := s.checkFolder(f); err != nil {
		unlock()
		return nil, nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrBusy
		}
		unlock()
		return nil, nil, fmt.Errorf("lock %s: %w", s.dir, err)
	}
	if !s.inPlace(f) { // the one that had the lock has removed it
		unlock()
		return nil, nil, fmt.Errorf("lock %s: %w", s.dir, ErrBusy)
	}
	m, err = s.load()
	if err == nil {
		err = s.settle(m)
	}
	if err != nil {
		unlock()
		return nil, nil, err
	}
	return m, unlock, nil
}

// end removes what nothing needs any more, and gives the lock back.
func (s *Store) end(m *manifest, unlock func()) error {
	defer unlock()
	return s.clear(m)
}

// inPlace reports whether the open folder is still the backup folder.
func (s *Store) inPlace(f *os.File) bool {
	ours, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := s.root.Stat(inFS(s.dir))
	return err == nil && os.SameFile(ours, there)
}

// checkFolder refuses a backup folder that somebody else could have filled.
func (s *Store) checkFolder(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !ok || int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s: %w", s.dir, ErrUnsafeBackup)
	}
	return nil
}

// Recover finishes what an earlier run of Apply or Restore committed to, or takes back what it had
// only begun. Apply and Restore do the same first.
func (s *Store) Recover() error {
	if !s.tree.Exists(s.dir) {
		return nil
	}
	m, unlock, err := s.begin()
	if err == nil {
		err = s.end(m, unlock)
	}
	if err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	return nil
}

// Originals is the tree as it would be had v6guest never changed a file: plans are made from it, so
// that they depend on what is wanted alone. Files that somebody edited since stay as they are.
func (s *Store) Originals() (*Tree, error) {
	originals, err := s.originals()
	if err != nil {
		return nil, err
	}
	return s.tree.With(originals), nil
}

// originals is the originals of the files that are as v6guest left them.
func (s *Store) originals() (map[string][]byte, error) {
	out := map[string][]byte{}
	if !s.tree.Exists(s.dir) {
		return out, nil
	}
	m, unlock, err := s.begin()
	if err != nil {
		return nil, err
	}
	defer unlock()
	for _, e := range m.Files {
		now, err := s.read(e.Real)
		if err != nil {
			return nil, err
		}
		if e.Edited || sum(now) != e.After {
			continue
		}
		if out[e.Real], err = s.original(e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// original is a file's bytes before v6guest; nil if there was none.
func (s *Store) original(e entry) ([]byte, error) {
	if e.Before == "" {
		return nil, nil
	}
	b, err := s.tree.Read(path.Join(s.dir, e.Backup))
	if err != nil {
		return nil, fmt.Errorf("read the original of %s: %w", e.Path, err)
	}
	if sum(b) != e.Before {
		return nil, fmt.Errorf("the original of %s: %w", e.Path, ErrEdited)
	}
	return b, nil
}

// read is a file's bytes; nil if there is none.
func (s *Store) read(name string) ([]byte, error) {
	b, err := s.tree.Read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && b == nil {
		b = []byte{}
	}
	return b, err
}

// Rebase turns changes that were planned from Originals into changes of the files as they are: what is
// as wanted drops out, and files that v6guest changed earlier and that no change names any more go back
// to their originals.
func (s *Store) Rebase(changes []Change) ([]Change, error) {
	originals, err := s.originals()
	if err != nil {
		return nil, err
	}
	var out []Change
	for _, c := range changes {
		real, err := s.tree.Resolve(c.Path)
		if err != nil {
			return nil, err
		}
		delete(originals, real)
		if c.Before, err = s.read(real); err != nil {
			return nil, err
		}
		if !bytes.Equal(c.Before, c.After) || (c.Before == nil) != (c.After == nil) {
			out = append(out, c)
		}
	}
	for real, original := range originals {
		now, err := s.read(real)
		if err != nil {
			return nil, err
		}
		out = append(out, Change{Path: real, Before: now, After: original, Why: []string{"v6guest needs its change no longer"}})
	}
	slices.SortStableFunc(out, func(a, b Change) int { return bytes.Compare([]byte(a.Path), []byte(b.Path)) })
	return out, nil
}

// Apply makes the changes: all of them, or none and an error that names the file. Originals are kept
// from the first change of each file on.
//
// Errors: ErrStale, ErrBusy, ErrUnsafeBackup, ErrNewerManifest, and those of the file system.
func (s *Store) Apply(changes []Change) (err error) {
	if len(changes) == 0 && !s.tree.Exists(s.dir) {
		return nil
	}
	made, err := s.makeFolder()
	if err != nil {
		return fmt.Errorf("make %s: %w", s.dir, err)
	}
	m, unlock, err := s.begin()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.end(m, unlock)) }()
	m.Folders = append(made, m.Folders...)
	t := &transaction{}
	if t.Files, err = s.stillOurs(m, changes); err != nil {
		return err
	}
	if len(changes) == 0 && len(t.Files) == len(m.Files) {
		return nil
	}
	for i, c := range changes {
		if err := s.prepare(m, t, c, i); err != nil {
			return errors.Join(fmt.Errorf("change %s: %w", c.Path, err), s.prune(m))
		}
	}
	return s.run(m, t)
}

// stillOurs is the entries of a manifest without those of files that somebody wrote anew, without v6guest's
// change, and that no change names: they are as wanted by themselves, and nothing of them is to be brought
// back.
func (s *Store) stillOurs(m *manifest, changes []Change) (out []entry, err error) {
	for _, e := range m.Files {
		now, err := s.read(e.Real)
		if err != nil {
			return nil, err
		}
		if !e.rewritten(now) || slices.ContainsFunc(changes, func(c Change) bool { return c.Path == e.Path }) {
			out = append(out, e)
		}
	}
	return out, nil
}

// makeFolder makes the backup folder and returns the folders above it that it had to make.
func (s *Store) makeFolder() (above []string, err error) {
	missing := missingFolders(s.tree, s.dir)
	for _, dir := range missing {
		mode := fs.FileMode(0o755)
		if dir == s.dir {
			mode = 0o700
		} else {
			above = append(above, dir)
		}
		if err := s.disk.mkdir(dir, mode); err != nil {
			return nil, errors.Join(err, s.removeFolders(missing))
		}
	}
	return above, nil
}

// missingFolders is those of a folder and the ones above it that do not exist, outermost first.
func missingFolders(t *Tree, dir string) (out []string) {
	for ; dir != "/" && !t.Exists(dir); dir = path.Dir(dir) {
		out = append(out, dir)
	}
	slices.Reverse(out)
	return out
}

// prepare adds one change to a transaction, and keeps the original.
func (s *Store) prepare(m *manifest, t *transaction, c Change, i int) error {
	real, err := s.tree.Resolve(c.Path)
	if err != nil {
		return err
	}
	now, err := s.read(real)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, c.Before) || (now == nil) != (c.Before == nil) {
		return ErrStale
	}
	attr := metadata{Mode: c.Mode, UID: -1, GID: -1}
	if now != nil {
		if attr, err = s.disk.metadataOf(real); err != nil {
			return err
		}
	}
	st := step{Real: real, Before: sum(now), After: sum(c.After), Attr: attr, bytes: c.After, old: now}
	if c.After != nil {
		st.Temp = path.Join(path.Dir(real), ".v6guest-tmp-"+strconv.Itoa(i))
		t.addFolders(s.tree, path.Dir(real))
	}
	t.Steps = append(t.Steps, st)
	e := entry{Path: c.Path, Real: real, Before: st.Before, Time: s.now().UTC().Truncate(time.Second), Attr: attr}
	if old := m.entry(real); old != nil && !old.rewritten(now) {
		e = *old
		// Somebody's edit came between: the original lacks it, and the bytes as they are now are in no backup.
		e.Edited = e.Edited || st.Before != e.After && st.Before != e.Before
	} else if now != nil {
		if n, err := s.disk.names(real); err != nil || n > 1 {
			return errors.Join(err, &LinkedError{real, n})
		}
		e.Backup = s.backupName(t)
		if err := s.keep(e.Backup, now); err != nil {
			return err
		}
	}
	original := now
	if e.Before != st.Before {
		if original, err = s.original(e); err != nil {
			return err
		}
	}
	e.After, e.Added = st.After, addedLines(original, c.After)
	t.Files = slices.DeleteFunc(t.Files, func(f entry) bool { return f.Real == real })
	if e.After != e.Before {
		t.Files = append(t.Files, e)
	}
	return nil
}

// keep writes an original into the backup folder.
func (s *Store) keep(name string, b []byte) error {
	if err := s.disk.write(path.Join(s.dir, name), b, metadata{Mode: 0o600, UID: -1, GID: -1}); err != nil {
		return fmt.Errorf("keep the original: %w", err)
	}
	return s.disk.sync(s.dir)
}

// backupName is a name that no entry uses.
func (s *Store) backupName(t *transaction) string {
	for i := 1; ; i++ {
		name := fmt.Sprintf("%04d", i)
		if !slices.ContainsFunc(t.Files, func(e entry) bool { return e.Backup == name }) {
			return name
		}
	}
}
