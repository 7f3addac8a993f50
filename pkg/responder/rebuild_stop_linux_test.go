package responder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/v6guest/v6guest/pkg/leasestore"
)

// TestAStopKeepsWhatASpoiledStoreIsMissing: the file was written over, and the server is stopped before a new one is in
// its place.
func TestAStopKeepsWhatASpoiledStoreIsMissing(t *testing.T) {
	// Taken are the names of files that stood in the store's place.
	taken := func(t *testing.T, file string, from int) {
		for i := from; i <= leasestore.MaxFound; i++ {
			if err := os.WriteFile(fmt.Sprintf("%s.found-%d", file, i), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	failed := func(s *Server) {
		for what := (*leasestore.Fault)(nil); what == nil; {
			s.mu.Lock()
			what = s.straying.what
			s.mu.Unlock()
		}
	}
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, file string, backup []byte)
		meets   func(t *testing.T, s *Server, file string) // when it was written over; nil: the server need not have seen it
		kept    string
	}{
		{"not seen", nil, nil, ".found-1"},
		{"a failed attempt", func(t *testing.T, file string, _ []byte) { taken(t, file, 1) }, func(t *testing.T, s *Server, file string) {
			failed(s)
			if err := os.Remove(file + ".found-5"); err != nil {
				t.Fatal(err)
			}
		}, ".found-5"},
		{"a new one that cannot be opened", func(t *testing.T, file string, backup []byte) {
			taken(t, file, 2)
			// What a killed process left, to be kept too.
			if err := os.WriteFile(file+".new-1", backup, 0o600); err != nil {
				t.Fatal(err)
			}
		}, func(t *testing.T, s *Server, file string) {
			failed(s)
			if err := os.Remove(file + ".found-5"); err != nil {
				t.Fatal(err)
			}
		}, ".found-1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNet(t)
			state := filepath.Join(n.dir, "state")
			file := filepath.Join(state, storeFile)
			if err := errors.Join(os.MkdirAll(state, 0o755), os.WriteFile(filepath.Join(state, rebuiltFile), []byte("half"), 0o600)); err != nil {
				t.Fatal(err)
			}
			s, stop := n.serve(plain+"pool = 2001:db8:1::f0-2001:db8:1::ff\n", reservations(1))
			if _, err := os.Stat(filepath.Join(state, rebuiltFile)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("of a killed process: %v", err)
			}
			leased := n.lease(t, 101)
			backup, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			leased = append(leased, n.lease(t, 102)...)
			if tt.prepare != nil {
				tt.prepare(t, file, backup)
			}
			if err := os.WriteFile(file, backup, 0o600); err != nil {
				t.Fatal(err)
			}
			if tt.meets != nil {
				tt.meets(t, s, file)
			}
			if err := stop(ErrRestart); err != nil {
				t.Error(err)
			}
			wantStored(t, state, leased, tt.kept)
		})
	}
}

// TestAStopWaitsForAStoreThatIsMadeAnew: the server is stopped while that is under way.
func TestAStopWaitsForAStoreThatIsMadeAnew(t *testing.T) {
	n := newNet(t)
	s, stop := n.serve(plain+"pool = 2001:db8:1::f0-2001:db8:1::ff\n", reservations(1))
	state := filepath.Join(n.dir, "state")
	leased := n.lease(t, 101)
	backup, err := os.ReadFile(filepath.Join(state, storeFile))
	if err != nil {
		t.Fatal(err)
	}
	leased = append(leased, n.lease(t, 102)...)
	s.adding.Lock()
	if err := os.WriteFile(filepath.Join(state, storeFile), backup, 0o600); err != nil {
		t.Fatal(err)
	}
	for busy := false; !busy; {
		if err := s.inLoop(t.Context(), func() { busy = s.rebuilding.busy }); err != nil {
			t.Fatal(err)
		}
	}
	stopped := make(chan error)
	go func() { stopped <- stop(ErrRestart) }()
	<-s.ctx.Done()
	s.adding.Unlock()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	wantStored(t, state, leased, ".found-1")
}

// lease lets a guest have an address of the pool, which it returns.
func (n *net6) lease(t *testing.T, guest int) []string {
	t.Helper()
	g := newGuest(guest)
	n.sendFrame(g.frame(t, g.request()))
	return []string{n.next().msg.IANAs[0].Addresses[0].Addr.String()}
}

// wantStored says what a start must find, and that the backup, with one lease, is kept.
func wantStored(t *testing.T, state string, leased []string, kept string) {
	t.Helper()
	slices.Sort(leased)
	if found, _ := stored(t, state, storeFile); !slices.Equal(found, leased) {
		t.Errorf("stored: %v, want %v", found, leased)
	}
	if found, _ := stored(t, state, storeFile+kept); len(found) != 1 {
		t.Errorf("kept: %v", found)
	}
}
