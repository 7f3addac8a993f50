package leasestoretest_test

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/v6guest/v6guest/pkg/clock/clocktest"
	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/leasestore/leasestoretest"
)

// begin makes up what one Begin brings.
func begin(r *rand.Rand) []leasestore.Change {
	var changes []leasestore.Change
	for range r.IntN(4) {
		prefix := netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 15: byte(r.IntN(30))}), 128)
		name := string(rune('a' + r.IntN(5)))
		changes = append(changes, []leasestore.Change{
			leasestore.Put{Lease: &leasestore.Lease{
				Prefix: prefix, State: leasestore.Bound, Wall: time.Unix(1, 0).UTC(), Valid: time.Duration(r.IntN(99)) * time.Second,
			}},
			leasestore.Forget{Prefix: prefix},
			leasestore.Set{Name: name, Value: []byte{byte(r.Uint32())}},
			leasestore.Unset{Name: name},
		}[r.IntN(4)])
	}
	return changes
}

// TestTheTwinDoesAsTheStoreDoes gives both the same Begins and compares what they tell and keep.
func TestTheTwinDoesAsTheStoreDoes(t *testing.T) {
	path, told := filepath.Join(t.TempDir(), "leases.db"), make(chan leasestore.Result, 1000)
	o := leasestore.Options{Path: path, BootID: "one", Clock: clocktest.New(0), Done: func(results []leasestore.Result) {
		for _, r := range results {
			told <- r
		}
	}}
	store, err := leasestore.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	twin, r := leasestoretest.New(), rand.New(rand.NewPCG(1, 1))
	for id := range uint64(300) {
		changes := begin(r)
		if err := errors.Join(store.Begin(id, changes...), twin.Begin(id, changes...)); err != nil {
			t.Fatal(err)
		}
		if id%7 == 0 {
			for _, want := range twin.Flush() {
				if got := <-told; got != want {
					t.Fatalf("store: %+v, twin: %+v", got, want)
				}
			}
		}
	}
	twin.Flush()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	loaded := map[netip.Prefix]*leasestore.Lease{}
	o.Load = func(l *leasestore.Lease) { loaded[l.Prefix] = l }
	if store, err = leasestore.Open(o); err != nil {
		t.Fatal(err)
	}
	values, err := store.Values("")
	if diff := cmp.Diff(twin.Values(""), values); diff != "" || err != nil {
		t.Errorf("values: %v (-twin +store):\n%s", err, diff)
	}
	want := map[netip.Prefix]*leasestore.Lease{}
	for _, l := range twin.Leases() {
		want[l.Prefix] = l
	}
	same := cmp.Options{cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })}
	if diff := cmp.Diff(want, loaded, same, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("leases (-twin +store):\n%s", diff)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}

func TestWhatTheDiskRefusesOrLosesIsNotKept(t *testing.T) {
	s, full := leasestoretest.New(), errors.New("disk full")
	s.MaxQueue = 2
	set := func(id uint64, name string) error { return s.Begin(id, leasestore.Set{Name: name}) }
	if err := errors.Join(set(1, "a"), set(2, "b")); err != nil {
		t.Fatal(err)
	}
	if err := set(3, "c"); !errors.Is(err, leasestore.ErrBusy) || s.Queued() != 2 {
		t.Errorf("a third of two: %v, %d wait", err, s.Queued())
	}
	want := []leasestore.Result{{ID: 1, Err: full}, {ID: 2, Err: full}}
	if diff := cmp.Diff(want, s.Fail(full), cmpopts.EquateErrors()); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	if err := set(4, "d"); err != nil {
		t.Fatal(err)
	}
	s.Crash()
	if err := set(5, ""); !errors.Is(err, leasestore.ErrInvalid) {
		t.Errorf("no name: %v", err)
	}
	if results, values := s.Flush(), s.Values(""); len(results) > 0 || len(values) > 0 || len(s.Leases()) > 0 {
		t.Errorf("results %v, values %v", results, values)
	}
}
