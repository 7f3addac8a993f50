package responder

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A packetConn is a packet socket on one NIC. It hears the UDP datagrams to port 547 with the MAC that
// each comes from, and sends frames to the MAC that it is told, past the kernel's neighbour table. One
// goroutine may read while another writes.
type packetConn struct {
	f     *os.File
	raw   syscall.RawConn
	index int
	oob   []byte // read's
}

// An arrival is what a packetConn read.
type arrival struct {
	datagram
	mac net.HardwareAddr
}

// filter lets IPv6 packets through whose first header is UDP to port 547. Its offsets count from the
// IPv6 header, since the socket is of type SOCK_DGRAM. Fragments have another first header: they reach
// the UDP socket, put together.
var filter = [...]unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 6},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: protoUDP, Jf: 3},
	{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: ipv6Header + 2},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: serverPort, Jf: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0x40000},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
}

// openPacket opens a packet socket on the NIC with that index. It needs CAP_NET_RAW.
func openPacket(name string, index int) (*packetConn, error) {
	// With protocol 0 nothing arrives before bind, which comes after the filter.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket on %s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), "packet") // the descriptor does not block, so Go's poller takes it
	err = preparePacket(fd, index)
	var raw syscall.RawConn
	if err == nil {
		raw, err = f.SyscallConn()
	}
	if err != nil {
		return nil, fmt.Errorf("packet socket on %s: %w", name, errors.Join(err, f.Close()))
	}
	return &packetConn{f: f, raw: raw, index: index, oob: make([]byte, 256)}, nil
}

func preparePacket(fd, index int) error {
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
		return fmt.Errorf("attach filter: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1); err != nil {
		return fmt.Errorf("PACKET_AUXDATA: %w", err)
	}
	// Kernels before 4.20 know it not; read leaves outgoing frames out in any case.
	_ = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	// A storm of guests comes in one burst; the kernel gives what net.core.rmem_max allows.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20)
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocolIPv6(), Ifindex: index}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

// protocolIPv6 is ETH_P_IPV6 in network byte order, as the kernel's structures have it.
func protocolIPv6() uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_IPV6))
}

// read waits for a datagram to port 547 and reads it into b, to which it refers; a frame that is not
// ours is passed over. After close the error is os.ErrClosed; while the NIC is down the socket waits
// on.
func (c *packetConn) read(b []byte) (arrival, error) {
	for {
		var n, oobn, flags int
		var from unix.Sockaddr
		var failed error
		err := c.raw.Read(func(fd uintptr) bool {
			n, oobn, flags, from, failed = unix.Recvmsg(int(fd), b, c.oob, unix.MSG_DONTWAIT)
			return failed != unix.EAGAIN && failed != unix.EINTR
		})
		switch {
		case err != nil:
			return arrival{}, os.ErrClosed // the poller has no other reason
		case errors.Is(failed, unix.ENETDOWN):
			continue // told once; the socket hears again when the NIC is up
		case failed != nil:
			return arrival{}, fmt.Errorf("packet socket: %w", failed)
		case flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0:
			continue
		}
		sender, ok := from.(*unix.SockaddrLinklayer)
		if !ok || sender.Halen != 6 || !forUs(sender.Pkttype) {
			continue
		}
		tagged, checked := auxdata(c.oob[:oobn])
		if tagged {
			continue
		}
		if d, ok := parsePacket(b[:n], checked); ok && d.dst.Port() == serverPort {
			return arrival{d, net.HardwareAddr(append([]byte{}, sender.Addr[:6]...))}, nil
		}
	}
}

// forUs leaves out what the NIC hears only since it is promiscuous, frames of VLANs that it does not
// have (the kernel marks them so), and our own.
func forUs(packetType uint8) bool {
	return packetType == unix.PACKET_HOST || packetType == unix.PACKET_MULTICAST || packetType == unix.PACKET_BROADCAST
}

// auxdata reads struct tpacket_auxdata: whether the frame has a VLAN tag that names a VLAN (0 is mere
// priority), and whether its checksum is known to be good or was never written.
func auxdata(oob []byte) (tagged, checked bool) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return false, false
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA || len(m.Data) < 20 {
			continue
		}
		status := binary.NativeEndian.Uint32(m.Data)
		tci := binary.NativeEndian.Uint16(m.Data[16:])
		tagged = status&unix.TP_STATUS_VLAN_VALID != 0 && tci&0xfff != 0
		checked = status&(unix.TP_STATUS_CSUMNOTREADY|unix.TP_STATUS_CSUM_VALID) != 0
	}
	return tagged, checked
}

// write sends a packet in a frame to that MAC. It does not wait: where the NIC's queue is full the
// packet is lost, as on the wire, and the client asks again.
func (c *packetConn) write(packet []byte, mac net.HardwareAddr) error {
	to := &unix.SockaddrLinklayer{Protocol: protocolIPv6(), Ifindex: c.index, Halen: 6}
	copy(to.Addr[:], mac)
	var failed error
	if err := c.raw.Control(func(fd uintptr) {
		failed = unix.Sendto(int(fd), packet, unix.MSG_DONTWAIT, to)
	}); err != nil {
		return os.ErrClosed
	}
	return failed
}

// close ends a read that waits.
func (c *packetConn) close() error { return c.f.Close() }
