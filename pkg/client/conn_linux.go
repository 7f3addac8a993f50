package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/nicbind"
)

// Port is the UDP port that DHCPv6 clients listen on (RFC 9915, section 7.2).
const Port = 546

// serverPort is that of servers and relays.
const serverPort = 547

// allServersAndRelays is the group that clients send to (RFC 9915, section 7.1).
var allServersAndRelays = netip.MustParseAddr("ff02::1:2")

// udpConn is a UDP socket on port 546 that belongs to one NIC. It is not bound to an address, so that a
// Reconfigure sent to a leased address is heard like an answer sent to the link-local one.
type udpConn struct {
	*net.UDPConn
	index int
	oob   []byte // Read's, which has one caller at a time
}

// Listen opens the client's socket on a NIC, which must exist but need not be up. Other users of port
// 546 on it are not tolerated: if there is one, the error is a *PortTakenError that names it.
func Listen(ctx context.Context, nic string, index int) (Conn, error) {
	conn, err := listen(ctx, "udp6", net.JoinHostPort("::", strconv.Itoa(Port)), func(fd int) error { return prepareUDP(fd, nic, index) })
	if err != nil {
		if errors.Is(err, unix.EADDRINUSE) {
			err = portTaken(nic)
		}
		return nil, fmt.Errorf("DHCPv6 socket on %s: %w", nic, err)
	}
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		return nil, fmt.Errorf("DHCPv6 socket on %s: a %T is no UDP socket", nic, conn)
	}
	return &udpConn{UDPConn: udp, index: index, oob: make([]byte, 256)}, nil
}

// listen opens a socket that is prepared before it is bound.
func listen(ctx context.Context, network, address string, prepare func(fd int) error) (net.PacketConn, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if controlErr := c.Control(func(fd uintptr) { err = prepare(int(fd)) }); controlErr != nil {
			return controlErr
		}
		return err
	}}
	return lc.ListenPacket(ctx, network, address)
}

// prepareUDP sets what must be set before the socket is bound.
func prepareUDP(fd int, nic string, index int) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
		return fmt.Errorf("IPV6_V6ONLY: %w", err)
	}
	return prepare(fd, nic, index)
}

// prepare makes a socket one of a NIC alone that tells where datagrams were sent to.
func prepare(fd int, nic string, index int) error {
	if err := nicbind.Bind(fd, nic, index); err != nil {
		return err
	}
	for _, o := range []struct {
		name  string
		opt   int
		value int
	}{
		{"IPV6_RECVPKTINFO", unix.IPV6_RECVPKTINFO, 1},
		{"IPV6_MULTICAST_IF", unix.IPV6_MULTICAST_IF, index},
		{"IPV6_MULTICAST_LOOP", unix.IPV6_MULTICAST_LOOP, 0},
	} {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, o.opt, o.value); err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
	}
	return nil
}

// Read waits for a datagram.
func (c *udpConn) Read(b []byte) (Datagram, error) {
	for {
		n, oobn, flags, from, err := c.ReadMsgUDPAddrPort(b, c.oob)
		if err != nil {
			return Datagram{}, err
		}
		if flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
			continue // longer than a datagram can be, or its destination is lost
		}
		return Datagram{Len: n, From: from.Addr().WithZone(""), To: destination(c.oob[:oobn])}, nil
	}
}

// destination is the address in an IPV6_PKTINFO control message, the zero Addr if there is none.
func destination(oob []byte) netip.Addr {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return netip.Addr{}
	}
	for _, m := range messages {
		if m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo {
			return netip.AddrFrom16([16]byte(m.Data[:16]))
		}
	}
	return netip.Addr{}
}

// Write sends a message. The NIC goes by its index, since Go's cache of zone names is up to a minute
// behind when a NIC appears.
func (c *udpConn) Write(b []byte, src netip.Addr) error {
	to := netip.AddrPortFrom(allServersAndRelays.WithZone(strconv.Itoa(c.index)), serverPort)
	_, _, err := c.WriteMsgUDPAddrPort(b, unix.PktInfo6(&unix.Inet6Pktinfo{Addr: src.As16(), Ifindex: uint32(c.index)}), to)
	return err
}
