package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Packet is an IPv6 packet on a segment, as far as the lab reads it.
type Packet struct {
	At       time.Time
	From, To net.HardwareAddr
	Src, Dst netip.Addr
	// ICMP is the type of an ICMPv6 message, else 0.
	ICMP uint8
	// SrcPort and DstPort are UDP's, else 0; Payload is what UDP or ICMPv6 (from its type on) carries.
	SrcPort, DstPort uint16
	Payload          []byte
}

// ICMPv6 types of neighbour discovery (RFC 4861).
const (
	RouterSolicitation    = 133
	RouterAdvertisement   = 134
	NeighborSolicitation  = 135
	NeighborAdvertisement = 136
)

// A Capture keeps the frames of a segment, the lost ones included.
type Capture struct {
	name string
	file *os.File
	wg   sync.WaitGroup

	mu      sync.Mutex
	frames  []frame
	packets []Packet
	changed chan struct{}
}

type frame struct {
	at    time.Time
	bytes []byte
}

// maxFrames bounds what a capture keeps; tests make hundreds.
const maxFrames = 100_000

// newCapture listens on a machine's bridge, which in promiscuous mode gets a copy of every frame.
func newCapture(m *Machine, index int) (*Capture, error) {
	var fd int
	err := m.thread.do(func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, int(hostToNet(unix.ETH_P_ALL)))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("capture on %s: %w", m.Name, err)
	}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20),
		unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC}),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: hostToNet(unix.ETH_P_ALL), Ifindex: index}),
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("capture on %s: %w", m.Name, err), unix.Close(fd))
	}
	c := &Capture{name: m.Name, file: os.NewFile(uintptr(fd), m.Name), changed: make(chan struct{})}
	c.wg.Go(c.read)
	return c, nil
}

func hostToNet(v uint16) uint16 { return v<<8 | v>>8 }

func (c *Capture) read() {
	buf := make([]byte, 65536)
	for {
		n, err := c.file.Read(buf)
		if err != nil {
			if errors.Is(err, unix.ENETDOWN) {
				continue
			}
			return // closed, or the bridge is gone
		}
		c.add(frame{time.Now(), append([]byte(nil), buf[:n]...)})
	}
}

func (c *Capture) add(f frame) {
	p, ok := parse(f)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.frames) < maxFrames {
		c.frames = append(c.frames, f)
	}
	if ok {
		c.packets = append(c.packets, p)
		close(c.changed)
		c.changed = make(chan struct{})
	}
}

// Close ends the capture; what it has stays readable.
func (s *Segment) Close() error {
	if s.Capture != nil {
		s.Capture.file.Close()
		s.Capture.wg.Wait()
	}
	return s.Machine.Close()
}

// parse reads an Ethernet frame that holds an IPv6 packet of one UDP datagram or ICMPv6 message.
func parse(f frame) (Packet, bool) {
	b := f.bytes
	if len(b) < 14+40 || binary.BigEndian.Uint16(b[12:]) != unix.ETH_P_IPV6 {
		return Packet{}, false
	}
	p := Packet{At: f.at, To: net.HardwareAddr(b[0:6]), From: net.HardwareAddr(b[6:12])}
	ip := b[14:]
	p.Src, p.Dst = netip.AddrFrom16([16]byte(ip[8:24])), netip.AddrFrom16([16]byte(ip[24:40]))
	next, rest := ip[6], ip[40:]
	rest = rest[:min(len(rest), int(binary.BigEndian.Uint16(ip[4:])))]
	for next == unix.IPPROTO_HOPOPTS && len(rest) >= 8 && len(rest) >= 8+8*int(rest[1]) {
		next, rest = rest[0], rest[8+8*int(rest[1]):]
	}
	switch {
	case next == unix.IPPROTO_ICMPV6 && len(rest) >= 4:
		p.ICMP, p.Payload = rest[0], rest
	case next == unix.IPPROTO_UDP && len(rest) >= 8:
		p.SrcPort, p.DstPort = binary.BigEndian.Uint16(rest), binary.BigEndian.Uint16(rest[2:])
		p.Payload = rest[8:]
	}
	return p, true
}

// Packets returns the packets until now.
func (c *Capture) Packets() []Packet {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.packets[:len(c.packets):len(c.packets)]
}

// Await waits for a packet that ok accepts, from the packet with number from on, and returns it with
// the number of the packet after it. The error is ctx's.
func (c *Capture) Await(ctx context.Context, from int, what string, ok func(Packet) bool) (p Packet, next int, err error) {
	for {
		c.mu.Lock()
		packets, changed := c.packets, c.changed
		c.mu.Unlock()
		for ; from < len(packets); from++ {
			if ok(packets[from]) {
				return packets[from], from + 1, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Packet{}, from, fmt.Errorf("%s: waiting for %s: %w", c.name, what, context.Cause(ctx))
		}
	}
}

// WritePcap writes the frames in the classic format of capture files, which tcpdump and others read.
func (c *Capture) WritePcap(w io.Writer) error {
	c.mu.Lock()
	frames := c.frames[:len(c.frames):len(c.frames)]
	c.mu.Unlock()
	le := binary.LittleEndian
	out := le.AppendUint32(nil, 0xa1b23c4d) // microseconds replaced by nanoseconds
	out = le.AppendUint16(out, 2)
	out = le.AppendUint16(out, 4)
	out = append(out, make([]byte, 8)...)
	out = le.AppendUint32(out, 65536)
	out = le.AppendUint32(out, 1) // Ethernet
	for _, f := range frames {
		out = le.AppendUint32(out, uint32(f.at.Unix()))
		out = le.AppendUint32(out, uint32(f.at.Nanosecond()))
		out = le.AppendUint32(out, uint32(len(f.bytes)))
		out = le.AppendUint32(out, uint32(len(f.bytes)))
		out = append(out, f.bytes...)
	}
	_, err := w.Write(out)
	return err
}
