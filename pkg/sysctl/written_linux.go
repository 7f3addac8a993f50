package sysctl

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// Written tells when programs write to switches. The kernel has no message for most of them (RTM_NEWNETCONF
// knows forwarding, not accept_ra), but a write goes through the file system, so inotify sees it: one
// through the same /proc, that is. What another instance of it is used for (one mounted in another process
// namespace), or what the kernel itself changes, is not told. The zero Written tells nothing.
type Written struct {
	// C gets the name of a NIC to whose switches somebody has written, also to the value that was there.
	C <-chan string

	root Tree
	f    *os.File

	mu   sync.Mutex
	nics map[int32]string // by watch
}

// Written opens a Written, which ends with ctx; Follow says which switches it is for.
func (t Tree) Written(ctx context.Context) (*Written, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("follow the kernel's switches: inotify: %w", err)
	}
	c := make(chan string)
	w := &Written{C: c, root: t, f: os.NewFile(uintptr(fd), "inotify"), nics: map[int32]string{}}
	stop := context.AfterFunc(ctx, func() { _ = w.f.Close() }) // ends the read below
	go func() {
		defer stop()
		w.read(ctx, c)
	}()
	return w, nil
}

// read hands on what the kernel tells, until the file is closed. Writes in a row to one NIC's switches
// count once.
func (w *Written) read(ctx context.Context, c chan<- string) {
	b := make([]byte, 4096)
	for {
		n, err := w.f.Read(b)
		if err != nil {
			return
		}
		last := ""
		for rest := b[:n]; len(rest) >= unix.SizeofInotifyEvent; {
			watch := int32(binary.NativeEndian.Uint32(rest))
			rest = rest[min(len(rest), unix.SizeofInotifyEvent+int(binary.NativeEndian.Uint32(rest[12:]))):]
			nic := w.nic(watch)
			if nic == "" || nic == last {
				continue
			}
			last = nic
			select {
			case c <- nic:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (w *Written) nic(watch int32) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.nics[watch]
}

// Follow begins to tell of writes to switches of a NIC. Switches that the kernel has not are left out.
func (w *Written) Follow(nic string, switches ...Switch) error {
	if w.f == nil {
		return nil
	}
	if err := checkNIC(nic); err != nil {
		return err
	}
	var errs []error
	for _, s := range switches {
		errs = append(errs, w.follow(nic, s))
	}
	return errors.Join(errs...)
}

func (w *Written) follow(nic string, s Switch) error {
	w.mu.Lock() // so that the first event finds the NIC's name
	defer w.mu.Unlock()
	raw, err := w.f.SyscallConn()
	if err != nil {
		return err
	}
	var watch int
	var failed error
	err = raw.Control(func(fd uintptr) {
		watch, failed = unix.InotifyAddWatch(int(fd), filepath.Join(w.root.conf(), nic, string(s)), unix.IN_MODIFY)
	})
	switch {
	case err != nil:
		return err
	case errors.Is(failed, unix.ENOENT):
		return nil
	case failed != nil:
		return fmt.Errorf("follow %s of %s: inotify: %w", s, nic, failed)
	}
	w.nics[int32(watch)] = nic
	return nil
}

// Forget ends what Follow began for a NIC.
func (w *Written) Forget(nic string) {
	if w.f == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	raw, err := w.f.SyscallConn()
	if err != nil {
		return // closed
	}
	for watch, name := range w.nics {
		if name == nic {
			_ = raw.Control(func(fd uintptr) { _, _ = unix.InotifyRmWatch(int(fd), uint32(watch)) }) // it may be gone already
			delete(w.nics, watch)
		}
	}
}
