package wire

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv6"
)

// hostileList makes the content of an option 24 on which the library spends time and memory that grow
// with the cube of its size: a long chain of labels of one byte, then pointers to its start.
func hostileList(size int) []byte {
	var b []byte
	for len(b) < size/2 {
		b = append(b, 1, 'a')
	}
	b = append(b, 0)
	for len(b)+2 <= size {
		b = append(b, 0xc0, 0)
	}
	return b
}

// honestList makes a list of short names, all of which must be read.
func honestList(size int) []byte {
	var b []byte
	for len(b)+4 <= size {
		b = append(b, 2, 'a', 'b', 0)
	}
	return b
}

// solicitWith makes a Solicit that carries an option 24.
func solicitWith(list []byte) []byte {
	b := append([]byte{1, 0x1a, 0x2b, 0x3c, 0, 1, 0, byte(len(guest))}, guest...)
	b = binary.BigEndian.AppendUint16(b, uint16(dhcpv6.OptionDomainSearchList))
	b = binary.BigEndian.AppendUint16(b, uint16(len(list)))
	return append(b, list...)
}

// BenchmarkDecodeHostileDomainList shows that cost is linear in size, whatever the list holds. The
// library takes 84 ms and 96 MB for the hostile list of 1,400 bytes, 2.1 s and 2.2 GB for 4,000.
func BenchmarkDecodeHostileDomainList(b *testing.B) {
	for _, kind := range []struct {
		name string
		list func(int) []byte
	}{{"pointers", hostileList}, {"names", honestList}, {"labels", func(n int) []byte { return hostileList(2 * n)[:n] }}} {
		for _, size := range []int{1400, 4000, 64000} {
			b.Run(fmt.Sprintf("%s/%d", kind.name, size), func(b *testing.B) {
				p := solicitWith(kind.list(size))
				b.SetBytes(int64(len(p)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := Decode(p); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkDecodeSolicit(b *testing.B) {
	benchmarkDecode(b, packets(b)["dhclient-solicit"])
}

func BenchmarkDecodeReply(b *testing.B) {
	benchmarkDecode(b, packets(b)["dnsmasq-advertise"])
}

func benchmarkDecode(b *testing.B, p []byte) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	m := mustDecode(b, packets(b)["dnsmasq-advertise"])
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkString(b *testing.B) {
	m := mustDecode(b, packets(b)["dnsmasq-advertise"])
	b.ReportAllocs()
	for b.Loop() {
		_ = m.String()
	}
}
