// Package inotify hears from the kernel of changes of files and in folders.
package inotify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Watcher hears of what Add names.
type Watcher struct {
	// C gets what one read gave. It is closed when the Watcher is, or when nothing can be heard any more.
	C <-chan []Event

	f    *os.File
	conn syscall.RawConn
	c    chan []Event
	done chan struct{}
	err  error // why c was closed

	mu      sync.Mutex
	holding bool // something was read and not received yet
}

// An Event is one of the kernel's.
type Event struct {
	Watch int // as Add returned it; -1 when events were lost
	Mask  uint32
	Name  string // within the folder; "" for what is watched itself
}

// New opens a Watcher.
func New() (*Watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if errors.Is(err, unix.EMFILE) {
		return nil, fmt.Errorf("inotify: %w; raise fs.inotify.max_user_instances", err)
	}
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	c := make(chan []Event)
	w := &Watcher{C: c, f: os.NewFile(uintptr(fd), "inotify"), c: c, done: make(chan struct{})}
	if w.conn, err = w.f.SyscallConn(); err != nil {
		return nil, fmt.Errorf("inotify: %w", errors.Join(err, w.f.Close()))
	}
	go w.read()
	return w, nil
}

// Close ends it; it is to be called once.
func (w *Watcher) Close() error {
	close(w.done)
	return w.f.Close()
}

// Err is why C was closed, for whoever has seen that.
func (w *Watcher) Err() error { return w.err }

// Add watches a file or folder; what is watched already has the same watch again, for more.
func (w *Watcher) Add(path string, mask uint32) (watch int, err error) {
	var failed error
	err = w.conn.Control(func(fd uintptr) { watch, failed = unix.InotifyAddWatch(int(fd), path, mask|unix.IN_MASK_ADD) })
	if err = errors.Join(err, failed); errors.Is(err, unix.ENOSPC) {
		err = fmt.Errorf("%w; raise fs.inotify.max_user_watches", err)
	}
	if err != nil {
		return 0, fmt.Errorf("watch %s: %w", path, err)
	}
	return watch, nil
}

// Remove ends a watch; one that has ended by itself is no error.
func (w *Watcher) Remove(watch int) {
	_ = w.conn.Control(func(fd uintptr) { _, _ = unix.InotifyRmWatch(int(fd), uint32(watch)) })
}

func (w *Watcher) read() {
	defer close(w.c)
	buf := make([]byte, 64<<10)
	for {
		size, err := w.next(buf)
		if err != nil {
			w.err = err
			return
		}
		select {
		case w.c <- parse(buf[:size]):
		case <-w.done:
			return
		}
		w.mu.Lock()
		w.holding = false
		w.mu.Unlock()
	}
}

// next waits for something and reads it.
func (w *Watcher) next(buf []byte) (size int, err error) {
	closed := w.conn.Read(func(fd uintptr) bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for {
			if size, err = unix.Read(int(fd), buf); !errors.Is(err, unix.EINTR) {
				break
			}
		}
		w.holding = err == nil
		return !errors.Is(err, unix.EAGAIN)
	})
	if closed != nil {
		return 0, closed
	}
	return size, err
}

// Told reports whether all that has happened before this call was received from C.
func (w *Watcher) Told() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	waits := 0
	_ = w.conn.Control(func(fd uintptr) { waits, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }) // what is closed tells nothing
	return !w.holding && waits == 0
}

// parse reads what the kernel wrote: struct inotify_event with the name behind it.
func parse(b []byte) []Event {
	var out []Event
	for len(b) >= unix.SizeofInotifyEvent {
		size := int(binary.NativeEndian.Uint32(b[12:]))
		if size > len(b)-unix.SizeofInotifyEvent {
			break
		}
		name := string(b[unix.SizeofInotifyEvent : unix.SizeofInotifyEvent+size])
		out = append(out, Event{
			Watch: int(int32(binary.NativeEndian.Uint32(b))), Mask: binary.NativeEndian.Uint32(b[4:]),
			Name: strings.TrimRight(name, "\x00"),
		})
		b = b[unix.SizeofInotifyEvent+size:]
	}
	return out
}
