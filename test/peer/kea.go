package peer

import (
	"context"
	"fmt"
	"os"
	"syscall"

	"github.com/v6guest/v6guest/test/lab"
)

// serveKea starts Kea with host reservations and no pool, and radvd beside it.
func serveKea(ctx context.Context, m *lab.Machine, n Network) (*Server, error) {
	if err := writeKea(m, n); err != nil {
		return nil, err
	}
	s := &Server{Kind: Kea, machine: m}
	if !n.NoRA {
		radvd, err := startRadvd(ctx, m, n)
		if err != nil {
			return nil, err
		}
		s.processes = append(s.processes, radvd)
	}
	for _, dir := range []string{"/run/kea", "/var/lib/kea"} { // made by its unit
		if err := os.MkdirAll(m.Path(dir), 0o755); err != nil {
			return nil, fmt.Errorf("kea: %w", err)
		}
	}
	kea, err := start(ctx, m, "DHCP6_STARTED", "kea-dhcp6", "-c", "/etc/kea/kea-dhcp6.conf")
	if err != nil {
		return nil, err
	}
	s.processes = append(s.processes, kea)
	s.reserve = func(ctx context.Context, guests []Guest) error {
		n.Guests = guests
		if err := writeKea(m, n); err != nil {
			return err
		}
		from := len(kea.Lines())
		if err := kea.Signal(syscall.SIGHUP); err != nil {
			return err
		}
		_, err := kea.AwaitLine(ctx, from, "DHCP6_CONFIG_COMPLETE")
		return err
	}
	return s, nil
}

func writeKea(m *lab.Machine, n Network) error {
	type object = map[string]any
	var reservations []object
	for _, g := range n.Guests {
		r := object{"duid": g.DUID(), "ip-addresses": []string{g.Addr.String()}, "hostname": g.Name}
		if !g.Secondary {
			r["option-data"] = []object{
				{"name": "dns-servers", "data": n.DNS.String()},
				{"name": "domain-search", "data": n.Search},
			}
		}
		reservations = append(reservations, r)
	}
	const forever = 0xffffffff
	text, err := marshal(object{"Dhcp6": object{
		"interfaces-config": object{"interfaces": []string{n.NIC}},
		"lease-database":    object{"type": "memfile", "persist": false},
		"valid-lifetime":    forever, "preferred-lifetime": forever,
		"renew-timer": 3600, "rebind-timer": 5400,
		"subnet6": []object{{
			"id": 1, "subnet": n.Prefix.String(), "interface": n.NIC, "rapid-commit": true,
			"reservations": reservations,
		}},
		"loggers": []object{{
			"name": "kea-dhcp6", "severity": "INFO", "output_options": []object{{"output": "stdout", "flush": true}},
		}},
	}})
	if err != nil {
		return err
	}
	return m.WriteFile("/etc/kea/kea-dhcp6.conf", text)
}

// startRadvd starts radvd in the foreground; it sends its first advertisement at once.
func startRadvd(ctx context.Context, m *lab.Machine, n Network) (*lab.Process, error) {
	conf := fmt.Sprintf(`interface %s {
	AdvSendAdvert on;
	AdvManagedFlag on;
	AdvOtherConfigFlag on;
	AdvDefaultLifetime 1800;
	MinRtrAdvInterval 3;
	MaxRtrAdvInterval 10;
	prefix %s {
		AdvOnLink on;
		AdvAutonomous off;
	};
};
`, n.NIC, n.Prefix)
	if err := m.WriteFile("/etc/radvd.conf", conf); err != nil {
		return nil, err
	}
	return start(ctx, m, "started", "radvd", "--nodaemon", "--logmethod=stderr", "--debug=1", "--username=root", "--pidfile=/run/radvd.pid")
}
