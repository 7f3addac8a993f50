package distro

import (
	"path"
	"strings"
)

// Folders that systemd reads units from, the winner first.
var unitFolders = []string{"/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

// generatorFolders hold what systemd's generators made at this boot.
var generatorFolders = []string{"/run/systemd/generator", "/run/systemd/generator.early", "/run/systemd/generator.late"}

// enabled reports where it is written that a service starts at boot: a systemd unit, a SysV or upstart
// script, or OpenRC. why is the path that says so, empty if the service does not start.
func (t *Tree) enabled(service string) (why string) {
	unit := service + ".service"
	for _, dir := range unitFolders {
		if target, ok := t.Link(path.Join(dir, unit)); ok && target == "/dev/null" {
			return "" // masked
		}
	}
	for _, dir := range append(unitFolders[:len(unitFolders):len(unitFolders)], generatorFolders...) {
		for _, folder := range t.List(dir) {
			if !strings.HasSuffix(folder, ".wants") && !strings.HasSuffix(folder, ".requires") {
				continue
			}
			if name := path.Join(dir, folder, unit); t.Present(name) {
				return name
			}
		}
	}
	return t.enabledOld(service)
}

// enabledOld looks for a start script of systems without systemd.
func (t *Tree) enabledOld(service string) string {
	for _, dir := range []string{"/etc/rc.d/rc3.d", "/etc/rc3.d", "/etc/rc2.d", "/etc/rcS.d"} {
		for _, name := range t.List(dir) {
			if len(name) > 3 && name[0] == 'S' && name[3:] == service {
				return path.Join(dir, name)
			}
		}
	}
	for _, level := range []string{"boot", "default", "sysinit"} {
		if name := path.Join("/etc/runlevels", level, service); t.Present(name) {
			return name
		}
	}
	// On a system that systemd boots, an upstart job file is left over and starts nothing.
	if name := "/etc/init/" + service + ".conf"; t.Exists(name) && !t.hasSystemd() {
		return name
	}
	return ""
}

// hasSystemd reports whether systemd is the init of the system.
func (t *Tree) hasSystemd() bool {
	return t.Exists("/usr/lib/systemd/systemd") || t.Exists("/lib/systemd/systemd")
}

// program is the first of the usual folders that holds a program; empty if none does.
func (t *Tree) program(name string) string {
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/bin", "/bin"} {
		if p := path.Join(dir, name); t.Exists(p) {
			return p
		}
	}
	return ""
}
