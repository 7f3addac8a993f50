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
	err  error // why it could not be read; nil for most
	*shellFile
}

// value is a key's value; empty if it has none.
func (f *ifcfgFile) value(key string) string {
	v, _ := f.get(key)
	return v
}

// ifcfgFiles is the files of a folder that the stacks take for NICs' own. Backups that they leave out are
// left out; "ifcfg-eth0.bak2" is not.
func ifcfgFiles(t *Tree, folder string) (out []*ifcfgFile) {
	for _, name := range t.List(folder) {
		rest, ok := strings.CutPrefix(name, "ifcfg-")
		if !ok || ignoredSuffix(name) || strings.Contains(rest, ":") || strings.Contains(rest, "-range") {
			continue
		}
		file := path.Join(folder, name)
		if b, err := t.Read(file); err == nil || unreadable(err) {
			out = append(out, &ifcfgFile{file, err, parseShell(b)})
		}
	}
	return out
}

// ifcfgOf is the files of a folder that name a NIC: by DEVICE or HWADDR, or by their own name where they
// have no DEVICE.
func ifcfgOf(t *Tree, folder string, nic NIC) (out []*ifcfgFile) {
	for _, f := range ifcfgFiles(t, folder) {
		device, hasDevice := f.get("DEVICE")
		mac, err := net.ParseMAC(f.value("HWADDR"))
		byMAC := err == nil && slices.Equal(mac, nic.permanent())
		switch {
		case hasDevice && device == nic.Name, !hasDevice && byMAC, !hasDevice && f.ownName() == nic.Name && err != nil:
			out = append(out, f)
		}
	}
	return out
}

// ownName is the part of the file's name that is a NIC's, in most cases.
func (f *ifcfgFile) ownName() string { return strings.TrimPrefix(path.Base(f.path), "ifcfg-") }

// namedAt is the number, from 1, of the line by which the file is about its NIC; 0 if its name says so.
func (f *ifcfgFile) namedAt() int {
	for _, key := range []string{"DEVICE", "HWADDR"} {
		if v := f.last(key); v != nil && v.value != "" {
			return v.line + 1
		}
	}
	return 0
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
