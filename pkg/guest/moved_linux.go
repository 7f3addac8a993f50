package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/clock"
)

// Moves watches the clocks and the virtual machine's generation id until ctx ends.
func (machine) Moves(ctx context.Context) (Moves, error) {
	before := clock.ReadOffsets()
	steps, err := clock.Steps(ctx)
	if err != nil {
		return nil, err
	}
	out := make(chan string)
	tell := func(why string) {
		select {
		case out <- why:
		case <-ctx.Done():
		}
	}
	go func() {
		for range steps {
			now := clock.ReadOffsets()
			why := moved(before, now)
			before = now
			if why != "" {
				tell(why)
			}
		}
	}()
	return out, watchGeneration(ctx, tell)
}

// newGeneration is in the event by which the kernel (from 6.10 on) tells that the hypervisor gave the
// machine a new generation id: it was cloned or reverted to a snapshot.
var newGeneration = []byte("\x00NEW_VMGENID=1\x00")

// watchGeneration calls tell when the generation id is a new one. Where such events cannot be had, as in
// a container, there are none.
func watchGeneration(ctx context.Context, tell func(string)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EAFNOSUPPORT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("kernel events: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1}); err != nil {
		return errors.Join(fmt.Errorf("kernel events: %w", err), unix.Close(fd))
	}
	f := os.NewFile(uintptr(fd), "uevents")
	stop := context.AfterFunc(ctx, func() { _ = f.Close() }) // ends the read below
	go func() {
		defer stop()
		b := make([]byte, 8<<10)
		for {
			n, err := f.Read(b)
			switch {
			case errors.Is(err, unix.ENOBUFS): // a burst of others: ours comes alone
			case err != nil:
				return
			case bytes.Contains(b[:n], newGeneration):
				tell("the hypervisor gave the machine a new generation id")
			}
		}
	}()
	return nil
}
