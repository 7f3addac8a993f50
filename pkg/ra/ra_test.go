package ra

import (
	"net/netip"

	"github.com/google/go-cmp/cmp"
)

// compareAddrs lets go-cmp look at addresses and prefixes.
var compareAddrs = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

var (
	router = netip.MustParseAddr("fe80::4a0:f0ff:fe00:1")
	mac    = []byte{6, 0xa0, 0xf0, 0, 0, 1}
)

// advertisement is the ICMPv6 message with these options and a header of zeros.
func advertisement(options ...[]byte) []byte {
	return concat(append([][]byte{{134, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}, options...))
}

func solicitation(options ...[]byte) []byte {
	return concat(append([][]byte{{133, 0, 0, 0, 0, 0, 0, 0}}, options...))
}

func concat(parts [][]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// option makes an option of a type and a value, whose length with two more bytes is a multiple of 8.
func option(kind byte, value ...byte) []byte {
	if (len(value)+2)%8 != 0 {
		panic("length of option")
	}
	return append([]byte{kind, byte((len(value) + 2) / 8)}, value...)
}

// packet is a message as the socket hands it over when nothing is wrong with it.
func packet(b []byte) Packet { return Packet{Data: b, From: router, HopLimit: 255} }

func addrBytes(s string) []byte { return netip.MustParseAddr(s).AsSlice() }

func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }
