package peer

import (
	"context"
	"fmt"
	"syscall"

	"github.com/v6guest/v6guest/test/lab"
)

const dnsmasqHosts = "/etc/dhcphosts.txt"

// serveDnsmasq starts dnsmasq as CloudStack's virtual router does: reservations in a hosts file, no
// pool; and, unlike there, with Router Advertisements of its own.
func serveDnsmasq(ctx context.Context, m *lab.Machine, n Network) (*Server, error) {
	conf := fmt.Sprintf(`port=0
interface=%s
bind-interfaces
dhcp-authoritative
dhcp-range=%s,static,%d
dhcp-hostsfile=%s
dhcp-leasefile=/var/lib/misc/dnsmasq.leases
dhcp-option=tag:!nondefault6,option6:dns-server,[%s]
dhcp-option=tag:!nondefault6,option6:domain-search,%s
log-dhcp
`, n.NIC, n.Prefix.Addr(), n.Prefix.Bits(), dnsmasqHosts, n.DNS, n.Search)
	if !n.NoRA {
		conf += "enable-ra\n"
	}
	for _, line := range n.Options {
		conf += line + "\n"
	}
	if err := m.WriteFile("/etc/dnsmasq.conf", conf); err != nil {
		return nil, err
	}
	if err := m.WriteFile(dnsmasqHosts, Hosts(n.Guests)); err != nil {
		return nil, err
	}
	p, err := start(ctx, m, "read "+dnsmasqHosts, "dnsmasq", "--keep-in-foreground", "--log-facility=-", "--conf-file=/etc/dnsmasq.conf")
	if err != nil {
		return nil, err
	}
	s := &Server{Kind: Dnsmasq, machine: m, processes: []*lab.Process{p}}
	s.reserve = func(ctx context.Context, guests []Guest) error {
		from := len(p.Lines())
		if err := m.WriteFile(dnsmasqHosts, Hosts(guests)); err != nil {
			return err
		}
		if err := p.Signal(syscall.SIGHUP); err != nil {
			return err
		}
		_, err := p.AwaitLine(ctx, from, "read "+dnsmasqHosts)
		return err
	}
	return s, nil
}
