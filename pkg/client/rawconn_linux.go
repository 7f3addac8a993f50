package client

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// udpHeader is the length of a UDP header: ports, length and checksum, two bytes each.
const udpHeader = 8

// A rawConn speaks UDP from port 546 by a raw socket, which needs no port of its own: the kernel gives it a
// copy of each datagram and looks after the checksums.
type rawConn struct {
	*net.IPConn
	index int
	buf   []byte // Read's, which has one caller at a time, as oob is
	oob   []byte
}

// ListenBeside is Listen where another program has the port for all NICs and lets nobody else have it, but
// leases on other NICs only: dhcpcd as manager does so. It takes CAP_NET_RAW.
func ListenBeside(ctx context.Context, nic string, index int) (Conn, error) {
	conn, err := listen(ctx, "ip6:"+strconv.Itoa(unix.IPPROTO_UDP), "::", func(fd int) error { return prepareRaw(fd, nic, index) })
	if err != nil {
		return nil, fmt.Errorf("raw DHCPv6 socket on %s: %w", nic, err)
	}
	raw, ok := conn.(*net.IPConn)
	if !ok {
		return nil, fmt.Errorf("raw DHCPv6 socket on %s: a %T is no raw socket", nic, conn)
	}
	return &rawConn{IPConn: raw, index: index, buf: make([]byte, 1<<16), oob: make([]byte, 256)}, nil
}

// toClients lets datagrams to the client's port through.
var toClients = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: 2}, // the destination port
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: Port, Jf: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 18},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
}

// prepareRaw sets what must be set before the first datagram comes.
func prepareRaw(fd int, nic string, index int) error {
	prog := unix.SockFprog{Len: uint16(len(toClients)), Filter: &toClients[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
		return fmt.Errorf("attach filter: %w", err)
	}
	if err := prepare(fd, nic, index); err != nil {
		return err
	}
	const checksum = 6 // where it stands in the header
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_CHECKSUM, checksum); err != nil {
		return fmt.Errorf("IPV6_CHECKSUM: %w", err)
	}
	return nil
}

// Read waits for a datagram.
func (c *rawConn) Read(b []byte) (Datagram, error) {
	for {
		n, oobn, flags, from, err := c.ReadMsgIP(c.buf, c.oob)
		if err != nil {
			return Datagram{}, err
		}
		addr, ok := netip.AddrFromSlice(from.IP)
		payload, whole := payloadOf(c.buf[:n])
		if !ok || !whole || len(payload) > len(b) || flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
			continue
		}
		return Datagram{Len: copy(b, payload), From: addr, To: destination(c.oob[:oobn])}, nil
	}
}

// payloadOf is what a UDP datagram to the client's port carries; ok is false for any other and for one that
// is not whole.
func payloadOf(b []byte) (payload []byte, ok bool) {
	if len(b) < udpHeader || binary.BigEndian.Uint16(b[2:]) != Port {
		return nil, false
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n < udpHeader || n > len(b) {
		return nil, false
	}
	return b[udpHeader:n], true
}

// Write sends a message.
func (c *rawConn) Write(b []byte, src netip.Addr) error {
	d := make([]byte, udpHeader, udpHeader+len(b)) // the checksum is the kernel's to fill in
	binary.BigEndian.PutUint16(d, Port)
	binary.BigEndian.PutUint16(d[2:], serverPort)
	binary.BigEndian.PutUint16(d[4:], uint16(udpHeader+len(b)))
	group := allServersAndRelays.As16()
	to := &net.IPAddr{IP: group[:], Zone: strconv.Itoa(c.index)}
	_, _, err := c.WriteMsgIP(append(d, b...), unix.PktInfo6(&unix.Inet6Pktinfo{Addr: src.As16(), Ifindex: uint32(c.index)}), to)
	return err
}
