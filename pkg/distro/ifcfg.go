package distro

import (
	"net"
	"path"
	"slices"
	"strings"
)

// Where Red Hat's and SUSE's ifcfg files lie.
const (
	redHatFolder = "/etc/sysconfig/network-scripts"
	redHatGlobal = "/etc/sysconfig/network"
	suseFolder   = "/etc/sysconfig/network"
)

// An ifcfgFile is an ifcfg-* file.
type ifcfgFile struct {
	path string
	*shellFile
}

// value is a key's value; empty if it has none.
func (f *ifcfgFile) value(key string) string {
	v, _ := f.get(key)
	return v
}

// ifcfgOf is the files of a folder that name a NIC: by DEVICE or HWADDR, or by their own name where they
// have no DEVICE. Backups that the stacks leave out are left out; "ifcfg-eth0.bak2" is not.
func ifcfgOf(t *Tree, folder string, nic NIC) (out []*ifcfgFile) {
	for _, name := range t.List(folder) {
		rest, ok := strings.CutPrefix(name, "ifcfg-")
		if !ok || ignoredSuffix(name) || strings.Contains(rest, ":") || strings.Contains(rest, "-range") {
			continue
		}
		b, err := t.Read(path.Join(folder, name))
		if err != nil {
			continue
		}
		f := &ifcfgFile{path: path.Join(folder, name), shellFile: parseShell(b)}
		device, hasDevice := f.get("DEVICE")
		mac, err := net.ParseMAC(f.value("HWADDR"))
		byMAC := err == nil && slices.Equal(mac, nic.permanent())
		switch {
		case hasDevice && device == nic.Name, !hasDevice && byMAC, !hasDevice && rest == nic.Name && err != nil:
			out = append(out, f)
		}
	}
	return out
}

// ignoredSuffix reports whether initscripts, NetworkManager and wicked all leave a file out.
func ignoredSuffix(name string) bool {
	for _, s := range []string{"~", ".bak", ".orig", ".rpmnew", ".rpmorig", ".rpmsave", ".old", ".scpmbackup"} {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}
