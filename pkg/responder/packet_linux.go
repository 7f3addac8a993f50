package responder

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/mmsg"
)

// A packetConn is two packet sockets on one NIC. One hears the UDP datagrams to port 547 with the MAC that
// each comes from. The other sends frames to the MAC that it is told, past the kernel's neighbour table; it
// is apart since Go's poller would be woken for every frame that has left a socket which it watches.
type packetConn struct {
	f     *os.File
	raw   syscall.RawConn
	out   int // the socket that sends
	index int

	read *mmsg.Batch // receive's
	send *mmsg.Batch // push's and flush's
	// queued is how many packets of send wait for flush.
	queued int
}

// An arrival is what a packetConn read.
type arrival struct {
	datagram
	mac net.HardwareAddr
}

// Sizes of batches: as many as a poll of a NIC brings (the kernel's NAPI weight), and room for what a
// client sends on the wire. What is longer comes in fragments, by the UDP socket, or is cut off here.
const (
	batchSize  = 64
	frameRoom  = 9216
	answerRoom = 2048
	oobRoom    = 64 // one tpacket_auxdata with its header
)

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
	// Of protocol 0: it hears nothing.
	out, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket on %s: %w", name, errors.Join(err, f.Close()))
	}
	return &packetConn{
		f: f, raw: raw, out: out, index: index,
		read: mmsg.New(batchSize, frameRoom, oobRoom), send: mmsg.New(batchSize, answerRoom, 0),
	}, nil
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

// receive waits for frames and returns how many it has read. After close the error is os.ErrClosed; while
// the NIC is down the socket waits on.
func (c *packetConn) receive() (n int, err error) {
	for {
		var failed error
		err := c.raw.Read(func(fd uintptr) bool {
			n, failed = c.read.Receive(int(fd))
			return !errors.Is(failed, unix.EAGAIN)
		})
		switch {
		case err != nil:
			return 0, os.ErrClosed // the poller has no other reason
		case errors.Is(failed, unix.ENETDOWN):
			continue // told once; the socket hears again when the NIC is up
		case failed != nil:
			return 0, fmt.Errorf("packet socket: %w", failed)
		}
		return n, nil
	}
}

// arrived looks at one frame of what was read; ok is false if it is not ours. Its address is a struct
// sockaddr_ll: family, protocol, index (2, 2 and 4 bytes), hardware type (2), packet type, length of the MAC,
// the MAC.
func (c *packetConn) arrived(i int) (arrival, bool) {
	name := c.read.Name(i)
	if c.read.Truncated(i) || len(name) < 18 || name[11] != 6 || !forUs(name[10]) {
		return arrival{}, false
	}
	tagged, checked := auxdata(c.read.Control(i))
	if tagged {
		return arrival{}, false
	}
	d, ok := parsePacket(c.read.Data(i), checked)
	return arrival{d, net.HardwareAddr(name[12:18])}, ok && d.dst.Port() == serverPort
}

// forUs leaves out what the NIC hears only since it is promiscuous, frames of VLANs that it does not
// have (the kernel marks them so), and our own.
func forUs(packetType uint8) bool {
	return packetType == unix.PACKET_HOST || packetType == unix.PACKET_MULTICAST || packetType == unix.PACKET_BROADCAST
}

// auxdata reads struct tpacket_auxdata: whether the frame has a VLAN tag that names a VLAN (0 is mere
// priority), and whether its checksum is known to be good or was never written.
func auxdata(oob []byte) (tagged, checked bool) {
	for len(oob) > 0 {
		header, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			return false, false
		}
		oob = rest
		if header.Level != unix.SOL_PACKET || header.Type != unix.PACKET_AUXDATA || len(data) < 20 {
			continue
		}
		status := binary.NativeEndian.Uint32(data)
		tci := binary.NativeEndian.Uint16(data[16:])
		tagged = status&unix.TP_STATUS_VLAN_VALID != 0 && tci&0xfff != 0
		checked = status&(unix.TP_STATUS_CSUMNOTREADY|unix.TP_STATUS_CSUM_VALID) != 0
	}
	return tagged, checked
}

// push keeps a packet for the MAC until flush, which it calls itself where there is no more room.
func (c *packetConn) push(d datagram, mac net.HardwareAddr) error {
	var failed error
	if c.queued == c.send.Len() {
		failed = c.flush()
	}
	var name [20]byte // struct sockaddr_ll
	binary.NativeEndian.PutUint16(name[:], unix.AF_PACKET)
	binary.BigEndian.PutUint16(name[2:], unix.ETH_P_IPV6)
	binary.NativeEndian.PutUint32(name[4:], uint32(c.index))
	name[11] = 6
	copy(name[12:18], mac)
	packet := appendPacket(c.send.Room(c.queued)[:0], d)
	c.send.Set(c.queued, len(packet), name[:])
	c.queued++
	return failed
}

// flush sends what push kept. It does not wait: where the NIC's queue is full packets are lost, as on the
// wire, and the clients ask again. The error is that of the last packet that could not be sent.
func (c *packetConn) flush() error {
	failed := sendAll(c.send, c.out, c.queued)
	c.queued = 0
	return failed
}

// overrun is how many frames have come that the socket had no room for, since it was asked last.
func (c *packetConn) overrun() (n uint64) {
	_ = c.raw.Control(func(fd uintptr) { // fails after close
		if stats, err := unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			n = uint64(stats.Drops)
		}
	})
	return n
}

// close ends a receive that waits. What push kept is lost.
func (c *packetConn) close() error {
	c.queued = 0
	return errors.Join(c.f.Close(), unix.Close(c.out))
}
