package responder

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/leasestore"
)

// TestAStoreThatIsGoneAtTheStartIsMissed, unless a copy of it is found that an earlier run had made.
func TestAStoreThatIsGoneAtTheStartIsMissed(t *testing.T) {
	made := t.TempDir()
	store, err := openStore(made, leasestore.Options{Clock: clock.Boottime{}})
	if err == nil {
		err = store.Commit(t.Context(), leasestore.Set{Name: "any", Value: []byte("value")})
	}
	if err == nil {
		err = store.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	told := func(files ...string) string {
		t.Helper()
		dir := t.TempDir()
		for _, name := range files {
			var b []byte
			if strings.HasPrefix(name, storeFile) {
				if b, err = os.ReadFile(filepath.Join(made, storeFile)); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var out bytes.Buffer
		c, err := ParseConfig("conf", []byte(plain))
		if err != nil {
			t.Fatal(err)
		}
		s := NewServer(Options{Config: c, StateDir: dir, Clock: clock.Boottime{}, Log: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn}))})
		if err := s.openStore(); err != nil {
			t.Fatal(err)
		}
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
		return out.String()
	}
	if got := told(duidFile); !strings.Contains(got, "is gone") || !strings.Contains(got, "cure=") {
		t.Errorf("told %q", got)
	}
	if got := told(duidFile, storeFile+".new-4711"); strings.Contains(got, "is gone") || !strings.Contains(got, "is written there again") || !strings.Contains(got, "cure=") {
		t.Errorf("with a copy: told %q", got)
	}
	for _, files := range [][]string{nil, {storeFile}, {duidFile, storeFile}} {
		if got := told(files...); got != "" {
			t.Errorf("with %v: told %q", files, got)
		}
	}
}

// TestAStateFolderThatIsMadeAnewGetsTheServersDUIDToo: with another NIC the next start would be another server's.
func TestAStateFolderThatIsMadeAnewGetsTheServersDUIDToo(t *testing.T) {
	n := newNet(t)
	s, _ := n.serve(plain+"pool = 2001:db8:1::f0-2001:db8:1::f2\n", reservations(1))
	state := filepath.Join(n.dir, "state")
	if err := os.Rename(state, state+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	g := newGuest(101)
	n.sendFrame(g.frame(t, g.request()))
	n.next() // the file is there again then, and the loop has been told before
	if err := s.inLoop(t.Context(), func() {}); err != nil {
		t.Fatal(err)
	}
	if duid, err := loadDUID(state); err != nil || duid != s.duid || duid == "" {
		t.Errorf("kept is %q, %v", duid, err)
	}
}
