package cmdline

import (
	"io"
	"sync"
)

// A Batch writes what it is given at once, or while it is held, at the release: a log of many lines costs one
// system call instead of one a line. Its methods may be called by several goroutines at once; holds do not nest.
type Batch struct {
	W io.Writer

	mu   sync.Mutex
	held bool
	kept []byte
}

// batchRoom is how much is kept at the most.
const batchRoom = 64 << 10

// Write writes or keeps b. An error is that of what is written now.
func (l *Batch) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kept = append(l.kept, b...); l.held && len(l.kept) < batchRoom {
		return len(b), nil
	}
	return len(b), l.flush()
}

// Hold keeps what is written from now on.
func (l *Batch) Hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = true
}

// Release writes what was kept. Who writes lines of a log could do nothing about an error.
func (l *Batch) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = false
	_ = l.flush()
}

func (l *Batch) flush() error {
	if len(l.kept) == 0 {
		return nil
	}
	_, err := l.W.Write(l.kept)
	l.kept = l.kept[:0]
	return err
}
