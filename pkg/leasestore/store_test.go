package leasestore

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/v6guest/v6guest/pkg/clock"
	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/clock/clocktest"
	"github.com/v6guest/v6guest/pkg/wire"
)

// compare compares leases; net/netip's and time's types are values.
var compare = cmp.Options{
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmpopts.EquateEmpty(),
}

// A harness is a store in a test: what it has loaded and what it has told.
type harness struct {
	*Store
	clock  *clocktest.Clock
	loaded map[netip.Prefix]*Lease
	told   chan Result
}

// options are those of a store of boot "one" at path whose segments are small.
func (h *harness) options(path string) Options {
	return Options{
		Path: path, BootID: "one", Clock: h.clock, segment: 16,
		Wall: func() time.Time { return time.Unix(1_800_000_000, 0).Add(time.Duration(h.clock.Now())) },
		Load: func(l *Lease) {
			if h.loaded[l.Prefix] != nil {
				panic(fmt.Sprintf("%v is loaded twice", l.Prefix))
			}
			h.loaded[l.Prefix] = l
		},
		Done: func(results []Result) {
			for _, r := range results {
				h.told <- r
			}
		},
	}
}

// opened opens a store; change, if any, changes the options.
func opened(path string, change ...func(*harness, *Options)) (*harness, error) {
	h := &harness{clock: clocktest.New(clock.Instant(time.Hour)), loaded: map[netip.Prefix]*Lease{}, told: make(chan Result, 100_000)}
	o := h.options(path)
	for _, c := range change {
		c(h, &o)
	}
	var err error
	h.Store, err = Open(o)
	return h, err
}

func open(t testing.TB, path string, change ...func(*harness, *Options)) *harness {
	t.Helper()
	h, err := opened(path, change...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return h
}

// again closes the store and opens it anew.
func (h *harness) again(t testing.TB, change ...func(*harness, *Options)) *harness {
	t.Helper()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, h.o.Path, change...)
}

func (h *harness) do(t testing.TB, changes ...Change) {
	t.Helper()
	if err := h.Commit(t.Context(), changes...); err != nil {
		t.Fatal(err)
	}
}

// result waits for the next Result.
func (h *harness) result(t testing.TB) Result {
	t.Helper()
	select {
	case r := <-h.told:
		return r
	case <-time.After(30 * time.Second):
		t.Fatal("no result")
		return Result{}
	}
}

// temporary is a path for a store in memory: what tests prove does not depend on how long a flush takes.
func temporary(t testing.TB) string {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "leasestore-test-")
	if err != nil {
		folder = t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return filepath.Join(folder, "leases.db")
}

// address is the n-th of a pool.
func address(n int) netip.Prefix {
	a := netip.MustParseAddr("2001:db8:1::").As16()
	a[12], a[13], a[14], a[15] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	return netip.PrefixFrom(netip.AddrFrom16(a), 128)
}

// lease is one of the n-th address for the client of that number.
func lease(n, client int) *Lease {
	mac := [6]byte{2, 0, byte(client >> 24), byte(client >> 16), byte(client >> 8), byte(client)}
	return &Lease{
		Prefix: address(n), State: Bound, DUID: wire.LinkLayerDUID(mac[:]), IAID: wire.IAID(client), MAC: mac,
		Network: "guests", Interface: "eth1", Granted: clock.Instant(time.Hour),
		Preferred: time.Hour, Valid: 2 * time.Hour,
	}
}

func put(n, client int) Put { return Put{lease(n, client)} }

// stamped is the lease as the store gives it back.
func stamped(l *Lease) *Lease {
	c := *l
	c.Wall = time.Unix(1_800_000_000, 0).Add(time.Duration(l.Granted)).UTC()
	return &c
}

func (h *harness) want(t testing.TB, leases ...*Lease) {
	t.Helper()
	want := map[netip.Prefix]*Lease{}
	for _, l := range leases {
		want[l.Prefix] = l
	}
	if diff := cmp.Diff(want, h.loaded, compare); diff != "" {
		t.Errorf("leases (-want +got):\n%s", diff)
	}
}

func TestEveryFieldOfALeaseComesBack(t *testing.T) {
	delegated := lease(0, 7)
	delegated.Prefix, delegated.Delegated = netip.MustParsePrefix("2001:db8:ff00::/56"), true
	declined := lease(2, 0)
	declined.State, declined.DUID, declined.MAC, declined.Interface = Declined, "", [6]byte{}, ""
	infinite := lease(3, 3)
	infinite.Preferred, infinite.Valid = wire.Infinite, wire.Infinite
	longest := lease(4, 4)
	longest.DUID = wire.DUID(strings.Repeat("\xff", wire.MaxDUID))
	longest.Network, longest.Interface = strings.Repeat("n", 255), strings.Repeat("i", 255)
	longest.Granted, longest.IAID = -clock.Instant(time.Minute), 0xffffffff
	longest.Wall = time.Date(1970, 1, 1, 0, 0, 1, 0, time.UTC)
	released := lease(5, 5)
	released.State, released.Preferred, released.Valid = Released, 0, 0
	expired := lease(6, 6)
	expired.State = Expired

	h := open(t, temporary(t))
	all := []*Lease{lease(1, 1), delegated, declined, infinite, longest, released, expired}
	var want []*Lease
	for _, l := range all {
		h.do(t, Put{l})
		if want = append(want, stamped(l)); l == longest {
			want[len(want)-1] = l
		}
	}
	h.again(t).want(t, want...)
}

func TestTheNewestRecordOfAPrefixHolds(t *testing.T) {
	h := open(t, temporary(t))
	h.do(t, put(1, 1), put(2, 1), put(1, 2))
	h.do(t, put(3, 3), Forget{address(2)}, Forget{address(99)})
	h.do(t, Forget{address(3)}, put(3, 4))
	h = h.again(t)
	h.want(t, stamped(lease(1, 2)), stamped(lease(3, 4)))
	if s := h.Stats(); s.Leases != 2 || s.Records != 8 || s.Segments != 1 || s.Bytes == 0 {
		t.Errorf("figures: %+v", s)
	}
}

func TestResultsComeInOrderWithTheirSequenceNumbers(t *testing.T) {
	h := open(t, temporary(t))
	seq := uint64(0)
	for id := range uint64(500) {
		if err := h.Begin(id, put(int(id), 1), Set{Name: "n", Value: nil}, put(int(id)+1000, 1)); err != nil {
			t.Fatal(err)
		}
	}
	for id := range uint64(500) {
		seq += 2
		if diff := cmp.Diff(Result{ID: id, Seq: seq}, h.result(t)); diff != "" {
			t.Fatalf("result %d (-want +got):\n%s", id, diff)
		}
	}
	if s := h.Stats(); s.Changes != 1500 || s.Commits == 0 || s.Commits > 500 || s.Leases != 1000 {
		t.Errorf("figures: %+v", s)
	}
}

func TestABeginWithoutChangesIsToldToo(t *testing.T) {
	h := open(t, temporary(t))
	if err := h.Begin(5); err != nil {
		t.Fatal(err)
	}
	if r := h.result(t); r != (Result{ID: 5}) {
		t.Errorf("result: %+v", r)
	}
	h.do(t)
}

// TestAFullQueueIsToldToTheCaller stops the writer within Done, and fills the queue meanwhile.
func TestAFullQueueIsToldToTheCaller(t *testing.T) {
	entered, leave := make(chan bool), make(chan bool)
	h := open(t, temporary(t), func(_ *harness, o *Options) {
		o.MaxQueue = 4
		done := o.Done
		o.Done = func(r []Result) {
			if r[0].ID == 0 {
				entered <- true
				<-leave
			}
			done(r)
		}
	})
	begin := func(id uint64, changes ...Change) error { return h.Begin(id, changes...) }
	if err := begin(0, put(0, 0)); err != nil {
		t.Fatal(err)
	}
	<-entered
	if err := begin(1, put(1, 1), put(2, 2), put(3, 3)); err != nil {
		t.Fatal(err)
	}
	if err := begin(2, put(4, 4), put(5, 5)); !errors.Is(err, ErrBusy) {
		t.Errorf("two more than fit: %v", err)
	}
	if err := begin(3, put(6, 6)); err != nil {
		t.Errorf("one that fits: %v", err)
	}
	if err := h.Commit(t.Context(), put(7, 7)); !errors.Is(err, ErrBusy) {
		t.Errorf("one more: %v", err)
	}
	if s := h.Stats(); s.Queued != 4 || s.Refused != 2 {
		t.Errorf("figures: %+v", s)
	}
	leave <- true
	for _, id := range []uint64{0, 1, 3} {
		if r := h.result(t); r.ID != id || r.Err != nil {
			t.Errorf("result of %d: %+v", id, r)
		}
	}
	var many []Change
	for n := range 10 {
		many = append(many, put(10+n, 1))
	}
	h.do(t, many...) // nothing waits: it is taken although it is larger than the queue
	if s := h.Stats(); s.Leases != 15 || s.Queued != 0 {
		t.Errorf("figures: %+v", s)
	}
}

func TestWhatCannotBeStoredIsRefusedWhole(t *testing.T) {
	change := func(f func(*Lease)) Change {
		l := lease(1, 1)
		f(l)
		return Put{l}
	}
	h := open(t, temporary(t))
	for _, tt := range []struct {
		name string
		bad  Change
	}{
		{"no prefix", change(func(l *Lease) { l.Prefix = netip.Prefix{} })},
		{"IPv4", change(func(l *Lease) { l.Prefix = netip.MustParsePrefix("192.0.2.1/32") })},
		{"IPv4 in IPv6", change(func(l *Lease) { l.Prefix = netip.PrefixFrom(netip.MustParseAddr("::ffff:192.0.2.1"), 128) })},
		{"host bits", change(func(l *Lease) { l.Prefix, l.Delegated = netip.MustParsePrefix("2001:db8::1/56"), true })},
		{"everything", change(func(l *Lease) { l.Prefix, l.Delegated = netip.MustParsePrefix("::/0"), true })},
		{"address that is no /128", change(func(l *Lease) { l.Prefix = netip.MustParsePrefix("2001:db8::/64") })},
		{"no state", change(func(l *Lease) { l.State = 0 })},
		{"unknown state", change(func(l *Lease) { l.State = 5 })},
		{"long DUID", change(func(l *Lease) { l.DUID = wire.DUID(strings.Repeat("x", wire.MaxDUID+1)) })},
		{"long name", change(func(l *Lease) { l.Interface = strings.Repeat("x", 256) })},
		{"negative lifetime", change(func(l *Lease) { l.Valid = -1 })},
		{"never granted", change(func(l *Lease) { l.Granted = clock.Never })},
		{"Forget of nothing", Forget{}},
		{"Set without a name", Set{}},
		{"Set with a long name", Set{Name: strings.Repeat("x", 256)}},
		{"Set of much", Set{Name: "x", Value: make([]byte, 64<<10+1)}},
		{"Unset without a name", Unset{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := h.Commit(t.Context(), put(2, 2), tt.bad, put(3, 3)); !errors.Is(err, ErrInvalid) {
				t.Errorf("error: %v", err)
			}
		})
	}
	h.again(t).want(t)
}

func TestCloseWritesWhatWasBegun(t *testing.T) {
	h := open(t, temporary(t))
	for id := range uint64(100) {
		if err := h.Begin(id, put(int(id), 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	for id := range uint64(100) {
		if r := h.result(t); r.ID != id || r.Err != nil {
			t.Errorf("result of %d: %+v", id, r)
		}
	}
	if err := h.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if err := h.Begin(0, put(0, 0)); !errors.Is(err, ErrClosed) {
		t.Errorf("Begin after Close: %v", err)
	}
	if _, _, err := h.Value("x"); !errors.Is(err, ErrClosed) {
		t.Errorf("Value after Close: %v", err)
	}
	if n := len(open(t, h.o.Path).loaded); n != 100 {
		t.Errorf("%d leases, want 100", n)
	}
}

func TestValuesComeBack(t *testing.T) {
	h := open(t, temporary(t))
	h.do(t, Set{"duid", []byte("\x00\x03\x00\x01abcdef")}, Set{"host/b", []byte("2")}, Set{"host/a", []byte("1")}, Set{"hosts", nil})
	h.do(t, Set{"host/b", []byte("3")}, Set{"host/c", nil}, Unset{"duid"}, Unset{"nothing"})
	for range 2 {
		got, err := h.Values("host/")
		if err != nil {
			t.Fatal(err)
		}
		want := []Value{{"host/a", []byte("1")}, {"host/b", []byte("3")}, {"host/c", nil}}
		if diff := cmp.Diff(want, got, compare); diff != "" {
			t.Errorf("values (-want +got):\n%s", diff)
		}
		if _, ok, err := h.Value("duid"); ok || err != nil {
			t.Errorf("a value that was unset: %v, %v", ok, err)
		}
		if v, ok, err := h.Value("hosts"); !ok || len(v) > 0 || err != nil {
			t.Errorf("an empty value: %q, %v, %v", v, ok, err)
		}
		h = h.again(t)
	}
}

func TestTheFileIsItsUsersOnly(t *testing.T) {
	h := open(t, temporary(t))
	info, err := os.Stat(h.o.Path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	files, err := os.ReadDir(filepath.Dir(h.o.Path))
	if err != nil || len(files) != 1 {
		t.Errorf("files: %v, %v", files, err)
	}
}

func TestOpenWithoutWhatItNeeds(t *testing.T) {
	path := temporary(t)
	if _, err := opened(path, func(_ *harness, o *Options) { o.BootID = "" }); !errors.Is(err, ErrInvalid) {
		t.Errorf("no boot id: %v", err)
	}
	if _, err := opened(path, func(_ *harness, o *Options) { o.Clock = nil }); !errors.Is(err, ErrInvalid) {
		t.Errorf("no clock: %v", err)
	}
	if _, err := opened(filepath.Join(path, "no", "folder")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

// TestManyUseAStoreAtOnce is for the race detector; each has its own addresses and values.
func TestManyUseAStoreAtOnce(t *testing.T) {
	h := open(t, temporary(t), func(_ *harness, o *Options) { o.MaxQueue = 64 })
	var group sync.WaitGroup
	const each = 60
	for who := range 8 {
		group.Go(func() {
			for i := range each {
				name := fmt.Sprintf("%d/%d", who, i)
				err := h.Commit(t.Context(), put(who*1000+i, who), Set{name, []byte(name)})
				for errors.Is(err, ErrBusy) {
					err = h.Commit(t.Context(), put(who*1000+i, who), Set{name, []byte(name)})
				}
				v, ok, err2 := h.Value(name)
				if err != nil || err2 != nil || !ok || string(v) != name {
					t.Errorf("%s: %v; %q, %v, %v", name, err, v, ok, err2)
					return
				}
				if values, err := h.Values(fmt.Sprintf("%d/", who)); len(values) != i+1 || err != nil {
					t.Errorf("%d values, want %d; %v", len(values), i+1, err)
				}
				_ = h.Stats()
			}
		})
	}
	group.Wait()
	if n := len(h.again(t).loaded); n != 8*each {
		t.Errorf("%d leases", n)
	}
}

func TestACommitThatIsNotWaitedForIsDoneAllTheSame(t *testing.T) {
	h := open(t, temporary(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Commit(ctx, put(1, 1)); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
	h.again(t).want(t, stamped(lease(1, 1)))
}

// TestWhatStandsInTheStoresPlaceIsNamed, with the cure, and waited for by nobody.
func TestWhatStandsInTheStoresPlaceIsNamed(t *testing.T) {
	for what, put := range map[string]func(path string) error{
		"is a directory":                    func(path string) error { return os.Mkdir(path, 0o700) },
		"too many levels of symbolic links": func(path string) error { return os.Symlink(filepath.Base(path), path) },
		"a named pipe, not a regular file":  func(path string) error { return unix.Mkfifo(path, 0o600) },
		"a device, not a regular file":      func(path string) error { return os.Symlink("/dev/null", path) },
		"no such device or address":         func(path string) error { return unix.Mknod(path, unix.S_IFSOCK|0o600, 0) },
	} {
		path := temporary(t)
		ok(t, put(path))
		_, err := Open(Options{Path: path, BootID: "boot", Clock: clocktest.New(0)})
		if f := (*Fault)(nil); !errors.As(err, &f) || !strings.Contains(err.Error(), path+": "+what) || !strings.HasPrefix(f.Cure, "move what stands at "+path+" away") {
			t.Errorf("%s: %v", what, err)
		}
		if left, err := filepath.Glob(path + ".*"); len(left) != 0 || err != nil {
			t.Errorf("%s: left %v, %v", what, left, err)
		}
	}
}

// TestALinkThatLeadsNowhereIsToldAtOnce, as to a disk that is not mounted, and nothing is made.
func TestALinkThatLeadsNowhereIsToldAtOnce(t *testing.T) {
	path := temporary(t)
	ok(t, os.Symlink(filepath.Dir(path)+"/disk/leases.db", path))
	_, err := Open(Options{Path: path, BootID: "boot", Clock: clocktest.New(0)})
	if f := (*Fault)(nil); !errors.As(err, &f) || !strings.Contains(err.Error(), "/disk/leases.db, which is not there") || !strings.Contains(f.Cure, "not mounted") {
		t.Errorf("%v", err)
	}
	if left, err := filepath.Glob(path + ".*"); len(left) != 0 || err != nil {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestAFileThatCannotBeReachedIsToldWithWhatHelps.
func TestAFileThatCannotBeReachedIsToldWithWhatHelps(t *testing.T) {
	for err, cure := range map[error]string{
		unix.EROFS:  "mount the file system of /state so that it can be written",
		unix.EACCES: "own and write /state/leases.db",
		unix.ENOSPC: "make room on the disk of /state",
		unix.EISDIR: "move what stands at /state/leases.db away",
	} {
		f := (*Fault)(nil)
		if got := reachable("/state/leases.db", &os.PathError{Op: "open", Path: "/state/leases.db", Err: err}); !errors.As(got, &f) || !strings.Contains(f.Cure, cure) {
			t.Errorf("%v: %v, %+v", err, got, f)
		}
	}
}
