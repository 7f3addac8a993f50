package sysctl

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/inotify"
)

// Written tells when programs write to switches. The kernel has no message for most of them (RTM_NEWNETCONF
// knows forwarding, not accept_ra), but a write goes through the file system, so inotify sees it: one
// through the same /proc, that is. What another instance of it is used for (one mounted in another process
// namespace), or what the kernel itself changes, is not told. The zero Written tells nothing.
type Written struct {
	// C gets the name of a NIC to whose switches somebody has written, also to the value that was there.
	C <-chan string

	root Tree
	ino  *inotify.Watcher // nil in the zero Written

	mu   sync.Mutex
	nics map[int]string // by watch
}

// Written opens a Written, which ends with ctx; Follow says which switches it is for.
func (t Tree) Written(ctx context.Context) (*Written, error) {
	ino, err := inotify.New()
	if err != nil {
		return nil, fmt.Errorf("follow the kernel's switches: %w", err)
	}
	c := make(chan string)
	w := &Written{C: c, root: t, ino: ino, nics: map[int]string{}}
	context.AfterFunc(ctx, func() { _ = ino.Close() }) // ends what follows
	go w.hand(ctx, c)
	return w, nil
}

// hand hands on what the kernel tells, until ctx ends. Writes in a row to one NIC's switches count once.
func (w *Written) hand(ctx context.Context, c chan<- string) {
	for events := range w.ino.C {
		last := ""
		for _, ev := range events {
			nic := w.nic(ev.Watch)
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

func (w *Written) nic(watch int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.nics[watch]
}

// Follow begins to tell of writes to switches of a NIC. Switches that the kernel has not are left out.
func (w *Written) Follow(nic string, switches ...Switch) error {
	if w.ino == nil {
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
	watch, err := w.ino.Add(filepath.Join(w.root.conf(), nic, string(s)), unix.IN_MODIFY)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case err != nil:
		return fmt.Errorf("follow %s of %s: %w", s, nic, err)
	}
	w.nics[watch] = nic
	return nil
}

// Forget ends what Follow began for a NIC.
func (w *Written) Forget(nic string) {
	if w.ino == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for watch, name := range w.nics {
		if name == nic {
			w.ino.Remove(watch)
			delete(w.nics, watch)
		}
	}
}
