package distro

import (
	"net"
	"slices"
	"strings"
)

// NamedNICs is the NICs that a system's files name each by itself, sorted by name, with the MAC where a
// file says it. Patterns name none, and NICs above others and their ports are left out.
func NamedNICs(s System) []NIC {
	d := newDetector(s)
	n := named{}
	d.nameByInterfaces(n)
	d.nameByIfcfg(n)
	d.nameByNetworkd(n)
	d.nameByNetplan(n)
	for _, p := range d.profiles {
		kind := p.value("connection", "type")
		if (kind == "ethernet" || kind == "802-3-ethernet") && p.value("connection", "master") == "" && p.value("connection", "controller") == "" {
			n.add(p.value("connection", "interface-name"), p.ethernet("mac-address"))
		}
	}
	var out []NIC
	for name, mac := range n {
		out = append(out, NIC{Name: name, MAC: mac})
	}
	slices.SortFunc(out, func(a, b NIC) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// named is NICs' names with their MACs, nil where no file says one.
type named map[string]net.HardwareAddr

// add takes a name in, if it is one.
func (n named) add(name, mac string) {
	if name == "" || name == "lo" || strings.ContainsAny(name, "*?[!:/ ") || len(name) > 15 {
		return
	}
	if hw, err := net.ParseMAC(mac); n[name] == nil {
		n[name] = nil
		if err == nil && len(hw) == 6 {
			n[name] = hw
		}
	}
}

// nameByInterfaces adds the NICs of /etc/network/interfaces that are brought up.
func (d *detector) nameByInterfaces(n named) {
	if d.interfaces == nil {
		return
	}
	for _, s := range d.interfaces.stanzas {
		if s.keyword() != "iface" || d.interfaces.started(s.word(1)) == nil || d.interfaces.virtual(s.word(1)) {
			continue
		}
		if master, _, _ := d.interfaces.master(s.word(1)); master == "" {
			n.add(s.word(1), "")
		}
	}
}

// virtual reports whether a stanza makes the NIC of others: a bridge, a bond, a VLAN.
func (n *interfaces) virtual(nic string) bool {
	return strings.Contains(nic, ".") || slices.ContainsFunc(n.of(nic), func(s *stanza) bool {
		_, ok := s.option("bridge-ports", "bond-slaves", "vlan-raw-device", "bond-mode")
		return ok
	})
}

// nameByIfcfg adds the NICs of Red Hat's and SUSE's files.
func (d *detector) nameByIfcfg(n named) {
	for _, folder := range []string{redHatFolder, suseFolder} {
		for _, f := range ifcfgFiles(d.Tree, folder) {
			above := slices.ContainsFunc([]string{"MASTER", "BRIDGE", "TEAM_MASTER", "BONDING_MASTER", "ETHERDEVICE"}, func(key string) bool { return f.value(key) != "" })
			if kind := f.value("TYPE"); above || f.value("BRIDGE_PORTS") != "" || kind != "" && !strings.EqualFold(kind, "Ethernet") {
				continue
			}
			name := f.value("DEVICE")
			if name == "" {
				name = f.ownName()
			}
			n.add(name, f.value("HWADDR")+f.value("LLADDR"))
		}
	}
}

// nameByNetworkd adds the NICs of .network files.
func (d *detector) nameByNetworkd(n named) {
	for _, f := range d.networks {
		port := slices.ContainsFunc([]string{"Bridge", "Bond"}, func(key string) bool { v, _ := f.value("Network", key); return v != "" })
		if kind, _ := f.main.get("Match", "Type"); port || kind != "" && kind != "ether" {
			continue
		}
		name, _ := f.main.get("Match", "Name")
		mac, _ := f.main.get("Match", "MACAddress")
		if mac == "" {
			mac, _ = f.main.get("Match", "PermanentMACAddress")
		}
		n.add(name, mac)
	}
}

// nameByNetplan adds the NICs of netplan's definitions.
func (d *detector) nameByNetplan(n named) {
	if d.netplan == nil {
		return
	}
	for _, def := range d.netplan.defs {
		match := def.child("match")
		name := def.child("set-name").text()
		if name == "" && (match == nil || len(match.keys) == 0) {
			name = def.id
		}
		if def.section == "ethernets" && d.netplan.ports[def.id] == nil {
			n.add(name, match.child("macaddress").text())
		}
	}
}
