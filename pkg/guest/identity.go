package guest

import (
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/wire"
)

// Identity is the DUID and the IAID that a NIC speaks with under the plan, also one that v6guest does
// not manage (decision 1).
func (p *Plan) Identity(cfg *Config, n link.NIC) (wire.DUID, wire.IAID) {
	return p.duid(n, cfg.For(n.MAC, n.Name)), wire.IAIDFromMAC(n.MAC)
}

// duid is the DUID of a NIC with those settings.
func (p *Plan) duid(n link.NIC, s Settings) wire.DUID {
	mac := n.MAC
	switch {
	case s.ExplicitDUID != "":
		return s.ExplicitDUID
	case s.DUID == DUIDHost && len(p.host) > 0:
		mac = p.host
	}
	return wire.LinkLayerDUID(mac)
}
