package hosts

import (
	"fmt"
	"net/netip"
)

// Doubtful says what about an address of a line cannot have been meant so, whatever the network; "" for
// nothing.
func Doubtful(a netip.Addr) string {
	if !ReservedID(a) {
		return ""
	}
	return fmt.Sprintf("[%s] has an interface identifier that RFC 5453 reserves, as for the anycast address of a subnet's routers, and is never given: write another address", a)
}

// reservedIDs are the interface identifiers that no address may be given with, first and last
// (RFC 5453 and its IANA registry): the subnet router's anycast address, those of IANA's Ethernet
// block, and the anycast addresses of RFC 2526.
var reservedIDs = [...][2]uint64{
	{0, 0},
	{0x02005efffe000000, 0x02005efffeffffff},
	{0xfdffffffffffff80, 0xfdffffffffffffff},
}

// ReservedID reports whether the interface identifier of the address is one of these.
func ReservedID(a netip.Addr) bool {
	b := a.As16()
	var id uint64
	for _, c := range b[8:] {
		id = id<<8 | uint64(c)
	}
	for _, r := range reservedIDs {
		if id >= r[0] && id <= r[1] {
			return true
		}
	}
	return false
}
