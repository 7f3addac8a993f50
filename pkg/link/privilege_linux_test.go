package link

import (
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Listing and following need no privilege; changes are refused as such.
func TestOnlyChangesNeedPrivilege(t *testing.T) {
	const child = "V6GUEST_TEST_UNPRIVILEGED"
	if os.Getenv(child) == "" {
		if os.Geteuid() != 0 {
			t.Skip("needs root: it gives its privileges up")
		}
		program, err := os.ReadFile("/proc/self/exe")
		check(t, err)
		path := filepath.Join(t.TempDir(), "test")
		check(t, os.WriteFile(path, program, 0o755))
		check(t, os.Chmod(filepath.Dir(filepath.Dir(path)), 0o755))
		cmd := exec.Command(path, "-test.run", "^"+t.Name()+"$", "-test.v")
		cmd.Dir, cmd.Env = "/", append(os.Environ(), child+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWNET, Credential: &syscall.Credential{Uid: 65534, Gid: 65534},
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	k, err := Open(Config{})
	check(t, err)
	defer k.Close()
	r := listed(t, k)
	r.compare(k)
	if err := k.SetUp(t.Context(), 1); !errors.Is(err, os.ErrPermission) {
		t.Errorf("set up: %v", err)
	}
	err = k.InstallAddress(t.Context(), 1, leased, time.Hour, time.Hour, AddressOptions{})
	if !errors.Is(err, os.ErrPermission) {
		t.Errorf("install an address: %v", err)
	}
	err = k.InstallRoute(t.Context(), Route{Index: 1, Dst: netip.MustParsePrefix("::/0")})
	if !errors.Is(err, os.ErrPermission) {
		t.Errorf("install a route: %v", err)
	}
}
