package distro

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Detect finds the stack in charge of each NIC. The first of these that claims a NIC has it: networkd,
// NetworkManager, wicked, dhcpcd, ifupdown (of three kinds), initscripts, connman. At boot and in an
// image, that is what will claim it, by what is enabled and by files; on the running system by the marks
// that the stacks leave, and only where there are none by files.
func Detect(s System, nics []NIC) []Finding {
	d := newDetector(s)
	out := make([]Finding, len(nics))
	for i, nic := range nics {
		out[i] = d.detect(nic)
	}
	return out
}

// A detector holds what was read of a system, once for all NICs.
type detector struct {
	System
	services map[string]string // by name: the path that says that it starts
	netplan  *netplan          // nil where it is not installed
	networks []*networkFile
	nmConf   *nmConf
	profiles []*nmProfile
	ignored  []*nmProfile // those that NetworkManager does not read
	// hidden is, for stacks whose files are many, one that whoever plans may not read: it may be about any NIC.
	hidden     map[Stack]*RefusalError
	interfaces *interfaces // nil where there is no ifup
	ifup       Stack       // which kind of ifup is installed
}

// newDetector reads the system's files.
func newDetector(s System) *detector {
	d := &detector{System: s, services: map[string]string{}, hidden: map[Stack]*RefusalError{}}
	for _, name := range []string{"systemd-networkd", "NetworkManager", "wickedd", "wicked", "dhcpcd", "networking", "network", "connman"} {
		d.services[name] = s.Tree.enabled(name)
	}
	d.netplan = readNetplan(s.Tree)
	d.networks = d.readNetworkFiles()
	d.nmConf = readNMConf(s.Tree)
	d.profiles = d.readProfiles()
	if d.ifup = ifupKind(s.Tree); d.ifup != None {
		d.interfaces = parseInterfaces(s.Tree, dialects[d.ifup])
	}
	return d
}

// hide notes a file of a stack that may not be read.
func (d *detector) hide(stack Stack, file string, err error) {
	if errors.Is(err, fs.ErrPermission) && d.hidden[stack] == nil {
		d.hidden[stack] = unread("", file, err)
	}
}

// ifupKind tells which of the three programs named ifup is installed.
func ifupKind(t *Tree) Stack {
	ifup := t.program("ifup")
	if ifup == "" {
		return None
	}
	target, _ := t.Link(ifup)
	switch {
	case strings.Contains(target, "ifupdown2"), t.Exists("/usr/share/ifupdown2"):
		return Ifupdown2
	case t.Exists("/usr/libexec/ifupdown-ng"), t.Exists("/usr/lib/ifupdown-ng"), path.Base(target) == "ifupdown":
		return IfupdownNG
	case t.Exists(redHatFolder), t.Exists("/usr/sbin/wicked"):
		return None // initscripts' or wicked's own ifup
	}
	return Ifupdown
}

// A claim is a stack's yes or no to one NIC, with the reason.
type claim struct {
	Finding
	yes bool
}

// claimed is a yes.
func claimed(stack Stack, file string, reasons ...string) claim {
	return claim{Finding: Finding{Stack: stack, File: file, Reasons: reasons}, yes: true}
}

// declined is a no, with a reason that is worth telling.
func declined(format string, args ...any) claim {
	return claim{Finding: Finding{Reasons: []string{fmt.Sprintf(format, args...)}}}
}

// probes ask each stack in turn, in the order in which they win.
var probes = []func(*detector, NIC) claim{
	(*detector).networkd, (*detector).networkManager, (*detector).wicked, (*detector).dhcpcd,
	(*detector).ifupdown, (*detector).initscripts, (*detector).connman,
}

// detect asks every stack about one NIC.
func (d *detector) detect(nic NIC) Finding {
	f := Finding{NIC: nic.Name, Stack: None}
	for _, probe := range probes {
		c := probe(d, nic)
		switch {
		case c.yes && f.Stack == None:
			reasons := append(f.Reasons, c.Reasons...)
			f = c.Finding
			f.NIC, f.Reasons = nic.Name, reasons
		case c.yes && conflicting(f, c.Finding):
			if f.Conflict == "" {
				f.Conflict = string(c.Stack)
			}
			f.Reasons = append(f.Reasons, "but "+strings.Join(c.Reasons, ", "))
		case !c.yes:
			f.Reasons = append(f.Reasons, c.Reasons...)
		}
	}
	if f.Stack == None {
		f.Reasons = append(f.Reasons, "no stack claims it: the kernel alone")
	}
	f.Generator = generatorOf(f.File, d.Tree)
	return f
}

// conflicting reports whether a second claim is a second owner. Programs that step back for the first
// one are not: initscripts hand a NIC of NetworkManager's over, and ifupdown runs dhcpcd itself.
func conflicting(f, other Finding) bool {
	if other.Stack == Initscripts {
		return f.Stack != NetworkManager && f.Stack != Wicked
	}
	return other.Stack != Dhcpcd || f.Client != "dhcpcd"
}

// generatorOf tells what wrote a stack's file.
func generatorOf(file string, t *Tree) string {
	base := path.Base(file)
	switch {
	case strings.HasPrefix(base, "10-netplan-"), strings.HasPrefix(base, "netplan-"):
		return "netplan"
	case strings.Contains(base, "cloud-init"):
		return "cloud-init"
	case file != "" && strings.Contains(firstLines(t.text(file), 6), "cloud-init"):
		return "cloud-init"
	}
	return ""
}

// firstLines is the first n lines of a text, in which generators leave their notice.
func firstLines(s string, n int) string {
	lines := strings.SplitAfterN(s, "\n", n+1)
	return strings.Join(lines[:min(n, len(lines))], "")
}

// starts is the sentence that a service will run or runs; ok is false if neither.
func (d *detector) starts(service string) (string, bool) {
	if d.Moment == Running {
		return service + " runs", d.Facts.running(service)
	}
	return service + " is enabled (" + d.services[service] + ")", d.services[service] != ""
}

// networkd probes systemd-networkd.
func (d *detector) networkd(nic NIC) claim {
	if d.Moment == Running && nic.Index > 0 {
		name := networkdLinkFile(nic.Index)
		if f := parseShell([]byte(d.Tree.text(name))); networkdDecided(f) {
			return networkdLink(name, f)
		}
	}
	why, ok := d.starts("systemd-networkd")
	if !ok && d.Moment != Running && d.netplan != nil && len(d.netplan.defs) > 0 {
		// netplan's generator enables networkd at boot when something is left for it.
		for _, n := range d.netplan.defs {
			if n.renderer == "networkd" && !ok {
				why, ok = fmt.Sprintf("netplan starts systemd-networkd (%s:%d)", n.file, n.line), true
			}
		}
	}
	if !ok {
		return claim{}
	}
	f, v, match := networkFileOf(d.networks, nic, d.Tree.systemdVersion())
	switch {
	case v == no && d.netplan != nil && d.netplan.problem != nil:
		return declined("%s, but no .network file matches, and netplan's files cannot be read: %s", why, d.netplan.problem)
	case v == no:
		return declined("%s, but no .network file matches", why)
	case isTrueValue(f, "Link", "Unmanaged"):
		return declined("%s, but %s says Unmanaged", why, f.path)
	}
	c := claimed(Networkd, f.path, why, fmt.Sprintf("%s matches by %s", f.path, match))
	if f.assumed {
		for _, n := range d.netplan.of(nic) {
			if n.networkFile() == f.path {
				c.Reasons[1] = fmt.Sprintf("netplan will make %s from id %s (%s:%d)", f.path, n.id, n.file, n.line)
			}
		}
	}
	return c
}

// isTrueValue reports whether a file switches something on.
func isTrueValue(f *networkFile, section, key string) bool {
	v, _ := f.value(section, key)
	return isTrue(v)
}

// networkdLinkFile is where networkd keeps its state of a link.
func networkdLinkFile(index int) string { return "/run/systemd/netif/links/" + strconv.Itoa(index) }

// HasNetworkManager says whether NetworkManager is installed: a question that costs next to nothing beside Detect.
func HasNetworkManager(t *Tree) bool { return t.program("NetworkManager") != "" }

// NMDeviceFile is where NetworkManager keeps its state of a device, from the end of its first look at it on.
func NMDeviceFile(index int) string { return "/run/NetworkManager/devices/" + strconv.Itoa(index) }

// udevFile is where udev keeps what its rules say of a NIC.
func udevFile(index int) string { return "/run/udev/data/n" + strconv.Itoa(index) }

// ManagedNow says whether networkd or NetworkManager, as they say themselves, look after the NIC of that index on
// the running system.
func ManagedNow(t *Tree, index int) bool {
	f := parseShell([]byte(t.text(networkdLinkFile(index))))
	if state, ok := f.get("ADMIN_STATE"); ok {
		return networkdDecided(f) && state != "unmanaged"
	}
	managed, _ := parseINI([]byte(t.text(NMDeviceFile(index))), false).get("device", "managed")
	return isTrue(managed)
}

// networkdDecided reports whether networkd's state of a link says what it does with it: of one that it has
// just met, it does not yet, and its files tell.
func networkdDecided(f *shellFile) bool {
	state, _ := f.get("ADMIN_STATE")
	return state != "" && state != "pending" && state != "initialized" //nolint:misspell // networkd's own word
}

// networkdLink reads networkd's own state of a link.
func networkdLink(name string, f *shellFile) claim {
	state, _ := f.get("ADMIN_STATE")
	if state != "configured" && state != "configuring" {
		return declined("%s says ADMIN_STATE=%s", name, state)
	}
	file, _ := f.get("NETWORK_FILE")
	return claimed(Networkd, file, fmt.Sprintf("%s says ADMIN_STATE=%s NETWORK_FILE=%s", name, state, file))
}

// networkManager probes NetworkManager.
func (d *detector) networkManager(nic NIC) claim {
	if d.Moment == Running && nic.Index > 0 {
		name := NMDeviceFile(nic.Index)
		if text := d.Tree.text(name); text != "" {
			ini := parseINI([]byte(text), false)
			if managed, _ := ini.get("device", "managed"); !isTrue(managed) {
				return declined("%s says managed=%s", name, managed)
			}
			uuid, _ := ini.get("device", "connection-uuid")
			return d.profileClaim(nic, uuid, fmt.Sprintf("%s says managed=true", name))
		}
	}
	why, ok := d.starts("NetworkManager")
	if !ok {
		return claim{}
	}
	if reason := d.nmConf.unmanaged(nic, d.interfaces); reason != "" {
		return declined("%s, but leaves the NIC alone: %s", why, reason)
	}
	if name := udevFile(nic.Index); d.Moment != Image && nic.Index > 0 && strings.Contains(d.Tree.text(name), "\nE:NM_UNMANAGED=1\n") {
		return declined("%s, but leaves the NIC alone: NM_UNMANAGED=1 in %s", why, name)
	}
	if files := d.redHatFiles(nic); len(files) > 0 {
		if v, found := files[0].get("NM_CONTROLLED"); found && !isTrue(v) {
			return declined("%s, but leaves the NIC alone: NM_CONTROLLED=%s in %s:%d", why, v, files[0].path, files[0].last("NM_CONTROLLED").line+1)
		}
	}
	return d.profileClaim(nic, "", why)
}

// profileClaim is NetworkManager's yes, with the profile that it uses: the one that it says (by uuid),
// else the one that it would take.
func (d *detector) profileClaim(nic NIC, uuid, why string) claim {
	for _, p := range d.profiles {
		if uuid != "" && p.uuid() == uuid {
			c := claimed(NetworkManager, p.path, why, fmt.Sprintf("profile %s (uuid %s)", p.path, uuid))
			c.profile = uuid
			return c
		}
	}
	for _, f := range d.redHatFiles(nic) {
		if uuid == "" || f.value("UUID") == uuid {
			return claimed(NetworkManager, f.path, why, "profile "+f.path)
		}
	}
	if uuid != "" {
		return claimed(NetworkManager, "", why, "profile "+uuid+" is in no file of the user's")
	}
	if n := d.netplanOf(nic, "NetworkManager"); n != nil && d.Moment == Image {
		name := "/run/NetworkManager/system-connections/netplan-" + n.id + ".nmconnection"
		return claimed(NetworkManager, name, why, fmt.Sprintf("netplan will make %s from id %s (%s:%d)", name, n.id, n.file, n.line))
	}
	if fitting := profilesOf(d.profiles, nic); len(fitting) > 0 {
		c := claimed(NetworkManager, fitting[0].path, why, "profile "+fitting[0].path)
		c.profile = fitting[0].uuid()
		return c
	}
	if _, _, off := d.switchedOff(nic); off != "" {
		return claimed(NetworkManager, "", why, "but connects it only when told to: "+off)
	}
	return claimed(NetworkManager, "", why, "no profile: it makes one by itself")
}

// netplanOf is the definition of a NIC with a renderer; nil if there is none.
func (d *detector) netplanOf(nic NIC, renderer string) *netplanDef {
	if d.netplan == nil {
		return nil
	}
	for _, n := range d.netplan.of(nic) {
		if n.renderer == renderer {
			return n
		}
	}
	return nil
}

// redHatFiles is the ifcfg files of a NIC where NetworkManager or initscripts read them.
func (d *detector) redHatFiles(nic NIC) []*ifcfgFile {
	if r := d.Tree.release(); r.rhel && r.version.atLeast(10) {
		return nil // NetworkManager reads keyfiles only from there on
	}
	return ifcfgOf(d.Tree, redHatFolder, nic)
}
