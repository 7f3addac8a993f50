package distro

import (
	"slices"
	"strings"
)

// recipeKeys are the keys of the manual's text for CentOS, recipeGlobalKeys those of /etc/sysconfig/network.
var (
	recipeKeys       = []string{"DEVICE", "HWADDR", "NM_CONTROLLED", "ONBOOT", "BOOTPROTO", "TYPE", "USERCTL", "PEERDNS"}
	recipeGlobalKeys = []string{"NETWORKING", "NETWORKING_IPV6"}
)

// recipe writes CentOS 6.2's two texts of the CloudStack manual. Lines of other keys stay behind them.
func (e *ifcfgEditor) recipe() error {
	mac := strings.ToUpper(e.n.Want.NIC.permanent().String())
	if old := e.file.value("HWADDR"); old != "" {
		mac = old
	}
	if mac == "" {
		return refuse(ErrUnsupported, e.n.name(), e.file.path, 0, "give the NIC's MAC", "the recipe has a line HWADDR")
	}
	text := [][2]string{
		{"DEVICE", e.n.name()},
		{"HWADDR", mac},
		{"NM_CONTROLLED", "no"},
		{"ONBOOT", "yes"},
		{"BOOTPROTO", "dhcp6"},
		{"TYPE", "Ethernet"},
		{"USERCTL", "no"},
		{"PEERDNS", "yes"},
		{"IPV6INIT", "yes"},
		{"DHCPV6C", "yes"},
	}
	var lines []string
	for _, kv := range text {
		lines = append(lines, kv[0]+"="+kv[1]+"\n")
	}
	for i, line := range e.file.lines {
		known := slices.ContainsFunc(e.file.values, func(v shellValue) bool {
			return v.line == i && slices.ContainsFunc(text, func(kv [2]string) bool { return kv[0] == v.key })
		})
		if !known {
			lines = append(lines, line)
		}
	}
	e.n.note("BOOTPROTO=dhcp6 is no value that initscripts know: the NIC gets no IPv4 address by DHCP")
	if e.n.Want.Default {
		e.n.note("IPV6_AUTOCONF=no switches Router Advertisements off on this NIC too: it gets no default route")
	}
	e.w.put(e.file.path, joinLines(lines), 0o644, append([]string{whyOf(e.n)}, e.n.Notes...)...)
	if err := e.recipeGlobal(); err != nil {
		return err
	}
	return e.w.recipeDhclient(e.n)
}

// recipeGlobal writes /etc/sysconfig/network: what is there stays, HOSTNAME above all.
func (e *ifcfgEditor) recipeGlobal() error {
	b, err := e.w.read(redHatGlobal)
	if err != nil {
		return unread(e.n.name(), redHatGlobal, err)
	}
	f := parseShell(b)
	f.set("NETWORKING", "yes")
	f.set("NETWORKING_IPV6", "yes")
	f.set("IPV6_AUTOCONF", "no")
	e.w.put(redHatGlobal, f.bytes(), 0o644, "the recipe's global switches")
	return nil
}

// recipe writes Ubuntu 12.10's text of the CloudStack manual.
func (e *stanzaEditor) recipe() error {
	if e.runsDhcpcd() || e.w.Tree.program("dhclient") == "" {
		return refuse(ErrUnsupported, e.n.name(), "", 0, "leave out --recipe, or install isc-dhcp-client", "no DHCPv6 client that ifup knows is installed besides dhcpcd, and the recipe is for dhclient")
	}
	lines := []string{"iface " + e.n.name() + " inet6 dhcp", "autoconf 0", "accept_ra 1"}
	if !e.n.Want.Default {
		lines[2] = "accept_ra 0" // "set accept_ra to 0 on every NIC but the default"
	}
	stanzas := e.dynamic()
	if len(stanzas) == 0 {
		after := e.lastStanza()
		e.edits.replace(after.file, after.end, after.end, lines...)
	}
	for i, s := range stanzas {
		if i > 0 {
			return refuse(ErrClaimed, e.n.name(), s.file, s.start+1, "leave out --recipe", "a second inet6 stanza")
		}
		e.edits.replace(s.file, s.start, s.head, lines...)
		for _, o := range s.options {
			if key := strings.ReplaceAll(o.key, "_", "-"); key == "autoconf" || key == "accept-ra" || o.own {
				e.edits.replace(s.file, o.line, o.end)
			}
		}
	}
	return e.w.recipeDhclient(e.n)
}

// recipeDhclient is the manual's way to a DUID-LL: a line in dhclient.conf for dhclient 4.1, a command
// for 4.2 and above.
func (w *workspace) recipeDhclient(n *NICPlan) error {
	v := w.dhclientVersion()
	if !v.atLeast(4, 2) {
		return w.dhclientDUID(n.name(), dhclientFile)
	}
	command := []string{"dhclient", "-6", "-D", "LL", n.name()}
	n.note("dhclient " + v.String() + ": the recipe's command must be given again after each start: " + strings.Join(command, " "))
	n.Live = []LiveStep{n.Live[0], {Argv: command, Why: "the recipe for DHCP Client 4.2 and above"}}
	return nil
}
