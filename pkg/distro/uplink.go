package distro

import (
	"net/netip"
	"slices"
	"strings"
)

// IPv4Uplink says where the files give a NIC IPv4's way out, by a gateway or by DHCP; empty if they do
// not, or if the stack in charge does that on every NIC by itself.
func IPv4Uplink(s System, nic NIC) string {
	d := newDetector(s)
	f := d.detect(nic)
	switch f.Stack {
	case Ifupdown, Ifupdown2, IfupdownNG:
		return d.stanzaUplink(nic)
	case Initscripts:
		return ifcfgUplink(ifcfgOf(d.Tree, redHatFolder, nic))
	case Wicked:
		return ifcfgUplink(ifcfgOf(d.Tree, suseFolder, nic))
	case Networkd:
		return d.networkdUplink(nic)
	case NetworkManager:
		if strings.HasPrefix(f.File, redHatFolder) {
			return ifcfgUplink(ifcfgOf(d.Tree, redHatFolder, nic))
		}
		return d.profileUplink(nic, f)
	case Dhcpcd, Connman, None: // every NIC alike
	}
	return ""
}

// stanzaUplink looks into /etc/network/interfaces.
func (d *detector) stanzaUplink(nic NIC) string {
	for _, s := range d.interfaces.of(nic.Name) {
		if s.word(2) == "inet6" {
			continue
		}
		if s.word(3) == "dhcp" {
			return s.file + " says inet dhcp"
		}
		if o, ok := s.option("gateway"); ok && !strings.Contains(o.value, ":") {
			return s.file + " gives a gateway"
		}
	}
	return ""
}

// ifcfgUplink looks into ifcfg files.
func ifcfgUplink(files []*ifcfgFile) string {
	for _, f := range files {
		boot := strings.Split(strings.ToLower(f.value("BOOTPROTO")), "+")
		switch {
		case slices.ContainsFunc(boot, func(s string) bool { return s == "dhcp" || s == "dhcp4" || s == "bootp" }):
			return f.path + " says BOOTPROTO=" + f.value("BOOTPROTO")
		case f.value("GATEWAY") != "" || f.value("GATEWAY0") != "":
			return f.path + " gives a gateway"
		}
	}
	return ""
}

// networkdUplink looks into the .network file, or into what netplan will make it of.
func (d *detector) networkdUplink(nic NIC) string {
	f, v, _ := networkFileOf(d.networks, nic, d.Tree.systemdVersion())
	switch {
	case f == nil || v == no:
		return ""
	case f.assumed:
		return d.netplanUplink(nic)
	}
	if dhcp, _ := f.value("Network", "DHCP"); slices.Contains([]string{"yes", "true", "1", "on", "both", "ipv4", "v4"}, strings.ToLower(dhcp)) {
		return f.path + " says DHCP=" + dhcp
	}
	for _, ini := range f.all {
		for _, gateway := range slices.Concat(ini.all("Network", "Gateway"), ini.all("Route", "Gateway")) {
			if isIPv4(gateway) {
				return f.path + " gives a gateway"
			}
		}
	}
	return ""
}

// netplanUplink looks into netplan's definitions.
func (d *detector) netplanUplink(nic NIC) string {
	for _, def := range d.netplan.of(nic) {
		if isTrue(def.child("dhcp4").text()) {
			return def.file + " says dhcp4"
		}
		if def.child("gateway4") != nil {
			return def.file + " gives a gateway"
		}
		if routes := def.child("routes"); routes != nil {
			for _, r := range routes.values {
				if isIPv4(r.child("via").text()) && slices.Contains([]string{"default", "0.0.0.0/0"}, r.child("to").text()) {
					return def.file + " gives a default route"
				}
			}
		}
	}
	return ""
}

// profileUplink looks into NetworkManager's profile.
func (d *detector) profileUplink(nic NIC, f Finding) string {
	if d.netplanOf(nic, "NetworkManager") != nil {
		return d.netplanUplink(nic)
	}
	for _, p := range d.profiles {
		if p.path != f.File {
			continue
		}
		if p.value("ipv4", "method") == "auto" && !isTrue(p.value("ipv4", "never-default")) {
			return p.path + " says [ipv4] method=auto"
		}
		if p.value("ipv4", "gateway") != "" {
			return p.path + " gives a gateway"
		}
		for _, key := range []string{"address1", "addresses1", "address"} {
			if _, gateway, ok := strings.Cut(p.value("ipv4", key), ","); ok && isIPv4(gateway) {
				return p.path + " gives a gateway"
			}
		}
	}
	return ""
}

// isIPv4 reports whether s is an IPv4 address.
func isIPv4(s string) bool {
	addr, err := netip.ParseAddr(strings.TrimSpace(s))
	return err == nil && addr.Is4()
}
