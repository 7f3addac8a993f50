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
)

// A udpConn is the socket on UDP port 547. It serves relay agents, and clients whose message came in
// IPv6 fragments; all else that it hears the packet sockets hear too, and answer.
type udpConn struct {
	f   *os.File
	raw syscall.RawConn
	oob []byte // read's
}

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
	return &udpConn{f: f, raw: raw, oob: make([]byte, 256)}, nil
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

// read waits for a datagram and reads it into b, to which it refers. After close the error is
// os.ErrClosed.
func (c *udpConn) read(b []byte) (udpArrival, error) {
	for {
		var n, oobn, flags int
		var from unix.Sockaddr
		var failed error
		err := c.raw.Read(func(fd uintptr) bool {
			n, oobn, flags, from, failed = unix.Recvmsg(int(fd), b, c.oob, unix.MSG_DONTWAIT)
			return failed != unix.EAGAIN && failed != unix.EINTR
		})
		if err != nil {
			return udpArrival{}, os.ErrClosed
		}
		src, ok := from.(*unix.SockaddrInet6)
		if failed != nil || !ok || flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
			continue // an ICMP error of an answer, or a datagram of which not all is known
		}
		a := udpArrival{payload: b[:n], src: netip.AddrPortFrom(netip.AddrFrom16(src.Addr), uint16(src.Port))}
		if a.ancillary(c.oob[:oobn]); a.index != 0 {
			return a, nil
		}
	}
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
