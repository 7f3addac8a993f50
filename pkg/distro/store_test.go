package distro

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// today dates the manifests of these tests.
func today() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// newRoot makes a root folder of files, and a store on it.
func newRoot(t *testing.T, files map[string]string) (string, *Store) {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		full := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return root, openStore(t, root)
}

// openStore opens a store as a new run of the program would.
func openStore(t *testing.T, root string) *Store {
	t.Helper()
	s, err := OpenStore(root, "/var/lib/v6guest", today)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// snapshot is every file and folder below root, but v6guest's own as long as there are originals in it.
func snapshot(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	originals, _ := os.ReadDir(filepath.Join(root, "var/lib/v6guest/backup"))
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(name, root)
		if rel == "/var" && len(originals) > 0 {
			return filepath.SkipDir
		}
		switch {
		case e.IsDir():
			out[rel+"/"] = ""
		case e.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(name)
			out[rel] = "-> " + target
			return err
		default:
			b, err := os.ReadFile(name)
			out[rel] = string(b)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// change makes a change of a file as it is now.
func change(t *testing.T, s *Store, name, after string) Change {
	t.Helper()
	before, err := s.read(name)
	if err != nil {
		t.Fatal(err)
	}
	c := Change{Path: name, Before: before, Mode: 0o644, Why: []string{"a test"}}
	if after != "" {
		c.After = []byte(after)
	}
	return c
}

var threeFiles = map[string]string{"/etc/a": "a\n", "/etc/b": "b\n", "/etc/c": "c\n"}

// threeChanges edits one file, takes one away and makes one in a new folder.
func threeChanges(t *testing.T, s *Store) []Change {
	return []Change{change(t, s, "/etc/a", "A\n"), change(t, s, "/etc/b", ""), change(t, s, "/etc/n/d/new", "new\n")}
}

func TestRestoreBringsBackEveryFileAndRemovesNewFolders(t *testing.T) {
	root, s := newRoot(t, threeFiles)
	before := snapshot(t, root)
	if err := s.Apply(threeChanges(t, s)); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"/": "", "/etc/": "", "/etc/a": "A\n", "/etc/c": "c\n", "/etc/n/": "", "/etc/n/d/": "", "/etc/n/d/new": "new\n"}
	if diff := cmp.Diff(want, snapshot(t, root)); diff != "" {
		t.Errorf("applied (-want +got):\n%s", diff)
	}
	// Restoring is a new run's business.
	restored, err := openStore(t, root).Restore(false)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/etc/a", "/etc/b", "/etc/n/d/new"}, restored); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before, snapshot(t, root)); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
	if again, err := s.Restore(false); err != nil || len(again) != 0 {
		t.Errorf("a second restore: %v, %v", again, err)
	}
}

func TestAFolderThatIsNeededNoLongerGoesAtOnce(t *testing.T) {
	root, s := newRoot(t, threeFiles)
	if err := s.Apply(threeChanges(t, s)); err != nil {
		t.Fatal(err)
	}
	// Somebody else's file in one of the new folders keeps that one.
	if err := os.WriteFile(filepath.Join(root, "etc/n/mine"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply([]Change{change(t, s, "/etc/n/d/new", "")}); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"/": "", "/etc/": "", "/etc/a": "A\n", "/etc/c": "c\n", "/etc/n/": "", "/etc/n/mine": ""}
	if diff := cmp.Diff(want, snapshot(t, root)); diff != "" {
		t.Errorf("applied (-want +got):\n%s", diff)
	}
}

func TestAnImmutableFileOrFolderIsNamedWithWhatTakesTheAttributeOff(t *testing.T) {
	for _, name := range []string{"/etc/a", "/etc"} {
		root, s := newRoot(t, threeFiles)
		before := snapshot(t, root)
		immutable(t, filepath.Join(root, name))
		err := s.Apply(threeChanges(t, s))
		why, ok := errors.AsType[*ImmutableError](err)
		if !ok || why.Name != name || why.Cure() != "nothing was changed; if that is not wanted: chattr -i "+name {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(before, snapshot(t, root)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// immutable does what chattr +i does, where the file system knows it and the user may.
func immutable(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(flags|unix.STATX_ATTR_IMMUTABLE))
	}
	if err != nil {
		_ = f.Close()
		t.Skipf("no file of this file system can be made immutable by this user: %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(flags)), f.Close()); err != nil {
			t.Error(err)
		}
	})
}

func TestRestoreRefusesAFileThatSomebodyEdited(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(t *testing.T, root string, s *Store)
	}{
		{"edited after our change", func(t *testing.T, root string, _ *Store) {
			if err := os.WriteFile(filepath.Join(root, "etc/a"), []byte("mine\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}},
		{"removed after our change", func(t *testing.T, root string, _ *Store) {
			if err := os.Remove(filepath.Join(root, "etc/a")); err != nil {
				t.Fatal(err)
			}
		}},
		{"edited between two of our changes", func(t *testing.T, root string, s *Store) {
			if err := os.WriteFile(filepath.Join(root, "etc/a"), []byte("A\nmine\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := s.Apply([]Change{change(t, s, "/etc/a", "A\nmine\nours\n")}); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root, s := newRoot(t, threeFiles)
			before := snapshot(t, root)
			if err := s.Apply(threeChanges(t, s)); err != nil {
				t.Fatal(err)
			}
			tt.edit(t, root, s)
			edited := snapshot(t, root)
			_, err := s.Restore(false)
			if !errors.Is(err, ErrEdited) || !strings.Contains(err.Error(), "/etc/a") {
				t.Fatalf("restore: %v, want one that names /etc/a", err)
			}
			if diff := cmp.Diff(edited, snapshot(t, root)); diff != "" {
				t.Errorf("a refused restore changed files (-want +got):\n%s", diff)
			}
			if _, err := s.Restore(true); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, snapshot(t, root)); diff != "" {
				t.Errorf("forced (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAFileWrittenAnewIsAnOriginal: cloud-init writes whole files, at each boot if it is told so. What it wrote
// without v6guest's change is what restore must bring back, not the file of an earlier boot.
func TestAFileWrittenAnewIsAnOriginal(t *testing.T) {
	for _, tt := range []struct {
		name  string
		apply func(t *testing.T, s *Store) []Change
		want  string // of /etc/a after restore
	}{
		{"and changed again", func(t *testing.T, s *Store) []Change { return []Change{change(t, s, "/etc/a", "other\nA\n")} }, "other\n"},
		{"and needs no change", func(*testing.T, *Store) []Change { return nil }, "other\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root, s := newRoot(t, threeFiles)
			want := snapshot(t, root)
			if err := s.Apply(threeChanges(t, s)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, "etc/a"), []byte("other\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := s.Apply(tt.apply(t, s)); err != nil {
				t.Fatal(err)
			}
			if _, err := openStore(t, root).Restore(false); err != nil {
				t.Fatal(err)
			}
			want["/etc/a"] = tt.want
			if diff := cmp.Diff(want, snapshot(t, root)); diff != "" {
				t.Errorf("restored (-want +got):\n%s", diff)
			}
			if left, _ := os.ReadDir(filepath.Join(root, "var/lib/v6guest/backup")); len(left) != 0 {
				t.Errorf("the backup folder still holds %v", left)
			}
		})
	}
}

func TestApplyKeepsModeOwnerAndAttributes(t *testing.T) {
	root, s := newRoot(t, threeFiles)
	name := filepath.Join(root, "etc/a")
	if err := os.Chmod(name, 0o4710); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, 0o710|fs.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(name, 12, 34); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, 0o710|fs.ModeSetuid); err != nil {
			t.Fatal(err)
		}
	}
	xattr := unix.Setxattr(name, "user.v6guest-test", []byte("label"), 0)
	before, err := s.disk.metadataOf("/etc/a")
	if err != nil {
		t.Fatal(err)
	}
	if xattr == nil && string(before.Xattrs["user.v6guest-test"]) != "label" {
		t.Errorf("attributes are read as %v", before.Xattrs)
	}
	for _, after := range []string{"changed\n", "changed again\n"} {
		if err := s.Apply([]Change{change(t, s, "/etc/a", after)}); err != nil {
			t.Fatal(err)
		}
		got, err := s.disk.metadataOf("/etc/a")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, got); diff != "" {
			t.Errorf("attributes (-want +got):\n%s", diff)
		}
	}
}

func TestSymbolicLinksAreFollowedAndNeverLeadOut(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(outside, []byte("untouched\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, target, real string }{
		{"a relative link", "../data/file", "/data/file"},
		{"an absolute link starts at the root folder", "/data/file", "/data/file"},
		{"dots stop at the root folder", "../../../../../../data/file", "/data/file"},
		{"a link to the outside", outside, outside},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root, s := newRoot(t, map[string]string{"/data/file": "one\n", "/etc/other": ""})
			link := filepath.Join(root, "etc/link")
			if err := os.Symlink(tt.target, link); err != nil {
				t.Fatal(err)
			}
			before := snapshot(t, root)
			if err := s.Apply([]Change{change(t, s, "/etc/link", "two\n")}); err != nil {
				t.Fatal(err)
			}
			if b, _ := os.ReadFile(filepath.Join(root, tt.real)); string(b) != "two\n" {
				t.Errorf("%s holds %q", tt.real, b)
			}
			if got, _ := os.Readlink(link); got != tt.target {
				t.Errorf("the link is %q", got)
			}
			if b, _ := os.ReadFile(outside); string(b) != "untouched\n" {
				t.Error("a file outside of the root folder was changed")
			}
			if _, err := s.Restore(false); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, snapshot(t, root)); diff != "" {
				t.Errorf("restored (-want +got):\n%s", diff)
			}
		})
	}
}

func TestApplyRefusesAStalePlan(t *testing.T) {
	root, s := newRoot(t, threeFiles)
	changes := threeChanges(t, s)
	if err := os.WriteFile(filepath.Join(root, "etc/b"), []byte("newer\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, root)
	if err := s.Apply(changes); !errors.Is(err, ErrStale) || !strings.Contains(err.Error(), "/etc/b") {
		t.Fatalf("apply: %v", err)
	}
	if diff := cmp.Diff(before, snapshot(t, root)); diff != "" {
		t.Error(diff)
	}
}

func TestABackupFolderThatOthersCouldWriteIsRefused(t *testing.T) {
	root, s := newRoot(t, threeFiles)
	if err := s.Apply(threeChanges(t, s)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(root, "var/lib/v6guest/backup"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Restore(true); !errors.Is(err, ErrUnsafeBackup) {
		t.Errorf("restore: %v", err)
	}
}

func TestANewerManifestIsRefused(t *testing.T) {
	_, s := newRoot(t, map[string]string{"/var/lib/v6guest/backup/manifest.json": `{"format": 2}`})
	if err := os.Chmod(filepath.Join(s.root.Name(), s.dir), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Restore(false); !errors.Is(err, ErrNewerManifest) {
		t.Errorf("restore: %v", err)
	}
}

func TestRebaseDependsOnWhatIsWantedAlone(t *testing.T) {
	root, s := newRoot(t, threeFiles)
	before := snapshot(t, root)
	apply := func(planned ...Change) int {
		t.Helper()
		changes, err := s.Rebase(planned)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(changes); err != nil {
			t.Fatal(err)
		}
		return len(changes)
	}
	first := Change{Path: "/etc/a", Before: []byte("a\n"), After: []byte("first\n")}
	second := Change{Path: "/etc/b", Before: []byte("b\n"), After: []byte("second\n")}
	for _, tt := range []struct {
		planned []Change
		changed int
		a, b    string
	}{
		{[]Change{first}, 1, "first\n", "b\n"},
		{[]Change{first}, 0, "first\n", "b\n"},
		{[]Change{second}, 2, "a\n", "second\n"},
		{nil, 1, "a\n", "b\n"},
	} {
		original, err := s.Originals()
		if err != nil {
			t.Fatal(err)
		}
		if got := original.text("/etc/a"); got != "a\n" {
			t.Errorf("the original of /etc/a reads as %q", got)
		}
		if n := apply(tt.planned...); n != tt.changed {
			t.Errorf("%d changes, want %d", n, tt.changed)
		}
		if got := snapshot(t, root); got["/etc/a"] != tt.a || got["/etc/b"] != tt.b {
			t.Errorf("a is %q and b %q, want %q and %q", got["/etc/a"], got["/etc/b"], tt.a, tt.b)
		}
	}
	if diff := cmp.Diff(before, snapshot(t, root)); diff != "" {
		t.Error(diff)
	}
}

var errKilled = errors.New("killed")

// killAt makes the n-th point, and every later one, fail, as if the program ended there. It returns the
// count of points passed.
func killAt(s *Store, n int) *int {
	passed := new(int)
	s.disk.at = func(string, string) error {
		if *passed++; *passed > n {
			return errKilled
		}
		return nil
	}
	return passed
}

func TestAKillAnywhereLeavesEachFileWholeAndTheNextRunGoesOn(t *testing.T) {
	for _, tt := range []struct {
		name string
		run  func(s *Store) error
	}{
		{"apply", func(s *Store) error { return s.Apply(threeChanges(t, s)) }},
		{"restore", func(s *Store) error { _, err := s.Restore(false); return err }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for n := 0; ; n++ {
				root, s := newRoot(t, threeFiles)
				if tt.name == "restore" {
					if err := s.Apply(threeChanges(t, s)); err != nil {
						t.Fatal(err)
					}
				}
				killAt(s, n)
				err := tt.run(s)
				if err == nil {
					if n < 20 {
						t.Fatalf("only %d points", n)
					}
					return
				}
				if !errors.Is(err, errKilled) {
					t.Fatalf("point %d: %v", n, err)
				}
				checkAfterKill(t, root, n)
			}
		})
	}
}

// checkAfterKill looks at what a kill at point n left, and lets the next run go on.
func checkAfterKill(t *testing.T, root string, n int) {
	t.Helper()
	for name, text := range snapshot(t, root) {
		whole := map[string][]string{"/etc/a": {"a\n", "A\n"}, "/etc/b": {"b\n"}, "/etc/c": {"c\n"}, "/etc/n/d/new": {"new\n"}}
		if want, ok := whole[name]; ok && text != want[0] && text != want[len(want)-1] {
			t.Errorf("point %d: %s holds %q", n, name, text)
		}
	}
	s := openStore(t, root)
	if err := s.Recover(); err != nil {
		t.Fatalf("point %d: %v", n, err)
	}
	left := snapshot(t, root)
	for name := range left {
		if strings.Contains(name, "v6guest-tmp") {
			t.Errorf("point %d: %s is left", n, name)
		}
	}
	// All of it or nothing of it.
	if done := left["/etc/a"] == "A\n"; done != (left["/etc/n/d/new"] == "new\n") || done == (left["/etc/b"] == "b\n") {
		t.Errorf("point %d: half done: %v", n, left)
	}
	if _, err := s.Restore(false); err != nil {
		t.Fatalf("point %d: %v", n, err)
	}
	want := map[string]string{"/": "", "/etc/": "", "/etc/a": "a\n", "/etc/b": "b\n", "/etc/c": "c\n"}
	restored := snapshot(t, root)
	for name := range restored { // killed before the manifest says that v6guest made it, or after it is gone
		if strings.HasPrefix("/var/lib/v6guest/", name) && name != "/" {
			delete(restored, name)
		}
	}
	if diff := cmp.Diff(want, restored); diff != "" {
		t.Errorf("point %d, restored (-want +got):\n%s", n, diff)
	}
}

func TestAFailureOfOneActionLeavesEverythingAsItWas(t *testing.T) {
	_, s := newRoot(t, threeFiles)
	total := killAt(s, 1<<30)
	if err := s.Apply(threeChanges(t, s)); err != nil {
		t.Fatal(err)
	}
	before := map[string]string{"/": "", "/etc/": "", "/etc/a": "a\n", "/etc/b": "b\n", "/etc/c": "c\n"}
	for n := range *total {
		root, s := newRoot(t, threeFiles)
		i := 0
		s.disk.at = func(string, string) error {
			if i++; i == n+1 {
				return syscall.ENOSPC
			}
			return nil
		}
		err := s.Apply(threeChanges(t, s))
		if err == nil {
			t.Fatalf("point %d: no error", n)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("point %d: %v", n, err)
		}
		got := snapshot(t, root)
		if got["/etc/a"] == "A\n" {
			// The very last actions only tidy up, when all is done.
			s.disk.at = nil
			if _, err := s.Restore(false); err != nil {
				t.Fatal(err)
			}
			got = snapshot(t, root)
		}
		if diff := cmp.Diff(before, got); diff != "" {
			t.Errorf("point %d (-want +got):\n%s", n, diff)
		}
	}
}

// TestAFullDiskLeavesEverythingAsItWas: from one moment on there is no room, for undoing neither.
func TestAFullDiskLeavesEverythingAsItWas(t *testing.T) {
	for _, already := range []bool{false, true} { // whether v6guest has changed another file before
		for n := 0; ; n++ {
			root, s := newRoot(t, threeFiles)
			if already {
				if err := s.Apply([]Change{change(t, s, "/etc/c", "C\n"), change(t, s, "/etc/o/x", "x\n")}); err != nil {
					t.Fatal(err)
				}
			}
			changes := append(threeChanges(t, s), change(t, s, "/etc/o/x", ""))[:3]
			if already {
				changes = append(changes, change(t, s, "/etc/o/x", ""))
			}
			before, i := snapshot(t, root), 0
			s.disk.at = func(action, _ string) error {
				if i++; i > n && (action == "attributes" || action == "mkdir") { // what was written does not fit
					return syscall.ENOSPC
				}
				return nil
			}
			err := s.Apply(changes)
			if i <= n {
				break // there was room for all of it
			}
			if err == nil {
				continue // what did not fit is not needed
			}
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("point %d: %v", n, err)
			}
			if err := openStore(t, root).Recover(); err != nil {
				t.Fatalf("point %d, recover: %v", n, err)
			}
			if diff := cmp.Diff(before, snapshot(t, root)); diff != "" {
				t.Errorf("point %d, %v (-want +got):\n%s", n, err, diff)
			}
			s.disk.at = nil
			if err := s.Apply(changes); err != nil {
				t.Errorf("point %d, with room: %v", n, err)
			}
		}
	}
}

// TestAFileWithSeveralNamesIsRefusedBeforeTheFirstChange: a new file takes the place of one name alone. Names
// that somebody adds later, as backups by hard links do, stop nothing.
func TestAFileWithSeveralNamesIsRefusedBeforeTheFirstChange(t *testing.T) {
	root, s := newRoot(t, threeFiles)
	link := func(name string) {
		t.Helper()
		if err := os.Link(filepath.Join(root, "etc/a"), filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("other")
	before := snapshot(t, root)
	err := s.Apply(threeChanges(t, s))
	linked, ok := errors.AsType[*LinkedError](err)
	if !ok || linked.Name != "/etc/a" || linked.Names != 2 || linked.Cure() == "" {
		t.Errorf("%v", err)
	}
	if diff := cmp.Diff(before, snapshot(t, root)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := os.Remove(filepath.Join(root, "other")); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(threeChanges(t, s)); err != nil {
		t.Fatal(err)
	}
	link("backup")
	if err := s.Apply([]Change{change(t, s, "/etc/a", "A2\n")}); err != nil {
		t.Error(err)
	}
	if _, err := s.Restore(false); err != nil {
		t.Error(err)
	}
}
