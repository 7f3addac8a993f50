package lab

import (
	"errors"
	"runtime"

	"golang.org/x/sys/unix"
)

// A thread is an OS thread of its own on which functions run. They may change its namespaces, its
// root and its working directory: these are the thread's alone, and go with it. Processes that are
// started on it live in its namespaces; with Pdeathsig they end when the thread does, which is when
// it is closed or when this whole process ends, by whatever signal.
type thread struct {
	work chan func()
	quit chan struct{}
	done chan struct{}
}

var errThreadClosed = errors.New("the machine is gone")

func newThread() *thread {
	t := &thread{work: make(chan func()), quit: make(chan struct{}), done: make(chan struct{})}
	go t.run()
	return t
}

// run serves the work and then ends the goroutine without unlocking the thread, which ends it.
func (t *thread) run() {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The process's first thread cannot end: it stays parked here, unchanged, another one serves.
		other := &thread{work: t.work, quit: t.quit, done: make(chan struct{})}
		go other.run()
		<-other.done
		close(t.done)
		runtime.UnlockOSThread()
		return
	}
	defer close(t.done)
	for {
		select {
		case f := <-t.work:
			f()
		case <-t.quit:
			return
		}
	}
}

// do runs f on the thread and returns its error.
func (t *thread) do(f func() error) error {
	result := make(chan error, 1)
	select {
	case t.work <- func() { result <- f() }:
		return <-result
	case <-t.done:
		return errThreadClosed
	}
}

// close ends the thread, after the function that runs on it now. It must be called once.
func (t *thread) close() {
	close(t.quit)
	<-t.done
}
