package holder

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Ended returns a channel that is closed when the process has ended (of one that is gone already: at once), or
// ctx has. An error says that this kernel (before 5.3) does not tell.
func Ended(ctx context.Context, pid int) (<-chan struct{}, error) {
	out := make(chan struct{})
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.EINVAL) { // before 5.10 it knows no flags
		if fd, err = unix.PidfdOpen(pid, 0); err == nil {
			err = unix.SetNonblock(fd, true)
		}
	}
	if errors.Is(err, unix.ESRCH) {
		close(out)
		return out, nil
	}
	if err != nil {
		return nil, fmt.Errorf("follow process %d: %w", pid, err)
	}
	f := os.NewFile(uintptr(fd), "pidfd") // it does not block, so that Go's poller takes it
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("follow process %d: %w", pid, err), f.Close())
	}
	stop := context.AfterFunc(ctx, func() { _ = f.Close() }) // ends the wait below
	go func() {
		defer close(out)
		defer f.Close()
		defer stop()
		_ = conn.Read(func(fd uintptr) bool { // an error is the end of ctx
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
		})
	}()
	return out, nil
}
