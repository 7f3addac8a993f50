package distro

import (
	"errors"
	"slices"
	"strings"
)

// initscriptsBackend edits Red Hat's ifcfg files as the network scripts read them. There is no drop-in:
// the keys of the NIC's own file are edited, which win over /etc/sysconfig/network.
type initscriptsBackend struct{}

func (initscriptsBackend) stack() Stack { return Initscripts }

func (initscriptsBackend) render(w *workspace, nics []*NICPlan) error {
	var errs []error
	for _, n := range nics {
		e, err := w.ifcfgEditor(n)
		if err == nil {
			options := []string{}
			if w.Tree.redHatVersion().atLeast(7) {
				options = []string{"-D", "LL"}
			}
			n.dhclientLive("/var/run/dhclient6-"+n.name()+".pid", "/var/lib/dhclient/dhclient6-"+n.name()+".leases", options...)
			err = e.scripts()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// An ifcfgEditor edits the ifcfg file of one NIC.
type ifcfgEditor struct {
	w      *workspace
	n      *NICPlan
	file   *ifcfgFile
	global *shellFile
}

// editedKeys are the keys of an ifcfg file that may be edited.
var editedKeys = []string{
	"IPV6INIT", "IPV6_AUTOCONF", "IPV6_FORCE_ACCEPT_RA", "DHCPV6C", "DHCPV6C_OPTIONS", "DHCPV6_DUID", "DHCPV6_IAID", "IPV6_DEFROUTE", "IPV6_DISABLED",
}

// ifcfgEditor finds the NIC's file and refuses what cannot be edited.
func (w *workspace) ifcfgEditor(n *NICPlan) (*ifcfgEditor, error) {
	files := w.redHatFiles(n.Want.NIC)
	if len(files) == 0 {
		return nil, refuse(ErrUnsupported, n.name(), redHatFolder, 0, "write an ifcfg file for the NIC", "no ifcfg file names the NIC")
	}
	f := files[0]
	if len(files) > 1 {
		return nil, refuse(ErrClaimed, n.name(), files[1].path, files[1].namedAt(), "remove or rename one of the two", "%s names the NIC as well", f.path)
	}
	if f.err != nil {
		return nil, unread(n.name(), f.path, f.err)
	}
	for _, key := range []string{"MASTER", "MASTER_UUID", "BRIDGE", "BRIDGE_UUID", "TEAM_MASTER", "TEAM_MASTER_UUID", "OVS_BRIDGE"} {
		if v := f.last(key); v != nil && v.value != "" {
			return nil, refuse(ErrClaimed, n.name(), f.path, v.line+1, "manage "+v.value+" instead", "the NIC is a port of %s", v.value)
		}
	}
	keys := editedKeys
	if w.options.Recipe {
		keys = append(slices.Clone(keys), recipeKeys...)
	}
	if err := f.opaque(n.name(), f.path, "write a plain line KEY=value", keys...); err != nil {
		return nil, err
	}
	if ending(f.lines) != "\n" {
		return nil, refuse(ErrUnreadable, n.name(), f.path, 1, "give the file LF line endings", "the CR of CRLF line endings makes every yes and no unreadable for the scripts")
	}
	b, err := w.read(redHatGlobal)
	if err != nil {
		return nil, unread(n.name(), redHatGlobal, err)
	}
	global := parseShell(b)
	if err := global.opaque(n.name(), redHatGlobal, "write a plain line KEY=value", append(slices.Clone(keys), recipeGlobalKeys...)...); err != nil {
		return nil, err
	}
	return &ifcfgEditor{w: w, n: n, file: f, global: global}, nil
}

// effective is a key's value for the NIC: of its own file, else of the global one.
func (e *ifcfgEditor) effective(key string) string {
	if v, ok := e.file.get(key); ok {
		return v
	}
	v, _ := e.global.get(key)
	return v
}

// off makes a switch that may be on say no; where nothing says yes, nothing is written.
func (e *ifcfgEditor) off(key string) {
	if v := e.effective(key); v != "" && v != "no" {
		e.file.set(key, "no")
	}
}

// finish writes the file if it changed.
func (e *ifcfgEditor) finish() {
	if old, err := e.w.read(e.file.path); err == nil && string(old) != string(e.file.bytes()) {
		e.w.put(e.file.path, e.file.bytes(), 0o644, append([]string{whyOf(e.n)}, e.n.Notes...)...)
	}
}

// redHatVersion is the release's number with its minor part, which os-release of CentOS 7 lacks.
func (t *Tree) redHatVersion() version {
	v := t.release().version
	_, after, _ := strings.Cut(t.text("/etc/redhat-release"), "release ")
	if full := parseVersion(after); len(full) > len(v) {
		return full
	}
	return v
}

// forcesRA reports whether the scripts know IPV6_FORCE_ACCEPT_RA: from RHEL 7.4 on.
func (t *Tree) forcesRA() bool {
	if text := t.text(redHatFolder + "/ifup-ipv6"); text != "" {
		return strings.Contains(text, "IPV6_FORCE_ACCEPT_RA")
	}
	return t.redHatVersion().atLeast(7, 4)
}

// scripts edits the file for the network scripts.
func (e *ifcfgEditor) scripts() error {
	if e.w.options.Recipe {
		return e.recipe()
	}
	six := !e.w.Tree.redHatVersion().atLeast(7)
	init := e.effective("IPV6INIT")
	on := init == "yes" || !six && !isFalse(init)
	if !on && e.n.Want.Lease == LeaseAgent {
		e.n.note("no ifcfg file needs a change: the scripts set IPv6 up on the NIC only with IPV6INIT=yes")
		return nil
	}
	if !on || e.n.Want.Lease == LeaseDistro && init != "yes" {
		e.file.set("IPV6INIT", "yes")
	}
	e.scriptsRA()
	if e.n.Want.Lease == LeaseAgent {
		e.off("DHCPV6C")
		e.finish()
		return nil
	}
	if v := e.effective("DHCPV6C"); !strings.HasPrefix(strings.ToLower(v), "y") {
		e.file.set("DHCPV6C", "yes")
	}
	e.departures()
	err := e.scriptsDUID(six)
	e.finish()
	return err
}

// isFalse reads a truth value as the scripts' is_false does.
func isFalse(s string) bool {
	return slices.Contains([]string{"no", "n", "false", "f", "0", "off"}, strings.ToLower(s))
}

// scriptsRA sets what the scripts do about Router Advertisements.
func (e *ifcfgEditor) scriptsRA() {
	switch {
	case e.n.kernelRA() == 0:
		e.file.set("IPV6_AUTOCONF", "no")
		e.off("IPV6_FORCE_ACCEPT_RA")
	case e.w.Tree.forcesRA():
		e.file.set("IPV6_AUTOCONF", "no")
		e.file.set("IPV6_FORCE_ACCEPT_RA", "yes")
	case e.n.keepsRA():
		e.file.set("IPV6_AUTOCONF", "yes")
		e.n.note("IPV6_AUTOCONF is yes: with no, these scripts switch Router Advertisements off; autoconfiguration and the default route are switched off by sysctl")
	default:
		e.file.set("IPV6_AUTOCONF", "yes")
		e.n.note("IPV6_AUTOCONF is yes on the default NIC: with no, these scripts switch Router Advertisements off and the default route is lost; " +
			"autoconfiguration is switched off by sysctl")
	}
}

// departures tells where this is not the recipe that people know.
func (e *ifcfgEditor) departures() {
	boot := strings.ToLower(e.effective("BOOTPROTO"))
	if boot == "dhcp6" {
		e.n.note("BOOTPROTO=dhcp6 is no value that initscripts know: write dhcp to get IPv4 by DHCP again")
	} else {
		e.n.note("BOOTPROTO stays: with the recipe's dhcp6 the NIC would lose IPv4's DHCP, and DHCPV6C=yes is what starts the DHCPv6 client")
	}
	e.n.note("/etc/sysconfig/network stays: the recipe's global IPV6_AUTOCONF=no switches Router Advertisements off on every NIC")
}

// scriptsDUID makes dhclient send a DUID-LL.
func (e *ifcfgEditor) scriptsDUID(six bool) error {
	if six { // dhclient 4.1 knows no -D
		file := "/etc/dhcp/dhclient6-" + e.n.name() + ".conf"
		if !e.w.Tree.Exists(file) {
			file = dhclientFile
		}
		return e.w.dhclientDUID(e.n.name(), file)
	}
	words := strings.Fields(e.effective("DHCPV6C_OPTIONS"))
	switch i := slices.Index(words, "-D"); {
	case i >= 0 && i+1 < len(words):
		words[i+1] = "LL"
	default:
		words = append(words, "-D", "LL")
	}
	e.file.set("DHCPV6C_OPTIONS", strings.Join(words, " "))
	return nil
}

// networkManager edits the file for NetworkManager's reader of it.
func (e *ifcfgEditor) networkManager() error {
	if v := e.effective("IPV6_DISABLED"); isTrue(v) {
		e.file.set("IPV6_DISABLED", "no")
		e.n.note("IPV6_DISABLED was " + v + ": the NIC would have no IPv6 at all")
	}
	e.file.set("IPV6INIT", "yes")
	if e.n.Want.Lease == LeaseAgent {
		for _, v := range e.file.values {
			if strings.HasPrefix(v.key, "DNS") && strings.Contains(v.value, ":") && e.file.value("IPV6ADDR") == "" {
				return refuse(ErrUnsupported, e.n.name(), e.file.path, v.line+1, "leave IPv6 name servers to DHCP",
					"NetworkManager refuses a link-local profile that has name servers")
			}
		}
		e.file.set("IPV6_AUTOCONF", "no")
		e.off("DHCPV6C")
		e.n.agentDoesRA()
		if e.n.Want.Default {
			e.n.note(nmWhyAgentRA)
		}
		e.n.noteKeptRA("NetworkManager has no Router Advertisements without DHCPv6")
		e.finish()
		return nil
	}
	v := e.w.Tree.nmVersion()
	if !v.atLeast(1, 12) {
		return refuse(ErrUnsupported, e.n.name(), e.file.path, 0, "set lease = agent", "NetworkManager %s knows no dhcp-duid (1.12 does)", v)
	}
	e.file.set("IPV6_AUTOCONF", "yes")
	e.file.set("DHCPV6_DUID", "ll")
	if v.atLeast(1, 22) {
		e.file.set("DHCPV6_IAID", "mac")
	}
	e.n.stackDoesRA()
	if !e.n.Want.Default {
		e.file.set("IPV6_DEFROUTE", "no")
	} else if isFalse(e.effective("IPV6_DEFROUTE")) {
		e.file.set("IPV6_DEFROUTE", "yes")
	}
	e.finish()
	return nil
}
