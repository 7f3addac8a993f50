package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/test/lab"
)

const (
	etherHeader = 14
	ipv6Header  = 40
	udpHeader   = 8
	clientPort  = 546
	serverPort  = 547
	protoUDP    = 17
	protoICMPv6 = 58
)

// allServers is ff02::1:2, to which every client speaks.
var allServers = [16]byte{0xff, 2, 13: 1, 15: 2}

// putDatagram writes an IPv6 packet with a UDP datagram, whose payload stands in b behind the headers
// already, and returns how long it is.
func putDatagram(b []byte, src, dst [16]byte, from, to uint16, payload int) int {
	length := udpHeader + payload
	putHeader(b, src, dst, protoUDP, length)
	udp := b[ipv6Header:][:length]
	binary.BigEndian.PutUint16(udp, from)
	binary.BigEndian.PutUint16(udp[2:], to)
	binary.BigEndian.PutUint16(udp[4:], uint16(length))
	binary.BigEndian.PutUint16(udp[6:], 0)
	binary.BigEndian.PutUint16(udp[6:], lab.Checksum(src, dst, protoUDP, udp))
	return ipv6Header + length
}

func putHeader(b []byte, src, dst [16]byte, proto byte, length int) {
	copy(b, []byte{0x60, 0, 0, 0, byte(length >> 8), byte(length), proto, 255})
	copy(b[8:], src[:])
	copy(b[24:], dst[:])
}

// An option is one of a DHCPv6 message.
type option struct {
	code uint16
	data []byte
}

// next takes the first option off b; ok is false where none stands whole.
func next(b []byte) (o option, rest []byte, ok bool) {
	if len(b) < 4 {
		return o, nil, false
	}
	size := int(binary.BigEndian.Uint16(b[2:]))
	if len(b) < 4+size {
		return o, nil, false
	}
	return option{binary.BigEndian.Uint16(b), b[4:][:size]}, b[4+size:], true
}

func appendOption(b []byte, code uint16, data ...[]byte) []byte {
	at := len(b)
	b = append(b, byte(code>>8), byte(code), 0, 0)
	for _, d := range data {
		b = append(b, d...)
	}
	binary.BigEndian.PutUint16(b[at+2:], uint16(len(b)-at-4))
	return b
}

// The options that are needed here (RFC 9915, section 21).
const (
	optClientID = 1
	optServerID = 2
	optIANA     = 3
	optIAAddr   = 5
	optORO      = 6
	optElapsed  = 8

	optRapidCommit = 14
)

// openPacket opens a packet socket on a NIC: of type SOCK_RAW or SOCK_DGRAM.
func openPacket(kind int, nic string, filter []unix.SockFilter) (fd, index int, err error) {
	i, err := net.InterfaceByName(nic)
	if err != nil {
		return 0, 0, err
	}
	if fd, err = unix.Socket(unix.AF_PACKET, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return 0, 0, fmt.Errorf("packet socket: %w", err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 64<<20)
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	err = errors.Join(
		unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocolIPv6(), Ifindex: i.Index}))
	return fd, i.Index, err
}

func protocolIPv6() uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_IPV6))
}

// wait waits until the socket has something to read, at most so many milliseconds; -1 for ever.
func wait(fd, milliseconds int) error {
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, milliseconds)
	if errors.Is(err, unix.EINTR) {
		return nil
	}
	return err
}
