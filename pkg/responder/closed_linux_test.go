package responder

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFilesThatAreClosedToTheServiceAreNamed: a mode, a folder on the way and a state folder of root's.
func TestFilesThatAreClosedToTheServiceAreNamed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("takes another user's rights, which needs root")
	}
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(at(name), []byte("# nothing\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(at(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{"open", "shut", "state", "conf.d"} {
		if err := os.Mkdir(at(d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write("conf", 0o644)
	write("open/a", 0o644)
	write("open/b", 0o640)
	write("shut/a", 0o644)
	for path, mode := range map[string]os.FileMode{"shut": 0o700, "state": 0o777} {
		if err := os.Chmod(at(path), mode); err != nil {
			t.Fatal(err)
		}
	}
	check := func(hosts, state string) []string {
		t.Helper()
		found, err := Closed(&Config{Hosts: hosts}, at("conf"), at(state), "nobody")
		if err != nil {
			t.Fatal(err)
		}
		for i := range found {
			found[i] = strings.ReplaceAll(found[i], dir+"/", "")
		}
		return found
	}
	for _, tt := range []struct {
		hosts, state string
		want         []string
	}{
		{at("open/a"), "state", nil},
		{at("open"), "state", []string{"open/b: user nobody cannot read it; see namei -l open/b"}},
		{at("shut/a"), "state", []string{"shut/a: user nobody cannot read it; see namei -l shut/a"}},
		{at("shut"), "state", []string{"shut: user nobody cannot read it; see namei -l shut"}},
		{at("none"), "none", nil},
		{at("open/a"), "open", []string{"open: user nobody cannot write to it; see namei -l open"}},
		{"/home/x/hosts", "state", []string{"/home/x/hosts: v6responder.service sees nothing in /home/ (ProtectHome=yes); put it into /etc/v6responder"}},
	} {
		if diff := cmp.Diff(tt.want, check(tt.hosts, tt.state)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.hosts, diff)
		}
	}
	write("conf", 0o600)
	write("conf.d/x.conf", 0o600)
	if got := check("", "state"); len(got) != 2 {
		t.Errorf("a configuration of root's: %q", got)
	}
	if f, err := os.Open(at("shut/a")); err != nil {
		t.Errorf("the test has lost its own rights: %v", err)
	} else {
		_ = f.Close()
	}
	if _, err := Closed(&Config{}, at("conf"), at("state"), "no-such-user"); err == nil {
		t.Error("a user that there is not")
	}
}
