package responder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/leasestore"
)

// storeFile is where the bindings are kept, in the state folder.
const storeFile = "leases.db"

// openStore opens the lease store and gives the engine what is in it.
func openStore(dir string, clk clock.Clock, load func(*leasestore.Lease), done func([]leasestore.Result)) (*leasestore.Store, error) {
	boot, err := clock.BootID(clock.BootIDFile)
	if err != nil {
		return nil, fmt.Errorf("lease store: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, &fault.Fault{Err: fmt.Errorf("lease store: %w", err), Cure: "name a folder that can be written to by --state-dir"}
	}
	store, err := leasestore.Open(leasestore.Options{
		Path: filepath.Join(dir, storeFile), BootID: boot, Clock: clk, Load: load, Done: done,
	})
	if f := (*leasestore.Fault)(nil); errors.As(err, &f) {
		return nil, &fault.Fault{Err: err, Cure: f.Cure}
	}
	return store, err
}

// openStore opens the lease store, with the bindings of pools and the hosts that were added. A server that
// needs neither does without, where there can be none.
func (s *Server) openStore() (err error) {
	if s.store != nil {
		return nil
	}
	n := 0
	s.store, err = openStore(s.opts.StateDir, s.opts.Clock, func(l *leasestore.Lease) { n++; s.engine.Restore(l) }, s.stored.put)
	if err != nil {
		_, statErr := os.Stat(filepath.Join(s.opts.StateDir, storeFile))
		readOnly := errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) || errors.Is(err, fs.ErrNotExist)
		if s.opts.Config.hasPools() || statErr == nil || !readOnly {
			return err
		}
		s.log.Warn("no lease store: hosts cannot be added by command", "error", err)
		return nil
	}
	added, err := s.store.Values(addedPrefix)
	if err != nil {
		return err
	}
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

// A mailbox takes what the store's goroutine tells, which must not wait, until the loop fetches it.
type mailbox struct {
	full chan struct{} // one value: there is something

	mu   sync.Mutex
	list []leasestore.Result
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

func (m *mailbox) fetch() []leasestore.Result {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := m.list
	m.list = nil
	return list
}

// keep begins to make changes durable; what the store does not take at once is refused.
func (s *Server) keep(a Store) {
	err := leasestore.ErrClosed
	if s.store != nil {
		err = s.store.Begin(a.ID, a.Changes...)
	}
	if err != nil {
		s.refused = append(s.refused, leasestore.Result{ID: a.ID, Err: err})
	}
}

// kept tells the engine what has become of changes, those first that were refused while this was done.
func (s *Server) kept(list []leasestore.Result) {
	if len(list) > 0 {
		s.step(Stored{list})
	}
	for len(s.refused) > 0 {
		list := slices.Clone(s.refused)
		s.refused = s.refused[:0]
		s.step(Stored{list})
	}
}

// due lets the engine do what it has to at its own time, and says when it wants that again.
func (s *Server) due() {
	now := s.opts.Clock.Now()
	for !now.Before(s.engine.Deadline()) {
		s.step(Expired{})
	}
}
