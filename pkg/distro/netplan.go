package distro

import (
	"errors"
	"net"
	"path"
	"slices"
	"strings"
)

// A netplanDef is one definition of netplan's: an id with what all files say of it.
type netplanDef struct {
	id       string
	section  string // ethernets, wifis, …
	renderer string // networkd or NetworkManager
	file     string // that names it first
	line     int
	node     []*yamlNode // in reading order; later ones win
}

// child is what holds of a key.
func (d *netplanDef) child(key string) (node *yamlNode) {
	for _, n := range d.node {
		if c := n.child(key); c != nil {
			node = c
		}
	}
	return node
}

// netplan is everything that netplan's files say, as far as it matters here.
type netplan struct {
	defs    []*netplanDef
	ports   map[string]*netplanDef // by id: the bond or bridge that it belongs to
	problem *RefusalError          // a file that could not be read
}

// readNetplan reads the YAML files, sorted by name over all folders. It is nil where netplan is not installed.
func readNetplan(t *Tree) *netplan {
	if t.program("netplan") == "" && !t.Exists("/usr/lib/systemd/system-generators/netplan") && !t.Exists("/lib/systemd/system-generators/netplan") {
		return nil
	}
	n := &netplan{ports: map[string]*netplanDef{}}
	global := ""
	for _, file := range shadowed(t, ".yaml", "/run/netplan", "/etc/netplan", "/usr/lib/netplan", "/lib/netplan") {
		b, err := t.Read(file)
		if err != nil {
			if unreadable(err) && n.problem == nil {
				n.problem = unread("", file, err)
			}
			continue
		}
		root, err := parseYAML(b)
		if e := (*yamlError)(nil); errors.As(err, &e) {
			if n.problem == nil {
				n.problem = refuse(ErrUnreadable, "", file, e.line, e.cure, "%s", e.text)
			}
			continue
		}
		global = n.add(file, root.child("network"), global)
	}
	for _, d := range n.defs {
		if r := d.child("renderer").text(); r != "" {
			d.renderer = r
		} else if d.renderer == "" {
			d.renderer = global
		}
		if d.renderer != "NetworkManager" {
			d.renderer = "networkd"
		}
		n.addPorts(d)
	}
	return n
}

// add takes a file's definitions in, and gives the global renderer.
func (n *netplan) add(file string, network *yamlNode, global string) string {
	if network == nil {
		return global
	}
	if r := network.child("renderer").text(); r != "" {
		global = r
	}
	for i, section := range network.keys {
		definitions := network.values[i]
		if definitions.kind != yamlMap || section == "openvswitch" {
			continue
		}
		of := definitions.child("renderer").text()
		for j, id := range definitions.keys {
			if id == "renderer" {
				continue
			}
			line := max(definitions.values[j].line, 1)
			if !validID(id) && n.problem == nil {
				n.problem = refuse(ErrUnreadable, "", file, line, "write an id of visible ASCII letters and signs without *, ? and [, as lan0", "netplan takes no id %q", id)
			}
			d := n.find(section, id)
			if d == nil {
				d = &netplanDef{id: id, section: section, file: file, line: line}
				n.defs = append(n.defs, d)
			}
			if of != "" {
				d.renderer = of
			}
			d.node = append(d.node, definitions.values[j])
		}
	}
	return global
}

// validID says whether netplan takes an id; with any other it refuses all of its files.
func validID(id string) bool {
	return !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("*?[", r) })
}

// find is the definition of an id.
func (n *netplan) find(section, id string) *netplanDef {
	for _, d := range n.defs {
		if d.section == section && d.id == id {
			return d
		}
	}
	return nil
}

// addPorts notes which ids belong to a bond or bridge.
func (n *netplan) addPorts(d *netplanDef) {
	if d.section != "bonds" && d.section != "bridges" {
		return
	}
	if list := d.child("interfaces"); list != nil {
		for _, port := range list.values {
			n.ports[port.text()] = d
		}
	}
}

// of is the definitions of Ethernet NICs that match a NIC, in the order in which their files win.
func (n *netplan) of(nic NIC) (out []*netplanDef) {
	for _, d := range n.defs {
		if d.section == "ethernets" && d.matches(nic) {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b *netplanDef) int { return strings.Compare(a.id, b.id) })
	return out
}

// matches evaluates the definition's match: by the id as the NIC's name where there is none.
func (d *netplanDef) matches(nic NIC) bool {
	m := d.child("match")
	if m == nil || m.kind != yamlMap || len(m.keys) == 0 {
		return d.id == nic.Name
	}
	for i, key := range m.keys {
		words := []string{m.values[i].text()}
		for _, v := range m.values[i].values {
			words = append(words, v.text())
		}
		have := map[string]string{"name": nic.Name, "driver": nic.Driver, "path": nic.Path}[key]
		switch key {
		case "macaddress":
			mac, err := net.ParseMAC(words[0])
			if err != nil || !slices.Equal(mac, nic.permanent()) && !slices.Equal(mac, nic.MAC) {
				return false
			}
		default:
			// A NIC that set-name gave its name no longer bears the one that was matched.
			if key == "name" && d.child("set-name").text() == nic.Name {
				continue
			}
			if !slices.ContainsFunc(words, func(p string) bool { return p != "" && fnmatch(p, have) }) {
				return false
			}
		}
	}
	return true
}

// onlyOne reports whether the definition can match no other NIC.
func (d *netplanDef) onlyOne() bool {
	m := d.child("match")
	if m == nil || m.kind != yamlMap || len(m.keys) == 0 {
		return true
	}
	if m.child("macaddress").text() != "" {
		return true
	}
	name := m.child("name").text()
	return name != "" && !strings.ContainsAny(name, "*?[")
}

// hasIPv6 reports whether a list of the definition has an IPv6 address.
func (d *netplanDef) hasIPv6(keys ...string) bool {
	for _, n := range d.node {
		for _, key := range keys {
			n = n.child(key)
		}
		if n != nil && slices.ContainsFunc(n.values, func(v *yamlNode) bool { return strings.Contains(v.text()+strings.Join(v.keys, ""), ":") }) {
			return true
		}
	}
	return false
}

// networkFile is the .network file that netplan generates for the definition.
func (d *netplanDef) networkFile() string {
	return "/run/systemd/network/10-netplan-" + d.id + ".network"
}

// shadowed is the files with a suffix in several folders, sorted by name over all of them; of one name
// the folder that stands first wins.
func shadowed(t *Tree, suffix string, folders ...string) []string {
	byName := map[string]string{}
	var names []string
	for _, dir := range folders {
		for _, name := range t.List(dir) {
			if !strings.HasSuffix(name, suffix) || strings.HasPrefix(name, ".") {
				continue
			}
			if _, ok := byName[name]; !ok {
				byName[name] = path.Join(dir, name)
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	for i, name := range names {
		names[i] = byName[name]
	}
	return names
}
