package guest

import (
	"sync"
	"sync/atomic"

	"github.com/v6guest/v6guest/pkg/client"
	"github.com/v6guest/v6guest/pkg/clock"
)

// An unsavedLease is one that could not be written. The client writes another only with the next Reply, which
// for a lease without end never comes.
type unsavedLease struct {
	sync.Mutex // held while any is written, so that the later one stays
	lease      atomic.Pointer[client.Lease]
}

// save writes the lease, and keeps one that cannot be written for later.
func (h *host) save(l *client.Lease) error {
	h.unsaved.Lock()
	defer h.unsaved.Unlock()
	err := h.write(l)
	h.unsaved.lease.Store(nil)
	if err != nil && !h.a.passive {
		h.unsaved.lease.Store(l)
		h.touch()
	}
	return err
}

// saveAgain tries again to write a lease that could not be written; saved says that none waits any more.
func (h *host) saveAgain() (saved bool, err error) {
	h.unsaved.Lock()
	defer h.unsaved.Unlock()
	l := h.unsaved.lease.Load()
	if l == nil {
		return true, nil
	}
	if err = h.write(l); err == nil {
		h.unsaved.lease.Store(nil)
	}
	return err == nil, err
}

func (h *host) write(l *client.Lease) error {
	return client.SaveLease(h.a.opts.StateDir, h.key, l, h.a.boot(h.a.clock.Now()))
}

const keepingLease = "keep the lease for the next start"

// saveLease writes a lease that could not be written, with growing pauses.
func (n *managedNIC) saveLease(now clock.Instant) {
	if n.leaser == nil || n.leaser.host.unsaved.lease.Load() == nil {
		n.saveAt = clock.Never
		delete(n.problems, keepingLease)
		return
	}
	if n.saveAt = max(n.saving.at(now), n.savedAt.Add(shortestPause)); now.Before(n.saveAt) {
		return
	}
	saved, err := n.leaser.host.saveAgain()
	if delete(n.problems, keepingLease); err != nil { // the client has logged it
		n.problems[keepingLease] = err
	}
	n.saving.done(now)
	n.savedAt = now
	if n.saveAt = clock.Never; !saved {
		n.saveAt = max(n.saving.at(now), now.Add(shortestPause))
	} else {
		n.log.Info("the lease is kept for the next start now")
	}
}
