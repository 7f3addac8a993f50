package leasestore

import (
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// paced opens a store that has just written a first group.
func paced(t *testing.T, pace time.Duration) *harness {
	t.Helper()
	h := open(t, filepath.Join(t.TempDir(), "leases.db"), func(_ *harness, o *Options) { o.Pace = pace })
	h.begin(t, 1, 1)
	h.await(t, 1)
	return h
}

func (h *harness) begin(t *testing.T, from, to uint64) {
	t.Helper()
	for id := from; id <= to; id++ {
		if err := h.Begin(id, put(int(id), int(id))); err != nil {
			t.Fatal(err)
		}
	}
}

// await waits until the results up to that of id are told.
func (h *harness) await(t *testing.T, id uint64) {
	t.Helper()
	for {
		r := <-h.told
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		if r.ID == id {
			return
		}
	}
}

func TestWhatComesSoonAfterACommitSharesTheNextOne(t *testing.T) {
	h := paced(t, time.Hour)
	const few = enough - 1 // more would be a group of their own, as soon as the writer sees them
	h.begin(t, 2, 1+few)
	if got := h.Stats(); got.Queued != few || got.Commits != 1 {
		t.Errorf("%d changes wait, %d commits; want %d and 1", got.Queued, got.Commits, few)
	}
	if err := h.Close(); err != nil { // it waits for no pace
		t.Fatal(err)
	}
	h.await(t, 1+few)
	if got := h.Stats().Commits; got != 2 {
		t.Errorf("%d commits, want 2", got)
	}
}

func TestEnoughChangesWaitForNoPace(t *testing.T) {
	h := paced(t, time.Hour)
	h.begin(t, 2, enough+1)
	h.await(t, enough+1)
	if got := h.Stats().Commits; got != 2 {
		t.Errorf("%d commits, want 2", got)
	}
}

func TestWhatWaitsIsWrittenWhenItsTimeHasCome(t *testing.T) {
	h := paced(t, time.Millisecond)
	for id := uint64(2); id < 20; id++ {
		h.begin(t, id, id)
		h.await(t, id)
	}
}

// TestACommitThatWaitsAloneWaitsForNoPace: an operator who adds hosts one by one shares a flush with nobody. Where
// leases wait it shares theirs.
func TestACommitThatWaitsAloneWaitsForNoPace(t *testing.T) {
	h := paced(t, time.Hour)
	for i := range 3 {
		if err := h.Commit(t.Context(), Set{Name: "a", Value: []byte{byte(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	h.begin(t, 2, 2)
	done := make(chan error)
	go func() { done <- h.Commit(t.Context(), Set{Name: "b"}) }()
	for h.Stats().Queued < 2 {
		runtime.Gosched()
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := h.Stats().Commits; got != 5 {
		t.Errorf("%d commits, want 5", got)
	}
}
