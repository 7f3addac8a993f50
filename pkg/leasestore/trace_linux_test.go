package leasestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A diskEvent is something that a traced process did to a file, or said on its standard output.
type diskEvent struct {
	call string // write, truncate, flush (has succeeded), link or say
	at   int64  // offset of a write, length of a truncate
	data []byte
}

// trace runs a child to its end under ptrace and tells, in order, what it did to the files whose path
// begins with path. It sees the system calls themselves: nobody can forget one or claim one.
func trace(t *testing.T, cmd *exec.Cmd, path string) []diskEvent {
	t.Helper()
	runtime.LockOSThread() // all calls of ptrace must come from the thread that started the child
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	cmd.Stderr = os.Stderr
	out, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tr := tracer{pid: cmd.Process.Pid, path: path, known: map[int]bool{}, entered: map[int]call{}}
	if err := tr.run(); err != nil {
		_ = cmd.Process.Kill()
		t.Fatalf("trace: %v", err)
	}
	return tr.events
}

type tracer struct {
	pid     int
	path    string
	known   map[int]bool // threads
	entered map[int]call // the call that a thread is in
	events  []diskEvent
}

// A call is a system call.
type call struct {
	number uint64
	args   [6]uint64
}

func (tr *tracer) run() error {
	var status unix.WaitStatus
	if _, err := unix.Wait4(tr.pid, &status, unix.WALL, nil); err != nil {
		return err
	}
	tr.known[tr.pid] = true
	options := unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_EXITKILL
	if err := unix.PtraceSetOptions(tr.pid, options); err != nil {
		return err
	}
	thread, signal := tr.pid, 0
	for {
		// A thread may be gone with its process.
		if err := unix.PtraceSyscall(thread, signal); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
		var ended bool
		var err error
		if thread, signal, ended, err = tr.next(); ended || err != nil {
			return err
		}
	}
}

// next waits for a stop and says which thread goes on, and with which signal.
func (tr *tracer) next() (thread, signal int, ended bool, err error) {
	for {
		var status unix.WaitStatus
		thread, err := unix.Wait4(-1, &status, unix.WALL, nil)
		if err != nil {
			return 0, 0, false, err
		}
		switch {
		case status.Exited() && thread == tr.pid:
			if status.ExitStatus() != 0 {
				return 0, 0, true, fmt.Errorf("exit status %d", status.ExitStatus())
			}
			return 0, 0, true, nil
		case !status.Stopped():
			continue // a thread has ended
		case status.StopSignal() == unix.SIGTRAP|0x80:
			return thread, 0, false, tr.stopped(thread)
		case status.StopSignal() == unix.SIGTRAP:
			return thread, 0, false, nil // a clone, or the exec
		case status.StopSignal() == unix.SIGSTOP && !tr.known[thread]:
			tr.known[thread] = true
			return thread, 0, false, nil
		}
		return thread, int(status.StopSignal()), false, nil
	}
}

// stopped looks at a system call that begins or ends.
func (tr *tracer) stopped(thread int) error {
	const getSyscallInfo, entry, exit = 0x420e, 1, 2
	var info [88]byte
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, getSyscallInfo, uintptr(thread),
		uintptr(len(info)), uintptr(unsafe.Pointer(&info[0])), 0, 0)
	if errno == unix.ESRCH { // as in run: gone with its process, which ends in another thread
		return nil
	}
	if errno != 0 {
		return fmt.Errorf("PTRACE_GET_SYSCALL_INFO: %w", errno)
	}
	word := func(i int) uint64 { return binary.NativeEndian.Uint64(info[24+8*i:]) }
	switch info[0] {
	case entry:
		c := call{number: word(0)}
		for i := range c.args {
			c.args[i] = word(1 + i)
		}
		tr.entered[thread] = c
		return tr.enter(c)
	case exit:
		c := tr.entered[thread]
		if (c.number == unix.SYS_FDATASYNC || c.number == unix.SYS_FSYNC) && word(0) == 0 && tr.file(c.args[0]) {
			tr.events = append(tr.events, diskEvent{call: "flush"})
		}
	}
	return nil
}

// enter notes a call that changes a file of the store, or speaks.
func (tr *tracer) enter(c call) error {
	switch c.number {
	case unix.SYS_PWRITE64:
		if tr.file(c.args[0]) {
			return tr.note("write", int64(c.args[3]), c.args[1], c.args[2])
		}
	case unix.SYS_WRITE:
		if tr.file(c.args[0]) {
			return errors.New("a write at no offset")
		}
		if c.args[0] == 1 {
			return tr.note("say", 0, c.args[1], c.args[2])
		}
	case unix.SYS_FTRUNCATE:
		if tr.file(c.args[0]) {
			tr.events = append(tr.events, diskEvent{call: "truncate", at: int64(c.args[1])})
		}
	case unix.SYS_LINKAT:
		tr.events = append(tr.events, diskEvent{call: "link"})
	case unix.SYS_PWRITEV, unix.SYS_PWRITEV2, unix.SYS_WRITEV, unix.SYS_FALLOCATE, unix.SYS_MSYNC:
		return fmt.Errorf("system call %d, which this test does not know", c.number)
	}
	return nil
}

func (tr *tracer) file(fd uint64) bool {
	name, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", tr.pid, int32(fd)))
	return err == nil && strings.HasPrefix(name, tr.path)
}

func (tr *tracer) note(what string, at int64, address, length uint64) error {
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", tr.pid))
	if err != nil {
		return err
	}
	defer memory.Close()
	data := make([]byte, length)
	if _, err := memory.ReadAt(data, int64(address)); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	tr.events = append(tr.events, diskEvent{what, at, data})
	return nil
}
