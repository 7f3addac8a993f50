package rim

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/clock/clocktest"
	"github.com/v6guest/v6guest/pkg/ra"
)

var errDown = errors.New("network is down")

// A wire is a Conn whose messages the test gives.
type wire struct {
	in     chan func(b []byte) (ra.Packet, error)
	closed chan struct{}
}

func newWire() *wire {
	return &wire{in: make(chan func(b []byte) (ra.Packet, error)), closed: make(chan struct{})}
}

func (w *wire) Read(b []byte) (ra.Packet, error) {
	select {
	case f := <-w.in:
		return f(b)
	case <-w.closed:
		return ra.Packet{}, os.ErrClosed
	}
}

func (w *wire) Write([]byte, netip.Addr, netip.Addr) error { return nil }

func (w *wire) Close() error { close(w.closed); return nil }

// send lets a message come.
func (w *wire) send(text string) {
	w.in <- func(b []byte) (ra.Packet, error) { return ra.Packet{Data: b[:copy(b, text)]}, nil }
}

func (w *wire) fail() {
	w.in <- func([]byte) (ra.Packet, error) { return ra.Packet{}, errDown }
}

// An engine writes down what it is stepped with.
type engine struct {
	log      []string
	deadline clock.Instant
}

func (e *engine) loop(w *wire, c clock.Clock) *Loop[string] {
	return New(Engine[string]{
		Step: func(ev string) bool {
			e.log = append(e.log, ev)
			if ev == "expired" {
				e.deadline = clock.Never
			}
			return ev == "end"
		},
		Deadline: func() clock.Instant { return e.deadline },
		Expired:  "expired",
		Received: func(p ra.Packet) string { return "packet " + string(p.Data) },
	}, w, c)
}

func TestLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := newWire(), clocktest.New(clock.Instant(time.Hour))
		e := &engine{deadline: c.Now().Add(time.Second)}
		l := e.loop(w, c)
		l.Notify("before Run")
		result := make(chan error, 1)
		go func() { result <- l.Run(t.Context()) }()
		synctest.Wait()
		c.Advance(time.Second)
		synctest.Wait()
		w.send("one")
		w.fail()
		w.send("two")
		synctest.Wait()
		if !l.Call(t.Context(), func() { e.log = append(e.log, "call") }) {
			t.Error("not called")
		}
		l.Notify("end")
		if err := <-result; err != nil {
			t.Error(err)
		}
		if got := strings.Join(e.log, ", "); got != "before Run, expired, packet one, packet two, call, end" {
			t.Error(got)
		}
		if l.Call(t.Context(), func() { t.Error("called after the end") }) {
			t.Error("called after the end")
		}
	})
}

func TestLoopEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		ctx, cancel := context.WithCancel(t.Context())
		l := (&engine{deadline: clock.Never}).loop(w, clocktest.New(1))
		result := make(chan error, 1)
		go func() { result <- l.Run(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-result; err != nil {
			t.Error(err)
		}
		<-w.closed
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		if l.Call(ctx, func() {}) {
			t.Error("called after the end")
		}
	})
}

func TestLoopFailsWithItsSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, e := newWire(), &engine{deadline: clock.Never}
		l := e.loop(w, clocktest.New(1))
		result := make(chan error, 1)
		go func() { result <- l.Run(t.Context()) }()
		for range maxReadErrors - 1 {
			w.fail()
		}
		w.send("in between")
		for range maxReadErrors {
			w.fail()
		}
		if err := <-result; !errors.Is(err, errDown) || strings.Join(e.log, "") != "packet in between" {
			t.Errorf("%v, %v", err, e.log)
		}
	})
}

func TestLoopFailsWithItsTimer(t *testing.T) {
	l := (&engine{deadline: 1}).loop(newWire(), noTimers{})
	if err := l.Run(t.Context()); !errors.Is(err, os.ErrInvalid) {
		t.Error(err)
	}
}

// noTimers is a clock of a process that has no file descriptor left.
type noTimers struct{}

func (noTimers) Now() clock.Instant { return 0 }

func (noTimers) NewTimer() (clock.Timer, error) { return nil, os.ErrInvalid }

// TestLoopAllocatesNothingPerPacket: a flood costs the reader no memory.
func TestLoopAllocatesNothingPerPacket(t *testing.T) {
	w := newWire()
	count := 0
	l := New(Engine[int]{
		Step:     func(n int) bool { count += n; return count == 10_000 },
		Deadline: func() clock.Instant { return clock.Never },
		Received: func(p ra.Packet) int { return len(p.Data) },
	}, w, clocktest.New(1))
	result := make(chan error, 1)
	go func() { result <- l.Run(t.Context()) }()
	one := func(b []byte) (ra.Packet, error) { return ra.Packet{Data: b[:1]}, nil }
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 10_000 {
		w.in <- one
	}
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 100*10_000 {
		t.Errorf("%d bytes", allocated)
	}
}
