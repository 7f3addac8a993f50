package responder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/durable"
	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/responder/hosts"
	"github.com/v6guest/v6guest/pkg/responder/pool"
)

// rebuiltFile is where a store is made anew, in the state folder. It gets the store's name when it is whole.
const rebuiltFile = storeFile + ".rebuilt"

// rebuildEvery is how long a store that could not be made anew is let be.
const rebuildEvery = 10 * time.Second

// A rebuilding is what becomes of a store whose file was written over or is damaged. All that was acknowledged is in
// this server's memory still: it is written to a new file.
type rebuilding struct {
	file  *leasestore.Fault // what is wrong with it
	why   *leasestore.Fault // what is told of that meanwhile; nil while nothing is wrong
	busy  bool
	wait  sync.WaitGroup // for the goroutine that does it
	tried clock.Instant

	// What follows is the rebuilding goroutine's.
	placed fs.FileInfo // what an earlier attempt has put into the store's place and could not open
	kept   string      // the name of what stood there before, "" for none
}

// spoiledBy is the Fault of a file that cannot be used any more, nil if the error is another.
func spoiledBy(err error) *leasestore.Fault {
	f := (*leasestore.Fault)(nil)
	if errors.Is(err, leasestore.ErrCorrupt) && errors.As(err, &f) {
		return f
	}
	return nil
}

// broken begins to make the store anew, unless that is under way or has just failed, or the server stops.
func (s *Server) broken(why *leasestore.Fault) {
	now, r := s.opts.Clock.Now(), &s.rebuilding
	if r.busy || s.ctx.Err() != nil || r.why != nil && now.Sub(r.tried) < rebuildEvery {
		return
	}
	r.busy, r.tried = true, now
	if r.why == nil {
		r.file, r.why = why, &leasestore.Fault{Err: why, Cure: "see the log: the store is written anew, or what stands against that is there"}
	}
	file := r.file
	r.wait.Go(func() { _ = s.rebuild(file) }) // it is told
}

// unusable is why nothing can be stored now where the store could not be made anew; that is tried again.
func (s *Server) unusable() error {
	why := s.rebuilding.why
	if why == nil {
		return nil
	}
	s.broken(why)
	return withCure(why)
}

// rebuild makes the store anew and tells how that went.
func (s *Server) rebuild(file *leasestore.Fault) error {
	store, err := s.madeAnew()
	s.turn(func() error {
		s.rebuilding.busy = false
		if err == nil {
			s.outlived = s.storeStats()
			s.store, s.rebuilding.why = store, nil
		}
		return nil
	})
	if err != nil {
		what := &leasestore.Fault{
			Err:  fmt.Errorf("%w, and it is not written anew: %w", file, err),
			Cure: strings.TrimSuffix(cureOf(err), leasestore.GoesOn) + leasestore.GoesOn,
		}
		s.noteStraying(what, what, false)
		return withCure(what)
	}
	kept := s.rebuilding.kept
	s.rebuilding.placed, s.rebuilding.kept = nil, ""
	what := &leasestore.Fault{
		Err:  fmt.Errorf("%w; all that this server had is written there again", file),
		Cure: "nothing is lost; stop v6responder before the file is moved, removed or replaced",
	}
	if kept != "" {
		what.Err = fmt.Errorf("%w, the other file is kept as %s", what.Err, kept)
		what.Cure = fmt.Sprintf("nothing is lost; to go on with the other file stop v6responder, rename %s to %s and start", kept, filepath.Join(s.opts.StateDir, storeFile))
	}
	s.noteStraying(what, file, true)
	return nil
}

// madeAnew puts a new file into the place of the store's, which is kept.
func (s *Server) madeAnew() (*leasestore.Store, error) {
	s.adding.Lock() // a host that is added is in the engine too when it is in the store
	defer s.adding.Unlock()
	_ = s.store.Close() // it says again what is wrong with it
	s.turn(func() error {
		s.kept(s.stored.fetch()) // what was stored before counts
		s.flush()
		return nil
	})
	path, name := filepath.Join(s.opts.StateDir, rebuiltFile), filepath.Join(s.opts.StateDir, storeFile)
	err := s.writeAnew(path)
	if err == nil {
		err = s.rebuilding.place(path, name)
	}
	if err = errors.Join(err, removed(path)); err == nil {
		err = durable.SyncFolder(s.opts.StateDir)
	}
	if err != nil {
		return nil, err
	}
	return openStore(s.opts.StateDir, s.storeOptions(nil)) // the engine has the leases
}

// place gives the new file the store's name. What has that name is kept, unless an earlier attempt has put it there:
// each would take one of the few names that there are for what is kept.
func (r *rebuilding) place(path, name string) error {
	made, err := os.Stat(path)
	if err != nil {
		return err
	}
	kept := ""
	if there, missing := os.Lstat(name); missing == nil && r.placed != nil && os.SameFile(there, r.placed) {
		err = os.Rename(path, name)
	} else {
		kept, err = leasestore.PutInPlace(path, name)
	}
	if err == nil {
		r.placed, r.kept = made, cmp.Or(kept, r.kept)
	}
	return err
}

// writeAnew writes to a file what a start must find.
func (s *Server) writeAnew(path string) (err error) {
	if err := removed(path); err != nil { // of a process that was killed
		return err
	}
	o := leasestore.Options{Path: path, Clock: s.opts.Clock}
	if o.BootID, err = clock.BootID(clock.BootIDFile); err != nil {
		return err
	}
	store, err := leasestore.Open(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	var bindings []*pool.Binding
	var added []*hosts.Host // the lock is held by which they change
	s.turn(func() error {
		for b := range s.engine.bindings.All {
			bindings = append(bindings, b)
		}
		added = s.engine.hosts.Added.All()
		return nil
	})
	ctx := context.WithoutCancel(s.ctx) // who stops the server lets it keep what it has
	for part := range slices.Chunk(added, chunk) {
		changes := make([]leasestore.Change, 0, len(part))
		for _, h := range part {
			changes = append(changes, leasestore.Set{Name: addedPrefix + h.Key(), Value: []byte(h.Spelt())})
		}
		if err := store.Commit(ctx, changes...); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(bindings, chunk) {
		if err := store.Commit(ctx, s.asStored(part)...); err != nil {
			return err
		}
	}
	return nil
}

// asStored are Puts of bindings as they are now: what was never stored nobody was told of, and what the store does not
// take meanwhile does not happen.
func (s *Server) asStored(part []*pool.Binding) []leasestore.Change {
	changes := make([]leasestore.Change, 0, len(part))
	s.turn(func() error {
		for _, b := range part {
			if b.Stored && s.engine.bindings.At(b.Prefix()) == b {
				l := b.Lease()
				changes = append(changes, leasestore.Put{Lease: &l})
			}
		}
		return nil
	})
	return changes
}

func removed(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
