package packages

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
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
