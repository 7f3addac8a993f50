package client

import "net/netip"

// A Conn carries the DHCPv6 datagrams of one NIC; Listen makes a real one.
type Conn interface {
	// Read waits for a datagram and copies it into b. After Close it fails with net.ErrClosed; other
	// errors pass, and the next Read may succeed.
	Read(b []byte) (Datagram, error)
	// Write sends b to ff02::1:2, port 547, on the NIC, with src as source address.
	Write(b []byte, src netip.Addr) error
	// Close ends a Read that waits.
	Close() error
}

// A Datagram is what Read says of one.
type Datagram struct {
	Len      int
	From, To netip.Addr // without zone
}
