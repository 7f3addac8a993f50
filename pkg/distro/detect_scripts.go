package distro

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// wicked probes SUSE's wicked.
func (d *detector) wicked(nic NIC) claim {
	why := ""
	for _, alias := range []string{"/etc/systemd/system/network.service", "/etc/systemd/system/dbus-org.opensuse.Network.service"} {
		if target, ok := d.Tree.Link(alias); ok && path.Base(target) == "wicked.service" && why == "" {
			why = alias + " is wicked.service"
		}
	}
	if d.Moment == Running && d.Facts.running("wickedd") {
		why = "wickedd runs"
	} else if d.Moment == Running {
		why = ""
	}
	if why == "" {
		return claim{}
	}
	files := ifcfgOf(d.Tree, suseFolder, nic)
	if len(files) == 0 {
		return declined("%s, but there is no %s/ifcfg-%s", why, suseFolder, nic.Name)
	}
	if mode := strings.ToLower(files[0].value("STARTMODE")); mode == "off" {
		return declined("%s, but STARTMODE is off in %s", why, files[0].path)
	}
	return claimed(Wicked, files[0].path, why, files[0].path+" names the NIC")
}

// dhcpcd probes dhcpcd where it manages NICs by itself. One that ifupdown started for a NIC is ifupdown's.
func (d *detector) dhcpcd(nic NIC) claim {
	why := ""
	if d.Moment == Running {
		why = d.dhcpcdRunning(nic)
	} else if at := d.services["dhcpcd"]; at != "" {
		why = "dhcpcd is enabled (" + at + ")"
	}
	if why == "" {
		return claim{}
	}
	c := parseDhcpcd([]byte(d.Tree.text(dhcpcdFile)))
	if line := c.denies(nic.Name); line > 0 {
		return declined("%s, but leaves the NIC alone (%s:%d)", why, dhcpcdFile, line)
	}
	return claimed(Dhcpcd, dhcpcdFile, why)
}

// dhcpcdRunning says which dhcpcd process has a NIC; empty if none has, or if ifupdown started it.
func (d *detector) dhcpcdRunning(nic NIC) string {
	for _, p := range d.Facts.Processes {
		if p.Name != "dhcpcd" || p.dhcpcdHelper() {
			continue
		}
		switch {
		case slices.Contains(p.Args, nic.Name) && d.interfaces != nil && d.interfaces.named(nic.Name) != nil:
			return ""
		case slices.Contains(p.Args, nic.Name):
			return "dhcpcd runs for the NIC"
		case p.dhcpcdManager():
			return "dhcpcd runs as manager"
		}
	}
	return ""
}

// ifstates is where the kinds of ifup keep what is up.
var ifstates = map[Stack]string{Ifupdown: "/run/network/ifstate", Ifupdown2: "/run/network/ifstatenew", IfupdownNG: "/run/ifstate"}

// ifupdown probes ifupdown, ifupdown2 and ifupdown-ng.
func (d *detector) ifupdown(nic NIC) claim {
	if d.interfaces == nil {
		return claim{}
	}
	named := d.interfaces.named(nic.Name)
	if named == nil {
		if m := d.interfaces.mapping(nic.Name); m != nil {
			named = m
		}
	}
	_, port, _ := d.interfaces.master(nic.Name)
	if named == nil {
		named = port // no stanza of its own, and yet ifup's: the back end refuses to touch it
	}
	why := ""
	if state := ifstates[d.ifup]; d.Moment == Running && ifstateHas(d.Tree.text(state), nic.Name) {
		why = state + " says that it is up"
	} else if at := d.services["networking"]; at != "" {
		why = "networking is enabled (" + at + ")"
	}
	switch {
	case why == "" && named == nil:
		return claim{}
	case why == "":
		return declined("the NIC is in %s:%d, but networking is not enabled", named.file, named.start+1)
	case named == nil && d.interfaces.problem != nil:
		c := claimed(d.ifup, d.interfaces.problem.File, why, "cannot read on: "+d.interfaces.problem.Error())
		return c
	case named == nil:
		return declined("%s, but %s does not name the NIC", why, interfacesFile)
	}
	started := d.interfaces.started(nic.Name)
	if started == nil && port == nil && d.Moment != Running {
		return declined("the NIC is in %s:%d, but nothing brings it up (no auto, no allow-hotplug)", named.file, named.start+1)
	}
	c := claimed(d.ifup, named.file, why, fmt.Sprintf("%s:%d is %q", named.file, named.start+1, strings.Join(named.words, " ")))
	c.Line = named.start + 1
	c.Client = d.ifupClient(nic)
	if c.Client != "" {
		c.Reasons = append(c.Reasons, "its DHCP client is "+c.Client)
	}
	return c
}

// ifstateHas reports whether a state file ("eth0=eth0", or "eth0 1") says that a NIC is up.
func ifstateHas(text, nic string) bool {
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), "=")
		if name, _, _ = strings.Cut(name, " "); name == nic {
			return true
		}
	}
	return false
}

// ifupClient is the DHCP client that ifup runs for a NIC; empty if no stanza of the NIC asks for one.
func (d *detector) ifupClient(nic NIC) string {
	wanted := false
	for _, s := range d.interfaces.of(nic.Name) {
		_, use := s.option("use")
		wanted = wanted || s.word(3) == "dhcp" || use
	}
	if !wanted {
		return ""
	}
	order := map[Stack][]string{
		Ifupdown:   {"dhclient", "udhcpc", "dhcpcd"},
		Ifupdown2:  {"dhclient"},
		IfupdownNG: {"dhcpcd", "dhclient", "udhcpc"},
	}[d.ifup]
	for _, s := range d.interfaces.of(nic.Name) {
		if o, ok := s.option("dhcp-program"); ok && d.ifup == IfupdownNG {
			return o.value
		}
	}
	for _, name := range order {
		if d.Tree.program(name) != "" {
			return name
		}
	}
	return ""
}

// initscripts probes Red Hat's network scripts.
func (d *detector) initscripts(nic NIC) claim {
	at := d.services["network"]
	if at == "" || strings.HasSuffix(at, ".service") && strings.Contains(d.Tree.text("/etc/systemd/system/network.service"), "wicked") {
		return claim{}
	}
	files := d.redHatFiles(nic)
	if len(files) == 0 {
		return declined("network is enabled (%s), but no file in %s names the NIC", at, redHatFolder)
	}
	if v := files[0].value("ONBOOT"); strings.EqualFold(v, "no") && d.Moment != Running {
		return declined("network is enabled (%s), but ONBOOT=no in %s:%d", at, files[0].path, files[0].last("ONBOOT").line+1)
	}
	c := claimed(Initscripts, files[0].path, "network is enabled ("+at+")", files[0].path+" names the NIC")
	if d.Tree.program("dhclient") != "" {
		c.Client = "dhclient"
	}
	return c
}

// connman probes connman, which v6guest reports and never configures.
func (d *detector) connman(NIC) claim {
	why, ok := d.starts("connman")
	if d.Moment == Running {
		why, ok = "connmand runs", d.Facts.running("connmand")
	}
	if !ok {
		return claim{}
	}
	return claimed(Connman, "", why)
}
