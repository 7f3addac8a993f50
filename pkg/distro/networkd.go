package distro

import (
	"path"
	"strings"
)

// networkFolders hold .network files, the winner first.
var networkFolders = []string{
	"/etc/systemd/network", "/run/systemd/network", "/usr/local/lib/systemd/network", "/usr/lib/systemd/network", "/lib/systemd/network",
}

// A networkFile is one .network file with its drop-ins.
type networkFile struct {
	path    string
	main    *iniFile
	dropIns []string   // paths, in reading order: later ones win
	all     []*iniFile // main and drop-ins, in reading order
	// assumed says that netplan will make the file at boot: only its [Match] is known.
	assumed bool
}

// readNetworkFiles reads every .network file that networkd would, in the order in which they are tried.
// In an image, those that netplan will generate are among them.
func (d *detector) readNetworkFiles() (out []*networkFile) {
	t, n := d.Tree, d.netplan
	assumed := map[string][]byte{}
	if n != nil && d.Moment == Image {
		for _, def := range n.defs {
			if name := def.networkFile(); def.renderer == "networkd" && !t.Exists(name) {
				assumed[name] = def.matchSection()
			}
		}
		t = t.With(assumed)
	}
	for _, name := range shadowed(t, ".network", networkFolders...) {
		b, err := t.Read(name)
		if err != nil || len(strings.TrimSpace(string(b))) == 0 {
			d.hide(Networkd, name, err)
			continue // masked: empty, or a link to /dev/null
		}
		f := readNetworkFile(t, name, b)
		_, f.assumed = assumed[name]
		out = append(out, f)
	}
	return out
}

// readNetworkFile reads one file and its drop-ins.
func readNetworkFile(t *Tree, name string, b []byte) *networkFile {
	f := &networkFile{path: name, main: parseINI(b, true)}
	f.all = []*iniFile{f.main}
	var folders []string
	for _, dir := range networkFolders {
		folders = append(folders, path.Join(dir, path.Base(name)+".d"))
	}
	for _, d := range shadowed(t, ".conf", folders...) {
		if b, err := t.Read(d); err == nil {
			f.dropIns = append(f.dropIns, d)
			f.all = append(f.all, parseINI(b, true))
		}
	}
	return f
}

// matchSection is the [Match] that netplan generates for a definition.
func (d *netplanDef) matchSection() []byte {
	var b strings.Builder
	b.WriteString("[Match]\n")
	m := d.child("match")
	if m == nil || len(m.keys) == 0 {
		return []byte("[Match]\nName=" + d.id + "\n")
	}
	for i, key := range m.keys {
		name := map[string]string{"name": "Name", "macaddress": "PermanentMACAddress", "driver": "Driver", "path": "Path"}[key]
		words := m.values[i].text()
		for _, v := range m.values[i].values {
			words += " " + v.text()
		}
		if set := d.child("set-name").text(); key == "name" && set != "" {
			words = set
		}
		if name != "" {
			b.WriteString(name + "=" + strings.TrimSpace(words) + "\n")
		}
	}
	return []byte(b.String())
}

// value is what holds of a key over the file and its drop-ins.
func (f *networkFile) value(section, key string) (value string, ok bool) {
	for _, ini := range f.all {
		if v, found := ini.get(section, key); found {
			value, ok = v, true
		}
	}
	return value, ok
}

// networkFileOf is the file that networkd takes for a NIC: the first that matches. v is unsure if
// that rests on what cannot be known here; it is nil and no if there is none.
func networkFileOf(files []*networkFile, nic NIC, systemd version) (f *networkFile, v verdict, why string) {
	for _, f := range files {
		if v, why := matchNetworkd(f, nic, systemd); v != no {
			return f, v, why
		}
	}
	return nil, no, ""
}
