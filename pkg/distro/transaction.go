package distro

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
)

// addFolders notes the folders that must be made first.
func (t *transaction) addFolders(tree *Tree, dir string) {
	for _, d := range missingFolders(tree, dir) {
		if !slices.Contains(t.Made, d) {
			t.Made = append(t.Made, d)
		}
	}
}

// run does a transaction: it writes down what is to be done, lays every new file ready beside its
// place, commits, and moves them all. Until the commit an error leaves everything as it was.
func (s *Store) run(m *manifest, t *transaction) error {
	m.Pending = t
	if err := s.save(m); err != nil {
		m.Pending = nil
		return errors.Join(err, s.prune(m))
	}
	if err := s.stage(t); err != nil {
		return errors.Join(err, s.undo(m))
	}
	// What the manifest says at the end is written before, so that nothing that may fail for want of room
	// comes behind the commit.
	if err := s.write(s.finished(m), manifestDone); err != nil {
		return errors.Join(err, s.undo(m))
	}
	t.Committed = true
	if err := s.save(m); err != nil {
		t.Committed = false
		return errors.Join(err, s.undo(m))
	}
	if err := s.move(t); err != nil {
		return errors.Join(err, s.rollBack(m))
	}
	return s.finish(m)
}

// stage makes the folders and lays the new files ready.
func (s *Store) stage(t *transaction) error {
	for _, dir := range t.Made {
		if err := s.disk.mkdir(dir, 0o755); err != nil {
			return fmt.Errorf("make the folder %s: %w", dir, err)
		}
	}
	for _, st := range t.Steps {
		if st.Temp == "" {
			continue
		}
		if err := s.disk.write(st.Temp, st.bytes, st.Attr); err != nil {
			return fmt.Errorf("write %s: %w", st.Real, err)
		}
		if err := s.disk.sync(path.Dir(st.Temp)); err != nil {
			return err
		}
	}
	return nil
}

// move puts every new file in its place. It may be called again after a part was done.
func (s *Store) move(t *transaction) error {
	for _, st := range t.Steps {
		if st.Temp == "" {
			if err := s.disk.remove(st.Real); err != nil {
				return fmt.Errorf("remove %s: %w", st.Real, err)
			}
			continue
		}
		if !s.tree.Exists(st.Temp) {
			continue // moved by an earlier run
		}
		if err := s.disk.rename(st.Temp, st.Real); err != nil {
			return fmt.Errorf("put %s in place: %w", st.Real, err)
		}
	}
	return nil
}

// settle finishes or takes back a transaction that an earlier run left, and removes what nothing needs.
func (s *Store) settle(m *manifest) error {
	if m.Pending == nil {
		return s.prune(m)
	}
	if !m.Pending.Committed {
		return s.undo(m)
	}
	if err := s.dropStale(m.Pending); err != nil {
		return err
	}
	if err := s.move(m.Pending); err != nil {
		return err
	}
	return s.finish(m)
}

// dropStale takes out of an unfinished transaction the files that somebody edited meanwhile: they stay
// as they are.
func (s *Store) dropStale(t *transaction) error {
	var kept []step
	for _, st := range t.Steps {
		now, err := s.read(st.Real)
		if err != nil {
			return err
		}
		if h := sum(now); h == st.Before || h == st.After {
			kept = append(kept, st)
			continue
		}
		if st.Temp != "" {
			if err := s.disk.remove(st.Temp); err != nil {
				return err
			}
		}
	}
	t.Steps = kept
	return nil
}

// undo takes back a transaction that was not committed: nothing but temporary files and new folders
// can be there.
func (s *Store) undo(m *manifest) error {
	for _, st := range m.Pending.Steps {
		if st.Temp != "" && s.tree.Exists(path.Dir(st.Temp)) {
			if err := s.disk.remove(st.Temp); err != nil {
				return err
			}
		}
	}
	if err := s.removeFolders(m.Pending.Made); err != nil {
		return err
	}
	m.Pending = nil
	if err := s.disk.remove(path.Join(s.dir, manifestDone)); err != nil {
		return err
	}
	if len(m.Files) == 0 {
		return s.prune(m)
	}
	if err := s.save(m); full(err) {
		return nil // nothing is left to take back, and the next run finds that out again
	} else if err != nil {
		return err
	}
	return s.prune(m)
}

// full reports whether there is no room on the file system.
func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// rollBack puts back what a committed transaction moved before one of its files could not be.
func (s *Store) rollBack(m *manifest) error {
	for i, st := range m.Pending.Steps {
		now, err := s.read(st.Real)
		if err != nil {
			return err
		}
		if sum(now) == st.Before {
			continue
		}
		if st.old == nil {
			if err := s.disk.remove(st.Real); err != nil {
				return err
			}
			continue
		}
		temp := path.Join(path.Dir(st.Real), fmt.Sprintf(".v6guest-tmp-back-%d", i))
		if err := s.disk.write(temp, st.old, st.Attr); err != nil {
			return err
		}
		if err := s.disk.rename(temp, st.Real); err != nil {
			return err
		}
	}
	return s.undo(m)
}

// finished is the manifest as it is when its transaction is done.
func (s *Store) finished(m *manifest) *manifest {
	out := &manifest{Format: m.Format, Files: m.Pending.Files, Folders: slices.Clone(m.Folders)}
	for _, dir := range m.Pending.Made {
		if !slices.Contains(out.Folders, dir) {
			out.Folders = append(out.Folders, dir)
		}
	}
	return out
}

// finish writes down that a transaction is done.
func (s *Store) finish(m *manifest) error {
	*m = *s.finished(m)
	done := path.Join(s.dir, manifestDone)
	if !s.tree.Exists(done) { // begun by a v6guest that wrote none
		if err := s.write(m, manifestDone); err != nil {
			return err
		}
	}
	if err := s.disk.rename(done, path.Join(s.dir, manifestName)); err != nil {
		return err
	}
	if err := s.removeFolders(m.Folders); err != nil {
		return err
	}
	left := slices.DeleteFunc(slices.Clone(m.Folders), func(dir string) bool { return !s.tree.Exists(dir) })
	if len(left) < len(m.Folders) {
		m.Folders = left
		if err := s.save(m); err != nil && !full(err) { // else it names some that are no more there, which costs nothing
			return err
		}
	}
	return s.prune(m)
}

// prune removes originals that no entry names.
func (s *Store) prune(m *manifest) error {
	for _, name := range s.tree.List(s.dir) {
		used := slices.ContainsFunc(m.Files, func(e entry) bool { return e.Backup == name })
		if !used && name != manifestName && strings.Trim(name, "0123456789") == "" {
			if err := s.disk.remove(path.Join(s.dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// clear removes the manifest, the backup folder and the other folders that v6guest made, when nothing is
// changed any more.
func (s *Store) clear(m *manifest) error {
	if len(m.Files) > 0 || m.Pending != nil {
		return nil
	}
	if err := s.removeFolders(m.Folders); err != nil { // while the manifest says which they are
		return err
	}
	for _, name := range []string{manifestName + ".new", manifestDone, manifestName} {
		if err := s.disk.remove(path.Join(s.dir, name)); err != nil {
			return err
		}
	}
	above := slices.DeleteFunc(slices.Clone(m.Folders), func(dir string) bool { return !strings.HasPrefix(s.dir, dir+"/") })
	return s.removeFolders(append(above, s.dir))
}

// removeFolders removes those of the folders that are empty, innermost first; they stand outermost first.
func (s *Store) removeFolders(dirs []string) error {
	for _, dir := range slices.Backward(dirs) {
		err := s.disk.remove(dir)
		if err != nil && !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// Restore brings every file back as it was before v6guest changed it, and names them. A file that
// somebody edited since is refused, and then nothing at all is changed, unless force is set.
//
// Errors: ErrEdited (joined, one for each file), and those of Apply.
func (s *Store) Restore(force bool) (restored []string, err error) {
	if !s.tree.Exists(s.dir) {
		return nil, nil
	}
	m, unlock, err := s.begin()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.end(m, unlock)) }()
	t := &transaction{}
	var refused []error
	for i, e := range m.Files {
		st, err := s.restoreStep(e, i, force)
		if err != nil {
			refused = append(refused, err)
			continue
		}
		if st.Before != st.After {
			t.Steps = append(t.Steps, st)
			restored = append(restored, e.Path)
			if st.Temp != "" {
				t.addFolders(s.tree, path.Dir(st.Real))
			}
		}
	}
	if len(refused) > 0 || len(m.Files) == 0 {
		return nil, errors.Join(refused...)
	}
	return restored, s.run(m, t)
}

// restoreStep is what brings one file back.
func (s *Store) restoreStep(e entry, i int, force bool) (step, error) {
	now, err := s.read(e.Real)
	if err != nil {
		return step{}, err
	}
	h := sum(now)
	if h != e.Before && (h != e.After || e.Edited) && !force {
		return step{}, fmt.Errorf("restore %s: %w", e.Path, ErrEdited)
	}
	original, err := s.original(e)
	if err != nil {
		return step{}, err
	}
	st := step{Real: e.Real, Before: h, After: e.Before, Attr: e.Attr, bytes: original, old: now}
	if now != nil { // a mode or label that was changed since is somebody's wish
		if st.Attr, err = s.disk.metadataOf(e.Real); err != nil {
			return step{}, err
		}
	}
	if original != nil {
		st.Temp = path.Join(path.Dir(e.Real), fmt.Sprintf(".v6guest-tmp-%d", i))
	}
	return st, nil
}
