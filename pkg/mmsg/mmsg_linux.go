// Package mmsg reads and writes many datagrams in one system call, without an allocation for any of
// them. It knows nothing of what they hold: a packet socket's users and a UDP socket's use it alike.
package mmsg

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// MaxName is how long a socket address can be that a Batch keeps; sockaddr_in6 and sockaddr_ll fit.
const MaxName = unix.SizeofSockaddrInet6

// A Batch is room for a number of datagrams, each with an address and control messages. It is not for
// use by several goroutines at once, and must not be copied.
type Batch struct {
	headers []unix.Mmsghdr
	iovecs  []unix.Iovec
	names   [][MaxName]byte
	control []byte
	data    []byte

	size, oob int
}

// New makes room for n datagrams of size bytes with oob bytes of control messages each.
func New(n, size, oob int) *Batch {
	b := &Batch{
		headers: make([]unix.Mmsghdr, n), iovecs: make([]unix.Iovec, n), names: make([][MaxName]byte, n),
		control: make([]byte, n*oob), data: make([]byte, n*size), size: size, oob: oob,
	}
	for i := range n {
		h := &b.headers[i].Hdr
		b.iovecs[i].Base = &b.data[i*size]
		h.Iov = &b.iovecs[i]
		h.SetIovlen(1)
		h.Name = &b.names[i][0]
		if oob > 0 {
			h.Control = &b.control[i*oob]
		}
	}
	return b
}

// Len is how many datagrams there is room for.
func (b *Batch) Len() int { return len(b.headers) }

// Receive reads what the socket has, without waiting: EAGAIN if that is nothing. What it read before
// is overwritten.
func (b *Batch) Receive(fd int) (int, error) {
	for i := range b.headers {
		h := &b.headers[i].Hdr
		b.iovecs[i].SetLen(b.size)
		h.Namelen, h.Flags = MaxName, 0
		h.SetControllen(b.oob)
	}
	return call(unix.SYS_RECVMMSG, fd, b.headers)
}

// Data is the datagram with that index: as Receive read it, or room for Set to be told how much of it
// is used.
func (b *Batch) Data(i int) []byte {
	return b.data[i*b.size:][:b.headers[i].Len:b.size]
}

// Room is the whole room of a datagram, to write it into before Set.
func (b *Batch) Room(i int) []byte { return b.data[i*b.size:][:b.size:b.size] }

// Name is the address that the datagram came from, as the kernel has it.
func (b *Batch) Name(i int) []byte { return b.names[i][:min(b.headers[i].Hdr.Namelen, MaxName)] }

// Control is what came beside the datagram.
func (b *Batch) Control(i int) []byte {
	return b.control[i*b.oob:][:b.headers[i].Hdr.Controllen]
}

// Truncated reports whether a datagram or what came beside it was longer than the room.
func (b *Batch) Truncated(i int) bool {
	return b.headers[i].Hdr.Flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0
}

// Set says that the first size bytes of the room are a datagram for the address name, to be sent.
func (b *Batch) Set(i, size int, name []byte) {
	h := &b.headers[i].Hdr
	b.iovecs[i].SetLen(size)
	h.Namelen = uint32(copy(b.names[i][:], name))
	h.SetControllen(0)
	h.Flags = 0
}

// Send sends the datagrams from index first to n, without waiting, and returns how many left. Where
// that is fewer than it was given, the error is that of the next one, if the kernel told it.
func (b *Batch) Send(fd, first, n int) (int, error) {
	if first >= n {
		return 0, nil
	}
	return call(unix.SYS_SENDMMSG, fd, b.headers[first:n])
}

// call repeats one of the two calls while a signal interrupts it. Neither waits, so that Go's scheduler need
// not be told of them: it would give the processor away in the middle of every long batch.
func call(trap uintptr, fd int, headers []unix.Mmsghdr) (int, error) {
	for {
		n, _, e := unix.RawSyscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(&headers[0])), uintptr(len(headers)), unix.MSG_DONTWAIT, 0, 0)
		switch e {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, e
		}
	}
}
