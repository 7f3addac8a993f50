package clock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Boottime is the kernel's CLOCK_BOOTTIME; the zero value is ready for use. Its timers are timerfds
// that Go's network poller waits for, so that nothing wakes up between two deadlines and one that
// passes while the machine is suspended fires on resume.
type Boottime struct{}

// Now is the time since boot, suspended time included. The call does not wait, so Go's scheduler is not told of
// it: that would wake the runtime's monitor thread, which costs far more, each time a process that was idle
// asks for the time.
func (Boottime) Now() Instant {
	var ts unix.Timespec
	if _, _, e := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_BOOTTIME, uintptr(unsafe.Pointer(&ts)), 0); e != 0 {
		panic(fmt.Sprintf("clock_gettime(CLOCK_BOOTTIME): %v", e)) // cannot be: every Linux since 2.6.39 has it
	}
	return Instant(ts.Nano())
}

// NewTimer returns a stopped timer. It fails only where the process or the system has no file
// descriptor left.
func (Boottime) NewTimer() (Timer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("timerfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), "timerfd") // the descriptor does not block, so the poller takes it
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("timerfd: %w", errors.Join(err, f.Close()))
	}
	t := &boottimeTimer{f: f, conn: conn, c: make(chan struct{}, 1), done: make(chan struct{})}
	go t.read()
	return t, nil
}

// A boottimeTimer is a timerfd and the goroutine that waits for it.
type boottimeTimer struct {
	f    *os.File
	conn syscall.RawConn
	c    chan struct{}
	done chan struct{} // closed when read has ended
}

// C receives one value when the timer fires.
func (t *boottimeTimer) C() <-chan struct{} { return t.c }

// Set arms the timer.
func (t *boottimeTimer) Set(at Instant) error {
	var spec unix.ItimerSpec
	if at != Never {
		// Zero would disarm the timer: whatever is past is the first moment after boot.
		spec.Value = unix.NsecToTimespec(int64(max(at, 1)))
	}
	var failed error
	err := t.conn.Control(func(fd uintptr) {
		failed = unix.TimerfdSettime(int(fd), unix.TFD_TIMER_ABSTIME, &spec, nil)
	})
	if err != nil {
		failed = os.ErrClosed // Control has no other reason, but does not say it so
	}
	if failed != nil {
		return fmt.Errorf("set timerfd to %s: %w", at, failed)
	}
	return nil
}

// Close ends the timer's goroutine and takes back a value that nobody received yet.
func (t *boottimeTimer) Close() error {
	err := t.f.Close()
	<-t.done
	select {
	case <-t.c:
	default:
	}
	return err
}

// read passes on each expiry until the timer is closed.
func (t *boottimeTimer) read() {
	defer close(t.done)
	var expirations [8]byte
	for {
		if _, err := t.f.Read(expirations[:]); err != nil {
			return // closed: a timerfd knows no other error
		}
		if binary.NativeEndian.Uint64(expirations[:]) == 0 {
			continue
		}
		select {
		case t.c <- struct{}{}:
		default: // the one before has not been received yet: it serves for both
		}
	}
}

// BootIDFile is where the kernel says which boot this is.
const BootIDFile = "/proc/sys/kernel/random/boot_id"

// BootID returns the identity of the running boot, which is read from file (BootIDFile). An Instant
// that was saved means something only beside it.
func BootID(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("boot id: %w", err)
	}
	id := strings.TrimSpace(string(b))
	if id == "" {
		return "", fmt.Errorf("boot id: %s is empty", file)
	}
	return id, nil
}
