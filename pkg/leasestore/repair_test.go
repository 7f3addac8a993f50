package leasestore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// image copies the file as another process would find it now.
func (h *harness) image(t testing.TB) string {
	t.Helper()
	path := temporary(t)
	from, err := os.Open(h.o.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAFailedCommitLeavesNothingAndTheStoreGoesOn fails commits before anything is written.
func TestAFailedCommitLeavesNothingAndTheStoreGoesOn(t *testing.T) {
	h := open(t, temporary(t))
	h.do(t, put(1, 1), Set{"name", []byte("old")})
	commit, calls := h.commit, 0
	h.commit = func(tx *bbolt.Tx) error {
		if calls++; calls <= 3 {
			return errors.Join(unix.ENOSPC, tx.Rollback())
		}
		return commit(tx)
	}
	for id := range uint64(3) {
		if err := h.Begin(id, put(1, 2), put(2, 2), Set{"name", []byte("new")}); err != nil {
			t.Fatal(err)
		}
		r, fault := h.result(t), (*Fault)(nil)
		if !errors.Is(r.Err, unix.ENOSPC) || errors.Is(r.Err, ErrUncertain) || !errors.As(r.Err, &fault) || fault.Cure == "" || r.Seq != 0 {
			t.Errorf("result: %+v", r)
		}
	}
	if v, _, err := h.Value("name"); string(v) != "old" || err != nil {
		t.Errorf("value %q, %v", v, err)
	}
	h.do(t, put(3, 3))
	if s := h.Stats(); s.Failures != 3 || s.Leases != 2 || s.Records != 2 {
		t.Errorf("figures: %+v", s)
	}
	h = h.again(t)
	h.want(t, stamped(lease(1, 1)), stamped(lease(3, 3)))
}

// TestACommitWhoseLastFlushFailedSucceedsByAnother: the meta page is written, its flush tells EIO.
func TestACommitWhoseLastFlushFailedSucceedsByAnother(t *testing.T) {
	h := open(t, temporary(t))
	m := model{}
	commit, fails := h.commit, false
	h.commit = func(tx *bbolt.Tx) error {
		err := commit(tx)
		if fails {
			return errors.Join(unix.EIO, err)
		}
		return err
	}
	for n := range 600 { // across compactions
		fails = n%3 == 0
		m[n%50] = n
		h.do(t, put(n%50, n))
	}
	if s := h.Stats(); s.Failures != 0 || s.Leases != 50 {
		t.Errorf("figures: %+v", s)
	}
	h.again(t).want(t, m.leases()...)
}

// TestBeginsGoOnWhileTheFileIsOpenedAnew is for the race detector.
func TestBeginsGoOnWhileTheFileIsOpenedAnew(t *testing.T) {
	h := open(t, temporary(t))
	commit, calls := h.commit, 0
	h.commit = func(tx *bbolt.Tx) error {
		err := commit(tx)
		if calls++; calls%2 == 0 {
			return errors.Join(unix.EIO, err)
		}
		return err
	}
	var group sync.WaitGroup
	group.Go(func() {
		for range 300 {
			if r := <-h.told; r.Err != nil {
				t.Errorf("result: %+v", r)
			}
		}
	})
	for n := range 300 {
		if err := h.Begin(uint64(n), put(n, n), Set{"name", nil}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.Value("name"); err != nil {
			t.Fatal(err)
		}
	}
	group.Wait()
	if n := len(h.again(t).loaded); n != 300 {
		t.Errorf("%d leases", n)
	}
}

// TestWhatCannotBeFlushedIsUncertain: the meta page is written, and no flush succeeds until later.
func TestWhatCannotBeFlushedIsUncertain(t *testing.T) {
	h := open(t, temporary(t))
	h.do(t, put(1, 1))
	commit, file := h.commit, h.file
	h.commit = func(tx *bbolt.Tx) error {
		err := commit(tx)
		readOnly, err2 := os.Open(h.o.Path)
		if err2 != nil {
			t.Error(err2)
		}
		h.file = readOnly // what stands for a disk that takes no write
		return errors.Join(unix.EIO, err)
	}
	err := h.Commit(t.Context(), put(2, 2))
	if !errors.Is(err, ErrUncertain) || !errors.Is(err, unix.EIO) {
		t.Fatalf("error: %v", err)
	}
	if err := h.file.Close(); err != nil {
		t.Error(err)
	}
	h.file, h.commit = file, commit
	h.do(t, put(2, 3), put(4, 4)) // begun later, so it holds, whatever became of the other
	h = h.again(t)
	h.want(t, stamped(lease(1, 1)), stamped(lease(2, 3)), stamped(lease(4, 4)))
}

// TestAPanicInBoltEndsTheStoreNotTheProcess: every later Begin is told, with the cure.
func TestAPanicInBoltEndsTheStoreNotTheProcess(t *testing.T) {
	h, err := opened(temporary(t))
	if err != nil {
		t.Fatal(err)
	}
	h.do(t, put(1, 1))
	h.commit = func(*bbolt.Tx) error { panic("page 7 already freed") }
	for range 2 {
		err, fault := h.Commit(t.Context(), put(2, 2)), (*Fault)(nil)
		if !errors.Is(err, ErrCorrupt) || !errors.As(err, &fault) || fault.Cure == "" {
			t.Errorf("error: %v", err)
		}
	}
	if err := h.Close(); !errors.Is(err, ErrCorrupt) {
		t.Errorf("close: %v", err)
	}
	open(t, h.o.Path).want(t, stamped(lease(1, 1)))
}

// TestAPanicOfLoadIsItsOwn: it is no word about the file.
func TestAPanicOfLoadIsItsOwn(t *testing.T) {
	h := open(t, temporary(t))
	h.do(t, put(1, 1))
	defer func() {
		if p := fmt.Sprint(recover()); !strings.Contains(p, "a mistake in Load") {
			t.Errorf("panic: %v", p)
		}
	}()
	_, err := opened(h.image(t), func(_ *harness, o *Options) { o.Load = func(*Lease) { panic("a mistake in Load") } })
	t.Errorf("opened: %v", err)
}

// TestAFileThatIsCutUnderTheStoreEndsItNotTheProcess: a page of the memory map is gone (SIGBUS).
func TestAFileThatIsCutUnderTheStoreEndsItNotTheProcess(t *testing.T) {
	h, err := opened(temporary(t))
	if err != nil {
		t.Fatal(err)
	}
	h.do(t, put(1, 1), Set{"name", []byte("value")})
	if err := os.Truncate(h.o.Path, 0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, _, err := h.Value("name"); !errors.Is(err, ErrCorrupt) {
			t.Errorf("value: %v", err)
		}
		if err := h.Commit(t.Context(), put(2, 2)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("commit: %v", err)
		}
	}
	if err := h.Close(); !errors.Is(err, ErrCorrupt) {
		t.Errorf("close: %v", err)
	}
}
