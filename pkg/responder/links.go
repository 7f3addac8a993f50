package responder

import (
	"net/netip"
	"slices"
)

// links find the network that a client is in, at the same cost whatever their number.
type links struct {
	byInterface map[string]*Network
	byPrefix    map[netip.Prefix]*Network
	lengths     []int // of these prefixes
}

func newLinks(networks []Network) links {
	l := links{map[string]*Network{}, map[netip.Prefix]*Network{}, nil}
	for i := range networks {
		n := &networks[i]
		if n.Interface != "" {
			l.byInterface[n.Interface] = n
		}
		l.byPrefix[n.Prefix] = n
		if !slices.Contains(l.lengths, n.Prefix.Bits()) {
			l.lengths = append(l.lengths, n.Prefix.Bits())
		}
	}
	return l
}

// of finds the client's link (RFC 9915, section 13.1): that of the interface, or the one whose prefix
// holds the link-address of the relay nearest to the client that gives one.
func (l *links) of(r *Received) (*Network, string) {
	for i := len(r.Relays) - 1; i >= 0; i-- {
		if link := r.Relays[i].LinkAddr; !link.IsUnspecified() {
			if n := l.at(link); n != nil {
				return n, ""
			}
			return nil, dropLinkAddress
		}
	}
	if n := l.byInterface[r.Interface]; n != nil {
		return n, ""
	}
	return nil, dropNoNetwork
}

// at is the network whose prefix holds the address, nil if there is none. No two prefixes overlap.
func (l *links) at(a netip.Addr) *Network {
	for _, bits := range l.lengths {
		if p, err := a.Prefix(bits); err == nil {
			if n := l.byPrefix[p]; n != nil {
				return n
			}
		}
	}
	return nil
}
