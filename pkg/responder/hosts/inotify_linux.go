package hosts

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// An inotify hears of changes in folders.
type inotify struct {
	f    *os.File
	conn syscall.RawConn
	c    chan []heard // what one read gave
	done chan struct{}
	err  error // why c was closed
}

// heard is one event of the kernel's.
type heard struct {
	watch int // -1 when events were lost
	mask  uint32
	name  string // within the folder; "" for the folder itself
}

// masks of events.
const (
	maskClosed = unix.IN_CLOSE_WRITE | unix.IN_MOVED_TO
	maskGone   = unix.IN_DELETE | unix.IN_MOVED_FROM
	maskNames  = unix.IN_CREATE | unix.IN_MOVED_TO | maskGone // which files there are
	maskMeta   = unix.IN_ATTRIB                               // who may read them
	maskAll    = unix.IN_MODIFY | maskNames | maskMeta | maskClosed
)

func newInotify() (*inotify, error) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if errors.Is(err, unix.EMFILE) {
		return nil, fmt.Errorf("inotify: %w; raise fs.inotify.max_user_instances", err)
	}
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	n := &inotify{f: os.NewFile(uintptr(fd), "inotify"), c: make(chan []heard), done: make(chan struct{})}
	if n.conn, err = n.f.SyscallConn(); err != nil {
		return nil, fmt.Errorf("inotify: %w", errors.Join(err, n.f.Close()))
	}
	go n.read()
	return n, nil
}

func (n *inotify) close() error {
	close(n.done)
	return n.f.Close()
}

// add watches a folder; the same folder has the same watch again, for more.
func (n *inotify) add(folder string, mask uint32) (watch int, err error) {
	var failed error
	err = n.conn.Control(func(fd uintptr) {
		watch, failed = unix.InotifyAddWatch(int(fd), folder, mask|unix.IN_MASK_ADD|unix.IN_ONLYDIR)
	})
	if err = errors.Join(err, failed); errors.Is(err, unix.ENOSPC) {
		err = fmt.Errorf("%w; raise fs.inotify.max_user_watches", err)
	}
	if err != nil {
		return 0, fmt.Errorf("watch %s: %w", folder, err)
	}
	return watch, nil
}

// probe says why a folder cannot be watched.
func (n *inotify) probe(folder string) error {
	watch, err := n.add(folder, maskNames)
	if err == nil {
		n.remove(watch)
	}
	return err
}

// remove ends a watch; one that has ended by itself is no error.
func (n *inotify) remove(watch int) {
	_ = n.conn.Control(func(fd uintptr) { _, _ = unix.InotifyRmWatch(int(fd), uint32(watch)) })
}

func (n *inotify) read() {
	defer close(n.c)
	buf := make([]byte, 64<<10)
	for {
		size, err := n.f.Read(buf)
		if err != nil {
			n.err = err
			return
		}
		select {
		case n.c <- parseEvents(buf[:size]):
		case <-n.done:
			return
		}
	}
}

// parseEvents reads what the kernel wrote: struct inotify_event with the name behind it.
func parseEvents(b []byte) []heard {
	var out []heard
	for len(b) >= unix.SizeofInotifyEvent {
		size := int(binary.NativeEndian.Uint32(b[12:]))
		if size > len(b)-unix.SizeofInotifyEvent {
			break
		}
		name := string(b[unix.SizeofInotifyEvent : unix.SizeofInotifyEvent+size])
		out = append(out, heard{
			watch: int(int32(binary.NativeEndian.Uint32(b))), mask: binary.NativeEndian.Uint32(b[4:]),
			name: strings.TrimRight(name, "\x00"),
		})
		b = b[unix.SizeofInotifyEvent+size:]
	}
	return out
}
