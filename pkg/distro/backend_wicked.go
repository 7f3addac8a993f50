package distro

import (
	"errors"
	"path"
	"slices"
	"strings"
)

// wickedBackend edits SUSE's ifcfg files as wicked reads them. The kernel does Router Advertisements
// there, and wicked takes the switches from /etc/sysctl.d itself.
type wickedBackend struct{}

func (wickedBackend) stack() Stack { return Wicked }

func (wickedBackend) render(w *workspace, nics []*NICPlan) error {
	var errs []error
	for _, n := range nics {
		errs = append(errs, w.wickedNIC(n))
	}
	return errors.Join(errs...)
}

// wickedNIC edits the file of one NIC.
func (w *workspace) wickedNIC(n *NICPlan) error {
	files := ifcfgOf(w.Tree, suseFolder, n.Want.NIC)
	if len(files) == 0 {
		return refuse(ErrUnsupported, n.name(), suseFolder, 0, "write an ifcfg file for the NIC", "no ifcfg file names the NIC")
	}
	f := files[0]
	if len(files) > 1 {
		return refuse(ErrClaimed, n.name(), files[1].path, files[1].namedAt(), "remove or rename one of the two", "%s names the NIC as well", f.path)
	}
	if f.err != nil {
		return unread(n.name(), f.path, f.err)
	}
	if err := w.wickedPort(n); err != nil {
		return err
	}
	if err := f.opaque(n.name(), f.path, "write a plain line KEY='value'", "BOOTPROTO", "DHCLIENT6_MODE", "DHCLIENT6_CLIENT_ID"); err != nil {
		return err
	}
	boot, err := wickedBoot(n, f)
	if err != nil {
		return err
	}
	if boot != f.value("BOOTPROTO") {
		f.set("BOOTPROTO", boot)
		n.note("wicked reads the file at the next boot: an ifreload would bring the NIC down and up")
	}
	if n.Want.Lease == LeaseDistro {
		f.set("DHCLIENT6_MODE", "managed")
		f.set("DHCLIENT6_CLIENT_ID", "00:03:00:01:"+n.Want.NIC.MAC.String())
	}
	n.Live = append(n.Live, wickedRereads(n.name()))
	if old, err := w.read(f.path); err == nil && string(old) != string(f.bytes()) {
		w.put(f.path, f.bytes(), 0o644, append([]string{whyOf(n)}, n.Notes...)...)
	}
	return nil
}

// wickedRereads makes wicked read its files again.
func wickedRereads(nic string) LiveStep {
	return LiveStep{Argv: []string{"wicked", "ifreload", nic}, CutsIPv4: true, Why: "wicked brings the NIC down and up"}
}

// wickedBoot is what BOOTPROTO must be: the same for IPv4, and DHCPv6 as the policy has it.
func wickedBoot(n *NICPlan, f *ifcfgFile) (string, error) {
	old := f.value("BOOTPROTO")
	var out []string
	for part := range strings.SplitSeq(strings.ToLower(old), "+") {
		switch part {
		case "dhcp":
			out = append(out, "dhcp4")
		case "dhcp6":
		default:
			out = append(out, part)
		}
	}
	if n.Want.Lease == LeaseAgent {
		if len(out) == 0 {
			out = []string{"static"}
		}
		if boot := strings.Join(out, "+"); boot != strings.ToLower(old) {
			return boot, nil
		}
		return old, nil
	}
	if len(n.Want.NIC.MAC) == 0 {
		return "", refuse(ErrUnsupported, n.name(), f.path, 0, "give the NIC's MAC", "the DUID is made of it")
	}
	switch {
	case slices.Contains(out, "dhcp4"):
		return strings.Join(replaceItem(out, "dhcp4", "dhcp"), "+"), nil
	case len(out) == 0:
		return "dhcp6", nil
	case f.last("IPADDR") == nil && (out[0] == "static" || out[0] == ""):
		return "dhcp6", nil
	}
	line := 0
	if v := f.last("BOOTPROTO"); v != nil {
		line = v.line + 1
	}
	return "", refuse(ErrUnsupported, n.name(), f.path, line, "set lease = agent", "BOOTPROTO=%s leaves no room for dhcp6", old)
}

// replaceItem puts one item in another's place.
func replaceItem(list []string, old, item string) []string {
	out := slices.Clone(list)
	out[slices.Index(out, old)] = item
	return out
}

// wickedPort refuses a NIC that a bridge or bond of another file takes.
func (w *workspace) wickedPort(n *NICPlan) error {
	for _, name := range w.Tree.List(suseFolder) {
		if !strings.HasPrefix(name, "ifcfg-") || ignoredSuffix(name) {
			continue
		}
		file := path.Join(suseFolder, name)
		for _, v := range parseShell([]byte(w.Tree.text(file))).values {
			port := v.key == "BRIDGE_PORTS" || strings.HasPrefix(v.key, "BONDING_SLAVE") || strings.HasPrefix(v.key, "TEAM_PORT_DEVICE")
			if master := strings.TrimPrefix(name, "ifcfg-"); port && slices.Contains(strings.Fields(v.value), n.name()) {
				return refuse(ErrClaimed, n.name(), file, v.line+1, "manage "+master+" instead", "the NIC is a port of %s", master)
			}
		}
	}
	return nil
}
