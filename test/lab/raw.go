package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// A Raw sends whole frames from a NIC of a machine, whatever addresses they claim to come from: what a
// neighbour can do whom no hypervisor filters.
type Raw struct {
	name string
	file *os.File
}

// OpenRaw opens a Raw on a NIC of the machine; Close closes it.
func (m *Machine) OpenRaw(nic string) (*Raw, error) {
	l, err := m.link.LinkByName(nic)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", m.Name, nic, err)
	}
	var fd int
	err = m.thread.do(func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %s: packet socket: %w", m.Name, nic, err)
	}
	// Bound without a protocol, it hears nothing.
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: l.Attrs().Index}); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %s: %w", m.Name, nic, err), unix.Close(fd))
	}
	return &Raw{name: m.Name + ": " + nic, file: os.NewFile(uintptr(fd), nic)}, nil
}

// Send sends a packet: one of UDP where it has ports, else one of ICMPv6. Checksums are made.
func (r *Raw) Send(p Packet) error {
	if _, err := r.file.Write(p.frame()); err != nil {
		return fmt.Errorf("%s: send a frame: %w", r.name, err)
	}
	return nil
}

// Close closes the socket.
func (r *Raw) Close() error { return r.file.Close() }

// frame is the packet as an Ethernet frame. Its hop limit is 255, as neighbour discovery wants it.
func (p Packet) frame() []byte {
	proto, body := byte(unix.IPPROTO_ICMPV6), append([]byte(nil), p.Payload...)
	sum := 2 // where the checksum stands
	if p.DstPort != 0 {
		proto, sum = unix.IPPROTO_UDP, 6
		head := binary.BigEndian.AppendUint16(nil, p.SrcPort)
		head = binary.BigEndian.AppendUint16(head, p.DstPort)
		head = binary.BigEndian.AppendUint16(head, uint16(8+len(p.Payload)))
		body = append(append(head, 0, 0), p.Payload...)
	}
	if len(body) >= sum+2 {
		binary.BigEndian.PutUint16(body[sum:], 0)
		binary.BigEndian.PutUint16(body[sum:], Checksum(p.Src.As16(), p.Dst.As16(), proto, body))
	}
	to := p.To
	if to == nil {
		to = multicastMAC(p.Dst)
	}
	b := append(append([]byte(nil), to...), p.From...)
	b = append(b, 0x86, 0xdd, 0x60, 0, 0, 0, byte(len(body)>>8), byte(len(body)), proto, 255)
	b = append(append(b, p.Src.AsSlice()...), p.Dst.AsSlice()...)
	return append(b, body...)
}

// multicastMAC is where frames for a group go (RFC 2464, section 7).
func multicastMAC(group netip.Addr) net.HardwareAddr {
	a := group.As16()
	return net.HardwareAddr{0x33, 0x33, a[12], a[13], a[14], a[15]}
}

// Checksum is that of UDP and ICMPv6 with the pseudo-header; the field itself must hold 0.
func Checksum(src, dst [16]byte, proto byte, b []byte) uint16 {
	sum := uint32(len(b)) + uint32(proto)
	for _, part := range [][]byte{src[:], dst[:], b} {
		for ; len(part) >= 2; part = part[2:] {
			sum += uint32(binary.BigEndian.Uint16(part))
		}
		if len(part) == 1 {
			sum += uint32(part[0]) << 8
		}
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	if sum == 0xffff {
		return 0xffff // 0 would say that there is none
	}
	return ^uint16(sum)
}
