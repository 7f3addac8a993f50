package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/v6guest/v6guest/test/lab"
)

// prefix is the network's.
var prefix = netip.MustParsePrefix("2001:db8:1::/64")

// A server is one of those that are put side by side.
type server struct {
	name  string
	floor bool // it keeps nothing: not a server, but the least that one can cost
	// pool says that guests get addresses of a pool, else those that are reserved for them.
	pool bool
	// fresh says that each exchange is of a guest that never came before, so that it makes a binding; else guests come
	// again and again.
	fresh bool
	// rapid says that guests ask for Rapid Commit: two messages instead of four.
	rapid bool
	// neighbours says that it answers by the kernel's neighbour table, as a UDP socket does.
	neighbours bool
	// few says that it waits a tenth of a second for each guest that it does not know yet: it gets 20 of
	// them, 4 at once.
	few bool
	// configure writes its files; nil for none.
	configure func(ctx context.Context, m *lab.Machine, s setup) error
	command   []string
}

// A setup is what a server is prepared for.
type setup struct {
	pool         bool
	reservations int  // where there is no pool
	leases       int  // that the pool has given out before
	oneFrame     bool // all frames of the load have one MAC
	noLimits     bool // on how many new bindings there may be
}

// The rows that the goals speak of.
const (
	ours, oursPool, oursFresh, oursRapid, echoRow, echoRapidRow, keaRow, keaPoolRow = 0, 1, 2, 3, 4, 5, 7, 8
)

// judged reports whether a row is one of ours or of the echo that it is held against.
func judged(row int) bool { return row <= echoRapidRow }

var servers = func() []server {
	serve := []string{"v6responder", "--state-dir", "/mnt/state", "serve"}
	kea := []string{"kea-dhcp6", "-c", "/etc/kea/kea-dhcp6.conf"}
	dnsmasq := []string{"dnsmasq", "--keep-in-foreground", "--log-facility=/mnt/dnsmasq.log", "--conf-file=/etc/dnsmasq.conf"}
	packet := []string{"rate", "echo", "-form", "packet"}
	return []server{
		ours:         {name: "v6responder, reservations", configure: configureV6responder, command: serve},
		oursPool:     {name: "v6responder, pool", pool: true, configure: configureV6responder, command: serve},
		oursFresh:    {name: "v6responder, pool, no guest twice (harder than the goal's load)", pool: true, fresh: true, configure: configureV6responder, command: serve},
		oursRapid:    {name: "v6responder, Rapid Commit", rapid: true, configure: configureV6responder, command: serve},
		echoRow:      {name: "echo, packet socket", floor: true, command: packet},
		echoRapidRow: {name: "echo, Rapid Commit", floor: true, rapid: true, command: packet},
		6:            {name: "echo, UDP socket", floor: true, neighbours: true, command: []string{"rate", "echo", "-form", "udp"}},
		keaRow:       {name: "Kea 2.2, reservations", neighbours: true, configure: configureKea, command: kea},
		keaPoolRow:   {name: "Kea 2.2, pool", pool: true, neighbours: true, configure: configureKea, command: kea},
		9:            {name: "dnsmasq 2.90, reservations", neighbours: true, few: true, configure: configureDnsmasq, command: dnsmasq},
		10:           {name: "dnsmasq 2.90, pool", pool: true, neighbours: true, few: true, configure: configureDnsmasq, command: dnsmasq},
	}
}()

// start starts the server in the machine, whose files setup has written; its output goes to a file on the disk,
// so that reading it costs nobody anything.
func (s server) start(m *lab.Machine) (*lab.Process, error) {
	return m.Start("sh", "-c", "exec "+strings.Join(s.command, " ")+" >/mnt/server.log 2>&1")
}

// The pool is half of the prefix; none of its addresses is reserved.
const poolFirst, poolLast = "2001:db8:1:0:8000::", "2001:db8:1:0:ffff:ffff:ffff:ffff"

// leased is the address of the pool that the guest with that number has had before.
func leased(n int) netip.Addr {
	b := netip.MustParseAddr(poolFirst).As16()
	b[9], b[13], b[14], b[15] = 1, byte(n>>16), byte(n>>8), byte(n)
	return netip.AddrFrom16(b)
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

func configureV6responder(ctx context.Context, m *lab.Machine, s setup) error {
	var conf strings.Builder
	conf.WriteString("[server]\n")
	if !s.pool {
		conf.WriteString("hosts = /etc/v6responder/hosts\n")
	}
	if s.oneFrame {
		conf.WriteString("verify_frame = no\n")
	}
	fmt.Fprintf(&conf, "[network guests]\ninterface = eth0\nprefix = %s\ndns = 2001:db8:1::53\n", prefix)
	if s.pool {
		fmt.Fprintf(&conf, "pool = %s-%s\n", poolFirst, poolLast)
	}
	if s.pool && s.noLimits {
		conf.WriteString("pool_per_mac = 0\npool_rate = 0\n")
	}
	if err := m.WriteFile("/etc/v6responder/v6responder.conf", conf.String()); err != nil {
		return err
	}
	if !s.pool {
		return m.WriteFile("/etc/v6responder/hosts", hosts(s.reservations))
	}
	if s.leases == 0 {
		return nil
	}
	if err := m.WriteFile("/tmp/leases", leases(s.leases)); err != nil {
		return err
	}
	r, err := m.Run(ctx, "v6responder", "--state-dir", "/mnt/state", "import", "dnsmasq", "/tmp/leases")
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("import: exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	return err
}

// leases is a leases file as dnsmasq writes it.
func leases(count int) string {
	var b strings.Builder
	b.WriteString("duid 00:03:00:01:02:00:00:00:00:01\n")
	ends := time.Now().Add(24 * time.Hour).Unix()
	for n := range count {
		m := macOf(n)
		fmt.Fprintf(&b, "%d %d %s * 00:03:00:01:%02x:%02x:%02x:%02x:%02x:%02x\n", ends, binary.BigEndian.Uint32(m[2:]), leased(n), m[0], m[1], m[2], m[3], m[4], m[5])
	}
	return b.String()
}

func configureDnsmasq(_ context.Context, m *lab.Machine, s setup) error {
	conf := "port=0\ninterface=eth0\nbind-interfaces\ndhcp-authoritative\ndhcp-leasefile=/mnt/dnsmasq.leases\ndhcp-lease-max=1000000\n" +
		"dhcp-option=option6:dns-server,[2001:db8:1::53]\n"
	if s.pool {
		return m.WriteFile("/etc/dnsmasq.conf", conf+fmt.Sprintf("dhcp-range=%s,%s,64,1d\n", poolFirst, poolLast))
	}
	conf += fmt.Sprintf("dhcp-range=%s,static,64,1d\ndhcp-hostsfile=/etc/dhcphosts\n", prefix.Addr())
	if err := m.WriteFile("/etc/dnsmasq.conf", conf); err != nil {
		return err
	}
	return m.WriteFile("/etc/dhcphosts", hosts(s.reservations))
}

func configureKea(_ context.Context, m *lab.Machine, s setup) error {
	for _, dir := range []string{"/run/kea", "/var/lib/kea", "/var/log/kea"} { // made by its unit
		if err := os.MkdirAll(m.Path(dir), 0o755); err != nil {
			return err
		}
	}
	type object = map[string]any
	subnet := object{"id": 1, "subnet": prefix.String(), "interface": "eth0"}
	list := make([]object, 0, s.reservations)
	for n := range s.reservations {
		mac := macOf(n)
		list = append(list, object{
			"duid":         fmt.Sprintf("00:03:00:01:%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]),
			"ip-addresses": []string{reserved(n).String()},
		})
	}
	if s.pool {
		subnet["pools"] = []object{{"pool": poolFirst + " - " + poolLast}}
	} else {
		subnet["reservations"] = list
	}
	text, err := json.Marshal(object{"Dhcp6": object{
		"interfaces-config": object{"interfaces": []string{"eth0"}},
		"lease-database":    object{"type": "memfile", "persist": true, "name": "/mnt/leases.csv"},
		"valid-lifetime":    86400, "preferred-lifetime": 43200,
		"host-reservation-identifiers": []string{"duid"},
		"option-data":                  []object{{"name": "dns-servers", "data": "2001:db8:1::53"}},
		"subnet6":                      []object{subnet},
		"loggers": []object{{
			"name": "kea-dhcp6", "severity": "INFO", "output_options": []object{{"output": "/mnt/kea.log"}},
		}},
	}})
	if err != nil {
		return err
	}
	return m.WriteFile("/etc/kea/kea-dhcp6.conf", string(text))
}

// await waits until the server has answered a guest: what it must read before it can is behind it then.
func await(ctx context.Context, guests *lab.Machine, log string) error {
	r, err := guests.Run(ctx, "rate", "load", "-guests", "1", "-storm", "1ms", "-irt", "20ms", "-backoff", "1", "-for", "60s")
	var saw Result
	if err == nil {
		err = json.Unmarshal([]byte(r.Stdout), &saw)
	}
	if err == nil && saw.Bound == 1 {
		return nil
	}
	text, _ := os.ReadFile(filepath.Clean(log))
	return fmt.Errorf("no answer: %w\n%s%s\n%s", err, r.Stdout, r.Stderr, text[:min(len(text), 4096)])
}
