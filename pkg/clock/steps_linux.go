package clock

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Offsets are how the system's clocks stand to each other.
type Offsets struct {
	Wall      time.Duration // CLOCK_REALTIME less CLOCK_BOOTTIME: changes when somebody sets the wall clock
	Suspended time.Duration // CLOCK_BOOTTIME less CLOCK_MONOTONIC: grows while the machine is suspended
}

// ReadOffsets reads them now.
func ReadOffsets() Offsets {
	read := func(id int32) time.Duration {
		var ts unix.Timespec
		if err := unix.ClockGettime(id, &ts); err != nil {
			panic(fmt.Sprintf("clock_gettime(%d): %v", id, err)) // cannot be: every Linux since 2.6.39 has them
		}
		return time.Duration(ts.Nano())
	}
	monotonic, boot, wall := read(unix.CLOCK_MONOTONIC), read(unix.CLOCK_BOOTTIME), read(unix.CLOCK_REALTIME)
	return Offsets{Wall: wall - boot, Suspended: boot - monotonic}
}

// Steps tells each time that the kernel says that the wall clock was set, or that the machine was
// resumed, until ctx ends; then the channel is closed. Steps that follow each other quickly are told once.
func Steps(ctx context.Context) (<-chan struct{}, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("timerfd_create: %w", err)
	}
	if err := armCancel(fd); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	f := os.NewFile(uintptr(fd), "timerfd")
	out := make(chan struct{}, 1)
	stop := context.AfterFunc(ctx, func() { _ = f.Close() }) // ends the read below
	go func() {
		defer close(out)
		defer stop()
		var b [8]byte
		for {
			_, err := f.Read(b[:])
			if !errors.Is(err, unix.ECANCELED) {
				return // closed
			}
			select {
			case out <- struct{}{}:
			default:
			}
			conn, err := f.SyscallConn()
			if err != nil {
				return
			}
			var failed error
			if err := conn.Control(func(fd uintptr) { failed = armCancel(int(fd)) }); err != nil || failed != nil {
				return
			}
		}
	}()
	return out, nil
}

// armCancel sets the timer to a moment that never comes, to be cancelled when the clock is set.
func armCancel(fd int) error {
	never := unix.ItimerSpec{Value: unix.Timespec{Sec: math.MaxInt32}}
	if err := unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &never, nil); err != nil {
		return fmt.Errorf("set timerfd: %w", err)
	}
	return nil
}
