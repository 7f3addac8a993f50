package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/v6guest/v6guest/test/lab"
)

// prefix is the network's.
var prefix = netip.MustParsePrefix("2001:db8:1::/64")

// A server is one of those that are put side by side.
type server struct {
	name  string
	floor bool // it keeps nothing: not a server, but the least that one can cost
	// neighbours says that it answers by the kernel's neighbour table, as a UDP socket does.
	neighbours bool
	// few says that it waits a tenth of a second for each guest that it does not know yet: it gets 20 of
	// them, 4 at once.
	few bool
	// configure writes its files; oneFrame says that all frames of the load have one MAC. Nil for none.
	configure func(m *lab.Machine, reservations int, oneFrame bool) error
	command   []string
}

var servers = []server{
	{name: "v6responder", configure: configureV6responder, command: []string{"v6responder", "serve"}},
	{name: "echo, packet socket", floor: true, command: []string{"rate", "echo", "-form", "packet"}},
	{name: "echo, UDP socket", floor: true, neighbours: true, command: []string{"rate", "echo", "-form", "udp"}},
	{name: "Kea 2.2, memfile", neighbours: true, configure: configureKea, command: []string{"kea-dhcp6", "-c", "/etc/kea/kea-dhcp6.conf"}},
	{name: "dnsmasq 2.90", neighbours: true, few: true, configure: configureDnsmasq, command: []string{
		"dnsmasq", "--keep-in-foreground", "--log-facility=/var/log/dnsmasq.log", "--conf-file=/etc/dnsmasq.conf",
	}},
}

// start starts the server in the machine; its output goes to a file there, so that reading it costs nobody
// anything.
func (s server) start(m *lab.Machine, reservations int, oneFrame bool) (*lab.Process, error) {
	if s.configure != nil {
		if err := s.configure(m, reservations, oneFrame); err != nil {
			return nil, err
		}
	}
	return m.Start("sh", "-c", "exec "+strings.Join(s.command, " ")+" >/var/log/server.log 2>&1")
}

// reserved is the address of the guest with that number.
func reserved(n int) netip.Addr {
	b := prefix.Addr().As16()
	b[9], b[13], b[14], b[15] = 1, byte(n>>16), byte(n>>8), byte(n)
	return netip.AddrFrom16(b)
}

// hosts is a hosts file as the virtual router writes it.
func hosts(count int) string {
	var b strings.Builder
	for n := range count {
		m := macOf(n)
		fmt.Fprintf(&b, "id:00:03:00:01:%02x:%02x:%02x:%02x:%02x:%02x,[%s],vm-%d\n", m[0], m[1], m[2], m[3], m[4], m[5], reserved(n), n)
	}
	return b.String()
}

func configureV6responder(m *lab.Machine, reservations int, oneFrame bool) error {
	verify := "yes"
	if oneFrame {
		verify = "no"
	}
	conf := fmt.Sprintf("[server]\nhosts = /etc/v6responder/hosts\nverify_frame = %s\n[network guests]\ninterface = eth0\nprefix = %s\ndns = 2001:db8:1::53\n", verify, prefix)
	if err := m.WriteFile("/etc/v6responder/v6responder.conf", conf); err != nil {
		return err
	}
	return m.WriteFile("/etc/v6responder/hosts", hosts(reservations))
}

func configureDnsmasq(m *lab.Machine, reservations int, _ bool) error {
	conf := fmt.Sprintf("port=0\ninterface=eth0\nbind-interfaces\ndhcp-authoritative\ndhcp-range=%s,static,64,1d\ndhcp-hostsfile=/etc/dhcphosts\n"+
		"dhcp-leasefile=/var/lib/misc/dnsmasq.leases\ndhcp-lease-max=1000000\ndhcp-option=option6:dns-server,[2001:db8:1::53]\n", prefix.Addr())
	if err := m.WriteFile("/etc/dnsmasq.conf", conf); err != nil {
		return err
	}
	return m.WriteFile("/etc/dhcphosts", hosts(reservations))
}

func configureKea(m *lab.Machine, reservations int, _ bool) error {
	for _, dir := range []string{"/run/kea", "/var/lib/kea", "/var/log/kea"} { // made by its unit
		if err := os.MkdirAll(m.Path(dir), 0o755); err != nil {
			return err
		}
	}
	type object = map[string]any
	list := make([]object, 0, reservations)
	for n := range reservations {
		mac := macOf(n)
		list = append(list, object{
			"duid":         fmt.Sprintf("00:03:00:01:%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]),
			"ip-addresses": []string{reserved(n).String()},
		})
	}
	text, err := json.Marshal(object{"Dhcp6": object{
		"interfaces-config": object{"interfaces": []string{"eth0"}},
		"lease-database":    object{"type": "memfile", "persist": true, "name": "/var/lib/kea/leases.csv"},
		"valid-lifetime":    86400, "preferred-lifetime": 43200,
		"host-reservation-identifiers": []string{"duid"},
		"option-data":                  []object{{"name": "dns-servers", "data": "2001:db8:1::53"}},
		"subnet6":                      []object{{"id": 1, "subnet": prefix.String(), "interface": "eth0", "reservations": list}},
		"loggers": []object{{
			"name": "kea-dhcp6", "severity": "INFO", "output_options": []object{{"output": "/var/log/kea/kea.log"}},
		}},
	}})
	if err != nil {
		return err
	}
	return m.WriteFile("/etc/kea/kea-dhcp6.conf", string(text))
}

// await waits until the server has answered a guest: what it must read before it can is behind it then.
func await(ctx context.Context, guests, router *lab.Machine) error {
	r, err := guests.Run(ctx, "rate", "load", "-guests", "1", "-storm", "1ms", "-irt", "100ms", "-for", "60s")
	var saw Result
	if err == nil {
		err = json.Unmarshal([]byte(r.Stdout), &saw)
	}
	if err == nil && saw.Bound == 1 {
		return nil
	}
	text, _ := os.ReadFile(filepath.Clean(router.Path("/var/log/server.log")))
	return fmt.Errorf("no answer: %w\n%s%s\n%s", err, r.Stdout, r.Stderr, text[:min(len(text), 4096)])
}
