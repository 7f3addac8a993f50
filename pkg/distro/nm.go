package distro

import (
	"fmt"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// nmConfFolders hold NetworkManager's snippets, the winner of one name first.
var nmConfFolders = []string{"/etc/NetworkManager/conf.d", "/run/NetworkManager/conf.d", "/usr/lib/NetworkManager/conf.d"}

// nmConf is NetworkManager's configuration: its files in reading order, later ones win.
type nmConf struct {
	names []string
	files []*iniFile
}

// readNMConf reads it.
func readNMConf(t *Tree) *nmConf {
	c := &nmConf{names: []string{"/etc/NetworkManager/NetworkManager.conf"}}
	c.names = append(c.names, shadowed(t, ".conf", nmConfFolders...)...)
	for _, name := range c.names {
		c.files = append(c.files, parseINI([]byte(t.text(name)), false))
	}
	return c
}

// get is the value of a key that holds, and where it stands; "key+" adds to a list, "key-" takes from it.
func (c *nmConf) get(section, key string) (value, where string) {
	for i, f := range c.files {
		if v, ok := f.get(section, key); ok {
			value, where = v, fmt.Sprintf("%s:%d", c.names[i], f.line(section, key))
		}
		if v, ok := f.get(section, key+"+"); ok {
			value, where = value+","+v, fmt.Sprintf("%s:%d", c.names[i], f.line(section, key+"+"))
		}
	}
	return value, where
}

// unmanaged says where the configuration takes a NIC away from NetworkManager; empty if it does not.
func (c *nmConf) unmanaged(nic NIC, interfaces *interfaces) string {
	if v, where := c.get("keyfile", "unmanaged-devices"); v != "" && nmDevices(v, nic) {
		return "unmanaged-devices in " + where
	}
	for i, f := range c.files {
		for _, s := range f.sections {
			managed, ok := f.get(s.name, "managed")
			match, matched := f.get(s.name, "match-device")
			if strings.HasPrefix(s.name, "device") && ok && !isTrue(managed) && (!matched || nmDevices(match, nic)) {
				return fmt.Sprintf("managed=%s in %s:%d", managed, c.names[i], f.line(s.name, "managed"))
			}
		}
	}
	plugins, _ := c.get("main", "plugins")
	managed, where := c.get("ifupdown", "managed")
	if slices.Contains(nmList(plugins), "ifupdown") && !isTrue(managed) && interfaces != nil {
		if s := interfaces.named(nic.Name); s != nil {
			if where == "" {
				where = "its default"
			}
			return fmt.Sprintf("ifupdown plug-in, managed=false in %s, and the NIC is in %s:%d", where, s.file, s.start+1)
		}
	}
	return ""
}

// nmList cuts one of NetworkManager's lists.
func nmList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ';' || r == ' ' || r == '\t' })
}

// nmDevices evaluates a device list (NetworkManager.conf(5), "Device List Format"): "except:" wins.
func nmDevices(list string, nic NIC) bool {
	matched := false
	for _, spec := range nmList(list) {
		spec, except := strings.CutPrefix(spec, "except:")
		if nmDevice(spec, nic) {
			if except {
				return false
			}
			matched = true
		}
	}
	return matched
}

// nmDevice evaluates one element of a device list.
func nmDevice(spec string, nic NIC) bool {
	if spec == "*" {
		return true
	}
	if mac, err := net.ParseMAC(spec); err == nil {
		return slices.Equal(mac, nic.permanent()) || slices.Equal(mac, nic.MAC)
	}
	key, value, ok := strings.Cut(spec, ":")
	if !ok {
		return spec == nic.Name
	}
	switch key {
	case "interface-name":
		if exact, ok := strings.CutPrefix(value, "="); ok {
			return exact == nic.Name
		}
		return fnmatch(strings.TrimPrefix(value, "~"), nic.Name)
	case "mac":
		mac, err := net.ParseMAC(value)
		return err == nil && (slices.Equal(mac, nic.permanent()) || slices.Equal(mac, nic.MAC))
	case "type":
		return value == "ethernet" && nic.kindOfDevice() == "ether"
	case "driver":
		return fnmatch(value, nic.Driver)
	}
	return false
}

// nmProfileFolders hold profiles; /run shadows /etc shadows /usr/lib where the uuid is the same.
var nmProfileFolders = []string{
	"/run/NetworkManager/system-connections", "/etc/NetworkManager/system-connections", "/usr/lib/NetworkManager/system-connections",
}

// An nmProfile is one connection profile in a keyfile.
type nmProfile struct {
	path string
	ini  *iniFile
	// ignored is why NetworkManager does not read the file; empty if it does.
	ignored string
}

// value is a key's value; empty if it has none.
func (p *nmProfile) value(section, key string) string {
	v, _ := p.ini.get(section, key)
	return v
}

// uuid is the profile's identity.
func (p *nmProfile) uuid() string { return p.value("connection", "uuid") }

// number is the value of one of [connection]'s keys as a number; 0 if it is none.
func (p *nmProfile) number(key string) int {
	n, _ := strconv.Atoi(p.value("connection", key)) // NetworkManager as well takes what is no number for the default
	return n
}

// ethernet is the section of the Ethernet settings' key, whose name has two forms.
func (p *nmProfile) ethernet(key string) string {
	if v := p.value("ethernet", key); v != "" {
		return v
	}
	return p.value("802-3-ethernet", key)
}

// readProfiles reads the profiles, the winner of each uuid only.
func (d *detector) readProfiles() (out []*nmProfile) {
	t := d.Tree
	seen := map[string]bool{}
	for _, dir := range nmProfileFolders {
		for _, name := range t.List(dir) {
			if strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") || strings.HasSuffix(name, ".rpmnew") {
				continue
			}
			b, err := t.Read(path.Join(dir, name))
			if err != nil {
				d.hide(NetworkManager, path.Join(dir, name), err)
				continue
			}
			p := &nmProfile{path: path.Join(dir, name), ini: parseINI(b, false)}
			if why := t.untrusted(p.path); why != "" {
				p.ignored = why
				d.ignored = append(d.ignored, p)
				continue
			}
			if !p.ini.has("connection") || seen[p.uuid()] && p.uuid() != "" {
				continue
			}
			seen[p.uuid()] = true
			out = append(out, p)
		}
	}
	return out
}

// fits says whether NetworkManager may activate the profile on a NIC.
func (p *nmProfile) fits(nic NIC) verdict {
	switch p.value("connection", "type") {
	case "ethernet", "802-3-ethernet":
	default:
		return no
	}
	if name := p.value("connection", "interface-name"); name != "" && name != nic.Name {
		return no
	}
	if mac := nmMAC(p.ethernet("mac-address")); mac != nil && !slices.Equal(mac, nic.permanent()) {
		return no
	}
	for _, key := range []string{"mac-address-blacklist", "mac-address-denylist"} {
		if slices.ContainsFunc(nmList(p.ethernet(key)), func(m string) bool { return slices.Equal(nmMAC(m), nic.permanent()) && len(nic.permanent()) > 0 }) {
			return no
		}
	}
	return p.matches(nic)
}

// matches evaluates [match].
func (p *nmProfile) matches(nic NIC) verdict {
	v := yes
	for _, kv := range [][2]string{{"interface-name", nic.Name}, {"driver", nic.Driver}, {"path", nic.Path}} {
		list := nmList(p.value("match", kv[0]))
		switch {
		case len(list) == 0:
		case kv[1] == "":
			v = unsure
		case !nmMatch(list, kv[1]):
			return no
		}
	}
	if p.value("match", "kernel-command-line") != "" {
		return unsure
	}
	return v
}

// nmMatch evaluates a list of patterns (nm-settings(5), "match"): "&" makes one mandatory, "!" turns it round, and
// "!" alone means both; of the others one must match.
func nmMatch(list []string, have string) bool {
	optional, found := false, false
	for _, word := range list {
		mandatory := strings.HasPrefix(word, "&") || strings.HasPrefix(word, "!")
		pattern, negated := strings.CutPrefix(strings.TrimLeft(word, "|&"), "!")
		matched := fnmatch(strings.TrimPrefix(pattern, "\\"), have) != negated
		if mandatory && !matched {
			return false
		}
		optional = optional || !mandatory
		found = found || !mandatory && matched
	}
	return found || !optional
}

// nmMAC reads a MAC as NetworkManager does, with one or two digits between colons or hyphens; nil if it is none,
// which NetworkManager takes for no condition.
func nmMAC(s string) net.HardwareAddr {
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == ':' || r == '-' })
	if len(parts) != 6 {
		return nil
	}
	var mac net.HardwareAddr
	for _, part := range parts {
		b, err := strconv.ParseUint(part, 16, 8)
		if err != nil || len(part) > 2 {
			return nil
		}
		mac = append(mac, byte(b))
	}
	return mac
}

// onlyOne reports whether the profile can be used for no other NIC.
func (p *nmProfile) onlyOne() bool {
	return p.value("connection", "interface-name") != "" || nmMAC(p.ethernet("mac-address")) != nil
}

// untrusted is why NetworkManager does not read a keyfile: others than root may have written or read it. The owner
// of the root folder counts as root, for images that are built without privileges.
func (t *Tree) untrusted(name string) string {
	if info, err := t.stat(name); err != nil {
		return ""
	} else if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Sprintf("its mode is %04o, and must be 0600", mode)
	}
	if owner, ok := t.owner(name); ok {
		if root, ok := t.owner("/"); ok && owner != 0 && owner != root {
			return fmt.Sprintf("its owner is user %d, and must be root", owner)
		}
	}
	return ""
}

// owner is the number of the user whose file it is.
func (t *Tree) owner(name string) (uid uint32, ok bool) {
	info, err := t.stat(name)
	if err != nil {
		return 0, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return st.Uid, true
}

// namedAt is the number, from 1, of the line by which the profile is for a NIC, or of its first section.
func (p *nmProfile) namedAt() int {
	if n := p.ini.line("connection", "interface-name"); n > 0 {
		return n
	}
	return p.ini.sectionLine("connection")
}

// auto reports whether NetworkManager activates the profile by itself.
func (p *nmProfile) auto() bool {
	v, ok := p.ini.get("connection", "autoconnect")
	return !ok || isTrue(v)
}

// noAutoDefault is where it stands that NetworkManager makes no profile for a NIC by itself; empty if it does.
func (d *detector) noAutoDefault(nic NIC) string {
	if list, where := d.nmConf.get("main", "no-auto-default"); nmDevices(list, nic) {
		return "no-auto-default in " + where
	}
	const state = "/var/lib/NetworkManager/no-auto-default.state"
	for i, line := range strings.Split(d.Tree.text(state), "\n") {
		if mac := nmMAC(strings.TrimSpace(line)); mac != nil && slices.Equal(mac, nic.permanent()) {
			return fmt.Sprintf("%s:%d", state, i+1)
		}
	}
	return ""
}

// switchedOff says where a NIC that NetworkManager has is left unconnected: none of its profiles is activated by
// itself, and none is made. Empty if it is connected.
func (d *detector) switchedOff(nic NIC) (file string, line int, what string) {
	if len(profilesOf(d.profiles, nic)) > 0 {
		return "", 0, ""
	}
	for _, p := range d.profiles {
		if p.fits(nic) != no {
			line := p.ini.line("connection", "autoconnect")
			return p.path, line, fmt.Sprintf("autoconnect=%s in %s:%d", p.value("connection", "autoconnect"), p.path, line)
		}
	}
	if where := d.noAutoDefault(nic); where != "" {
		name := where[strings.LastIndexByte(where, ' ')+1:]
		at := strings.LastIndexByte(name, ':')
		line, _ := strconv.Atoi(name[at+1:]) // made by this package
		return name[:at], line, where
	}
	return "", 0, ""
}

// profilesOf is the profiles that NetworkManager would take for a NIC, the best first: by priority,
// then by when they were last in use.
func profilesOf(profiles []*nmProfile, nic NIC) (out []*nmProfile) {
	for _, p := range profiles {
		if p.fits(nic) != no && p.auto() {
			out = append(out, p)
		}
	}
	slices.SortStableFunc(out, func(a, b *nmProfile) int {
		if d := b.number("autoconnect-priority") - a.number("autoconnect-priority"); d != 0 {
			return d
		}
		return b.number("timestamp") - a.number("timestamp")
	})
	return out
}
