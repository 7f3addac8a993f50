package distro

import (
	"bufio"
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A version is a dotted number: 9.49.38, 257, 1.42.4. nil is an unknown one.
type version []int

// parseVersion reads the number at the beginning of s; an epoch ("1:") is skipped.
func parseVersion(s string) version {
	if i := strings.IndexByte(s, ':'); i >= 0 {
		s = s[i+1:]
	}
	var v version
	for part := range strings.SplitSeq(s, ".") {
		end := 0
		for end < len(part) && part[end] >= '0' && part[end] <= '9' {
			end++
		}
		n, err := strconv.Atoi(part[:end])
		if err != nil {
			break
		}
		v = append(v, n)
		if end < len(part) {
			break
		}
	}
	return v
}

// known reports whether the version could be found out.
func (v version) known() bool { return len(v) > 0 }

// atLeast reports whether v is known and not older than the given one.
func (v version) atLeast(min ...int) bool {
	for i, m := range min {
		n := 0
		if i < len(v) {
			n = v[i]
		}
		if n != m {
			return v.known() && n > m
		}
	}
	return v.known()
}

// String is the version with dots, "unknown" if it is.
func (v version) String() string {
	if !v.known() {
		return "unknown"
	}
	parts := make([]string, len(v))
	for i, n := range v {
		parts[i] = strconv.Itoa(n)
	}
	return strings.Join(parts, ".")
}

// A release is the distribution's name and version.
type release struct {
	id      string // os-release's ID: debian, ubuntu, rhel, centos, alpine …
	version version
	rhel    bool // RHEL or one of its rebuilds
}

// release reads os-release, or the files that stood in its place before 2012.
func (t *Tree) release() release {
	for _, name := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		if !t.Exists(name) {
			continue
		}
		f := parseShell([]byte(t.text(name)))
		id, _ := f.get("ID")
		v, _ := f.get("VERSION_ID")
		like, _ := f.get("ID_LIKE")
		words := append(strings.Fields(like), id)
		return release{id: id, version: parseVersion(v), rhel: slices.Contains(words, "rhel") || slices.Contains(words, "centos")}
	}
	if s := t.text("/etc/redhat-release"); s != "" { // CentOS release 6.2 (Final)
		_, after, _ := strings.Cut(s, "release ")
		return release{id: strings.ToLower(strings.Fields(s)[0]), version: parseVersion(after), rhel: true}
	}
	if s := t.text("/etc/lsb-release"); strings.Contains(s, "DISTRIB_ID=Ubuntu") {
		v, _ := parseShell([]byte(s)).get("DISTRIB_RELEASE")
		return release{id: "ubuntu", version: parseVersion(v)}
	}
	if s := strings.TrimSpace(t.text("/etc/debian_version")); s != "" {
		return release{id: "debian", version: parseVersion(s)}
	}
	return release{}
}

// debian is the version of an installed Debian package; nil if dpkg's status does not have it.
func (t *Tree) debian(name string) version {
	var current, state string
	// The status file of a full system is larger than a configuration file may be: read it in its own way.
	for _, line := range t.lines("/var/lib/dpkg/status") {
		switch key, value, _ := strings.Cut(line, ": "); key {
		case "Package":
			current, state = value, ""
		case "Status":
			state = value
		case "Version":
			if current == name && strings.HasSuffix(state, " installed") {
				return parseVersion(value)
			}
		}
	}
	return nil
}

// lines is a large text file's lines that carry a package's name, state and version.
func (t *Tree) lines(name string) (out []string) {
	real, err := t.Resolve(name)
	if err != nil {
		return nil
	}
	f, err := t.open(name, real)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }() // it was only read
	s := bufio.NewScanner(f)
	s.Buffer(nil, maxFile)
	for s.Scan() {
		for _, key := range []string{"Package: ", "Status: ", "Version: "} {
			if strings.HasPrefix(s.Text(), key) {
				out = append(out, s.Text())
			}
		}
	}
	return out
}

// systemdVersion is told by the name of systemd's shared library.
func (t *Tree) systemdVersion() version {
	for _, pattern := range []string{
		"/usr/lib/systemd", "/lib/systemd", "/usr/lib/*/systemd", "/usr/lib64/systemd",
	} {
		for _, lib := range t.Glob(pattern + "/libsystemd-shared-*.so") {
			return parseVersion(strings.TrimPrefix(path.Base(lib), "libsystemd-shared-"))
		}
	}
	if v := t.debian("systemd"); v.known() {
		return v
	}
	return systemdOfRelease(t.release())
}

// systemdOfRelease is for images whose libraries tell nothing (before 231 there was no shared library).
func systemdOfRelease(r release) version {
	table := map[string]version{
		"debian 8": {215}, "debian 9": {232}, "debian 10": {241}, "debian 11": {247}, "debian 12": {252}, "debian 13": {257},
		"ubuntu 16.04": {229}, "ubuntu 18.04": {237}, "ubuntu 20.04": {245}, "ubuntu 22.04": {249}, "ubuntu 24.04": {255},
	}
	v := r.version.String()
	if r.id == "ubuntu" && len(r.version) > 1 && r.version[1] < 10 {
		v = strconv.Itoa(r.version[0]) + ".0" + strconv.Itoa(r.version[1])
	} else if len(r.version) > 0 && r.id == "debian" {
		v = strconv.Itoa(r.version[0])
	}
	return table[r.id+" "+v]
}

// nmVersion is told by the folder of NetworkManager's plug-ins.
func (t *Tree) nmVersion() version {
	var found []version
	for _, pattern := range []string{"/usr/lib/*/NetworkManager/*", "/usr/lib64/NetworkManager/*", "/usr/lib/NetworkManager/*"} {
		for _, dir := range t.Glob(pattern) {
			if v := parseVersion(path.Base(dir)); len(v) > 1 {
				found = append(found, v)
			}
		}
	}
	if len(found) == 0 {
		return t.debian("network-manager")
	}
	return slices.MaxFunc(found, func(a, b version) int { return slices.CompareFunc(a, b, cmp.Compare) })
}
