package guest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/v6guest/v6guest/pkg/wire"
)

// A ServerPin is a DHCPv6 server that a NIC may lease from: by its DUID, or by the link-local address
// that it answers from.
type ServerPin struct {
	DUID wire.DUID  // "" when Addr is set
	Addr netip.Addr // the zero Addr when DUID is set
}

// setRouters reads the pinned routers.
func setRouters(s *Settings, v string) error {
	s.Routers = nil
	for _, word := range strings.Fields(strings.ReplaceAll(v, ",", " ")) {
		addr, err := linkLocalAddr(word)
		if err != nil {
			return err
		}
		s.Routers = append(s.Routers, addr)
	}
	return nil
}

// setServers reads the pinned servers.
func setServers(s *Settings, v string) error {
	s.Servers = nil
	for _, word := range strings.Fields(strings.ReplaceAll(v, ",", " ")) {
		if strings.Contains(word, "::") { // no spelling of a DUID has it
			addr, err := linkLocalAddr(word)
			if err != nil {
				return err
			}
			s.Servers = append(s.Servers, ServerPin{Addr: addr})
			continue
		}
		duid, err := wire.ParseDUID(word)
		if err != nil {
			return fmt.Errorf("%q is neither a DUID nor a link-local address: %w", word, err)
		}
		s.Servers = append(s.Servers, ServerPin{DUID: duid})
	}
	return nil
}

// linkLocalAddr reads a link-local address; a zone says nothing, since the key is of one NIC.
func linkLocalAddr(word string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(word)
	if err != nil || !addr.Is6() || !addr.IsLinkLocalUnicast() {
		return netip.Addr{}, fmt.Errorf("%q is not a link-local address; routers and servers answer from one, as fe80::1", word)
	}
	return addr.WithZone(""), nil
}

// acceptsServer says whether messages of a server count.
func (s *Settings) acceptsServer(server wire.DUID, from netip.Addr) bool {
	return len(s.Servers) == 0 || slices.ContainsFunc(s.Servers, func(p ServerPin) bool {
		return p.DUID != "" && p.DUID == server || p.Addr.IsValid() && p.Addr == from.WithZone("")
	})
}

// acceptsRouter says whether what a router says counts.
func (s *Settings) acceptsRouter(from netip.Addr) bool {
	return len(s.Routers) == 0 || slices.Contains(s.Routers, from.WithZone(""))
}
