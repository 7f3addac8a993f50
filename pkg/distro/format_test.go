package distro

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The manifest and the originals as format 1 was released must be read for ever: what a guest's first
// v6guest changed, its latest one brings back.
func TestManifestFormat1BringsTheOriginalsBack(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		full := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"etc/a": "A\n", "etc/c": "c\n", "etc/n/d/new": "new\n"} {
		write(name, text, 0o640)
	}
	released, err := os.ReadDir("testdata/format-1/backup")
	if err != nil || len(released) != 3 {
		t.Fatalf("%v, %v", released, err)
	}
	for _, e := range released {
		b, err := os.ReadFile(filepath.Join("testdata/format-1/backup", e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		// The files belong to who runs the test, as they belonged to root.
		text := strings.NewReplacer(`"uid": 0`, fmt.Sprintf(`"uid": %d`, os.Getuid()), `"gid": 0`, fmt.Sprintf(`"gid": %d`, os.Getgid())).Replace(string(b))
		write(filepath.Join("var/lib/v6guest/backup", e.Name()), text, 0o600)
	}
	restored, err := openStore(t, root).Restore(false)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/etc/a", "/etc/b", "/etc/n/d/new"}, restored); diff != "" {
		t.Error(diff)
	}
	want := map[string]string{
		"/": "", "/etc/": "", "/etc/a": "a\n", "/etc/b": "b\n", "/etc/c": "c\n",
		"/var/": "", "/var/lib/": "", "/var/lib/v6guest/": "", // this manifest does not say that v6guest made them
	}
	if diff := cmp.Diff(want, snapshot(t, root)); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
}
