package responder

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/holder"
	"github.com/v6guest/v6guest/pkg/mmsg"
)

// A udpConn is the socket on UDP port 547. It serves relay agents, and clients whose message came in
// IPv6 fragments; all else that it hears the packet sockets hear too, and answer.
type udpConn struct {
	f   *os.File
	raw syscall.RawConn

	in  *mmsg.Batch // receive's
	out *mmsg.Batch // push's and flush's
	// queued is how many datagrams of out wait for flush.
	queued int
}

// Sizes of batches: relays bundle what a network says, and may wrap a message in many layers.
const (
	relayBatch = 32
	relayRoom  = 64 << 10
	relayOOB   = 256
)

// A udpArrival is what a udpConn read.
type udpArrival struct {
	payload    []byte
	src        netip.AddrPort // without a zone
	dst        netip.Addr
	index      int // of the NIC that it came in by
	fragmented bool
}

// udpFilter keeps away what a packet socket hears too, so that a direct message wakes the server once:
// it lets Relay-forwards and -replies through, and what is longer than an unfragmented packet of the
// least MTU, 1,280 bytes, can be. No honest client has a shorter message in fragments: that hides it from
// switches that watch DHCPv6 (RFC 7610). Offsets count from the UDP header; the kernel counts what is
// kept away as errors of its input (Udp6InErrors).
var udpFilter = [...]unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: udpHeader},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(dhcpv6.MessageTypeRelayForward), Jt: 3},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(dhcpv6.MessageTypeRelayReply), Jt: 2},
	{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_LEN},
	{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K, K: 1280 - ipv6Header, Jf: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0x40000},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
}

// openUDP binds [::]:547. Where it is taken the error is a Fault that names who has it.
func openUDP() (*udpConn, error) {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("UDP socket: %w", err)
	}
	f := os.NewFile(uintptr(fd), "udp")
	err = prepareUDP(fd)
	var raw syscall.RawConn
	if err == nil {
		raw, err = f.SyscallConn()
	}
	if err != nil {
		return nil, portFault(fmt.Errorf("UDP port %d: %w", serverPort, errors.Join(err, f.Close())))
	}
	return &udpConn{f: f, raw: raw, in: mmsg.New(relayBatch, relayRoom, relayOOB), out: mmsg.New(relayBatch, answerRoom, 0)}, nil
}

func prepareUDP(fd int) error {
	for _, o := range []struct {
		name       string
		opt, value int
	}{
		{"IPV6_V6ONLY", unix.IPV6_V6ONLY, 1},
		{"IPV6_RECVPKTINFO", unix.IPV6_RECVPKTINFO, 1},
		{"IPV6_MULTICAST_ALL", unix.IPV6_MULTICAST_ALL, 0}, // only the groups that this socket joined, since 4.20
		{"IPV6_RECVFRAGSIZE", unix.IPV6_RECVFRAGSIZE, 1},   // since 4.13
	} {
		err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, o.opt, o.value)
		if err != nil && !errors.Is(err, unix.ENOPROTOOPT) {
			return fmt.Errorf("%s: %w", o.name, err)
		}
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20) // as for the packet socket
	prog := unix.SockFprog{Len: uint16(len(udpFilter)), Filter: &udpFilter[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
		return fmt.Errorf("attach filter: %w", err)
	}
	return unix.Bind(fd, &unix.SockaddrInet6{Port: serverPort})
}

// portFault adds to an error of the port who has it, and what to do.
func portFault(err error) error {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		if who := holder.UDP("/proc", serverPort); len(who) > 0 {
			return fault.New(fault.ExitFailure, "stop that server, or keep it off port 547", "%w: %s has it", err, named(who))
		}
		if who := holder.Named("/proc", serverPrograms...); len(who) > 0 {
			return fault.New(fault.ExitFailure, "stop that server, or keep it off port 547; as root, this names it: ss -lunp 'sport = :547'", "%w: another program has it, as it seems %s", err, named(who))
		}
		return fault.New(fault.ExitFailure, "find it as root by: ss -lunp 'sport = :547'", "%w: another program has it", err)
	case errors.Is(err, os.ErrPermission):
		return notPermitted(err)
	}
	return err
}

// serverPrograms are those of which one may have the port where v6responder is not told, since it is not root.
var serverPrograms = []string{"dnsmasq", "kea-dhcp6", "dhcpd", "dhcp6s", "odhcpd", "dibbler-server", "v6responder"}

func named(who []holder.Process) string {
	var out []string
	for _, p := range who {
		out = append(out, p.String())
	}
	return strings.Join(out, ", ")
}

// notPermitted adds to an error which rights are missing.
func notPermitted(err error) error {
	if !errors.Is(err, os.ErrPermission) {
		return err
	}
	return &fault.Fault{Err: err, Cure: "run it as root, or with CAP_NET_RAW and CAP_NET_BIND_SERVICE", Exit: fault.ExitNotPermitted}
}

// join makes the socket hear a group on a NIC, anew if it did before.
func (c *udpConn) join(group netip.Addr, index int) error {
	m := &unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(index)}
	return c.control(func(fd int) error {
		_ = unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_LEAVE_GROUP, m)
		if err := unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, m); err != nil {
			return fmt.Errorf("join %s: %w", group, err)
		}
		return nil
	})
}

// leave ends that, so that a NIC that comes and goes leaves nothing behind.
func (c *udpConn) leave(group netip.Addr, index int) {
	m := &unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(index)}
	_ = c.control(func(fd int) error {
		return unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_LEAVE_GROUP, m)
	})
}

func (c *udpConn) control(do func(fd int) error) error {
	var failed error
	if err := c.raw.Control(func(fd uintptr) { failed = do(int(fd)) }); err != nil {
		return os.ErrClosed
	}
	return failed
}

// receive waits for datagrams and reads those that are there; arrived tells of each. After close the error is
// os.ErrClosed.
func (c *udpConn) receive() (n int, err error) {
	for {
		var failed error
		err := c.raw.Read(func(fd uintptr) bool {
			n, failed = c.in.Receive(int(fd))
			return !errors.Is(failed, unix.EAGAIN)
		})
		switch {
		case err != nil:
			return 0, os.ErrClosed
		case failed == nil:
			return n, nil
		} // else it was an ICMP error of an answer
	}
}

// arrived is one datagram of what receive read, in the socket's own memory; not ok is one of which not all is known.
// Its address is a struct sockaddr_in6: family, port, flow (2, 2 and 4 bytes), the address.
func (c *udpConn) arrived(i int) (a udpArrival, ok bool) {
	name := c.in.Name(i)
	if c.in.Truncated(i) || len(name) < 24 {
		return a, false
	}
	src := netip.AddrPortFrom(netip.AddrFrom16([16]byte(name[8:24])), binary.BigEndian.Uint16(name[2:]))
	a = udpArrival{payload: c.in.Data(i), src: src}
	a.ancillary(c.in.Control(i))
	return a, a.index != 0
}

// push keeps a datagram until flush, which it calls itself where there is no more room. The kernel finds the
// way and the source.
func (c *udpConn) push(b []byte, to netip.AddrPort) (err error) {
	if len(b) > answerRoom {
		return c.write(b, to, 0, netip.Addr{})
	}
	if c.queued == c.out.Len() {
		err = c.flush()
	}
	var name [unix.SizeofSockaddrInet6]byte
	binary.NativeEndian.PutUint16(name[:], unix.AF_INET6)
	binary.BigEndian.PutUint16(name[2:], to.Port())
	addr := to.Addr().As16()
	copy(name[8:], addr[:])
	c.out.Set(c.queued, copy(c.out.Room(c.queued), b), name[:])
	c.queued++
	return err
}

// flush sends what push kept; it does not wait. The error is that of the last datagram that could not be sent.
func (c *udpConn) flush() (failed error) {
	if c.queued == 0 {
		return nil
	}
	failed = c.control(func(fd int) error { return sendAll(c.out, fd, c.queued) })
	c.queued = 0
	return failed
}

// sendAll sends the first n datagrams of a batch, past those that cannot be sent: the others may have another fate.
func sendAll(b *mmsg.Batch, fd, n int) (failed error) {
	for sent := 0; sent < n; {
		m, err := b.Send(fd, sent, n)
		if err != nil {
			failed, m = err, 1
		}
		sent += m
	}
	return failed
}

// ancillary reads the control messages.
func (a *udpArrival) ancillary(oob []byte) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return
	}
	for _, m := range messages {
		if m.Header.Level != unix.IPPROTO_IPV6 {
			continue
		}
		switch {
		case m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			a.dst = netip.AddrFrom16([16]byte(m.Data[:16]))
			a.index = int(binary.NativeEndian.Uint32(m.Data[16:]))
		case m.Header.Type == unix.IPV6_RECVFRAGSIZE:
			a.fragmented = true
		}
	}
}

// write sends a datagram; index and src say by which NIC and from which address, 0 and the zero Addr
// leave that to the kernel. It does not wait.
func (c *udpConn) write(b []byte, to netip.AddrPort, index int, src netip.Addr) error {
	info := &unix.Inet6Pktinfo{Ifindex: uint32(index)}
	if src.IsValid() {
		info.Addr = src.As16()
	}
	dst := &unix.SockaddrInet6{Addr: to.Addr().As16(), Port: int(to.Port())}
	return c.control(func(fd int) error {
		_, err := unix.SendmsgN(fd, b, unix.PktInfo6(info), dst, unix.MSG_DONTWAIT)
		return err
	})
}

// close ends a read that waits and leaves all groups.
func (c *udpConn) close() error { return c.f.Close() }
