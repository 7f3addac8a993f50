package responder

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// allServers is ff02::1:2, to which clients and relays on the link send (RFC 9915, section 7.1);
// siteServers is ff05::1:3, to which relays send that have no address of a server.
var (
	allServers  = netip.MustParseAddr("ff02::1:2")
	siteServers = netip.MustParseAddr("ff05::1:3")
)

const (
	ipv6Header = 40
	udpHeader  = 8
	protoUDP   = 17
	hopLimit   = 64
)

// A datagram is a UDP datagram in an IPv6 packet without extension headers.
type datagram struct {
	src, dst netip.AddrPort
	payload  []byte
}

// parsePacket reads an IPv6 packet that holds a whole UDP datagram. What is behind the lengths that the
// headers give (padding of short frames) is left out. The checksum is verified unless the kernel has
// seen to that, or it was never written since the packet left no machine.
func parsePacket(b []byte, checked bool) (d datagram, ok bool) {
	if len(b) < ipv6Header+udpHeader || b[0]>>4 != 6 || b[6] != protoUDP {
		return d, false
	}
	size := int(binary.BigEndian.Uint16(b[4:]))
	if size > len(b)-ipv6Header {
		return d, false
	}
	udp := b[ipv6Header : ipv6Header+size]
	if len(udp) < udpHeader {
		return d, false
	}
	length := int(binary.BigEndian.Uint16(udp[4:]))
	if length < udpHeader || length > len(udp) {
		return d, false
	}
	udp = udp[:length]
	src, dst := netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	// Over IPv6 a datagram must have a checksum (RFC 8200, section 8.1).
	if !checked && (binary.BigEndian.Uint16(udp[6:]) == 0 || checksum(b[8:ipv6Header], udp) != 0) {
		return d, false
	}
	d.src = netip.AddrPortFrom(src, binary.BigEndian.Uint16(udp))
	d.dst = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(udp[2:]))
	d.payload = udp[udpHeader:]
	return d, true
}

// appendPacket writes an IPv6 packet with a UDP datagram in it.
func appendPacket(b []byte, d datagram) []byte {
	length := udpHeader + len(d.payload)
	b = append(b, 6<<4, 0, 0, 0, byte(length>>8), byte(length), protoUDP, hopLimit)
	src, dst := d.src.Addr().As16(), d.dst.Addr().As16()
	b = append(append(b, src[:]...), dst[:]...)
	start := len(b)
	b = binary.BigEndian.AppendUint16(b, d.src.Port())
	b = binary.BigEndian.AppendUint16(b, d.dst.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = append(b, 0, 0)
	b = append(b, d.payload...)
	sum := checksum(b[start-32:start], b[start:])
	if sum == 0 {
		sum = 0xffff // 0 would say that there is none
	}
	binary.BigEndian.PutUint16(b[start+6:], sum)
	return b
}

// checksum is that of a UDP datagram with its pseudo-header (RFC 8200, section 8.1), of which addrs is the source and
// the destination. Over a datagram that has its checksum in place the result is 0.
func checksum(addrs, udp []byte) uint16 {
	sum := add(add(uint64(len(udp))+protoUDP, addrs), udp)
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// add adds the words to a sum, 64 bits at a time, and what is carried out of the uppermost to the lowest: the sum in
// ones' complement does not care how long the words are that it is made of (RFC 1071, section 2).
func add(sum uint64, b []byte) uint64 {
	var carry uint64
	for ; len(b) >= 8; b = b[8:] {
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b), carry)
	}
	var last uint64
	for i, c := range b {
		last |= uint64(c) << (56 - 8*i)
	}
	sum, carry = bits.Add64(sum, last, carry)
	sum, carry = bits.Add64(sum, 0, carry)
	return sum + carry
}
