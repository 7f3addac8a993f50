// Package rim is the shell around both engines of package ra: one goroutine that owns the engine,
// one that reads the socket, a timer, and a queue for what others have to say.
package rim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/ra"
)

// An Engine as the loop sees it, E being its events. The functions are called from the goroutine of
// Run only.
type Engine[E any] struct {
	// Step hands an event to the engine and does what it says; it returns true when the loop shall end.
	Step func(ev E) (end bool)
	// Deadline is when the engine wants Expired.
	Deadline func() clock.Instant
	Expired  E
	Received func(p ra.Packet) E
}

// A Loop drives an engine.
type Loop[E any] struct {
	engine Engine[E]
	conn   ra.Conn
	clock  clock.Clock

	mu    sync.Mutex
	queue []E
	ready chan struct{} // holds one value when the queue is not empty

	calls chan func()
	done  chan struct{} // closed when Run has ended
	set   clock.Instant // what the timer was set to
}

// New makes a loop.
func New[E any](engine Engine[E], conn ra.Conn, c clock.Clock) *Loop[E] {
	return &Loop[E]{
		engine: engine, conn: conn, clock: c, ready: make(chan struct{}, 1),
		calls: make(chan func()), done: make(chan struct{}), set: clock.Never,
	}
}

// Notify queues an event. It never waits and may be called at any time, also from within Step: what
// is queued are kernel events and commands, which are few.
func (l *Loop[E]) Notify(ev E) {
	l.mu.Lock()
	l.queue = append(l.queue, ev)
	l.mu.Unlock()
	select {
	case l.ready <- struct{}{}:
	default: // it is known already that there is something
	}
}

// Call runs f between two steps and returns when it has run; it is false if the loop has ended or ctx
// ends before.
func (l *Loop[E]) Call(ctx context.Context, f func()) bool {
	ran := make(chan struct{})
	select {
	case l.calls <- func() { f(); close(ran) }:
		<-ran
		return true
	case <-ctx.Done():
	case <-l.done:
	}
	return false
}

// Run drives the engine until ctx ends or Step says so, and closes the socket. It fails when the timer
// or the socket fails for good.
func (l *Loop[E]) Run(ctx context.Context) error {
	defer close(l.done)
	defer func() { _ = l.conn.Close() }() // nothing is lost with it
	timer, err := l.clock.NewTimer()
	if err != nil {
		return err
	}
	defer func() { _ = timer.Close() }()
	r := reader{conn: l.conn, packets: make(chan ra.Packet), taken: make(chan struct{}), failed: make(chan error, 1), done: l.done}
	go r.read()
	for end := false; !end; {
		if at := l.engine.Deadline(); at != l.set {
			if err := timer.Set(at); err != nil {
				return err
			}
			l.set = at
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-r.failed:
			return err
		case p := <-r.packets:
			end = l.engine.Step(l.engine.Received(p))
			r.taken <- struct{}{}
		case <-l.ready:
			for _, ev := range l.take() {
				end = l.engine.Step(ev) || end
			}
		case f := <-l.calls:
			f()
		case <-timer.C():
			l.set = clock.Never
			end = l.engine.Step(l.engine.Expired)
		}
	}
	return nil
}

// take empties the queue.
func (l *Loop[E]) take() []E {
	l.mu.Lock()
	defer l.mu.Unlock()
	queue := l.queue
	l.queue = nil
	return queue
}

// A reader reads the socket, one message at a time: its buffer is the engine's until that is taken.
type reader struct {
	conn    ra.Conn
	packets chan ra.Packet
	taken   chan struct{}
	failed  chan error
	done    chan struct{}
}

// maxReadErrors is how many reads in a row may fail before the socket counts as lost. A NIC that goes
// down gives one error, not many.
const maxReadErrors = 64

func (r reader) read() {
	b := make([]byte, ra.MaxPacket)
	for failures := 0; ; {
		p, err := r.conn.Read(b)
		switch {
		case errors.Is(err, os.ErrClosed):
			r.failed <- err // heard only where somebody else has closed it
			return
		case err != nil:
			if failures++; failures == maxReadErrors {
				r.failed <- fmt.Errorf("%d failures in a row: %w", failures, err)
				return
			}
			continue
		}
		failures = 0
		select {
		case r.packets <- p:
			<-r.taken
		case <-r.done:
			return
		}
	}
}
