package link

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// errLost says that the kernel dropped messages since the buffer was full.
var errLost = errors.New("messages were lost")

// A Watch follows the kernel of one namespace. C gives its events and is closed when the context of
// Kernel.Watch ends or the kernel cannot be followed any more; Err then says why.
//
// Events come in the kernel's order. A NIC is told before its addresses and routes, and its NICGone
// after they are gone. A reader that is slow loses nothing but what lies between: when the kernel's
// buffer runs over, the state is listed anew, what differs from the events told so far is told, and
// then Listed.
type Watch struct {
	C <-chan Event

	out chan Event
	err atomic.Pointer[error]
}

// Err is why C was closed: the context's error, or what went wrong. It is nil while C is open.
func (w *Watch) Err() error {
	if err := w.err.Load(); err != nil {
		return *err
	}
	return nil
}

// Watch begins to follow the kernel: first all that is there, closed by a Listed, then each change.
// It ends with ctx; nobody need read C to its end.
func (k *Kernel) Watch(ctx context.Context) (*Watch, error) {
	sock, err := k.subscribe()
	if err != nil {
		return nil, err
	}
	out := make(chan Event, 64)
	w := &Watch{C: out, out: out}
	go func() {
		err := w.run(ctx, k, sock)
		w.err.Store(&err)
		close(out)
	}()
	return w, nil
}

// groups are those whose messages a Watch looks at.
var groups = [...]int{
	unix.RTNLGRP_LINK, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV6_ROUTE,
	unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_RULE, unix.RTNLGRP_NEXTHOP,
}

// subscribe opens a socket that gets the messages of groups. It joins them one by one: a library's
// socket that is bound to groups also sends to them, so that every listener of the namespace would get
// our requests, which ends some of them, and without CAP_NET_ADMIN the kernel refuses it.
func (k *Kernel) subscribe() (*nl.NetlinkSocket, error) {
	s, err := k.open()
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		err := unix.SetsockoptInt(s.GetFd(), unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, g)
		if err != nil && g != unix.RTNLGRP_NEXTHOP { // kernels before 5.3 have no such group
			s.Close()
			return nil, fmt.Errorf("join netlink group %d: %w", g, err)
		}
	}
	// Above net.core.rmem_max the size needs CAP_NET_ADMIN; what the kernel then gives is enough to
	// begin with, since lost messages do no harm.
	if err := s.SetReceiveBufferSize(k.cfg.ReceiveBuffer, true); err != nil {
		_ = s.SetReceiveBufferSize(k.cfg.ReceiveBuffer, false)
	}
	_ = setStrict(s) // before 4.20 it does not exist; lists are the same
	return s, nil
}

// run follows the kernel until ctx ends, with a new socket each time that messages were lost: what
// the old one still holds is from before the loss and would be told after the new list.
func (w *Watch) run(ctx context.Context, k *Kernel, sock *nl.NetlinkSocket) error {
	f := &follower{w: w, state: newState(k.describe)}
	for {
		stop := context.AfterFunc(ctx, sock.Close)
		f.sock = sock
		err := f.follow(ctx)
		stop()
		sock.Close()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !errors.Is(err, errLost) {
			return fmt.Errorf("follow the kernel's network changes: %w", err)
		}
		f.lost++
		if sock, err = k.subscribe(); err != nil {
			return err
		}
	}
}

// A follower reads one socket after the other into one state. Changes and lists come over the same
// socket, so that their order is the kernel's.
type follower struct {
	w     *Watch
	sock  *nl.NetlinkSocket
	state *state
	lost  int
	seq   uint32 // of the list that is being read; 0 between lists
	tries int    // that this list was interrupted by changes
	torn  bool   // this time it was
	whole bool   // all lists were read since the last loss
}

func (f *follower) follow(ctx context.Context) error {
	f.seq, f.whole = 0, false
	f.state.expire()
	for {
		if err := f.list(); err != nil {
			return err
		}
		if err := f.flush(ctx); err != nil {
			return err
		}
		msgs, from, err := f.sock.Receive()
		switch {
		case errors.Is(err, unix.ENOBUFS):
			return errLost
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
			continue
		case err != nil:
			return err
		case from.Pid != nl.PidKernel:
			continue
		}
		for _, m := range msgs {
			if err := f.message(m); err != nil {
				return err
			}
		}
	}
}

// flush tells the events that the last messages made.
func (f *follower) flush(ctx context.Context) error {
	for i, ev := range f.state.out {
		select {
		case f.w.out <- ev:
		case <-ctx.Done():
			return ctx.Err()
		}
		f.state.out[i] = nil
	}
	f.state.out = f.state.out[:0]
	return nil
}

// list asks for the next list that is due, and says so when none is.
func (f *follower) list() error {
	if f.seq != 0 {
		return nil
	}
	if l, ok := f.state.begin(); ok {
		f.tries = 0
		return f.ask(l)
	}
	if !f.whole {
		f.whole = true
		f.state.emit(Listed{Lost: f.lost})
	}
	return nil
}

func (f *follower) ask(l listing) error {
	var get int
	var header nl.NetlinkRequestData
	switch l {
	case listNICs:
		get, header = unix.RTM_GETLINK, nl.NewIfInfomsg(unix.AF_UNSPEC)
	case listHops:
		get, header = unix.RTM_GETNEXTHOP, hopHeader()
	case listAddrs:
		get, header = unix.RTM_GETADDR, nl.NewIfAddrmsg(unix.AF_INET6)
	case listRoutes6:
		get, header = unix.RTM_GETROUTE, routeHeader(unix.AF_INET6)
	case listRoutes4:
		get, header = unix.RTM_GETROUTE, routeHeader(unix.AF_INET)
	case listRules:
		get, header = unix.RTM_GETRULE, routeHeader(unix.AF_INET6)
	}
	req := nl.NewNetlinkRequest(get, unix.NLM_F_DUMP)
	req.AddData(header)
	f.seq, f.torn = req.Seq, false
	return f.sock.Send(req)
}

func (f *follower) message(m syscall.NetlinkMessage) error {
	listed := f.seq != 0 && m.Header.Seq == f.seq && m.Header.Flags&unix.NLM_F_MULTI != 0
	if listed && m.Header.Flags&unix.NLM_F_DUMP_INTR != 0 {
		f.torn = true
	}
	switch m.Header.Type {
	case unix.NLMSG_ERROR, unix.NLMSG_DONE:
		if f.seq == 0 || m.Header.Seq != f.seq {
			return nil
		}
		return f.done(m)
	}
	f.state.message(m.Header.Type, m.Header.Flags, m.Data, listed)
	return nil
}

// done ends a list. One that changes interrupted is read again; after dumpTries times, what was in
// none of them is taken for gone.
func (f *follower) done(m syscall.NetlinkMessage) error {
	if len(m.Data) >= 4 {
		if errno := unix.Errno(-int32(binary.NativeEndian.Uint32(m.Data))); errno != 0 && !f.state.listing.unknownTo(errno) {
			return fmt.Errorf("list %d: %w", f.state.listing, errno)
		}
	}
	f.tries++
	if f.torn && f.tries < dumpTries {
		return f.ask(f.state.listing)
	}
	f.seq = 0
	f.state.end()
	return nil
}
