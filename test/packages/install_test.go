package packages

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// installed are the files of each package that everybody must find, with mode and owner.
var installed = map[string]string{
	"v6guest": `/etc/v6guest/v6guest.conf 644
/usr/lib/systemd/system/v6guest-configure.service 644
/usr/lib/systemd/system/v6guest-reconfigure.path 644
/usr/lib/systemd/system/v6guest-reconfigure.service 644
/usr/lib/systemd/system/v6guest-wait-online.service 644
/usr/lib/systemd/system/v6guest.service 644
/usr/sbin/v6guest 755
/usr/share/bash-completion/completions/v6guest 644
/usr/share/fish/vendor_completions.d/v6guest.fish 644
/usr/share/man/man5/v6guest.conf.5.gz 644
/usr/share/man/man8/v6guest.8.gz 644`,
	"v6guest-responder": `/etc/v6responder/v6responder.conf 644
/usr/lib/systemd/system/v6responder.service 644
/usr/sbin/v6responder 755
/usr/share/bash-completion/completions/v6responder 644
/usr/share/fish/vendor_completions.d/v6responder.fish 644
/usr/share/man/man5/v6responder.conf.5.gz 644
/usr/share/man/man8/v6responder.8.gz 644`,
}

// wants are the links that enable the units.
var wants = []string{
	"/etc/systemd/system/sysinit.target.wants/v6guest-configure.service",
	"/etc/systemd/system/multi-user.target.wants/v6guest.service",
	"/etc/systemd/system/network-online.target.wants/v6guest-wait-online.service",
	"/etc/systemd/system/multi-user.target.wants/v6responder.service",
}

// interfaces is a file of the distribution's that configure changes.
const interfaces = "auto lo\niface lo inet loopback\n\n# the first NIC\nallow-hotplug eth0\niface eth0 inet dhcp\niface eth0 inet6 dhcp\n"

// image makes the machine one that is being built: no init runs, and its files are those of a guest.
func image(t *testing.T) *machine {
	m := boot(t)
	m.must("rm", "-rf", "/run/systemd")
	check(t, m.WriteFile("/etc/network/interfaces", interfaces))
	return m
}

func (m *machine) checkInstalled(name string) {
	m.t.Helper()
	for line := range strings.Lines(installed[name]) {
		file, mode, _ := strings.Cut(strings.TrimSpace(line), " ")
		if got := strings.TrimSpace(m.do("stat", "-c", "%a %U %G", file).Stdout); got != mode+" root root" {
			m.t.Errorf("%s: %q, want %s root root", file, got, mode)
		}
	}
}

func (m *machine) exists(file string) bool {
	_, err := os.Lstat(m.Path(file))
	return err == nil
}

// enabled says whether every unit of both packages is, or none.
func (m *machine) enabled(want bool) {
	m.t.Helper()
	for _, link := range wants {
		if m.exists(link) != want {
			m.t.Errorf("%s: there %v, want %v", link, !want, want)
		}
	}
}

// changeFiles has the packaged program change the distribution's file, as its unit would at boot.
func (m *machine) changeFiles() {
	m.t.Helper()
	m.must("ip", "link", "add", "eth0", "address", "06:a0:f0:00:00:38", "type", "veth", "peer", "name", "other")
	check(m.t, m.WriteFile("/etc/v6guest/v6guest.conf.d/lab.conf", "[agent]\nnics = eth0\n"))
	out := m.must("v6guest", "configure", "--backend", "ifupdown")
	if got := m.file("/etc/network/interfaces"); got == interfaces {
		m.t.Fatalf("configure changed nothing:\n%s", out)
	}
}

func (m *machine) file(name string) string {
	m.t.Helper()
	text, err := os.ReadFile(m.Path(name))
	check(m.t, err)
	return string(text)
}

// putPackages lays both programs' packages into the machine: /tmp/0-NAME.KIND, and the newer /tmp/1-NAME.KIND.
func (m *machine) putPackages(kind string) {
	m.t.Helper()
	first, err := built()
	check(m.t, err)
	second, err := upgrade()
	check(m.t, err)
	for i, dir := range []string{first, second} {
		for _, name := range names {
			m.put(fmt.Sprintf("/tmp/%d-%s.%s", i, name, kind), packageFile(m.t, dir, name, kind))
		}
	}
}

func TestDebsInAnImageThatIsBeingBuilt(t *testing.T) {
	m := image(t)
	m.putPackages("deb")
	m.must("dpkg", "-i", "/tmp/0-v6guest.deb", "/tmp/0-v6guest-responder.deb")
	for _, name := range names {
		m.checkInstalled(name)
	}
	m.enabled(true)
	if got := m.must("getent", "passwd", "_v6responder"); !strings.Contains(got, "nologin") {
		t.Errorf("user: %s", got)
	}
	if got := m.do("ps", "-A", "-o", "comm=").Stdout; strings.Contains(got, "v6") {
		t.Errorf("something was started: %s", got)
	}
	if got := m.file("/etc/network/interfaces"); got != interfaces {
		t.Errorf("the installation changed a file of the distribution's:\n%s", got)
	}

	// An upgrade keeps what the administrator wrote and disabled, and what was leased.
	m.changeFiles()
	changed := m.file("/etc/network/interfaces")
	check(t, m.WriteFile("/etc/v6guest/v6guest.conf", "[agent]\nwait = 2m\n"))
	check(t, m.WriteFile("/var/lib/v6guest/lease/x.json", "{}"))
	check(t, m.WriteFile("/var/lib/v6responder/server-duid.json", "{}"))
	m.must("systemctl", "disable", "v6guest-wait-online.service")
	m.must("dpkg", "--force-confold", "-i", "/tmp/1-v6guest.deb", "/tmp/1-v6guest-responder.deb")
	if got := m.file("/etc/v6guest/v6guest.conf"); got != "[agent]\nwait = 2m\n" {
		t.Errorf("the configuration after the upgrade:\n%s", got)
	}
	if !m.exists("/var/lib/v6guest/lease/x.json") || m.exists(wants[2]) || m.file("/etc/network/interfaces") != changed {
		t.Error("the upgrade lost a lease, enabled what was disabled, or changed a file of the distribution's")
	}
	if got := m.must("v6guest", "version"); !strings.Contains(got, version+".1") {
		t.Errorf("after the upgrade: %s", got)
	}

	// A file that somebody edited stops restore, never the removal; its original is kept, through a purge too.
	check(t, m.WriteFile("/etc/network/interfaces", changed+"# an edit\n"))
	out := m.must("dpkg", "-r", "v6guest", "v6guest-responder")
	for _, want := range []string{"these files are not restored", "\n  /etc/network/interfaces\n", "\n  /etc/sysctl.d/99-v6guest.conf\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("the removal does not say %q:\n%s", want, out)
		}
	}
	out = m.must("dpkg", "-P", "v6guest", "v6guest-responder")
	if !strings.Contains(out, "  /etc/network/interfaces\n") || !m.exists("/var/lib/v6guest/backup/manifest.json") {
		t.Errorf("the purge did not keep and name the original:\n%s", out)
	}
	if m.exists("/var/lib/v6guest/lease") || m.exists("/etc/v6guest/v6guest.conf") || m.exists("/var/lib/v6responder") || m.exists("/etc/init.d/v6guest") {
		t.Error("the purge left leases, state or configuration")
	}
	m.enabled(false)
}

func TestADebThatIsRemovedBringsTheFilesBack(t *testing.T) {
	m := image(t)
	dir, err := built()
	check(t, err)
	m.put("/tmp/v6guest.deb", packageFile(t, dir, "v6guest", "deb"))
	m.must("dpkg", "-i", "/tmp/v6guest.deb")
	m.changeFiles()
	out := m.must("dpkg", "-r", "v6guest")
	if got := m.file("/etc/network/interfaces"); got != interfaces {
		t.Errorf("after the removal:\n%s", got)
	}
	if !strings.Contains(out, "/etc/network/interfaces: as it was") || strings.Contains(out, "configures again") {
		t.Errorf("the removal says\n%s", out)
	}
	out = m.must("dpkg", "-P", "v6guest")
	if m.exists("/var/lib/v6guest") || strings.Contains(out, "kept") {
		t.Errorf("the purge left the state folder:\n%s", out)
	}
}

// TestAConfigurationThatIsThereBeforeThePackageStays, as docs/install.md says: a file of its own costs no question, and the package's file is
// kept where dpkg is told so.
func TestAConfigurationThatIsThereBeforeThePackageStays(t *testing.T) {
	m := image(t)
	m.putPackages("deb")
	const site, whole = "/etc/v6guest/v6guest.conf.d/site.conf", "/etc/v6guest/v6guest.conf"
	check(t, m.WriteFile(site, "[agent]\nwait = 2m\n"))
	m.must("dpkg", "-i", "/tmp/0-v6guest.deb")
	m.must("dpkg", "-P", "v6guest")
	if got := m.file(site); got != "[agent]\nwait = 2m\n" {
		t.Errorf("after the purge:\n%s", got)
	}
	check(t, m.WriteFile(whole, "[agent]\nwait = 3m\n"))
	if r := m.do("dpkg", "-i", "/tmp/0-v6guest.deb"); r.Code == 0 {
		t.Errorf("dpkg asked nobody:\n%s", r.Stdout)
	}
	m.must("dpkg", "--force-confold", "-i", "/tmp/0-v6guest.deb")
	if got := m.file(whole); got != "[agent]\nwait = 3m\n" {
		t.Errorf("after the installation:\n%s", got)
	}
}

// TestAChrootThatSeesTheHostsRunIsAnImage: systemd runs the machine that builds it, and the NICs are that machine's.
func TestAChrootThatSeesTheHostsRunIsAnImage(t *testing.T) {
	m := image(t)
	m.putPackages("deb")
	m.must("mkdir", "-p", "/run/systemd/system")
	m.must("ip", "link", "add", "eth0", "address", "06:a0:f0:00:00:38", "type", "veth", "peer", "name", "other")
	check(t, m.WriteFile("/etc/v6guest/v6guest.conf.d/lab.conf", "[agent]\nnics = eth0\n"))
	out := m.must("dpkg", "-i", "/tmp/0-v6guest.deb", "/tmp/0-v6guest-responder.deb")
	m.enabled(true)
	if got := m.file("/etc/network/interfaces"); got != interfaces || m.exists("/etc/sysctl.d/99-v6guest.conf") {
		t.Errorf("the installation configured the image for the NICs of the machine that builds it:\n%s\n%s", got, out)
	}
	if strings.Contains(out, "not configured") {
		t.Errorf("the installation says\n%s", out)
	}
}

// TestARemovalNamesTheAddressesThatStay also where no agent runs that could be asked.
func TestARemovalNamesTheAddressesThatStay(t *testing.T) {
	m := image(t)
	m.putPackages("deb")
	m.must("dpkg", "-i", "/tmp/0-v6guest.deb")
	for nic, last := range map[string]string{"eth0": "38", "eth1": "39", "eth2": "40"} {
		m.must("ip", "link", "add", nic, "address", "06:a0:f0:00:00:"+last, "type", "veth", "peer", "name", "peer"+last)
		m.must("ip", "address", "add", "2001:db8::"+last+"/128", "dev", nic, "valid_lft", "7200", "preferred_lft", "3600")
	}
	m.must("ip", "address", "change", "2001:db8::39/128", "dev", "eth1", "valid_lft", "forever", "preferred_lft", "forever")
	for _, lease := range []string{"06-a0-f0-00-00-38", "06-a0-f0-00-00-39"} { // the third NIC's address is somebody else's
		check(t, m.WriteFile("/var/lib/v6guest/lease/"+lease+".json", "{}"))
	}
	out := m.must("dpkg", "-r", "v6guest")
	for nic, want := range map[string]string{"eth0": "(7200|71..)sec", "eth1": "infinite", "eth2": ""} {
		found := regexp.MustCompile("the address leased on " + nic + " stays and is not renewed any more: valid (.*)").FindStringSubmatch(out)
		if want == "" && found != nil || want != "" && (found == nil || !regexp.MustCompile("^"+want+"$").MatchString(found[1])) {
			t.Errorf("of %s the removal says %q, want %s", nic, found, want)
		}
	}
}

// TestNothingIsStartedOfAPackageThatIsRemoved: its start scripts stay until it is purged, and systemd makes units of those.
func TestNothingIsStartedOfAPackageThatIsRemoved(t *testing.T) {
	m := image(t)
	m.putPackages("deb")
	states := func(when, want string) {
		t.Helper()
		for _, unit := range []string{"v6guest.service", "v6responder.service"} {
			if got := strings.TrimSpace(m.do("systemctl", "is-enabled", unit).Stdout); got != want {
				t.Errorf("%s is %q %s, want %s", unit, got, when, want)
			}
		}
	}
	for range 2 {
		m.must("dpkg", "-i", "/tmp/0-v6guest.deb", "/tmp/0-v6guest-responder.deb")
		states("after the installation", "enabled")
		m.must("dpkg", "-r", "v6guest", "v6guest-responder")
		states("after the removal", "masked")
	}
	m.must("dpkg", "-P", "v6guest", "v6guest-responder")
	if left := m.must("find", "/etc", "/var/lib/systemd", "-name", "v6*.service*"); left != "" {
		t.Errorf("the purge left\n%s", left)
	}
}

// systemctlThatRuns is a systemctl that says that systemd runs this machine, with nothing active; else it is the real one.
const systemctlThatRuns = `#!/bin/sh
case "$*" in
is-system-running) echo running ;;
*is-active*) exit 3 ;;
*is-enabled* | *disable* | *preset*) exec /usr/bin/systemctl.real "$@" ;;
esac
`

// TestWhatIsDisabledStaysSo: whoever has restored the files and disabled the units does not find them changed again by an upgrade.
func TestWhatIsDisabledStaysSo(t *testing.T) {
	m := image(t)
	m.putPackages("deb")
	m.must("mv", "/usr/bin/systemctl", "/usr/bin/systemctl.real")
	check(t, m.WriteFile("/usr/bin/systemctl", systemctlThatRuns))
	m.must("chmod", "+x", "/usr/bin/systemctl")
	m.must("ip", "link", "add", "eth0", "address", "06:a0:f0:00:00:38", "type", "veth", "peer", "name", "other")
	check(t, m.WriteFile("/etc/v6guest/v6guest.conf.d/lab.conf", "[agent]\nnics = eth0\n"))
	sysctls := func(want bool, when string) {
		t.Helper()
		if m.exists("/etc/sysctl.d/99-v6guest.conf") != want {
			t.Errorf("%s configured: %v, want %v", when, !want, want)
		}
	}
	m.must("dpkg", "-i", "/tmp/0-v6guest.deb")
	sysctls(true, "the installation")
	m.must("v6guest", "restore")
	m.must("systemctl", "disable", "v6guest-configure.service", "v6guest.service", "v6guest-wait-online.service")
	m.must("dpkg", "-i", "/tmp/1-v6guest.deb")
	sysctls(false, "the upgrade")
}

// oldHelper is a deb-systemd-helper that finds no unit below /usr/lib, as before Debian 11 where /lib is a folder of its own.
const oldHelper = `#!/bin/sh
case "$*" in
*was-enabled* | unmask*) exit 0 ;;
*) echo "deb-systemd-helper: error: unable to read $2" >&2; exit 1 ;;
esac
`

func TestUnitsAreEnabledWhereDebiansHelperFindsThemNot(t *testing.T) {
	m := image(t)
	m.putPackages("deb")
	check(t, m.WriteFile("/usr/bin/deb-systemd-helper", oldHelper))
	m.must("chmod", "+x", "/usr/bin/deb-systemd-helper")
	m.must("dpkg", "-i", "/tmp/0-v6guest.deb", "/tmp/0-v6guest-responder.deb")
	m.enabled(true)
	m.must("systemctl", "disable", "v6guest-wait-online.service")
	m.must("dpkg", "-i", "/tmp/1-v6guest.deb", "/tmp/1-v6guest-responder.deb")
	if m.exists(wants[2]) {
		t.Error("the upgrade enabled what was disabled")
	}
	m.must("dpkg", "-P", "v6guest", "v6guest-responder")
	m.enabled(false)
}

// TestAPackageCanBeRemovedWhateverIsMissing: removal never fails.
func TestAPackageCanBeRemovedWhateverIsMissing(t *testing.T) {
	for name, breaks := range map[string][]string{
		"its own script": {"rm", "-r", "/usr/lib/v6guest"},
		"the program":    {"rm", "/usr/sbin/v6guest"},
		"a manifest":     {"sh", "-c", "mkdir -p /var/lib/v6guest/backup; echo '{' >/var/lib/v6guest/backup/manifest.json"},
		"sense":          {"sh", "-c", "echo nonsense >>/etc/v6guest/v6guest.conf"},
	} {
		t.Run(name, func(t *testing.T) {
			m := image(t)
			dir, err := built()
			check(t, err)
			m.put("/tmp/v6guest.deb", packageFile(t, dir, "v6guest", "deb"))
			m.must("dpkg", "-i", "/tmp/v6guest.deb")
			m.must(breaks...)
			m.must("dpkg", "-r", "v6guest")
			m.must("dpkg", "-P", "v6guest")
		})
	}
}

// TestTheServicesUserMayBeThereAlready, or its group: as an administrator made them they stay, and the server runs with them.
func TestTheServicesUserMayBeThereAlready(t *testing.T) {
	for made, want := range map[string]string{
		"groupadd --system _v6responder": "_v6responder:/usr/sbin/nologin",
		"useradd --system --no-user-group --gid daemon --shell /bin/bash --home-dir /srv _v6responder": "daemon:/bin/bash",
	} {
		t.Run(strings.Fields(made)[0], func(t *testing.T) {
			m := image(t)
			dir, err := built()
			check(t, err)
			m.put("/tmp/responder.deb", packageFile(t, dir, "v6guest-responder", "deb"))
			m.must(strings.Fields(made)...)
			m.must("dpkg", "-i", "/tmp/responder.deb")
			if got := strings.TrimSpace(m.must("sh", "-c", "echo $(id -gn _v6responder):$(getent passwd _v6responder | cut -d : -f 7)")); got != want {
				t.Errorf("the user is %s, want %s", got, want)
			}
			m.must("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "other")
			check(t, m.WriteFile("/etc/v6responder/v6responder.conf.d/lab.conf", "[network lab]\ninterface = eth0\nprefix = 2001:db8:1::/64\n"))
			m.must("chmod", "-R", "a+rX", "/etc/v6responder")
			m.must("touch", "/etc/v6responder/hosts")
			m.must("v6responder", "check-config")
			m.must(responderScript, "start")
			m.must("v6responder", "status")
			m.must("dpkg", "-P", "v6guest-responder")
		})
	}
}
