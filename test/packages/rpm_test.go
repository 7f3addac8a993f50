package packages

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/v6guest/v6guest/test/roots"
)

// target makes an image with a root below /target for rpm to work on: a copy of this one, so that its scripts
// have what they call. rpm's own database knows none of Debian's packages.
func target(t *testing.T) (m *machine, rpm func(args ...string) string) {
	m = image(t)
	m.putPackages("rpm")
	m.must("sh", "-c", "mkdir /target && tar -C / --one-file-system --exclude=./target --exclude=./usr/share --exclude=./usr/lib/modules -c . | tar -C /target -x")
	rpm = func(args ...string) string {
		m.t.Helper()
		return m.must(append([]string{"rpm", "--root", "/target"}, args...)...)
	}
	rpm("--initdb")
	return m, rpm
}

func TestRPMsInARoot(t *testing.T) {
	m, rpm := target(t)
	rpm("-i", "--nodeps", "/tmp/0-v6guest.rpm", "/tmp/0-v6guest-responder.rpm")
	for _, name := range names {
		for line := range strings.Lines(installed[name]) {
			file, mode, _ := strings.Cut(strings.TrimSpace(line), " ")
			if got := strings.TrimSpace(m.do("stat", "-c", "%a %U %G", "/target"+file).Stdout); got != mode+" root root" {
				t.Errorf("%s: %q, want %s root root", file, got, mode)
			}
		}
		if out := rpm("-V", "--nodeps", name); strings.TrimSpace(out) != "" {
			t.Errorf("rpm -V %s: %s", name, out)
		}
	}
	there := func(want bool) {
		t.Helper()
		for _, link := range wants {
			if m.exists("/target"+link) != want {
				t.Errorf("%s: there %v, want %v", link, !want, want)
			}
		}
	}
	there(true)
	if got := m.file("/target/etc/passwd"); !strings.Contains(got, "_v6responder:") {
		t.Errorf("no user _v6responder:\n%s", got)
	}
	if got := rpm("-qc", "v6guest"); !strings.Contains(got, "/etc/v6guest/v6guest.conf") {
		t.Errorf("configuration files: %s", got)
	}

	check(t, m.WriteFile("/target/etc/v6guest/v6guest.conf", "[agent]\nwait = 2m\n"))
	check(t, m.WriteFile("/target/var/lib/v6guest/lease/x.json", "{}"))
	m.must("chroot", "/target", "systemctl", "disable", "v6guest-wait-online.service")
	rpm("-U", "--nodeps", "/tmp/1-v6guest.rpm", "/tmp/1-v6guest-responder.rpm")
	if got := m.file("/target/etc/v6guest/v6guest.conf"); got != "[agent]\nwait = 2m\n" {
		t.Errorf("the configuration after the upgrade:\n%s", got)
	}
	if !m.exists("/target/var/lib/v6guest/lease/x.json") || m.exists("/target"+wants[2]) || !m.exists("/target"+wants[0]) {
		t.Error("the upgrade lost a lease, or enabled what was disabled")
	}
	if got := m.must("chroot", "/target", "v6guest", "version"); !strings.Contains(got, version+".1") {
		t.Errorf("after the upgrade: %s", got)
	}

	rpm("-e", "v6guest", "v6guest-responder")
	there(false)
	if m.exists("/target/usr/sbin/v6guest") || m.exists("/target/usr/sbin/v6responder") {
		t.Error("the removal left a program")
	}
	// Folders of ours go with the package; what an administrator wrote is kept beside.
	if left := strings.Fields(m.must("find", "/target/etc", "/target/usr", "(", "-name", "*v6guest*", "-o", "-name", "*v6responder*", ")")); len(left) != 2 ||
		left[0] != "/target/etc/v6guest" || left[1] != "/target/etc/v6guest/v6guest.conf.rpmsave" {
		t.Errorf("the removal left %q", left)
	}
}

// TestRPMLintFindsNothing but what packaging/rpm/rpmlint.toml has a reason for.
func TestRPMLintFindsNothing(t *testing.T) {
	m := bootFrom(t, roots.RPMLint)
	dir, err := built()
	check(t, err)
	m.put("/tmp/rpmlint.toml", filepath.Join(top, "packaging", "rpm", "rpmlint.toml"))
	argv := []string{"rpmlint", "-c", "/tmp/rpmlint.toml"}
	for _, name := range names {
		from := packageFile(t, dir, name, "rpm")
		file := "/tmp/" + filepath.Base(from)
		m.put(file, from)
		argv = append(argv, file)
	}
	if out := m.must(argv...); !strings.Contains(out, " 2 packages and 0 specfiles checked; 0 errors, 0 warnings,") {
		t.Error(out)
	}
}

// sums are the checksums of all files of the distribution's in the target.
func (m *machine) sums() string {
	m.t.Helper()
	return m.must("sh", "-c", "cd /target && find etc -type f ! -path 'etc/v6*' ! -name 'passwd*' ! -name 'group*' ! -name '*shadow*' ! -name 'sub?id*' -exec sha256sum {} + | sort -k 2")
}

func TestAnRPMThatIsRemovedBringsTheFilesBack(t *testing.T) {
	m, rpm := target(t)
	before := m.sums()
	configure := func() {
		t.Helper()
		rpm("-i", "--nodeps", "/tmp/0-v6guest.rpm")
		out := m.must("/target/usr/sbin/v6guest", "configure", "--root", "/target", "--nic", "eth0=06:a0:f0:00:00:38", "--backend", "ifupdown")
		if m.file("/target/etc/network/interfaces") == interfaces {
			t.Fatalf("configure changed nothing:\n%s", out)
		}
	}
	configure()
	rpm("-e", "v6guest")
	if after := m.sums(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}

	// A file that somebody edited stops that, never the removal; its original is kept.
	configure()
	changed := m.file("/target/etc/network/interfaces") + "# an edit\n"
	check(t, m.WriteFile("/target/etc/network/interfaces", changed))
	out := rpm("-e", "v6guest")
	if !strings.Contains(out, "/etc/network/interfaces") || !strings.Contains(out, "not restored") {
		t.Errorf("the removal does not name what it left:\n%s", out)
	}
	if m.file("/target/etc/network/interfaces") != changed || !m.exists("/target/var/lib/v6guest/backup/manifest.json") {
		t.Error("an edit is lost, or the original")
	}
	if m.exists("/target/usr/sbin/v6guest") {
		t.Error("the removal left the program")
	}
}
