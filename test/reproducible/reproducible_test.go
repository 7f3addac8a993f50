// Package reproducible proves that the programs are: two builds, in two folders and with two caches,
// have the same bytes.
package reproducible

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestTwoBuildsHaveTheSameBytes(t *testing.T) {
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	for _, part := range []string{"cmd", "pkg"} {
		if err := os.CopyFS(filepath.Join(elsewhere, part), os.DirFS(filepath.Join(top, part))); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"Makefile", "go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(top, file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(elsewhere, file), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	bin := t.TempDir()
	build(t, top, filepath.Join(bin, "here"))
	build(t, elsewhere, filepath.Join(elsewhere, "bin"), "GOCACHE="+t.TempDir())
	for _, name := range []string{"v6guest", "v6responder"} {
		one, err := os.ReadFile(filepath.Join(bin, "here", name))
		if err != nil {
			t.Fatal(err)
		}
		two, err := os.ReadFile(filepath.Join(elsewhere, "bin", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(one, two) {
			t.Errorf("%s: two builds differ (%d and %d bytes)", name, len(one), len(two))
		}
		if !bytes.HasPrefix(one, []byte("\x7fELF")) || bytes.Contains(one, []byte("ld-linux")) {
			t.Errorf("%s is no static program", name)
		}
	}
}

// build makes both programs in the way that make build does.
func build(t *testing.T, dir, bin string, env ...string) {
	t.Helper()
	cmd := exec.Command("make", "build", "BIN="+bin, "VERSION=test")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make build in %s: %v\n%s", dir, err, out)
	}
}
