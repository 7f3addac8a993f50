package distro

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// nmBackend edits the profile that NetworkManager uses for a NIC, in whatever form it is kept: a
// keyfile, an ifcfg file, a netplan definition. A profile for several NICs stays, and each NIC gets one
// of its own that wins over it.
type nmBackend struct{}

func (nmBackend) stack() Stack { return NetworkManager }

// nmFolder holds the profiles of people.
const nmFolder = "/etc/NetworkManager/system-connections/"

// nmWhyAgentRA tells why the method is link-local.
const nmWhyAgentRA = "NetworkManager has no Router Advertisements without DHCPv6: its method is link-local, and v6guest does them"

func (nmBackend) render(w *workspace, nics []*NICPlan) error {
	var errs []error
	var netplans []*netplanDef
	keys := map[*netplanDef][][2]string{}
	for _, n := range nics {
		n.Live = append(n.Live, LiveStep{Argv: []string{"nmcli", "device", "reapply", n.name()}, Why: "NetworkManager uses the profile as it is now; IPv4 stays"})
		switch d := w.netplanOf(n.Want.NIC, "NetworkManager"); {
		case w.netplanProblem() != nil && (w.Moment == Image || n.Finding.Generator == "netplan"):
			errs = append(errs, w.netplanProblem())
		case d != nil:
			k, err := w.nmNetplan(n, d)
			netplans = append(netplans, d)
			keys[d] = k
			errs = append(errs, err)
		case strings.HasPrefix(n.Finding.File, redHatFolder):
			e, err := w.ifcfgEditor(n)
			if err == nil {
				n.Live = append([]LiveStep{{Argv: []string{"nmcli", "connection", "load", e.file.path}, Why: "NetworkManager reads the file"}}, n.Live...)
				err = e.networkManager()
			}
			errs = append(errs, err)
		default:
			errs = append(errs, w.nmProfile(n))
		}
	}
	for _, n := range nics {
		n.restartDHCPv6()
	}
	if err := errors.Join(errs...); err != nil || len(netplans) == 0 {
		return err
	}
	w.putNetplan(netplans, keys, nics)
	return nil
}

// restartDHCPv6 puts a step before the reapply where NetworkManager leases: its DHCPv6 client takes a new
// DUID only when it starts, and a reapply keeps one that runs (seen with 1.52).
func (n *NICPlan) restartDHCPv6() {
	i := slices.IndexFunc(n.Live, func(s LiveStep) bool { return slices.Contains(s.Argv, "reapply") })
	if i < 0 || n.Want.Lease != LeaseDistro {
		return
	}
	n.Live = slices.Insert(n.Live, i, LiveStep{
		Argv: []string{
			"nmcli", "device", "modify", n.name(), "ipv6.method", "link-local",
			"ipv6.addresses", "", "ipv6.gateway", "", "ipv6.dns", "", "ipv6.dns-search", "", // which that method must not have
		},
		Why: "ends NetworkManager's DHCPv6 client, which would keep its old DUID; IPv4 stays",
	})
}

// nmKeys is what the profile must say of IPv6, in order.
func (w *workspace) nmKeys(n *NICPlan) ([][2]string, error) {
	if n.Want.Lease == LeaseAgent {
		n.agentDoesRA()
		if n.Want.Default {
			n.note(nmWhyAgentRA)
		}
		n.noteKeptRA("NetworkManager has no Router Advertisements without DHCPv6")
		return [][2]string{{"method", "link-local"}}, nil
	}
	v := w.Tree.nmVersion()
	if !v.atLeast(1, 12) {
		return nil, refuse(ErrUnsupported, n.name(), n.Finding.File, 0, "set lease = agent", "NetworkManager %s knows no dhcp-duid (1.12 does)", v)
	}
	n.stackDoesRA()
	keys := [][2]string{{"method", "auto"}, {"dhcp-duid", "ll"}}
	if v.atLeast(1, 22) {
		keys = append(keys, [2]string{"dhcp-iaid", "mac"})
	}
	keys = append(keys, [2]string{"ip6-privacy", "0"})
	if !n.Want.Default {
		keys = append(keys, [2]string{"never-default", "true"})
	}
	return keys, nil
}

// nmProfile edits a keyfile, or makes one.
func (w *workspace) nmProfile(n *NICPlan) error {
	p, err := w.profileOf(n)
	if err != nil {
		return err
	}
	keys, err := w.nmKeys(n)
	if err != nil {
		return err
	}
	w.noteIgnored(n)
	if p == nil {
		file, line, off := w.switchedOff(n.Want.NIC)
		switch {
		case off != "" && n.Want.Lease == LeaseDistro:
			return refuse(ErrUnsupported, n.name(), file, line, "let NetworkManager connect the NIC by itself, or set lease = agent", "NetworkManager connects the NIC only when told to (%s), and would not lease", off)
		case off != "":
			n.note("NetworkManager connects the NIC only when told to (" + off + "): that stays so, and no profile is written")
			n.Notes = slices.DeleteFunc(n.Notes, func(s string) bool { return s == nmWhyAgentRA }) // no method is set
			n.Live = nil
		default:
			w.newProfile(n, keys)
		}
		return nil
	}
	if v := p.fits(n.Want.NIC); v == unsure && w.Moment == Image {
		return refuse(ErrUnreadable, n.name(), p.path, p.ini.sectionLine("match"), "configure on the running machine, or name the NIC by interface-name=", "whether the profile is for the NIC is not known here: [match]")
	}
	for _, key := range []string{"master", "controller"} {
		if v := p.value("connection", key); v != "" {
			return refuse(ErrClaimed, n.name(), p.path, p.ini.line("connection", key), "manage the NIC above instead", "the profile is a port of %s", v)
		}
	}
	if p.ini.broken > 0 {
		return refuse(ErrUnreadable, n.name(), p.path, p.ini.broken, "repair the file", "neither a section nor a key")
	}
	if n.Want.Lease == LeaseAgent && p.value("ipv6", "method") == "manual" {
		n.note("the profile has static IPv6 addresses: it stays as it is, since NetworkManager does nothing else with that method")
		n.agentDoesRA()
		return nil
	}
	if !p.onlyOne() || !strings.HasPrefix(p.path, nmFolder) {
		return w.splitProfile(n, p, keys)
	}
	w.noteMethod(n, p)
	ini := parseINI(p.ini.bytes(), false)
	setIPv6(ini, n, keys)
	w.put(p.path, ini.bytes(), 0o600, append([]string{whyOf(n)}, n.Notes...)...)
	n.Live = append([]LiveStep{{Argv: []string{"nmcli", "connection", "load", p.path}, Why: "NetworkManager reads the file"}}, n.Live...)
	return nil
}

// noteIgnored tells of profiles that look as if they were the NIC's, and that NetworkManager does not read.
func (w *workspace) noteIgnored(n *NICPlan) {
	for _, p := range w.ignored {
		if p.fits(n.Want.NIC) == yes {
			n.note("NetworkManager does not read " + p.path + ": " + p.ignored)
		}
	}
}

// noteMethod tells when the profile had IPv6 switched off.
func (w *workspace) noteMethod(n *NICPlan, p *nmProfile) {
	if m := p.value("ipv6", "method"); m == "disabled" {
		n.note("method was " + m + ": the NIC had no IPv6 at all")
	}
}

// setIPv6 gives [ipv6] its keys.
func setIPv6(ini *iniFile, n *NICPlan, keys [][2]string) {
	if n.Want.Lease == LeaseAgent {
		keys = withoutRA(ini, n)
	}
	for _, kv := range keys {
		ini.set("ipv6", kv[0], kv[1])
	}
	if v, ok := ini.get("ipv6", "never-default"); ok && isTrue(v) && n.Want.Default && n.Want.Lease == LeaseDistro {
		ini.set("ipv6", "never-default", "false")
	}
}

// withoutRA is the method that does no Router Advertisements and no DHCPv6: manual where the profile has
// addresses of its own, else link-local. With that, NetworkManager refuses a whole profile that names DNS
// servers or domains, IPv4 and all, so those of [ipv6] go.
func withoutRA(ini *iniFile, n *NICPlan) [][2]string {
	var dns []string
	for _, s := range ini.sections {
		for _, k := range s.keys {
			switch name := strings.TrimRight(k.key, "0123456789"); {
			case s.name != "ipv6":
			case name == "address" || name == "addresses":
				n.note("method is manual: the profile has IPv6 addresses of its own, which stay")
				return [][2]string{{"method", "manual"}}
			case name == "dns" || name == "dns-search" || name == "dns-options" || name == "gateway":
				dns = append(dns, k.key)
			}
		}
	}
	for _, key := range dns {
		v, _ := ini.get("ipv6", key)
		n.note("[ipv6] " + key + "=" + v + " is taken out: NetworkManager refuses a link-local profile that has it")
		ini.unset("ipv6", key)
	}
	return [][2]string{{"method", "link-local"}}
}

// profileOf is the profile in use, or that would be; nil if there is none.
func (w *workspace) profileOf(n *NICPlan) (*nmProfile, error) {
	for _, p := range w.profiles {
		if n.Finding.profile != "" && p.uuid() == n.Finding.profile && w.Moment == Running {
			return p, nil
		}
	}
	fitting := profilesOf(w.profiles, n.Want.NIC)
	if len(fitting) == 0 {
		return nil, nil
	}
	if len(fitting) > 1 && w.Moment != Running {
		a, b := fitting[0], fitting[1]
		if a.number("autoconnect-priority") == b.number("autoconnect-priority") && a.number("timestamp") == b.number("timestamp") && a.onlyOne() == b.onlyOne() {
			return nil, refuse(ErrClaimed, n.name(), b.path, b.namedAt(), "give one of the two a higher autoconnect-priority", "%s is for the NIC as well", a.path)
		}
		// Of equals, people mean the one that names the NIC; NetworkManager itself chooses by the last use.
		if b.onlyOne() && !a.onlyOne() && a.number("autoconnect-priority") == b.number("autoconnect-priority") && a.number("timestamp") == b.number("timestamp") {
			return b, nil
		}
	}
	return fitting[0], nil
}

// newUUID makes a profile's uuid of what it stands for, so that a second run makes the same.
func newUUID(parts ...string) string {
	h := sha256.Sum256([]byte("v6guest\x00" + strings.Join(parts, "\x00")))
	h[6] = h[6]&0x0f | 0x80 // version 8: made in a way of one's own (RFC 9562, section 5.8)
	h[8] = h[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// newProfile makes a full profile for a NIC that has none.
func (w *workspace) newProfile(n *NICPlan, keys [][2]string) {
	n.note("the NIC has no profile, and NetworkManager's automatic one would do DHCPv6: it gets one with IPv4 automatic")
	var b strings.Builder
	fmt.Fprintf(&b, "\n[connection]\nid=v6guest %s\nuuid=%s\ntype=ethernet\ninterface-name=%[1]s\n\n[ipv4]\nmethod=auto\n\n[ipv6]\naddr-gen-mode=eui64\n",
		n.name(), newUUID(n.name()))
	for _, kv := range keys {
		fmt.Fprintf(&b, "%s=%s\n", kv[0], kv[1])
	}
	w.putProfile(n, "a profile for "+n.name()+".", b.String())
}

// putProfile writes a profile of v6guest's own.
func (w *workspace) putProfile(n *NICPlan, purpose, text string) {
	name := nmFolder + "v6guest-" + n.name() + ".nmconnection"
	w.put(name, ownFile(purpose, text), 0o600, append([]string{whyOf(n)}, n.Notes...)...)
	n.Live = []LiveStep{
		{Argv: []string{"nmcli", "connection", "load", name}, Why: "NetworkManager reads the new profile"},
		{Argv: []string{"nmcli", "connection", "up", "ifname", n.name()}, Why: "NetworkManager takes the new profile; it leases IPv4 again", CutsIPv4: true},
	}
}

// splitProfile makes a profile for one NIC of one that is for several.
func (w *workspace) splitProfile(n *NICPlan, p *nmProfile, keys [][2]string) error {
	priority := p.number("autoconnect-priority") + 1
	if priority > 999 {
		return refuse(ErrClaimed, n.name(), p.path, p.ini.line("connection", "autoconnect-priority"), "lower it", "no profile can have a higher autoconnect-priority")
	}
	n.note(p.path + " is for several NICs or not for editing: a profile for this one wins over it, and is made anew when it changes")
	w.noteMethod(n, p)
	ini := parseINI(p.ini.bytes(), false)
	ini.set("connection", "id", "v6guest "+n.name())
	ini.set("connection", "uuid", newUUID(p.uuid(), n.name()))
	ini.set("connection", "interface-name", n.name())
	ini.set("connection", "autoconnect-priority", strconv.Itoa(priority))
	for _, key := range []string{"multi-connect", "timestamp"} {
		ini.unset("connection", key)
	}
	ini.unset("match", "interface-name")
	setIPv6(ini, n, keys)
	w.putProfile(n, "a copy of "+p.path+" for "+n.name()+" alone; edit that one.", "\n"+strings.TrimLeft(string(ini.bytes()), "\n"))
	return nil
}

// nmNetplan is what netplan must pass through to the NIC's profile.
func (w *workspace) nmNetplan(n *NICPlan, d *netplanDef) ([][2]string, error) {
	if !d.onlyOne() {
		return nil, refuse(ErrClaimed, n.name(), d.file, d.line, "give the NIC an id of its own", "id %s may match several NICs, and netplan has one profile for it", d.id)
	}
	if err := w.netplanPort(n); err != nil {
		return nil, err
	}
	keys, err := w.nmKeys(n)
	if n.Want.Lease == LeaseAgent {
		if d.hasIPv6("addresses") {
			keys = [][2]string{{"method", "manual"}}
		} else if names := d.child("nameservers"); names.child("search") != nil || d.hasIPv6("nameservers", "addresses") {
			return nil, refuse(ErrUnsupported, n.name(), d.file, names.line, "leave search domains and IPv6 name servers to DHCP",
				"NetworkManager refuses a link-local profile that has name servers or search domains")
		}
	}
	n.Live = []LiveStep{
		{Argv: []string{"netplan", "generate"}, Why: "makes the profile anew"},
		{Argv: []string{"nmcli", "connection", "load", "/run/NetworkManager/system-connections/netplan-" + d.id + ".nmconnection"}, Why: "NetworkManager reads the profile"},
		{Argv: []string{"nmcli", "device", "reapply", n.name()}, Why: "NetworkManager uses it; not netplan apply, which disconnects"},
	}
	return keys, err
}

// putNetplan writes a YAML file of v6guest's own, which netplan merges into the user's definitions.
func (w *workspace) putNetplan(defs []*netplanDef, keys map[*netplanDef][][2]string, nics []*NICPlan) {
	var b strings.Builder
	b.WriteString("network:\n  version: 2\n  ethernets:\n")
	for i, d := range defs {
		if slices.Contains(defs[:i], d) {
			continue
		}
		fmt.Fprintf(&b, "    %s:\n      networkmanager:\n        passthrough:\n", strconv.Quote(d.id))
		for _, kv := range keys[d] {
			fmt.Fprintf(&b, "          ipv6.%s: %s\n", kv[0], strconv.Quote(kv[1]))
		}
	}
	var why []string
	for _, n := range nics {
		why = append(why, whyOf(n))
	}
	w.put("/etc/netplan/90-v6guest.yaml", ownFile("what NetworkManager must be told beside the other files.", b.String()), 0o600, why...)
}
