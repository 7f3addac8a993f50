package responder

import (
	"net"
	"net/netip"
	"slices"

	"github.com/v6guest/v6guest/pkg/responder/hosts"
	"github.com/v6guest/v6guest/pkg/wire"
)

// A client is whom a message comes from, as far as that is proven by what the operator trusts. The
// zero client is nobody: it has no reservation, and can release or decline none.
type client struct {
	mac  hosts.MAC // zero when it is not known
	duid wire.DUID // a DUID that is no DUID-LL; "" when it does not count
	// why is the reason for which the client is nobody.
	why string
}

func (c client) known() bool { return c.mac != hosts.MAC{} || c.duid != "" }

// Reasons for which a client is nobody.
const (
	whyAnonymous   = "no client identifier"
	whyForged      = "its DUID-LL is not of the MAC that its frames come from"
	whyFragmented  = "its MAC is not known: the message came in IPv6 fragments"
	whyUntrusted   = "it came through a relay that is not listed in trusted_relays"
	whyNoOption79  = "the trusted relay names no MAC (option 79, RFC 6939)"
	whyRelayForged = "its DUID-LL is not of the MAC that the trusted relay names"
	whyBadMAC      = "its MAC is no station's address"
)

// ethernetType is the hardware type of Ethernet, in DUIDs and in option 79.
const ethernetType = 1

// identify says whom a message comes from (decision 9 of the design). It holds for every message type.
func (e *Engine) identify(r *Received) client {
	if e.cfg.Identity == IdentityFrame {
		return e.byFrame(r)
	}
	if r.Msg.ClientID == "" {
		return client{why: whyAnonymous}
	}
	hw, isLL := r.Msg.ClientID.MAC()
	if !onLink(r) && !slices.Contains(e.cfg.TrustedRelays, r.From.Addr()) {
		return client{why: whyUntrusted}
	}
	if !isLL {
		return client{duid: r.Msg.ClientID}
	}
	mac, ok := hosts.MACOf(hw)
	switch {
	case !ok:
		return client{why: whyBadMAC}
	case e.cfg.AnyFrame:
		return client{mac: mac}
	}
	seen := e.byFrame(r)
	switch {
	case !seen.known():
		return seen
	case seen.mac == mac:
		return seen
	case !onLink(r):
		return client{why: whyRelayForged}
	}
	return client{why: whyForged}
}

// anyLDRA among the trusted relays stands for every Lightweight DHCPv6 Relay Agent.
var anyLDRA = netip.IPv6Unspecified()

// onLink reports whether a message came from the client's own frame: directly, or through Lightweight DHCPv6
// Relay Agents only (RFC 6221), switches that wrap it and leave its addresses as they are. Of such a message
// the frame proves as much as of a direct one, so that they need not be trusted: whoever wraps his own
// message is still himself.
func onLink(r *Received) bool {
	for i := range r.Relays {
		if !r.Relays[i].LinkAddr.IsUnspecified() || r.Relays[i].PeerAddr != r.From.Addr() {
			return false
		}
	}
	return len(r.Relays) == 0 || r.From.Addr().IsLinkLocalUnicast()
}

// byFrame takes the MAC from the frame, or from the relay that stands next to the client.
func (e *Engine) byFrame(r *Received) client {
	hw := r.FrameMAC
	named, why := net.HardwareAddr(nil), ""
	if len(r.Relays) > 0 {
		named, why = e.relayedMAC(r)
	}
	switch {
	case named != nil:
		hw = named
	case !onLink(r):
		return client{why: why}
	case hw == nil:
		return client{why: whyFragmented}
	}
	mac, ok := hosts.MACOf(hw)
	if !ok {
		return client{why: whyBadMAC}
	}
	return client{mac: mac}
}

// relayedMAC returns the MAC that option 79 of the relay nearest to the client names. Each relay is
// vouched for by the one before it, whose peer-address is its address; the outermost one is the
// datagram's source. A client that wraps its message in a Relay-forward of its own is thus no relay. LDRAs have
// no address; what they name counts where all of them are trusted.
func (e *Engine) relayedMAC(r *Received) (net.HardwareAddr, string) {
	var nearest *wire.Relay
	from := r.From.Addr()
	for i := range r.Relays {
		trusted := from
		if r.Relays[i].LinkAddr.IsUnspecified() && slices.Contains(e.cfg.TrustedRelays, anyLDRA) {
			trusted = anyLDRA
		}
		if !slices.Contains(e.cfg.TrustedRelays, trusted) {
			break
		}
		nearest, from = &r.Relays[i], r.Relays[i].PeerAddr
	}
	switch {
	case nearest == nil:
		return nil, whyUntrusted
	case nearest.ClientLinkLayer == nil || nearest.ClientLinkLayer.Type != ethernetType:
		return nil, whyNoOption79
	}
	return nearest.ClientLinkLayer.Addr, ""
}

// eui64 is the address that prefix and MAC make (RFC 4291, appendix A).
func eui64(prefix netip.Prefix, m hosts.MAC) netip.Addr {
	b := prefix.Masked().Addr().As16()
	copy(b[8:], []byte{m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
	return netip.AddrFrom16(b)
}

// eui64MAC is the MAC that the address was made of, if it has that form.
func eui64MAC(a netip.Addr) (m hosts.MAC, ok bool) {
	b := a.As16()
	if b[11] != 0xff || b[12] != 0xfe {
		return m, false
	}
	m = hosts.MAC{b[8] ^ 2, b[9], b[10], b[13], b[14], b[15]}
	_, ok = hosts.MACOf(m[:])
	return m, ok
}
