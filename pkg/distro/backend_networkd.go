package distro

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// networkdBackend writes drop-ins beside the .network file in charge, which stays as it is; where that
// file speaks for several NICs, a file of its own that holds a copy and is read first.
type networkdBackend struct{}

func (networkdBackend) stack() Stack { return Networkd }

// networkdDropIn is the name of v6guest's drop-ins.
const networkdDropIn = "90-v6guest.conf"

func (networkdBackend) render(w *workspace, nics []*NICPlan) error {
	var errs []error
	for _, n := range nics {
		errs = append(errs, w.networkd(n))
	}
	return errors.Join(errs...)
}

// networkd writes the drop-in or the copy of one NIC.
func (w *workspace) networkd(n *NICPlan) error {
	f, v, why := networkFileOf(w.networks, n.Want.NIC, w.Tree.systemdVersion())
	if i := slices.IndexFunc(w.networks, func(f *networkFile) bool { return f.path == n.Finding.File }); i >= 0 && w.Moment == Running {
		f, v = w.networks[i], yes // networkd itself says so
	}
	switch {
	case w.netplanProblem() != nil && (f == nil || w.Moment == Image):
		return w.netplanProblem()
	case f == nil:
		return refuse(ErrUnsupported, n.name(), "", 0, "write a .network file for the NIC", "no .network file matches the NIC")
	case v == unsure:
		cure := "configure on the running machine, or match by Name= or MACAddress="
		if len(n.Want.NIC.MAC) == 0 {
			cure = "give the NIC's MAC, as --nic " + n.name() + "=06:a0:f0:00:00:38"
		}
		return refuse(ErrUnreadable, n.name(), f.path, f.main.sectionLine("Match"), cure, "whether it matches is not known here: %s", why)
	}
	if err := errors.Join(f.checkPort(n), w.netplanPort(n)); err != nil {
		return err
	}
	keys, err := w.networkdKeys(n, f)
	if err != nil {
		return err
	}
	w.networkdLive(n)
	if f.onlyOne() {
		return w.networkdDropIn(n, f, keys)
	}
	return w.networkdCopy(n, f, keys)
}

// netplanProblem is why netplan's files cannot be read; nil if they can.
func (w *workspace) netplanProblem() error {
	if w.netplan != nil && w.netplan.problem != nil {
		return w.netplan.problem
	}
	return nil
}

// checkPort refuses a NIC that belongs to another.
func (f *networkFile) checkPort(n *NICPlan) error {
	for _, key := range []string{"Bridge", "Bond", "BatmanAdvanced"} {
		for i, ini := range f.all {
			if v, ok := ini.get("Network", key); ok && v != "" {
				file := f.path
				if i > 0 {
					file = f.dropIns[i-1]
				}
				return refuse(ErrClaimed, n.name(), file, ini.line("Network", key), "manage "+v+" instead", "the NIC is a port of %s", v)
			}
		}
	}
	return nil
}

// netplanPort refuses a NIC that netplan makes a port of another.
func (w *workspace) netplanPort(n *NICPlan) error {
	if w.netplan == nil {
		return nil
	}
	for _, d := range w.netplan.of(n.Want.NIC) {
		if m := w.netplan.ports[d.id]; m != nil {
			return refuse(ErrClaimed, n.name(), m.file, m.line, "manage "+m.id+" instead", "the NIC is a port of %s", m.id)
		}
	}
	return nil
}

// networkdLive says what makes the files count.
func (w *workspace) networkdLive(n *NICPlan) {
	v := w.Tree.systemdVersion()
	step := LiveStep{Argv: []string{"networkctl", "reload"}, Why: "networkd reads its files again"}
	if !v.atLeast(244) {
		step.Argv = []string{"systemctl", "restart", "systemd-networkd.service"}
	}
	if !v.atLeast(257) {
		step.CutsIPv4 = true
		step.Why += "; before 257 it deletes the IPv4 address and adds it back"
	}
	n.Live = append(n.Live, step)
}

// iniText collects keys by section, in the order in which sections first come.
type iniText struct {
	sections []string
	keys     map[string][][2]string
}

// set adds a key.
func (x *iniText) set(section, key, value string) {
	if x.keys == nil {
		x.keys = map[string][][2]string{}
	}
	if !slices.Contains(x.sections, section) {
		x.sections = append(x.sections, section)
	}
	x.keys[section] = append(x.keys[section], [2]string{key, value})
}

// String is the file.
func (x *iniText) String() string {
	var b strings.Builder
	for _, s := range x.sections {
		fmt.Fprintf(&b, "\n[%s]\n", s)
		for _, kv := range x.keys[s] {
			fmt.Fprintf(&b, "%s=%s\n", kv[0], kv[1])
		}
	}
	return b.String()
}

// networkdKeys is what must be said of the NIC.
func (w *workspace) networkdKeys(n *NICPlan, f *networkFile) (*iniText, error) {
	x := &iniText{}
	switch v, _ := f.value("Network", "LinkLocalAddressing"); strings.ToLower(v) {
	case "no", "false", "0", "off":
		x.set("Network", "LinkLocalAddressing", "ipv6")
	case "ipv4":
		x.set("Network", "LinkLocalAddressing", "yes")
	}
	v := w.Tree.systemdVersion()
	if n.Want.Lease == LeaseAgent {
		f.agentKeys(n, x, v)
		return x, nil
	}
	return x, f.distroKeys(n, x, v)
}

// agentKeys makes networkd leave DHCPv6 alone.
func (f *networkFile) agentKeys(n *NICPlan, x *iniText, v version) {
	if n.Want.Default && v.atLeast(246) || n.keepsRA() && v.atLeast(250) {
		n.stackDoesRA()
		x.set("Network", "IPv6AcceptRA", "yes")
		x.set("IPv6AcceptRA", "DHCPv6Client", "no")
		x.set("IPv6AcceptRA", "UseAutonomousPrefix", "no")
		if !n.Want.Default {
			x.set("IPv6AcceptRA", "UseGateway", "no")
		}
	} else {
		n.noteKeptRA(fmt.Sprintf("systemd %s takes their default route or nothing (250 has UseGateway=)", v))
		n.agentDoesRA()
		x.set("Network", "IPv6AcceptRA", "no")
		if n.Want.Default {
			n.note(fmt.Sprintf("systemd %s cannot do Router Advertisements without DHCPv6 (246 can): v6guest does them", v))
		}
	}
	if without, ok := f.value("DHCPv6", "WithoutRA"); ok && without != "no" && v.atLeast(246) {
		x.set("DHCPv6", "WithoutRA", "no")
	}
	if !v.atLeast(246) { // these start DHCPv6 without any Router Advertisement
		switch dhcp, _ := f.value("Network", "DHCP"); strings.ToLower(dhcp) {
		case "yes", "true", "both", "1", "on":
			x.set("Network", "DHCP", "ipv4")
		case "ipv6", "v6":
			x.set("Network", "DHCP", "no")
		}
	}
}

// distroKeys makes networkd lease with a DUID-LL.
func (f *networkFile) distroKeys(n *NICPlan, x *iniText, v version) error {
	n.stackDoesRA()
	withRA := n.Want.Default || v.atLeast(250)
	if withRA {
		x.set("Network", "IPv6AcceptRA", "yes")
		if v.atLeast(242) {
			x.set("IPv6AcceptRA", "UseAutonomousPrefix", "no")
		}
	}
	switch {
	case n.Want.Default:
	case withRA:
		x.set("IPv6AcceptRA", "UseGateway", "no")
		x.set("IPv6AcceptRA", "DHCPv6Client", "always")
	case v.atLeast(246):
		n.noteKeptRA(fmt.Sprintf("systemd %s takes their default route or nothing (250 has UseGateway=)", v))
		x.set("Network", "IPv6AcceptRA", "no")
		switch dhcp, _ := f.value("Network", "DHCP"); strings.ToLower(dhcp) {
		case "ipv4", "v4":
			x.set("Network", "DHCP", "yes")
		case "", "no", "false", "0", "off", "none":
			x.set("Network", "DHCP", "ipv6")
		}
		x.set("DHCPv6", "WithoutRA", "solicit")
	default:
		return refuse(ErrUnsupported, n.name(), f.path, 0, "set lease = agent", "systemd %s cannot lease on a NIC without taking its default route", v)
	}
	return f.duidKeys(n, x, v)
}

// duidKeys sets the DUID and the IAID, for DHCPv6 alone where networkd can tell the two apart.
func (f *networkFile) duidKeys(n *NICPlan, x *iniText, v version) error {
	mac := n.Want.NIC.MAC
	if len(mac) < 4 {
		return refuse(ErrUnsupported, n.name(), f.path, 0, "give the NIC's MAC", "the IAID is made of it")
	}
	section := "DHCPv6"
	if !v.atLeast(249) {
		section = "DHCP"
		id := ""
		for _, s := range []string{"DHCP", "DHCPv4"} {
			if got, ok := f.value(s, "ClientIdentifier"); ok {
				id = got
			}
		}
		if id != "mac" || !v.atLeast(230) {
			return refuse(ErrUnsupported, n.name(), f.path, 0, "set lease = agent, or ClientIdentifier=mac",
				"systemd %s has one DUID for DHCPv4 and DHCPv6 (249 has two): IPv4's client id would change", v)
		}
	}
	x.set(section, "DUIDType", "link-layer")
	if !v.atLeast(240) {
		x.set(section, "DUIDRawData", "00:01:"+mac.String())
	}
	x.set(section, "IAID", fmt.Sprint(binary.BigEndian.Uint32(mac[len(mac)-4:])))
	return nil
}

// networkdDropIn writes the keys beside a file that is about this NIC alone.
func (w *workspace) networkdDropIn(n *NICPlan, f *networkFile, keys *iniText) error {
	for i, d := range f.dropIns {
		if path.Base(d) < networkdDropIn {
			continue
		}
		for _, s := range keys.sections {
			for _, kv := range keys.keys[s] {
				if v, ok := f.all[i+1].get(s, kv[0]); ok && v != kv[1] {
					return refuse(ErrClaimed, n.name(), d, f.all[i+1].line(s, kv[0]), "remove the line, or name the file so that it sorts before "+networkdDropIn,
						"%s=%s is read after v6guest's own", kv[0], v)
				}
			}
		}
	}
	name := path.Join("/etc/systemd/network", path.Base(f.path)+".d", networkdDropIn)
	w.put(name, ownFile("what "+path.Base(f.path)+" lacks for "+n.name()+".", keys.String()), 0o644, append([]string{whyOf(n)}, n.Notes...)...)
	return nil
}

// networkdCopy writes a file for this NIC alone, with all that the one for several says.
func (w *workspace) networkdCopy(n *NICPlan, f *networkFile, keys *iniText) error {
	name := "/etc/systemd/network/05-v6guest-" + n.name() + ".network"
	switch {
	case f.assumed:
		n.AtBoot = true
		n.note(f.path + " speaks for several NICs and is made at boot: v6guest-configure.service copies it then")
		return nil
	case len(n.Want.NIC.MAC) == 0:
		return refuse(ErrUnsupported, n.name(), f.path, f.main.sectionLine("Match"), "give the NIC's MAC", "the file speaks for several NICs, and a copy must be bound to this one")
	case path.Base(f.path) <= path.Base(name):
		return refuse(ErrClaimed, n.name(), f.path, f.main.sectionLine("Match"), "name the file so that it sorts behind "+path.Base(name), "the file speaks for several NICs and is read before any copy")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n[Match]\nName=%s\nMACAddress=%s\n", n.name(), n.Want.NIC.MAC)
	for i, ini := range f.all {
		source := f.path
		if i > 0 {
			source = f.dropIns[i-1]
		}
		fmt.Fprintf(&b, "\n# From %s:\n%s", source, withoutMatch(ini))
	}
	fmt.Fprintf(&b, "\n# v6guest's own:%s", keys)
	n.note(f.path + " speaks for several NICs: a copy for this one wins over it, and is made anew when it changes")
	w.put(name, ownFile("a copy of "+f.path+" for "+n.name()+" alone; edit that one.", b.String()), 0o644, append([]string{whyOf(n)}, n.Notes...)...)
	return nil
}

// withoutMatch is a file without its [Match] sections.
func withoutMatch(f *iniFile) string {
	var out []string
	at := 0
	for _, s := range f.sections {
		if s.name == "Match" {
			out = append(out, f.lines[at:s.start]...)
			at = s.end
		}
	}
	out = append(out, f.lines[at:]...)
	text := strings.TrimLeft(strings.ReplaceAll(string(joinLines(out)), "\r\n", "\n"), "\n")
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text
}
