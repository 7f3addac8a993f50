package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/clock/clocktest"
	"github.com/v6guest/v6guest/pkg/wire"
	"golang.org/x/sys/unix"
)

var linkLocal = netip.MustParseAddr("fe80::4a0:f0ff:fe00:38")

// fakeConn is a link with servers on it: what is written is answered at once.
type fakeConn struct {
	sim *sim // for its servers

	mu     sync.Mutex
	wrote  []*wire.Message
	src    []netip.Addr
	broken error // of Write

	in     chan any // datagram or error
	closed chan struct{}
	once   sync.Once
}

type fakeDatagram struct {
	b    []byte
	from netip.Addr
}

func (c *fakeConn) Read(b []byte) (Datagram, error) {
	select {
	case <-c.closed:
		return Datagram{}, net.ErrClosed
	case item := <-c.in:
		if err, ok := item.(error); ok {
			return Datagram{}, err
		}
		d := item.(fakeDatagram)
		return Datagram{Len: copy(b, d.b), From: d.from, To: linkLocal}, nil
	}
}

func (c *fakeConn) Write(b []byte, src netip.Addr) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil {
		return c.broken
	}
	m, err := wire.Decode(b)
	if err != nil {
		return err
	}
	c.wrote, c.src = append(c.wrote, m), append(c.src, src)
	for _, srv := range c.sim.servers {
		if answer := srv.answer(m); answer != nil {
			out, err := answer.Encode()
			if err != nil {
				return err
			}
			c.in <- fakeDatagram{out, srv.from}
		}
	}
	return nil
}

func (c *fakeConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

// fakeHost is a NIC on which every address can be used at once, but for those that it refuses or that
// are taken.
type fakeHost struct {
	mu      sync.Mutex
	runner  *Runner
	refuses error
	taken   bool
	slow    bool // detection never ends
	did     []string
	reports []Report
	saved   *Lease
}

func (h *fakeHost) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.did = append(h.did, fmt.Sprintf(format, args...))
}

func (h *fakeHost) Install(a Address) error {
	h.note("install %s", a.Addr)
	switch {
	case h.refuses != nil:
		return h.refuses
	case h.taken:
		h.runner.Notify(AddressDuplicate{a.Addr})
	case !h.slow:
		h.runner.Notify(AddressUsable{a.Addr}) // from within: must not deadlock
	}
	return nil
}

func (h *fakeHost) Remove(addr netip.Addr, _ string) error { h.note("remove %s", addr); return nil }
func (h *fakeHost) Save(l *Lease) error                    { h.saved = l; h.note("save"); return nil }
func (h *fakeHost) Forget() error                          { h.note("forget"); return nil }
func (h *fakeHost) Configure(Settings) error               { h.note("configure"); return nil }
func (h *fakeHost) Report(r Report) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reports = append(h.reports, r)
}

// rig is a runner with a simulated clock, link and host, in a synctest bubble.
type rig struct {
	*Runner
	t     *testing.T
	clock *clocktest.Clock
	conn  *fakeConn
	host  *fakeHost
	ran   chan error
	stop  context.CancelFunc
}

func newRig(t *testing.T, saved *Lease, trace func(TracedMessage)) *rig {
	t.Helper()
	engine, err := NewEngine(Config{DUID: testDUID, IAID: testIAID, Rand: rand.New(rand.NewPCG(1, 1)), NoStartDelay: true})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, clock: clocktest.New(clock.Instant(time.Hour)), host: &fakeHost{}, ran: make(chan error, 1)}
	r.conn = &fakeConn{sim: newSim(t, 1), in: make(chan any, 16), closed: make(chan struct{})}
	r.Runner, err = NewRunner(RunnerConfig{Engine: engine, Conn: r.conn, Clock: r.clock, Host: r.host, Trace: trace})
	if err != nil {
		t.Fatal(err)
	}
	r.host.runner = r.Runner
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	go func() { r.ran <- r.Run(ctx, saved) }()
	return r
}

// end stops the runner and returns what Run returned.
func (r *rig) end() error {
	r.stop()
	return <-r.ran
}

// pass lets simulated time pass, with the runner at rest at each deadline.
func (r *rig) pass(d time.Duration) {
	synctest.Wait()
	for end := r.clock.Now().Add(d); r.clock.Step(end); {
		synctest.Wait()
	}
}

func TestRunnerLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var traced []string
		r := newRig(t, nil, func(m TracedMessage) {
			traced = append(traced, fmt.Sprintf("%v %s", m.Sent, wire.TypeName(m.Msg.Type)))
		})
		r.conn.sim.server("A", addr38).rapid = true
		r.SetCarrier(true)
		synctest.Wait()
		if len(r.conn.wrote) > 0 {
			t.Error("C-5-01: something left before the link-local address was there")
		}
		r.SetLinkLocal(linkLocal)
		got, err := r.Lease(t.Context())
		if err != nil || got.State != StateBound || !got.Addresses[0].Usable {
			t.Errorf("%+v, %v", got, err)
		}
		if want := []string{"install 2001:db8::38", "save"}; !slices.Equal(want, r.host.did) {
			t.Errorf("host did %v", r.host.did)
		}
		if r.conn.src[0] != linkLocal {
			t.Errorf("sent from %s", r.conn.src[0])
		}
		if want := []string{"true Solicit", "false Reply"}; !slices.Equal(want, traced) {
			t.Errorf("traced %v", traced)
		}
		r.pass(31 * time.Minute)
		if m := r.conn.wrote[len(r.conn.wrote)-1]; m.Type != renew {
			t.Errorf("after T1 %s was sent last", m)
		}
		if _, err := r.Release(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := r.Release(t.Context()); !errors.Is(err, ErrNoBinding) {
			t.Errorf("second release: %v", err)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
		if _, err := r.Lease(t.Context()); !errors.Is(err, ErrStopped) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestRunnerLeaseFails(t *testing.T) {
	refused := errors.New("permission denied")
	for name, tt := range map[string]struct {
		prepare func(r *rig)
		pass    time.Duration
		check   func(error) bool
	}{
		"no link": {
			func(r *rig) { r.SetCarrier(false) }, time.Second,
			func(err error) bool { return errors.Is(err, ErrNoLink) && errors.Is(err, context.Canceled) },
		},
		"no server": {
			func(*rig) {}, 20 * time.Second,
			func(err error) bool { return errors.Is(err, ErrNoServer) && errors.Is(err, context.Canceled) },
		},
		"refused": {
			func(r *rig) { r.conn.sim.server("A") }, 20 * time.Second,
			func(err error) bool { e, ok := errors.AsType[*RefusedError](err); return ok && e.Status.Code == 2 },
		},
		"declined": {
			func(r *rig) { r.conn.sim.server("A", addr38).rapid = true; r.host.taken = true }, 20 * time.Second,
			func(err error) bool { e, ok := errors.AsType[*DeclinedError](err); return ok && e.Addr == ip(addr38) },
		},
		"the kernel refuses": {
			func(r *rig) { r.conn.sim.server("A", addr38).rapid = true; r.host.refuses = refused }, 3 * time.Second,
			func(err error) bool { return errors.Is(err, refused) },
		},
		"detection does not end": {
			func(r *rig) { r.conn.sim.server("A", addr38).rapid = true; r.host.slow = true }, 3 * time.Second,
			func(err error) bool { return errors.Is(err, ErrProbing) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil, nil)
				r.SetCarrier(true)
				r.SetLinkLocal(linkLocal)
				synctest.Wait()
				tt.prepare(r)
				ctx, cancel := context.WithCancel(t.Context())
				result := make(chan error, 1)
				go func() { _, err := r.Lease(ctx); result <- err }()
				r.pass(tt.pass)
				cancel()
				if err := <-result; !tt.check(err) {
					t.Errorf("%v", err)
				}
				if err := r.end(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestRunnerSurvivesErrorsOfTheSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, nil)
		r.conn.sim.server("A", addr38)
		r.SetCarrier(true)
		r.conn.broken = unix.ENETUNREACH
		r.SetLinkLocal(linkLocal)
		synctest.Wait()
		for range 10 {
			r.conn.in <- error(unix.ENETDOWN)
		}
		r.conn.in <- fakeDatagram{[]byte{1, 2}, ip("fe80::9")}
		synctest.Wait()
		r.conn.broken = nil
		r.pass(5 * time.Second)
		if got, _ := r.Snapshot(t.Context()); got.State != StateBound {
			t.Errorf("%s; %v", got.State, r.host.reports)
		}
		for range maxReadErrors {
			r.conn.in <- error(unix.EBADF)
		}
		if err := <-r.ran; !errors.Is(err, unix.EBADF) {
			t.Errorf("%v", err)
		}
	})
}

func TestRunnerTellsOfANewLinkLocalAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, nil)
		srv := r.conn.sim.server("A", addr38)
		srv.rapid, srv.key = true, []byte("0123456789abcdef")
		r.SetCarrier(true)
		r.SetLinkLocal(linkLocal)
		synctest.Wait()
		r.SetLinkLocal(ip("fe80::2"))
		synctest.Wait()
		n := len(r.conn.wrote) - 1
		if r.conn.wrote[n].Type != renew || r.conn.src[n] != ip("fe80::2") {
			t.Errorf("C-18.2.4-04: last was %s from %s", r.conn.wrote[n], r.conn.src[n])
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestRunnerNeedsItsParts(t *testing.T) {
	if _, err := NewRunner(RunnerConfig{}); err == nil {
		t.Error("made of nothing")
	}
}
