package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// A Change is one that the kernel told of: an IPv6 address or route that came, changed or went.
type Change struct {
	At    time.Time
	NIC   string
	Gone  bool
	Route bool // a route's; else an address's
	// Prefix is the address with its length, or the route's destination.
	Prefix  netip.Prefix
	Gateway netip.Addr // of a route; not valid for one on the link
	Usable  bool       // of an address: neither tentative nor a duplicate
}

// A watcher listens to a machine's kernel for as long as the machine lives.
type watcher struct {
	done chan struct{}
	wg   sync.WaitGroup

	mu      sync.Mutex
	names   map[int]string // NICs, those that are gone included
	changes []Change
	changed chan struct{}
	err     error
}

const receiveBuffer = 4 << 20 // bytes: an event that is lost would fail a test for no reason

func newWatcher(ns netns.NsHandle, link *netlink.Handle) (*watcher, error) {
	w := &watcher{done: make(chan struct{}), names: map[int]string{}, changed: make(chan struct{})}
	links, addrs, routes := make(chan netlink.LinkUpdate), make(chan netlink.AddrUpdate), make(chan netlink.RouteUpdate)
	failed := func(err error) { w.fail(err) }
	err := errors.Join(
		netlink.LinkSubscribeWithOptions(links, w.done, netlink.LinkSubscribeOptions{Namespace: &ns, ErrorCallback: failed, ReceiveBufferSize: receiveBuffer, ReceiveBufferForceSize: true}),
		netlink.AddrSubscribeWithOptions(addrs, w.done, netlink.AddrSubscribeOptions{Namespace: &ns, ErrorCallback: failed, ReceiveBufferSize: receiveBuffer, ReceiveBufferForceSize: true}),
		netlink.RouteSubscribeWithOptions(routes, w.done, netlink.RouteSubscribeOptions{Namespace: &ns, ErrorCallback: failed, ReceiveBufferSize: receiveBuffer, ReceiveBufferForceSize: true}),
	)
	if err != nil {
		close(w.done)
		return nil, fmt.Errorf("watch the kernel: %w", err)
	}
	have, err := link.LinkList()
	if err != nil {
		close(w.done)
		return nil, err
	}
	for _, l := range have {
		w.names[l.Attrs().Index] = l.Attrs().Name
	}
	// Each reader goes on until its channel closes: the library's senders would stay blocked for ever.
	w.wg.Go(func() {
		for u := range links {
			w.link(u)
		}
	})
	w.wg.Go(func() {
		for u := range addrs {
			w.address(u)
		}
	})
	w.wg.Go(func() {
		for u := range routes {
			w.route(u)
		}
	})
	return w, nil
}

func (w *watcher) close() {
	close(w.done)
	w.wg.Wait()
}

func (w *watcher) fail(err error) {
	select {
	case <-w.done: // the sockets were closed: the machine goes
		return
	default:
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = fmt.Errorf("watch the kernel: %w", err)
	w.tell()
}

func (w *watcher) link(u netlink.LinkUpdate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names[u.Attrs().Index] = u.Attrs().Name
	w.tell()
}

func (w *watcher) address(u netlink.AddrUpdate) {
	addr, ok := netip.AddrFromSlice(u.LinkAddress.IP)
	if !ok || addr.Is4() || addr.Is4In6() {
		return
	}
	usable := u.Flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == 0 || u.Flags&unix.IFA_F_OPTIMISTIC != 0
	w.add(u.LinkIndex, Change{Gone: !u.NewAddr, Prefix: prefix(&u.LinkAddress), Usable: usable && u.NewAddr})
}

func (w *watcher) route(u netlink.RouteUpdate) {
	if u.Family != netlink.FAMILY_V6 || u.Table != unix.RT_TABLE_MAIN {
		return
	}
	c := Change{Gone: u.Type == unix.RTM_DELROUTE, Route: true, Prefix: prefix(u.Dst), Gateway: address(u.Gw)}
	if len(u.MultiPath) == 0 {
		w.add(u.LinkIndex, c)
		return
	}
	for _, way := range u.MultiPath { // a change of each, as State has a route of each
		c.Gateway = address(way.Gw)
		w.add(way.LinkIndex, c)
	}
}

func (w *watcher) add(index int, c Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.At, c.NIC = time.Now(), w.names[index]
	w.changes = append(w.changes, c)
	w.tell()
}

// tell wakes those who wait; the lock is held.
func (w *watcher) tell() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// Changes returns what has changed since the machine booted.
func (m *Machine) Changes() []Change {
	m.watch.mu.Lock()
	defer m.watch.mu.Unlock()
	return m.watch.changes[:len(m.watch.changes):len(m.watch.changes)]
}

// Await waits until the machine's kernel holds what ok wants, looking again after each change that
// the kernel tells of, and returns that state. The error is ctx's, with the last state in its text.
func (m *Machine) Await(ctx context.Context, what string, ok func(State) bool) (State, error) {
	for {
		m.watch.mu.Lock()
		changed, failed := m.watch.changed, m.watch.err
		m.watch.mu.Unlock()
		if failed != nil {
			return State{}, failed
		}
		s, err := m.State()
		if err != nil {
			return s, err
		}
		if ok(s) {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return s, fmt.Errorf("%s: waiting for %s: %w\n%s", m.Name, what, context.Cause(ctx), s)
		}
	}
}
