package packages

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/inifile"
)

// exposure is how much of the system each unit may be exposed to at most, as systemd weighs it: 0 is
// nothing, 10 everything.
var exposure = map[string]float64{
	"v6guest.service": 3.2, "v6guest-configure.service": 3.2, "v6guest-wait-online.service": 2.0, "v6responder.service": 2.0,
	// Where the distribution's own client leases, this starts it anew, and may forbid nothing that one of them needs.
	"v6guest-reconfigure.service": 4.0,
}

func TestUnitsAreSandboxed(t *testing.T) {
	m := boot(t)
	overall := regexp.MustCompile(`Overall exposure level for (\S+): (\d+\.\d+)`)
	for unit, limit := range exposure {
		m.put("/tmp/"+unit, filepath.Join(top, "systemd", unit))
		out := m.must("systemd-analyze", "security", "--offline=yes", "--no-pager", "/tmp/"+unit) //nolint:misspell // the program is called so
		found := overall.FindStringSubmatch(out)
		if found == nil {
			t.Fatalf("%s: %s", unit, out)
		}
		if got, err := strconv.ParseFloat(found[2], 64); err != nil || got > limit {
			t.Errorf("%s: exposure %s, at most %v\n%s", unit, found[2], limit, out)
		} else {
			t.Logf("%s: exposure %s (at most %v)", unit, found[2], limit)
		}
	}
}

// TestSystemdTakesTheUnitsAsTheyAre: no key that it does not know, no program or page that is not there.
func TestSystemdTakesTheUnitsAsTheyAre(t *testing.T) {
	m := boot(t)
	dir, err := built()
	check(t, err)
	for _, name := range names {
		m.put("/tmp/"+name+".deb", packageFile(t, dir, name, "deb"))
		m.must("dpkg", "-i", "/tmp/"+name+".deb")
	}
	for unit := range exposure {
		r := m.do("systemd-analyze", "verify", "--man=yes", "/usr/lib/systemd/system/"+unit) //nolint:misspell // likewise
		for line := range strings.Lines(r.Stdout + r.Stderr) {
			if strings.Contains(line, "v6") {
				t.Errorf("%s: %s", unit, line)
			}
		}
	}
}

// TestConfigureKeepsWhatAFileIsWithItsUnitsCapabilities: owner, mode and extended attributes, there and back.
func TestConfigureKeepsWhatAFileIsWithItsUnitsCapabilities(t *testing.T) {
	m := image(t)
	dir, err := built()
	check(t, err)
	m.put("/tmp/v6guest.deb", packageFile(t, dir, "v6guest", "deb"))
	m.must("dpkg", "-i", "/tmp/v6guest.deb")
	const file = "/etc/network/interfaces"
	m.must("chown", "daemon:mail", file)
	m.must("chmod", "0640", file)
	attributes := []string{"trusted.lab", "security.lab"}
	for _, name := range attributes {
		check(t, unix.Lsetxattr(m.Path(file), name, []byte("kept"), 0))
	}
	unit, err := os.ReadFile(filepath.Join(top, "systemd", "v6guest-configure.service"))
	check(t, err)
	bound := "-all"
	for line := range strings.Lines(string(unit)) {
		if list, ok := strings.CutPrefix(line, "CapabilityBoundingSet="); ok {
			bound += ",+" + strings.ToLower(strings.Join(strings.Fields(strings.ReplaceAll(list, "CAP_", "")), ",+"))
		}
	}
	m.must("ip", "link", "add", "eth0", "address", "06:a0:f0:00:00:38", "type", "veth", "peer", "name", "other")
	check(t, m.WriteFile("/etc/v6guest/v6guest.conf.d/lab.conf", "[agent]\nnics = eth0\n"))
	for _, tt := range []struct {
		argv    []string
		changed bool
	}{{[]string{"configure", "--backend", "ifupdown"}, true}, {[]string{"restore"}, false}} {
		m.must(append([]string{"setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=" + bound, "v6guest"}, tt.argv...)...)
		if got := m.file(file) != interfaces; got != tt.changed {
			t.Errorf("after %s the file is another: %v", tt.argv[0], got)
		}
		if got := strings.TrimSpace(m.must("stat", "-c", "%U:%G %a", file)); got != "daemon:mail 640" {
			t.Errorf("after %s: %s", tt.argv[0], got)
		}
		for _, name := range attributes {
			value := make([]byte, 16)
			if n, err := unix.Lgetxattr(m.Path(file), name, value); err != nil || string(value[:n]) != "kept" {
				t.Errorf("after %s: %s is %q, %v", tt.argv[0], name, value[:max(n, 0)], err)
			}
		}
	}
}

// TestUnitsCallProgramsOfOthersInBin: there they are on a machine whose /bin and /usr/bin are two folders, and on one where they are one.
func TestUnitsCallProgramsOfOthersInBin(t *testing.T) {
	units, err := filepath.Glob(filepath.Join(top, "systemd", "*.service"))
	check(t, err)
	calls := regexp.MustCompile(`(?m)^Exec\w+=[-+!@:]*(\S+)`)
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		check(t, err)
		for _, call := range calls.FindAllStringSubmatch(string(text), -1) {
			if !strings.HasPrefix(call[1], "/bin/") && !strings.HasPrefix(call[1], "/usr/sbin/v6") {
				t.Errorf("%s calls %s", filepath.Base(unit), call[1])
			}
		}
	}
}

// TestUnitsStartWhereSystemdIsOld: before 239 it passes over @system-service, and a list of what is allowed is empty then: nothing may run.
func TestUnitsStartWhereSystemdIsOld(t *testing.T) {
	units, err := filepath.Glob(filepath.Join(top, "systemd", "*.service"))
	check(t, err)
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		check(t, err)
		for _, filter := range regexp.MustCompile(`(?m)^SystemCallFilter=(.*)`).FindAllStringSubmatch(string(text), -1) {
			if !strings.HasPrefix(filter[1], "~") {
				t.Errorf("%s allows %s, which is nothing to a systemd that does not know it", filepath.Base(unit), filter[1])
			}
		}
	}
}

// TestANetworkIsSeenHoweverItIsWritten: where the configuration has one, as its parser reads it, neither the unit nor the script passes over it.
func TestANetworkIsSeenHoweverItIsWritten(t *testing.T) {
	pattern := regexp.MustCompile(`/?grep -qrs (?:"(.*?)"|'(.*?)') /etc/v6responder/`)
	for _, file := range []string{"systemd/v6responder.service", "packaging/sysv/v6responder"} {
		text, err := os.ReadFile(filepath.Join(top, file))
		check(t, err)
		found := pattern.FindStringSubmatch(string(text))
		if found == nil {
			t.Fatalf("%s asks for no network", file)
		}
		// systemd takes a backslash away, the shell none within such quotes.
		network := regexp.MustCompile("(?m)" + strings.ReplaceAll(found[1], `\\`, `\`) + found[2])
		for _, config := range []string{"[network a]", "  [network a]", "\t[network a]", "[ network a ]", "\ufeff[network a]", "[server]\nhosts = x\n[network a]"} {
			if sections, err := inifile.Parse("conf", []byte(config)); err != nil || sections[len(sections)-1].Title != "network" {
				t.Errorf("%q has no network: %v", config, err)
			}
			if !network.MatchString(config) {
				t.Errorf("%s does not see that %q has a network", file, config)
			}
		}
		for _, config := range []string{"", "# [network a]", ";[network a]", "[server]\nhosts = /etc/network"} {
			if network.MatchString(config) {
				t.Errorf("%s sees a network in %q", file, config)
			}
		}
	}
}

// TestNoUnitStartsAnAgentThatIsDisabled: what network-online.target or a boot starts requires no unit that an administrator may disable.
func TestNoUnitStartsAnAgentThatIsDisabled(t *testing.T) {
	units, err := filepath.Glob(filepath.Join(top, "systemd", "*"))
	check(t, err)
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		check(t, err)
		for _, needs := range regexp.MustCompile(`(?m)^(?:Wants|Requires|Requisite|BindsTo|Upholds|PartOf)=(.*)`).FindAllStringSubmatch(string(text), -1) {
			for _, other := range strings.Fields(needs[1]) {
				// What has no [Install] cannot be disabled.
				if b, err := os.ReadFile(filepath.Join(top, "systemd", other)); err == nil && strings.Contains(string(b), "[Install]") {
					t.Errorf("%s starts %s", filepath.Base(unit), other)
				}
			}
		}
	}
}
