package leasestore

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/inotify"
)

// A straying is what Astray was told.
type straying struct {
	what *Fault
	back bool
}

// watched opens a store with one lease and a value, and hears of its straying.
func watched(t *testing.T) (*harness, chan straying) {
	t.Helper()
	heard := make(chan straying, 100)
	h := open(t, temporary(t), func(_ *harness, o *Options) {
		o.Astray = func(what *Fault, back bool) { heard <- straying{what, back} }
	})
	h.do(t, put(1, 1), Set{"name", []byte("value")})
	return h, heard
}

// hears waits for the next straying and holds its words and its cure against what is wanted.
func hears(t *testing.T, heard chan straying, back bool, what, cure string) {
	t.Helper()
	select {
	case got := <-heard:
		if got.back != back || !strings.Contains(got.what.Error(), what) || !strings.Contains(got.what.Cure, cure) {
			t.Errorf("told back=%t: %v\ncure: %s", got.back, got.what, got.what.Cure)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("nothing is told")
	}
}

func quiet(t *testing.T, heard chan straying) {
	t.Helper()
	select {
	case got := <-heard:
		t.Errorf("told besides: %v", got.what)
	default:
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestAFileThatIsGoneIsWrittenAgainWhole: at once, though nobody stores anything, so that even a kill
// loses nothing.
func TestAFileThatIsGoneIsWrittenAgainWhole(t *testing.T) {
	for _, tt := range []struct {
		name, told string
		do         func(path string) error
	}{
		{"removed", "the file was removed while in use", os.Remove},
		{"renamed", "leases.db.old while in use", func(path string) error { return os.Rename(path, path+".old") }},
		{"moved to another folder", "the file was moved to ", func(path string) error {
			return os.Rename(path, filepath.Join(filepath.Dir(filepath.Dir(path)), filepath.Base(filepath.Dir(path))+"-leases.db"))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, heard := watched(t)
			if tt.name == "moved to another folder" {
				t.Cleanup(func() { _ = os.Remove(filepath.Dir(h.o.Path) + "-leases.db") })
			}
			ok(t, tt.do(h.o.Path))
			hears(t, heard, true, tt.told, "nothing is lost")
			killed := open(t, h.image(t))
			killed.want(t, stamped(lease(1, 1)))
			if v, _, err := killed.Value("name"); string(v) != "value" || err != nil {
				t.Errorf("value %q, %v", v, err)
			}
			h.do(t, put(2, 2))
			quiet(t, heard)
			if s := h.Stats(); s.Returns != 1 || s.Astray || s.Leases != 2 {
				t.Errorf("figures: %+v", s)
			}
			h.again(t).want(t, stamped(lease(1, 1)), stamped(lease(2, 2)))
		})
	}
}

// TestWhatIsAcknowledgedStandsInThePath: no commit is told as done before its file is where a start looks.
func TestWhatIsAcknowledgedStandsInThePath(t *testing.T) {
	h, _ := watched(t)
	m := model{1: 1}
	for n := range 50 { // across compactions, and while the kernel tells of the one before
		ok(t, os.Remove(h.o.Path))
		h.do(t, put(n%20, n))
		m[n%20] = n
		if n == 30 {
			open(t, h.image(t)).want(t, m.leases()...)
		}
	}
	if s := h.Stats(); s.Failures != 0 || s.Returns == 0 {
		t.Errorf("figures: %+v", s)
	}
	h.again(t).want(t, m.leases()...)
}

// TestAFileThatIsPutInTheStoresPlaceIsKeptBesideIt: as a backup that somebody restores over it.
func TestAFileThatIsPutInTheStoresPlaceIsKeptBesideIt(t *testing.T) {
	h, heard := watched(t)
	for n := 1; n <= MaxFound; n++ {
		backup := h.image(t)
		h.do(t, put(2, n+1))
		ok(t, os.Rename(backup, h.o.Path))
		kept := fmt.Sprintf("leases.db.found-%d", n)
		hears(t, heard, true, "another file was put in its place while in use, which is kept as ", "stop v6responder, rename "+filepath.Join(filepath.Dir(h.o.Path), kept))
		was, err := opened(filepath.Join(filepath.Dir(h.o.Path), kept))
		ok(t, err)
		if n == 1 {
			was.want(t, stamped(lease(1, 1)))
		} else {
			was.want(t, stamped(lease(1, 1)), stamped(lease(2, n)))
		}
		ok(t, was.Close())
	}
	backup := h.image(t)
	ok(t, os.Rename(backup, h.o.Path))
	hears(t, heard, false, "was replaced 9 times", "leases.db.found-1 and so on away")
	if err := h.Commit(t.Context(), put(3, 3)); err == nil {
		t.Error("stored, though a start would not find it")
	}
	ok(t, os.Remove(h.o.Path+".found-4"))
	hears(t, heard, true, "which is kept as "+h.o.Path+".found-4", "nothing is lost") // though nobody stores anything
	h.do(t, put(3, 3))
	h.again(t).want(t, stamped(lease(1, 1)), stamped(lease(2, MaxFound+1)), stamped(lease(3, 3)))
}

// TestAStoreOfAnotherProcessStaysItsOwn: who is second in a path does not take it from who has it locked.
func TestAStoreOfAnotherProcessStaysItsOwn(t *testing.T) {
	h, heard := watched(t)
	image := h.image(t)
	other, err := openFile(image, false) // what stands for another process that has it open
	ok(t, err)
	ok(t, os.Rename(image, h.o.Path))
	hears(t, heard, false, ErrLocked.Error(), fmt.Sprintf("stop process %d,", os.Getpid()))
	for range 3 {
		if err := h.Commit(t.Context(), put(2, 2)); !errors.Is(err, ErrLocked) {
			t.Errorf("commit: %v", err)
		}
	}
	quiet(t, heard)
	if s := h.Stats(); !s.Astray || s.Failures != 3 {
		t.Errorf("figures: %+v", s)
	}
	there, err := os.Stat(h.o.Path)
	ok(t, err)
	if its, err := other.Stat(); err != nil || !os.SameFile(there, its) {
		t.Errorf("the other's file has lost its place: %v", err)
	}
	ok(t, other.Close())
	h.do(t, put(3, 3))
	hears(t, heard, true, "kept as", "")
	h.again(t).want(t, stamped(lease(1, 1)), stamped(lease(3, 3)))
	open(t, h.o.Path+".found-1").want(t, stamped(lease(1, 1)))
}

// TestNothingIsPromisedWhileTheFolderIsAway: and what was begun meanwhile is uncertain, not lost in silence.
func TestNothingIsPromisedWhileTheFolderIsAway(t *testing.T) {
	for _, tt := range []struct {
		name string
		cure func(folder, away string) error
		told string
	}{
		{"put back", func(folder, away string) error { return os.Rename(away, folder) }, "leases.db: the file is in its place again"},
		{"made anew", func(folder, _ string) error { return os.Mkdir(folder, 0o700) }, "written there again"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, heard := watched(t)
			folder := filepath.Dir(h.o.Path)
			away := folder + "-away"
			t.Cleanup(func() { _ = os.RemoveAll(away) })
			ok(t, os.Rename(folder, away))
			hears(t, heard, false, "the file was moved to "+away+"/leases.db while in use, and is not written there again", "put the file, or its folder, back")
			if err := h.Commit(t.Context(), put(2, 2)); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrUncertain) {
				t.Errorf("commit: %v", err)
			}
			ok(t, tt.cure(folder, away))
			h.do(t, put(3, 3))
			hears(t, heard, true, tt.told, "nothing is lost")
			quiet(t, heard)
			if s := h.Stats(); s.Astray {
				t.Errorf("figures: %+v", s)
			}
			h.again(t).want(t, stamped(lease(1, 1)), stamped(lease(3, 3)))
		})
	}
}

// TestAFileThatIsWrittenOverIsNotBelieved, as by cp: bbolt would go on with pages that are another file's. It is
// told at once.
func TestAFileThatIsWrittenOverIsNotBelieved(t *testing.T) {
	heard := make(chan straying, 100)
	h, err := opened(temporary(t), func(_ *harness, o *Options) {
		o.Astray = func(what *Fault, back bool) { heard <- straying{what, back} }
	})
	ok(t, err)
	h.do(t, put(1, 1))
	backup, err := os.ReadFile(h.o.Path)
	ok(t, err)
	h.do(t, put(2, 2))
	f, err := os.OpenFile(h.o.Path, os.O_WRONLY, 0)
	ok(t, err)
	_, err = f.Write(backup)
	ok(t, errors.Join(err, f.Close()))
	hears(t, heard, false, "it was written over while in use", "if it is started with what the file has now, let the pools start at other addresses")
	for range 2 {
		err, fault := h.Commit(t.Context(), put(3, 3)), (*Fault)(nil)
		if !errors.Is(err, ErrCorrupt) || !errors.As(err, &fault) || !strings.Contains(fault.Cure, "if it is started with what the file has now, let the pools start at other addresses") {
			t.Errorf("commit: %v", err)
		}
	}
	quiet(t, heard)
	if err := h.Close(); !errors.Is(err, ErrCorrupt) {
		t.Errorf("close: %v", err)
	}
	open(t, h.o.Path).want(t, stamped(lease(1, 1)))
}

// TestAFileThatIsWrittenOverBetweenItsMetaPagesIsNotBelieved: cp and a commit at the same time leave the newest meta
// page, and pages beneath it that are older.
func TestAFileThatIsWrittenOverBetweenItsMetaPagesIsNotBelieved(t *testing.T) {
	heard := make(chan straying, 100)
	h, err := opened(temporary(t), func(_ *harness, o *Options) {
		o.Astray = func(what *Fault, back bool) { heard <- straying{what, back} }
	})
	ok(t, err)
	h.do(t, put(1, 1))
	older, err := os.ReadFile(h.o.Path)
	ok(t, err)
	for i := range 4 { // so that pages are in use again that were in use then
		h.do(t, put(2+i, 1))
	}
	f, err := os.OpenFile(h.o.Path, os.O_WRONLY, 0)
	ok(t, err)
	metas := int64(2 * os.Getpagesize())
	_, err = f.WriteAt(older[metas:], metas)
	ok(t, errors.Join(err, f.Close()))
	hears(t, heard, false, "it was written over while in use", "if it is started with what the file has now, let the pools start at other addresses")
	if err := h.Commit(t.Context(), put(9, 9)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("commit: %v", err)
	}
	quiet(t, heard)
	if err := h.Close(); !errors.Is(err, ErrCorrupt) {
		t.Errorf("close: %v", err)
	}
}

// TestAFileThatIsOnlyOpenedIsBelieved, as by a second v6responder, or by touch.
func TestAFileThatIsOnlyOpenedIsBelieved(t *testing.T) {
	h, heard := watched(t)
	h.do(t, put(2, 2))
	for range 3 {
		if f, err := openFile(h.o.Path, false); !errors.Is(err, ErrLocked) {
			t.Fatalf("opened %v, %v", f, err)
		}
		h.do(t, put(3, 3), Forget{lease(2, 2).Prefix})
	}
	if err := h.whole(); err != nil {
		t.Error(err)
	}
	quiet(t, heard)
	h.again(t).want(t, stamped(lease(1, 1)), stamped(lease(3, 3)))
}

// TestTheStoresOwnFilesAreNoNews: else it would look, and write to its folder, without end while it cannot come back.
func TestTheStoresOwnFilesAreNoNews(t *testing.T) {
	for _, tt := range []struct {
		event          inotify.Event
		named, written bool
	}{
		{inotify.Event{Name: "leases.db", Mask: unix.IN_MOVED_FROM}, true, false},
		{inotify.Event{Name: "leases.db", Mask: unix.IN_CLOSE_WRITE}, true, true},
		{inotify.Event{Mask: unix.IN_MOVE_SELF}, true, false},
		{inotify.Event{Watch: -1, Mask: unix.IN_Q_OVERFLOW}, true, true},
		{inotify.Event{Name: "leases.db.new-4711", Mask: unix.IN_CREATE}, false, false},
		{inotify.Event{Name: "leases.db.new-4711", Mask: unix.IN_CLOSE_WRITE}, false, false},
		{inotify.Event{Name: "leases.db.found-1", Mask: unix.IN_CREATE}, false, false},
		{inotify.Event{Name: "server-duid.json", Mask: unix.IN_MOVED_TO}, false, false},
	} {
		if named, written := concern("leases.db", false, []inotify.Event{tt.event}); named != tt.named || written != tt.written {
			t.Errorf("%+v: %t, %t", tt.event, named, written)
		}
	}
}

// TestAnAttemptToComeBackMakesNoNews: none of its steps is an event of the file's own name.
func TestAnAttemptToComeBackMakesNoNews(t *testing.T) {
	h, heard := watched(t)
	image := h.image(t)
	other, err := openFile(image, false)
	ok(t, err)
	ok(t, os.Rename(image, h.o.Path))
	hears(t, heard, false, ErrLocked.Error(), "stop process")
	ears, err := inotify.New()
	ok(t, err)
	_, err = ears.Add(filepath.Dir(h.o.Path), unix.IN_ALL_EVENTS&^(unix.IN_ACCESS|unix.IN_OPEN|unix.IN_CLOSE_NOWRITE))
	ok(t, err)
	for range 3 {
		if err := h.Commit(t.Context(), put(2, 2)); !errors.Is(err, ErrLocked) {
			t.Errorf("commit: %v", err)
		}
	}
	end := filepath.Join(filepath.Dir(h.o.Path), "end")
	ok(t, os.WriteFile(end, nil, 0o600))
	for {
		events := <-ears.C
		if named, written := concern("leases.db", true, events); named || written {
			t.Errorf("heard %+v", events)
		}
		if slices.ContainsFunc(events, func(e inotify.Event) bool { return e.Name == "end" }) {
			break
		}
	}
	ok(t, errors.Join(ears.Close(), other.Close()))
}

// TestWhatIsNoFileIsLeftInTheStoresPlace names it, and goes on when it is away.
func TestWhatIsNoFileIsLeftInTheStoresPlace(t *testing.T) {
	h, heard := watched(t)
	ok(t, os.Remove(h.o.Path))
	hears(t, heard, true, "removed", "")
	folder := h.o.Path + ".d"
	ok(t, os.Mkdir(folder, 0o700))
	ok(t, unix.Renameat2(unix.AT_FDCWD, folder, unix.AT_FDCWD, h.o.Path, unix.RENAME_EXCHANGE))
	hears(t, heard, false, "stands in its place, which is no file", "move it away")
	ok(t, os.Remove(h.o.Path))
	hears(t, heard, true, "written there again", "")
	h.again(t).want(t, stamped(lease(1, 1)))
}

// TestABackupThatRootRestoresIsKeptBesideTheStore: the service's user can neither open nor link it.
func TestABackupThatRootRestoresIsKeptBesideTheStore(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to become somebody else")
	}
	path := temporary(t)
	folder := filepath.Dir(path)
	ok(t, os.Chown(folder, 65534, 65534))
	cmd := child(t, "astray", path)
	asNobody(t, cmd)
	out, err := cmd.StdoutPipe()
	ok(t, err)
	ok(t, cmd.Start())
	lines := bufio.NewScanner(out)
	next := func() string { lines.Scan(); return lines.Text() }
	if got := next(); got != "open" {
		t.Fatalf("child: %s", got)
	}
	ok(t, os.WriteFile(path+".backup", []byte("root's"), 0o600))
	ok(t, os.Rename(path+".backup", path))
	if got := next(); !strings.Contains(got, "kept as "+path+".found-1; all that it had is written there again") {
		t.Errorf("child: %s", got)
	}
	ok(t, cmd.Wait())
	open(t, path).want(t, stamped(lease(1, 1)))
	if b, err := os.ReadFile(path + ".found-1"); string(b) != "root's" {
		t.Errorf("%q, %v", b, err)
	}
}

// childGoesAstray path: stores a lease, and ends when the file has been missed and written again.
func childGoesAstray(args []string) error {
	o, back := childOptions(args[0]), make(chan *Fault)
	o.Astray = func(what *Fault, _ bool) { back <- what }
	s, err := Open(o)
	if err != nil {
		return err
	}
	if err := s.Begin(1, put(1, 1)); err != nil {
		return err
	}
	fmt.Println("open")
	fmt.Println(<-back)
	return s.Close()
}
