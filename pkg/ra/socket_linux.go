package ra

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/nicbind"
)

// A Role says what a Socket hears.
type Role uint8

// The roles.
const (
	Guest  Role = iota // hears advertisements
	Router             // hears solicitations to ff02::2, which it joins, and the advertisements of other routers
)

// A Socket is a raw ICMPv6 socket on one NIC: the real Conn. One goroutine may read while another writes.
type Socket struct {
	f     *os.File
	raw   syscall.RawConn
	index int
	oob   []byte // Read's
}

// Open opens a socket on the NIC with that interface index, which must exist but need not be up; it
// needs CAP_NET_RAW. The kernel lets only the role's messages through and nothing that this socket
// sent itself. The error wraps what the kernel says: unix.EPERM, unix.ENODEV, unix.EAFNOSUPPORT where
// the kernel has no IPv6.
func Open(nic string, index int, role Role) (*Socket, error) {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_ICMPV6)
	if err != nil {
		return nil, fmt.Errorf("ICMPv6 socket on %s: %w", nic, err)
	}
	f := os.NewFile(uintptr(fd), "icmpv6") // the descriptor does not block, so Go's poller takes it
	if err := prepare(fd, nic, index, role); err != nil {
		f.Close()
		return nil, fmt.Errorf("ICMPv6 socket on %s: %w", nic, err)
	}
	raw, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("ICMPv6 socket on %s: %w", nic, err)
	}
	return &Socket{f: f, raw: raw, index: index, oob: make([]byte, 256)}, nil
}

// prepare sets the socket's options, the filter first, since packets arrive from now on.
func prepare(fd int, nic string, index int, role Role) error {
	var filter unix.ICMPv6Filter
	for i := range filter.Data {
		filter.Data[i] = ^uint32(0) // a set bit keeps a type out
	}
	pass := func(kind uint) { filter.Data[kind/32] &^= 1 << (kind % 32) }
	pass(TypeAdvertisement)
	if role == Router {
		pass(TypeSolicitation)
	}
	if err := unix.SetsockoptICMPv6Filter(fd, unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, &filter); err != nil {
		return fmt.Errorf("ICMP6_FILTER: %w", err)
	}
	if err := nicbind.Bind(fd, nic, index); err != nil {
		return err
	}
	for _, o := range []struct {
		name       string
		opt, value int
	}{
		{"IPV6_RECVPKTINFO", unix.IPV6_RECVPKTINFO, 1},
		{"IPV6_RECVHOPLIMIT", unix.IPV6_RECVHOPLIMIT, 1},
		{"IPV6_RECVFRAGSIZE", unix.IPV6_RECVFRAGSIZE, 1}, // since 4.13
		{"IPV6_UNICAST_HOPS", unix.IPV6_UNICAST_HOPS, HopLimit},
		{"IPV6_MULTICAST_HOPS", unix.IPV6_MULTICAST_HOPS, HopLimit},
		{"IPV6_MULTICAST_IF", unix.IPV6_MULTICAST_IF, index},
		{"IPV6_MULTICAST_LOOP", unix.IPV6_MULTICAST_LOOP, 0},
		{"IPV6_DONTFRAG", unix.IPV6_DONTFRAG, 1},
	} {
		err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, o.opt, o.value)
		if err != nil && (o.opt != unix.IPV6_RECVFRAGSIZE || !errors.Is(err, unix.ENOPROTOOPT)) {
			return fmt.Errorf("%s: %w", o.name, err)
		}
	}
	if role == Router {
		group := unix.IPv6Mreq{Multiaddr: AllRouters.As16(), Interface: uint32(index)}
		if err := unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, &group); err != nil {
			return fmt.Errorf("join %s: %w", AllRouters, err)
		}
	}
	return nil
}

// Read waits for a message.
func (c *Socket) Read(b []byte) (Packet, error) {
	for {
		var n, oobn, flags int
		var from unix.Sockaddr
		var failed error
		err := c.raw.Read(func(fd uintptr) bool {
			n, oobn, flags, from, failed = unix.Recvmsg(int(fd), b, c.oob, unix.MSG_DONTWAIT)
			return failed != unix.EAGAIN && failed != unix.EINTR
		})
		if err != nil {
			return Packet{}, os.ErrClosed // the poller has no other reason
		}
		if failed != nil {
			return Packet{}, fmt.Errorf("receive ICMPv6: %w", failed)
		}
		src, ok := from.(*unix.SockaddrInet6)
		if !ok || flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
			continue // longer than it can be, or not all of what must be known about it is known
		}
		p := Packet{Data: b[:n], From: netip.AddrFrom16(src.Addr), HopLimit: -1}
		if p.ancillary(c.oob[:oobn]) == c.index {
			return p, nil
		} // else it came before the socket belonged to the NIC
	}
}

// ancillary reads the control messages and returns the index of the NIC that the packet came in by.
func (p *Packet) ancillary(oob []byte) (index int) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0
	}
	for _, m := range messages {
		if m.Header.Level != unix.IPPROTO_IPV6 {
			continue
		}
		switch {
		case m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			index = int(binary.NativeEndian.Uint32(m.Data[16:]))
		case m.Header.Type == unix.IPV6_HOPLIMIT && len(m.Data) >= 4:
			p.HopLimit = int(int32(binary.NativeEndian.Uint32(m.Data)))
		case m.Header.Type == unix.IPV6_RECVFRAGSIZE:
			p.Fragmented = true
		}
	}
	return index
}

// Write sends a message from an address of the NIC. The error wraps what the kernel says:
// unix.ENETDOWN while the NIC is down, unix.EINVAL or unix.EADDRNOTAVAIL where it has not that address
// (any more), unix.EMSGSIZE for a message longer than the MTU, unix.ENODEV or unix.ENXIO where the NIC
// is gone.
func (c *Socket) Write(b []byte, from, to netip.Addr) error {
	oob := unix.PktInfo6(&unix.Inet6Pktinfo{Addr: from.As16(), Ifindex: uint32(c.index)})
	dst := &unix.SockaddrInet6{Addr: to.As16(), ZoneId: uint32(c.index)}
	var failed error
	err := c.raw.Write(func(fd uintptr) bool {
		_, failed = unix.SendmsgN(int(fd), b, oob, dst, unix.MSG_DONTWAIT)
		return failed != unix.EAGAIN && failed != unix.EINTR
	})
	if err != nil {
		return os.ErrClosed
	}
	if failed != nil {
		return fmt.Errorf("send ICMPv6 from %s to %s: %w", from, to, failed)
	}
	return nil
}

// Close ends a Read that waits, and leaves ff02::2.
func (c *Socket) Close() error { return c.f.Close() }
