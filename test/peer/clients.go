package peer

import (
	"github.com/v6guest/v6guest/test/lab"
)

// StartDhclient starts ISC dhclient on a NIC as the manual cure says: -D LL. It asks for one lease
// and stays, in the foreground.
func StartDhclient(m *lab.Machine, nic string) (*lab.Process, error) {
	return m.Start("dhclient", "-6", "-d", "-v", "-D", "LL", "-lf", "/var/lib/dhcp/dhclient6."+nic+".leases", "-pf", "/run/dhclient6."+nic+".pid", nic)
}

// StartDhcpcd starts dhcpcd on a NIC with a DUID-LL, for IPv6 only, in the foreground. It runs no
// hook scripts: a signal that comes during one is lost.
func StartDhcpcd(m *lab.Machine, nic string) (*lab.Process, error) {
	conf := "duid ll\nipv6only\nnoipv6rs\nia_na\noption rapid_commit\nscript /dev/null\n"
	if err := m.WriteFile("/etc/dhcpcd.conf", conf); err != nil {
		return nil, err
	}
	return m.Start("dhcpcd", "--nobackground", "--debug", nic)
}
