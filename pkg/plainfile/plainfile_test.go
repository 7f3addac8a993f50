package plainfile_test

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/plainfile"
)

// TestWhatIsNoFileHoldsNobodyUp: opened the usual way, a named pipe without a writer waits for ever.
func TestWhatIsNoFileHoldsNobodyUp(t *testing.T) {
	dir := t.TempDir()
	for name, make := range map[string]func(name string) error{
		"a named pipe": func(name string) error { return unix.Mkfifo(name, 0o600) },
		"a folder":     func(name string) error { return os.Mkdir(name, 0o700) },
		"a socket": func(name string) error {
			l, err := net.Listen("unix", name)
			if err == nil {
				t.Cleanup(func() { _ = l.Close() })
			}
			return err
		},
		"a device": func(name string) error { return os.Symlink("/dev/null", name) },
	} {
		file := filepath.Join(dir, name)
		if err := make(file); err != nil {
			t.Fatal(err)
		}
		for way, open := range map[string]func() (fs.File, error){
			"Open":   func() (fs.File, error) { return plainfile.Open(file) },
			"Folder": func() (fs.File, error) { return plainfile.Folder(dir).Open(name) },
			"Below": func() (fs.File, error) {
				root, err := os.OpenRoot(dir)
				if err != nil {
					t.Fatal(err)
				}
				defer root.Close()
				return plainfile.Below(root).Open(name)
			},
		} {
			if way == "Below" && name == "a device" {
				continue // a link that leads out
			}
			kind := (*plainfile.KindError)(nil)
			_, err := open()
			if !errors.Is(err, plainfile.ErrNotRegular) || !errors.As(err, &kind) || kind.Error() != name+", not a regular file" {
				t.Errorf("%s of %s: %v", way, name, err)
			}
		}
		if name != "a folder" {
			if _, err := plainfile.Folder(dir).ReadDir(name); !errors.Is(err, unix.ENOTDIR) {
				t.Errorf("%s as a folder: %v", name, err)
			}
		}
	}
}

func TestARegularFileIsRead(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, fsys := range []plainfile.FS{plainfile.Below(root), plainfile.Folder(dir)} {
		f, err := fsys.Open("a")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil || string(b) != "text" {
			t.Errorf("%q, %v", b, err)
		}
		if entries, err := fsys.ReadDir("."); err != nil || len(entries) != 1 {
			t.Errorf("%v, %v", entries, err)
		}
		if _, err := fsys.Open("../a"); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("a name that leads out: %v", err)
		}
	}
}
