package link

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// address n of a run of many.
func numbered(n int) netip.Addr {
	a := netip.MustParseAddr("2001:db8:2::").As16()
	a[14], a[15] = byte(n>>8), byte(n)
	return netip.AddrFrom16(a)
}

// 3,000 changes while nobody reads, more than the buffer holds: the state is right afterwards.
func TestLostMessagesAreMadeUpFor(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{ReceiveBuffer: 8 << 10})
	p.connect("eth1", "r1", nil, nil)
	check(t, p.k.InstallRoute(t.Context(), Route{Index: p.eth0, Dst: onLink}))
	r := listed(t, p.k)
	install := func(n int) {
		t.Helper()
		check(t, p.k.InstallAddress(t.Context(), p.eth0, numbered(n), time.Hour, time.Hour, AddressOptions{NoDAD: true}))
	}
	install(0)
	r.awaitAddr("the first", numbered(0), nil)

	for n := range 1500 {
		install(n + 1)
		if n%10 != 0 {
			check(t, p.k.RemoveAddress(t.Context(), p.eth0, numbered(n+1)))
		}
	}
	check(t, p.k.RemoveAddress(t.Context(), p.eth0, numbered(0)))
	check(t, p.k.RemoveRoute(t.Context(), Route{Index: p.eth0, Dst: onLink}))
	check(t, p.guest.h.LinkDel(p.guest.link("eth1")))
	check(t, p.guest.h.LinkSetMTU(p.guest.link("eth0"), 1400))

	r.await("a new list", func(ev Event) bool { l, ok := ev.(Listed); return ok && l.Lost > 0 })
	r.compare(p.k)
	if n := len(r.addrs); n < 150 {
		t.Errorf("%d addresses", n)
	}
}

// The list itself is read while the kernel changes: interrupted lists lose nothing.
func TestListsUnderChangesAreWhole(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{})
	for n := range 300 {
		check(t, p.k.InstallAddress(t.Context(), p.eth0, numbered(n), time.Hour, time.Hour, AddressOptions{NoDAD: true}))
	}
	stop := make(chan struct{})
	var churn sync.WaitGroup
	churner := p.guest.open(Config{})
	churn.Go(func() {
		for n := 1000; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			a := numbered(1000 + n%500)
			if err := churner.InstallAddress(t.Context(), p.eth0, a, time.Hour, time.Hour, AddressOptions{NoDAD: true}); err != nil {
				t.Error(err)
				return
			}
			if err := churner.RemoveAddress(t.Context(), p.eth0, a); err != nil && !errors.Is(err, ErrInterrupted) {
				t.Error(err)
				return
			}
		}
	})
	for range 10 {
		r := listed(t, p.k)
		for n := range 300 {
			if _, ok := r.addrs[addrKey{p.eth0, numbered(n)}]; !ok {
				t.Fatalf("address %d is missing after Listed", n)
			}
		}
		r.cancel()
		if addrs, err := p.k.Addrs(t.Context(), p.eth0); err == nil && len(addrs) < 300 {
			t.Errorf("a list of %d addresses was taken for whole", len(addrs))
		} else if err != nil && !errors.Is(err, ErrInterrupted) {
			t.Error(err)
		}
	}
	close(stop)
	churn.Wait()
	r := listed(t, p.k)
	r.mark(p)
	r.compare(p.k)
}

// 20 watches that nobody reads end with their context and leave no goroutine.
func TestCancelledWatchesLeaveNothing(t *testing.T) { // not parallel: it counts goroutines
	p := newPair(t, Config{})
	for n := range 200 { // more events than a Watch holds ready
		check(t, p.k.InstallAddress(t.Context(), p.eth0, numbered(n), time.Hour, time.Hour, AddressOptions{NoDAD: true}))
	}
	before := runtime.NumGoroutine()
	var watches []*Watch
	ctx, cancel := context.WithCancel(t.Context())
	for range 20 {
		w, err := p.k.Watch(ctx)
		check(t, err)
		watches = append(watches, w)
	}
	cancel()
	// The goroutine closes its channel last.
	timeout := time.After(patience)
	for _, w := range watches {
		for open := true; open; {
			select {
			case _, open = <-w.C:
			case <-timeout:
				t.Fatal("a cancelled watch goes on")
			}
		}
		if !errors.Is(w.Err(), context.Canceled) {
			t.Errorf("ended with %v", w.Err())
		}
	}
	for runtime.NumGoroutine() > before { // those that closed the sockets are on their way out
		select {
		case <-timeout:
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		default:
			runtime.Gosched()
		}
	}
}

// Our requests reach the kernel alone, not whoever else listens.
func TestOtherListenersHearNothingOfUs(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{})
	other, err := nl.SubscribeAt(p.guest.ns, netns.None(), unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV6_IFADDR)
	check(t, err)
	defer other.Close()
	r := listed(t, p.k)
	check(t, p.guest.h.LinkSetMTU(p.guest.link("eth0"), 1400))
	r.awaitNIC("the MTU", func(c NICChanged) bool { return c.NIC.MTU == 1400 })
	for told := false; !told; {
		msgs, from, err := other.Receive()
		check(t, err)
		for _, m := range msgs {
			if from.Pid != nl.PidKernel {
				t.Fatalf("message of type %d from port %d", m.Header.Type, from.Pid)
			}
			if m.Header.Type == unix.RTM_NEWLINK {
				n, _, _, ok := decodeNIC(m.Data)
				told = ok && n.MTU == 1400
			}
		}
	}
}

func TestClosedKernelSaysSo(t *testing.T) {
	k := newNamespace(t).open(Config{})
	check(t, k.Close())
	_, err := k.NICs(t.Context())
	_, watchErr := k.Watch(t.Context())
	for _, err := range []error{err, watchErr, k.Close(), k.SetUp(t.Context(), 1)} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
}

func TestCancelledContextEndsACall(t *testing.T) {
	k := newNamespace(t).open(Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.NICs(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
