package leasestore

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// filled is the file of a store with several segments, and its leases before and after the last commit.
func filled(t testing.TB) (file []byte, before, after string) {
	t.Helper()
	r := rand.New(rand.NewPCG(3, 3))
	h, m := open(t, temporary(t)), model{}
	for range 40 {
		before = fmt.Sprint(m)
		var changes []Change
		for range 10 {
			changes = append(changes, m.change(r, 100))
		}
		h.do(t, append(changes, Set{"duid", []byte("value")})...)
	}
	b, err := os.ReadFile(h.image(t)) // without what Close writes
	if err != nil {
		t.Fatal(err)
	}
	return b, before, fmt.Sprint(m)
}

// judge says in one word what opening a file came to, and fails where that is neither right nor explained.
func judge(t testing.TB, path string, want ...string) string {
	t.Helper()
	got, err := clients(path)
	switch fault := (*Fault)(nil); {
	case err == nil && slices.Contains(want, fmt.Sprint(got)):
		return "right"
	case err == nil:
		t.Errorf("wrong leases without a word: %v, want\n%v", got, want)
		return "wrong"
	case !errors.Is(err, ErrCorrupt), !errors.As(err, &fault),
		!strings.Contains(fault.Cure, path), !strings.Contains(err.Error(), path):
		t.Errorf("error without its cure: %v", err)
	}
	return "damaged"
}

// TestADamagedFileIsToldNeverBelieved damages a file in many ways. What opens must be right: the damage
// is in a part that is not in use. A newest meta page that is damaged counts as one that was torn as it
// was written: the state of the commit before is right then too.
func TestADamagedFileIsToldNeverBelieved(t *testing.T) {
	file, before, after := filled(t)
	path := temporary(t)
	count, want := map[string]int{}, []string{after}
	try := func(t *testing.T, damaged []byte) {
		t.Helper()
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		count[judge(t, path, want...)]++
	}
	pages := len(file) / os.Getpagesize()
	page := func(b []byte, n int) []byte { return b[n*os.Getpagesize() : (n+1)*os.Getpagesize()] }
	r := rand.New(rand.NewPCG(4, 4))
	t.Run("truncated", func(t *testing.T) {
		for n := range pages {
			try(t, file[:n*os.Getpagesize()])
			try(t, file[:n*os.Getpagesize()+17])
		}
	})
	t.Run("no bbolt file", func(t *testing.T) {
		try(t, nil)
		try(t, []byte("2001:db8::1 bound\n"))
		try(t, bytes.Repeat([]byte{0xff}, 1<<16))
	})
	t.Run("page of zeros", func(t *testing.T) {
		for n := range pages {
			b := bytes.Clone(file)
			clear(page(b, n))
			if want = []string{after}; n < 2 {
				want = append(want, before)
			}
			try(t, b)
		}
	})
	t.Run("page in the place of another", func(t *testing.T) {
		for n := 2; n < pages; n++ {
			for range 2 {
				b := bytes.Clone(file)
				copy(page(b, n), page(file, 2+r.IntN(pages-2)))
				try(t, b)
				// with the id that belongs there, bbolt itself would believe it
				copy(page(b, n), page(file, n)[:8])
				try(t, b)
			}
		}
	})
	t.Run("a meta page lost", func(t *testing.T) {
		b := bytes.Clone(file)
		clear(page(b, 0))
		clear(page(b, 1))
		try(t, b)
	})
	t.Run("header fields", func(t *testing.T) {
		for n := 2; n < pages; n++ {
			for at := range 32 {
				b := bytes.Clone(file)
				page(b, n)[at] = byte(r.Uint32())
				try(t, b)
			}
		}
	})
	t.Run("bits", func(t *testing.T) {
		for range 600 {
			b := bytes.Clone(file)
			at := 2*os.Getpagesize() + r.IntN(len(b)-2*os.Getpagesize())
			b[at] ^= 1 << r.IntN(8)
			try(t, b)
		}
	})
	t.Logf("%d pages, outcomes: %v", pages, count)
	if count["damaged"] < 100 || count["right"] < 100 {
		t.Errorf("outcomes: %v", count)
	}
}

// TestANewerStoreIsRefusedWithTheCure, and a foreign one: neither is touched.
func TestANewerStoreIsRefusedWithTheCure(t *testing.T) {
	for _, tt := range []struct {
		name, format string
		want         error
	}{
		{"newer", "2", ErrNewer},
		{"much newer", "1000", ErrNewer},
		{"none", "", ErrCorrupt},
		{"nonsense", "-1", ErrCorrupt},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := open(t, temporary(t))
			h.do(t, put(1, 1))
			path := h.image(t)
			db, err := bbolt.Open(path, 0, &bbolt.Options{NoFreelistSync: true})
			if err != nil {
				t.Fatal(err)
			}
			err = db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(formatKey, []byte(tt.format)) })
			if err := errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
			was, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = opened(path)
			if fault := (*Fault)(nil); !errors.Is(err, tt.want) || !errors.As(err, &fault) || fault.Cure == "" {
				t.Errorf("error: %v", err)
			}
			if is, err := os.ReadFile(path); err != nil || !bytes.Equal(was, is) {
				t.Errorf("the file has changed: %v", err)
			}
		})
	}
	t.Run("another program's", func(t *testing.T) {
		path := temporary(t)
		db, err := bbolt.Open(path, 0o600, nil)
		if err == nil {
			err = db.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := opened(path); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "no lease store") {
			t.Errorf("error: %v", err)
		}
	})
}

// TestEveryReleasedFormatIsRead reads testdata/format-N.db: five leases and a value each, in boot "one".
func TestEveryReleasedFormatIsRead(t *testing.T) {
	for n := 1; n <= Format; n++ {
		name := fmt.Sprintf("testdata/format-%d.db", n)
		if *update && n == Format {
			writeFormat(t, name)
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		path := temporary(t)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		h := open(t, path)
		h.want(t, formatLeases()...)
		if v, ok, err := h.Value("duid"); string(v) != "\x00\x03\x00\x01\x02\x00\x00\x00\x00\x01" || !ok || err != nil {
			t.Errorf("%s: value %q, %v, %v", name, v, ok, err)
		}
	}
}

func formatLeases() []*Lease {
	delegated, declined := lease(3, 3), lease(4, 4)
	delegated.Prefix, delegated.Delegated = netip.MustParsePrefix("2001:db8:ff00::/56"), true
	declined.State, declined.DUID = Declined, ""
	return []*Lease{stamped(lease(1, 1)), stamped(lease(2, 2)), stamped(delegated), stamped(declined)}
}

func writeFormat(t *testing.T, name string) {
	h := open(t, temporary(t))
	for _, l := range formatLeases() {
		h.do(t, Put{l}, put(5, 5))
	}
	h.do(t, Forget{address(5)}, Set{"duid", []byte("\x00\x03\x00\x01\x02\x00\x00\x00\x00\x01")})
	b, err := os.ReadFile(h.image(t))
	if err == nil {
		err = os.WriteFile(name, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestALockedStoreNamesItsHolder: here the holder is this process.
func TestALockedStoreNamesItsHolder(t *testing.T) {
	h := open(t, temporary(t))
	_, err := opened(h.o.Path)
	fault := (*Fault)(nil)
	if !errors.Is(err, ErrLocked) || !errors.As(err, &fault) || !strings.Contains(fault.Cure, fmt.Sprintf("stop process %d,", os.Getpid())) {
		t.Fatalf("error: %v; fault: %+v", err, fault)
	}
	h.do(t, put(1, 1)) // the refused one has disturbed nothing
	h.again(t).want(t, stamped(lease(1, 1)))
}

func TestTheHolderIsUnknownWhereTheKernelDoesNotSay(t *testing.T) {
	f, err := os.Create(temporary(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	locks := filepath.Join(t.TempDir(), "locks")
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if got := holder(info, locks); got != "" {
		t.Errorf("no file: %q", got)
	}
	if err := os.WriteFile(locks, []byte("1: FLOCK\n\n2: FLOCK ADVISORY WRITE 99 fe:00:1 0 EOF\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := holder(info, locks); got != "" {
		t.Errorf("others' locks: %q", got)
	}
}

// TestAFolderOfAnotherUserNamesTheCure runs the opening as nobody.
func TestAFolderOfAnotherUserNamesTheCure(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to become somebody else")
	}
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := child(t, "open", filepath.Join(folder, "leases.db"))
	asNobody(t, cmd)
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || !strings.Contains(string(out), "cure: let the service's user (uid 65534) own and write") {
		t.Errorf("%v: %s", err, out)
	}
}

// FuzzFile puts bytes anywhere into a store's file, and makes the checksums of the meta pages right again
// so that the fuzzer gets past them. Whatever it finds must be opened or refused, with the cure.
func FuzzFile(f *testing.F) {
	file, _, _ := filled(f)
	size := os.Getpagesize()
	f.Add(uint32(0), []byte{1})
	f.Add(uint32(16+8), []byte("0"))                 // the size of a page
	f.Add(uint32(size+16+16), []byte{9})             // the root's page
	f.Add(uint32(size+16+40), []byte{0xff, 0xff})    // how many pages there are
	f.Add(uint32(3*size+8), []byte{1, 0})            // a leaf that is to be a branch
	f.Add(uint32(4*size+12), []byte{1})              // a page that is two
	f.Add(uint32(5*size+16), []byte{1, 0, 0, 0, 16}) // an element that is to be a bucket
	f.Fuzz(func(t *testing.T, at uint32, patch []byte) {
		b := bytes.Clone(file)
		copy(b[int(at)%len(b):], patch)
		for page := range 2 {
			meta := b[page*size+pageHeader:]
			sum := fnv.New64a()
			sum.Write(meta[:metaLength-8])
			order.PutUint64(meta[metaLength-8:], sum.Sum64())
		}
		path := temporary(t)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := clients(path)
		if fault := (*Fault)(nil); err != nil && (!errors.Is(err, ErrCorrupt) || !errors.As(err, &fault)) {
			t.Errorf("error without its cure: %v", err)
		}
	})
}
