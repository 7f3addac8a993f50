package responder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/leasestore"
)

// storeFile is where the bindings are kept, in the state folder.
const storeFile = "leases.db"

// commitPace bounds how often the disk is asked to flush. A lease that comes alone is not delayed; those of guests
// that start together are by so much at most, which is little beside the second that duplicate address detection
// takes.
const commitPace = 20 * time.Millisecond

// openStore opens the lease store in the folder dir, made if it is missing; the options say who is told.
func openStore(dir string, o leasestore.Options) (*leasestore.Store, error) {
	boot, err := clock.BootID(clock.BootIDFile)
	if err != nil {
		return nil, fmt.Errorf("lease store: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, &fault.Fault{Err: fmt.Errorf("lease store: %w", err), Cure: "name a folder that can be written to by --state-dir"}
	}
	o.Path, o.BootID = filepath.Join(dir, storeFile), boot
	store, err := leasestore.Open(o)
	return store, withCure(err)
}

// withCure makes the cure that the store names a command's.
func withCure(err error) error {
	if f := (*leasestore.Fault)(nil); errors.As(err, &f) {
		return &fault.Fault{Err: err, Cure: f.Cure}
	}
	return err
}

// openStore opens the lease store, with the bindings of pools and the hosts that were added. A server that
// needs neither does without, where there can be none.
func (s *Server) openStore() (err error) {
	if s.store != nil {
		return nil
	}
	n, missing := 0, s.missesStore()
	store, err := openStore(s.opts.StateDir, s.storeOptions(func(l *leasestore.Lease) { n++; s.engine.Restore(l) }))
	if err != nil {
		_, statErr := os.Stat(filepath.Join(s.opts.StateDir, storeFile))
		readOnly := errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) || errors.Is(err, fs.ErrNotExist)
		if s.opts.Config.hasPools() || statErr == nil || !readOnly {
			return err
		}
		s.log.Warn("no lease store: hosts cannot be added by command", "error", err)
		return nil
	}
	added, err := store.Values(addedPrefix)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	s.store = store // all that it has is in the engine, or is in a moment
	if missing && s.store.Stats().Returns == 0 {
		s.missed()
	}
	_ = removed(filepath.Join(s.opts.StateDir, rebuiltFile)) // of a process that was killed
	for _, v := range added {
		h, err := parseAdded(string(v.Value))
		if err != nil {
			s.log.Warn("hosts: added line left out", "client", strings.TrimPrefix(v.Name, addedPrefix), "error", err)
			continue
		}
		s.step(HostPut{h})
	}
	s.log.Info("lease store", "leases", n, "added_hosts", len(added))
	return nil
}

// storeOptions are those of the store that is in use; load is told its leases.
func (s *Server) storeOptions(load func(*leasestore.Lease)) leasestore.Options {
	return leasestore.Options{Clock: s.opts.Clock, Pace: s.pace, Load: load, Done: s.stored.put, Astray: s.strayed}
}

// storeStats are the figures of the store; what is counted is counted since this server has begun.
func (s *Server) storeStats() leasestore.Stats { return s.store.Stats().Since(s.outlived) }

// missesStore reports whether there is no store though this server has run before.
func (s *Server) missesStore() bool {
	_, err := os.Stat(filepath.Join(s.opts.StateDir, storeFile))
	_, ran := os.Stat(filepath.Join(s.opts.StateDir, duidFile))
	return ran == nil && errors.Is(err, fs.ErrNotExist)
}

// missed tells that an empty store was begun in the place of one that is missed: what was leased earlier may be given
// to others.
func (s *Server) missed() {
	s.log.Warn("the lease store is gone, though this server has run before; an empty one is begun",
		"file", filepath.Join(s.opts.StateDir, storeFile), "cure", "if there is a copy: stop the server, put it there, and start again")
}

// A straying is the last time that the store's file was not in its place.
type straying struct {
	what *leasestore.Fault
	away *leasestore.Fault // the last one by which it was not
	back bool              // it is again, whole
	at   clock.Instant
}

// strayed is the store's Options.Astray.
func (s *Server) strayed(what *leasestore.Fault, back bool) {
	if spoiled := spoiledBy(what); spoiled != nil && !back {
		s.tell(func() { s.broken(spoiled) })
		return
	}
	s.noteStraying(what, what, back)
	if back {
		s.tell(func() { s.keepDUIDAgain() })
	}
}

// noteStraying keeps for the status what has become of the store's file, and logs it. Of away the engine may have been
// told.
func (s *Server) noteStraying(what, away *leasestore.Fault, back bool) {
	level, line := slog.LevelError, "the lease store's file is not in its place; clients of the pools get no answer"
	if back {
		level, line = slog.LevelWarn, "the lease store's file was not in its place, and is again"
	}
	s.mu.Lock()
	s.straying.what, s.straying.back, s.straying.at = what, back, s.opts.Clock.Now()
	if !back || away != what {
		s.straying.away = away
	}
	s.mu.Unlock()
	s.log.Log(context.Background(), level, line, "error", what, "cure", what.Cure)
}

// keepDUIDAgain keeps the server's DUID where its file went with the store's, as with a folder that was moved away.
func (s *Server) keepDUIDAgain() {
	if !s.known || s.opts.Config.DUID != "" {
		return
	}
	if _, err := os.Stat(filepath.Join(s.opts.StateDir, duidFile)); !errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err := saveDUID(s.opts.StateDir, s.duid); err != nil {
		s.log.Warn("the server's DUID is not kept", "error", err, "cure", fault.Cure(err))
	}
}

// A mailbox takes what the store's goroutine tells, which must not wait, until the loop fetches it.
type mailbox struct {
	full chan struct{} // one value: there is something

	mu          sync.Mutex
	list, spare []leasestore.Result
}

func newMailbox() *mailbox { return &mailbox{full: make(chan struct{}, 1)} }

// put is the store's Options.Done.
func (m *mailbox) put(list []leasestore.Result) {
	m.mu.Lock()
	m.list = append(m.list, list...)
	m.mu.Unlock()
	select {
	case m.full <- struct{}{}:
	default: // it is to be fetched already
	}
}

// fetch gives what has come; it is the caller's until the next fetch.
func (m *mailbox) fetch() []leasestore.Result {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := m.list
	m.list, m.spare = m.spare[:0], list
	return list
}

// closeStore lets what waits be written, tells of it, and sends the answers that wait for it. What is asked
// meanwhile is not answered any more: nothing could be stored for it.
func (s *Server) closeStore() error {
	s.turns.Lock()
	s.known = false
	s.turns.Unlock()
	s.rebuilding.wait.Wait() // none begins: the context has ended
	if s.store == nil {
		return nil
	}
	err := s.store.Close()
	s.turn(func() error {
		s.kept(s.stored.fetch())
		s.flush()
		return nil
	})
	file := spoiledBy(err)
	if s.rebuilding.why != nil {
		file = s.rebuilding.file
	}
	if file == nil {
		return err
	}
	if err := s.rebuild(file); err != nil { // what is in memory is gone with this server
		return err
	}
	return s.store.Close()
}

// keep begins to make changes durable; what the store does not take at once is refused.
func (s *Server) keep(a Store) {
	err := leasestore.ErrClosed
	if s.store != nil {
		err = s.store.Begin(a.ID, a.Changes...)
	}
	if s.rebuilding.why != nil && err != nil {
		err = s.rebuilding.why
	}
	if err != nil {
		s.refused = append(s.refused, leasestore.Result{ID: a.ID, Err: err})
	}
}

// kept tells the engine what has become of changes, those first that were refused while this was done.
func (s *Server) kept(list []leasestore.Result) {
	if len(list) > 0 {
		s.step(Stored{list})
		s.tellOutcomes(list)
	}
	for len(s.refused) > 0 {
		list := slices.Clone(s.refused)
		s.refused = s.refused[:0]
		s.step(Stored{list})
		s.tellOutcomes(list)
	}
}

// outcome says what has become of the Store of that ID, as soon as the engine has been told.
func (s *Server) outcome(id uint64) <-chan error {
	c := make(chan error, 1)
	s.outcomes[id] = c
	return c
}

func (s *Server) tellOutcomes(list []leasestore.Result) {
	for i := range list {
		if spoiled := spoiledBy(list[i].Err); spoiled != nil {
			s.broken(spoiled)
			break
		}
	}
	if len(s.outcomes) == 0 {
		return
	}
	for i := range list {
		if c := s.outcomes[list[i].ID]; c != nil {
			c <- list[i].Err
			delete(s.outcomes, list[i].ID)
		}
	}
}

// due lets the engine do what it has to at its own time, and says when it wants that again.
func (s *Server) due() {
	now := s.opts.Clock.Now()
	for !now.Before(s.engine.Deadline()) {
		s.step(Expired{})
	}
}
