package mmsg

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// pair makes two UDP sockets on the loopback; what is sent to the address arrives at the second.
func pair(t *testing.T) (from, to int, name []byte) {
	t.Helper()
	var fds [2]int
	for i := range fds {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			t.Fatal(err)
		}
		fds[i] = fd
	}
	sa, err := unix.Getsockname(fds[1])
	if err != nil {
		t.Fatal(err)
	}
	port := sa.(*unix.SockaddrInet4).Port
	name = []byte{unix.AF_INET, 0, byte(port >> 8), byte(port), 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
	return fds[0], fds[1], name
}

func TestBatchArrivesWholeAndInOrder(t *testing.T) {
	from, to, name := pair(t)
	out, in := New(8, 64, 0), New(16, 64, 32)
	for i := range out.Len() {
		out.Set(i, copy(out.Room(i), fmt.Sprintf("datagram %d", i)), name)
	}
	if n, err := out.Send(from, 0, 8); n != 8 || err != nil {
		t.Fatalf("%d sent, %v", n, err)
	}
	n, err := in.Receive(to)
	if n != 8 || err != nil {
		t.Fatalf("%d received, %v", n, err)
	}
	for i := range n {
		if got, want := string(in.Data(i)), fmt.Sprintf("datagram %d", i); got != want || in.Truncated(i) {
			t.Errorf("%q (truncated: %v), want %q", got, in.Truncated(i), want)
		}
		if len(in.Name(i)) != unix.SizeofSockaddrInet4 || len(in.Control(i)) != 0 {
			t.Errorf("address of %d bytes, control of %d", len(in.Name(i)), len(in.Control(i)))
		}
	}
	if n, err := in.Receive(to); n != 0 || !errors.Is(err, unix.EAGAIN) {
		t.Errorf("empty socket: %d, %v", n, err)
	}
}

func TestBatchTellsWhatDidNotFit(t *testing.T) {
	from, to, name := pair(t)
	out, in := New(1, 64, 0), New(1, 8, 0)
	out.Set(0, 9, name)
	if _, err := out.Send(from, 0, 1); err != nil {
		t.Fatal(err)
	}
	if n, err := in.Receive(to); n != 1 || err != nil || !in.Truncated(0) {
		t.Errorf("%d, %v, truncated: %v", n, err, in.Truncated(0))
	}
}

func TestBatchAllocatesNothing(t *testing.T) {
	from, to, name := pair(t)
	out, in := New(4, 64, 0), New(4, 64, 32)
	for i := range 4 {
		out.Set(i, 5, name)
	}
	if n := testing.AllocsPerRun(100, func() {
		_, _ = out.Send(from, 0, 4)
		_, _ = in.Receive(to)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
