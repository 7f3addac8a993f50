package guest

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/link"
)

// A Looker tells of NetworkManager's first look at a NIC. One that has a global address then is somebody
// else's to it ("connected (externally)"): it gets no IPv4.
type Looker interface {
	// AwaitsLook says whether NetworkManager has the NIC, or will have it in this boot, and has not looked
	// at it yet. It reads files and the list of processes.
	AwaitsLook(nic link.NIC) bool
	// Looked says whether NetworkManager has looked at the NIC of that index.
	Looked(index int) bool
	// Looks calls looked once and then whenever NetworkManager may have looked at a NIC, until ctx ends,
	// which is no error.
	Looks(ctx context.Context, looked func()) error
}

const (
	// maxLook is how long addresses wait for NetworkManager's first look: one that never comes (it fails, or
	// keeps no state while it runs) must not cost the guest its IPv6.
	maxLook = time.Minute
	// lookPause is between two looks of our own where the kernel does not tell.
	lookPause = time.Second
)

const unlooked = "NetworkManager has not looked at the NIC yet, which would cost it its IPv4"

// A look is the wait for NetworkManager on one NIC. The exchange with the server goes on meanwhile, and
// routers are heard: only global addresses wait.
type look struct {
	asked   bool
	awaited atomic.Bool   // read by the client's goroutine too
	until   clock.Instant // the end of the wait, at the latest
	at      clock.Instant // when to look again if nothing happens
}

// awaitLook begins the wait when the NIC is met, and ends it.
func (n *managedNIC) awaitLook(now clock.Instant) {
	l := &n.look
	if !l.asked {
		l.asked = true
		if n.a.passive || n.plan.Settings.Lease != LeaseAgent || n.global().IsValid() || !n.a.sys.AwaitsLook(n.nic) {
			return
		}
		l.until = now.Add(maxLook)
		l.awaited.Store(true)
		n.log.Info("addresses wait until NetworkManager has looked at the NIC: it would give it no IPv4 otherwise", "at_most", maxLook)
	}
	if !l.awaited.Load() {
		return
	}
	switch {
	case n.a.sys.Looked(n.nic.Index):
		n.log.Info("NetworkManager has looked at the NIC: addresses wait no longer")
	case !now.Before(l.until):
		n.log.Warn("NetworkManager has not looked at the NIC: addresses wait no longer", "after", maxLook)
	default:
		l.at = l.until
		if n.a.looks.untold {
			l.at = min(l.at, now.Add(lookPause))
		}
		return
	}
	l.awaited.Store(false)
	l.at = clock.Never
	n.withoutBlame, n.repairAt = "a leased address is put on the NIC: it waited for NetworkManager", now
}

// looks is the watch for NetworkManager's looks, while any NIC waits for one.
type looks struct {
	end    context.CancelFunc // nil while nobody is watched
	untold bool               // the kernel does not tell
}

// tendLooks begins and ends the watch.
func (a *Agent) tendLooks(ctx context.Context) {
	awaited := slices.ContainsFunc(slices.Collect(maps.Values(a.nics)), func(n *managedNIC) bool { return n.look.awaited.Load() })
	switch {
	case awaited && a.looks.end == nil:
		ctx, a.looks.end = context.WithCancel(ctx)
		go func() {
			err := a.sys.Looks(ctx, func() { a.mail.post(func() {}) })
			if err != nil {
				a.log.Debug("that NetworkManager has looked is found by trying", "error", err)
				a.mail.post(func() { a.looks.untold = true })
			}
		}()
	case !awaited && a.looks.end != nil:
		a.looks.end()
		a.looks.end = nil
	}
}
