package responder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/durable"
	"github.com/v6guest/v6guest/pkg/leasestore"
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
	r.wait.Go(func() { s.rebuild(file) })
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
func (s *Server) rebuild(file *leasestore.Fault) {
	kept, store, err := s.madeAnew()
	s.turn(func() error {
		s.rebuilding.busy = false
		if err == nil {
			s.outlived = s.storeStats()
			s.store, s.rebuilding.why = store, nil
		}
		return nil
	})
	if err != nil {
		what := &leasestore.Fault{Err: fmt.Errorf("%w, and it is not written anew: %w", file, err), Cure: cureOf(err) + "; the store goes on by itself"}
		s.noteStraying(what, what, false)
		return
	}
	what := &leasestore.Fault{
		Err:  fmt.Errorf("%w; all that this server had is written there again", file),
		Cure: "nothing is lost; stop v6responder before the file is moved, removed or replaced",
	}
	if kept != "" {
		what.Err = fmt.Errorf("%w, the other file is kept as %s", what.Err, kept)
		what.Cure = fmt.Sprintf("nothing is lost; to go on with the other file stop v6responder, rename %s to %s and start", kept, filepath.Join(s.opts.StateDir, storeFile))
	}
	s.noteStraying(what, file, true)
}

// madeAnew puts a new file into the place of the store's, which is kept under the name that it returns.
func (s *Server) madeAnew() (kept string, store *leasestore.Store, err error) {
	s.adding.Lock() // a host that is added is in the engine too when it is in the store
	defer s.adding.Unlock()
	_ = s.store.Close() // it says again what is wrong with it
	s.turn(func() error {
		s.kept(s.stored.fetch()) // what was stored before counts
		s.flush()
		return nil
	})
	path, name := filepath.Join(s.opts.StateDir, rebuiltFile), filepath.Join(s.opts.StateDir, storeFile)
	if err = s.writeAnew(path); err == nil {
		kept, err = keepFound(name)
	}
	if err == nil {
		err = os.Rename(path, name)
	}
	if err == nil {
		err = durable.SyncFolder(s.opts.StateDir)
	}
	if err != nil {
		return "", nil, errors.Join(err, removed(path))
	}
	store, err = openStore(s.opts.StateDir, s.storeOptions(nil)) // the engine has the leases
	return kept, store, err
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
	var added []leasestore.Change
	s.turn(func() error {
		for b := range s.engine.bindings.All {
			bindings = append(bindings, b)
		}
		for _, h := range s.engine.hosts.Added.All() {
			added = append(added, leasestore.Set{Name: addedPrefix + h.Key(), Value: []byte(h.Spelt())})
		}
		return nil
	})
	for part := range slices.Chunk(added, chunk) {
		if err := store.Commit(s.ctx, part...); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(bindings, chunk) {
		if err := store.Commit(s.ctx, s.asStored(part)...); err != nil {
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

// keepFound gives the store's file a second name beside its own; "" where there is no file.
func keepFound(name string) (string, error) {
	kept, err := leasestore.KeepBeside(name, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case errors.Is(err, leasestore.ErrOften):
		return "", &leasestore.Fault{
			Err:  fmt.Errorf("%s %w %d times", name, err, leasestore.MaxFound),
			Cure: fmt.Sprintf("find out what writes there, and move %s.found-1 and so on away", name),
		}
	}
	return kept, err
}

func removed(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
