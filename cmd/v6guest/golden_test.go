package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/cmd/internal/cmdline"
	"github.com/v6guest/v6guest/pkg/fault"
)

// images is the folder of pkg/distro's golden cases.
const images = "../../testdata/distro"

// TestEveryImageIsConfiguredAndRestoredAsItsGoldenFilesSay runs the program on every golden case that is
// an image, under both policies: the files become those of the case and no others, a second run changes
// nothing, restore brings back all. What is refused names the file, and nothing at all is changed.
func TestEveryImageIsConfiguredAndRestoredAsItsGoldenFilesSay(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(images, "*", "case.txt"))
	if err != nil || len(files) < 80 {
		t.Fatalf("%d cases: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "moment ") {
			continue // not an image
		}
		dir := filepath.Dir(file)
		for _, policy := range []string{"agent", "distro"} {
			// Not in parallel: the library of the command line has a help flag that all applications share.
			t.Run(filepath.Base(dir)+" "+policy, func(t *testing.T) {
				im := newImage(t, inMemory(t), dir, policy, string(text))
				if strings.Contains(golden(t, dir), `"refused"`) && im.refused(t) {
					return
				}
				im.configureAndRestore(t)
			})
		}
	}
}

// An image is a golden case's root folder, copied.
type image struct {
	dir, policy, root string
	options           []string
	before            map[string]string
}

func newImage(t *testing.T, root, dir, policy, text string) *image {
	t.Helper()
	im := &image{dir: dir, policy: policy, root: root}
	if err := os.CopyFS(im.root, os.DirFS(filepath.Join(dir, "in"))); err != nil {
		t.Fatal(err)
	}
	chmodProfiles(t, im.root)
	for line := range strings.Lines(text) {
		switch words := strings.Fields(line); words[0] {
		case "nic":
			im.options = append(im.options, "--nic", words[1]+"="+words[2])
			if len(im.options) == 2 && !strings.Contains(text, "\ndefault ") {
				im.options = append(im.options, "--default", words[1])
			}
		case "mode":
			mode, err := strconv.ParseUint(words[2], 8, 32)
			if err == nil {
				err = os.Chmod(filepath.Join(im.root, words[1]), fs.FileMode(mode))
			}
			if err != nil {
				t.Fatal(err)
			}
		case "default":
			im.options = append(im.options, "--default", words[1])
		case "recipe":
			im.options = append(im.options, "--recipe")
		}
	}
	conf := filepath.Join(t.TempDir(), "v6guest.conf")
	if err := os.WriteFile(conf, []byte("[agent]\nlease = "+policy+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	im.options = append(im.options, "--config", conf)
	im.before = tree(t, im.root)
	return im
}

// inMemory is a new folder, in memory where the machine has a file system there: every change waits for the
// disk, and there are thousands.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "v6guest-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// golden is what a case's plan says.
func golden(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "plan.json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// run runs a command of the program on the image.
func (im *image) run(t *testing.T, command string, options ...string) (exit int, out string) {
	t.Helper()
	var b bytes.Buffer
	e := &env{cmdline.Program{Name: "v6guest", Version: version, Stdout: &b, Stderr: &b}}
	args := append([]string{"v6guest", command, "--root", im.root}, options...)
	return e.Exit(e.run(t.Context(), args)), b.String()
}

// configureAndRestore goes the whole way.
func (im *image) configureAndRestore(t *testing.T) {
	t.Helper()
	if exit, out := im.run(t, "configure", im.options...); exit != fault.ExitDone {
		t.Fatalf("configure: exit code %d\n%s", exit, out)
	}
	want := map[string]string{}
	for name, text := range im.before {
		want[name] = text
	}
	for name, text := range tree(t, filepath.Join(im.dir, "out."+im.policy)) {
		if gone, ok := strings.CutSuffix(name, ".removed"); ok {
			delete(want, gone)
			continue
		}
		want[name] = text
	}
	got := tree(t, im.root)
	const switches = "/etc/sysctl.d/99-v6guest.conf" // which pkg/guest adds
	if _, there := got[switches]; !there && !strings.Contains(strings.Join(im.options, " "), "--recipe") {
		t.Errorf("there is no %s", switches)
	}
	delete(got, switches)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configured (-want +got):\n%s", diff)
	}
	exit, out := im.run(t, "configure", im.options...)
	if exit != fault.ExitDone || !strings.Contains(out, "every file is as it should be\n") {
		t.Errorf("second run: exit code %d\n%s", exit, out)
	}
	if exit, out := im.run(t, "restore"); exit != fault.ExitDone {
		t.Fatalf("restore: exit code %d\n%s", exit, out)
	}
	if diff := cmp.Diff(im.before, tree(t, im.root)); diff != "" {
		t.Errorf("restored (-before +now):\n%s", diff)
	}
}

// refused checks a refusal; false says that this policy is not refused.
func (im *image) refused(t *testing.T) bool {
	t.Helper()
	exit, out := im.run(t, "configure", append(im.options, "--dry-run")...)
	if exit == fault.ExitDone {
		return false
	}
	if exit != fault.ExitFailure || !strings.Contains(out, "v6guest: ") || !strings.Contains(out, "v6guest: try: ") && !strings.Contains(out, "/etc/netplan/") {
		t.Errorf("exit code %d\n%s", exit, out)
	}
	for _, line := range im.refusals(t) { // each with its file and, where one is to blame, the line
		if !strings.Contains(out, line) {
			t.Errorf("it does not say %q:\n%s", line, out)
		}
	}
	if exit, again := im.run(t, "configure", im.options...); exit == fault.ExitDone || again != out {
		t.Errorf("the dry run said:\n%s\nthe real one ends with %d:\n%s", out, exit, again)
	}
	if diff := cmp.Diff(im.before, tree(t, im.root)); diff != "" {
		t.Errorf("refused, but changed (-before +now):\n%s", diff)
	}
	return true
}

// refusals are what the case's plan says is refused under its policy.
func (im *image) refusals(t *testing.T) []string {
	t.Helper()
	var plan map[string]struct{ Refused []string }
	if err := json.Unmarshal([]byte(golden(t, im.dir)), &plan); err != nil {
		t.Fatal(err)
	}
	return plan[im.policy].Refused
}

// tree is every file and link below a folder but v6guest's own state.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && e.IsDir() {
			return nil
		}
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(name, root)
		if strings.HasPrefix(rel, "/var/lib/v6guest/") {
			return nil
		}
		if e.Type()&fs.ModeSymlink != 0 {
			out[rel], err = os.Readlink(name)
			return err
		}
		b, err := os.ReadFile(name)
		out[rel] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestConfigureAndRestoreKeepModeOwnerAndAttributes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("owners and labels need root")
	}
	// On the disk: attributes of users are new in file systems in memory.
	im := newImage(t, t.TempDir(), filepath.Join(images, "ifupdown-two-nics"), "agent", "nic eth0 06:a0:f0:00:00:38\nnic eth1 06:a0:f0:00:00:39\n")
	name := filepath.Join(im.root, "etc/network/interfaces")
	for _, err := range []error{os.Chown(name, 12, 34), os.Chmod(name, 0o604|fs.ModeSetgid)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	// The kernel gives every file of some file systems a label; any other name in this family is like it.
	attributes := map[string]string{
		"security.v6guest-test": "system_u:object_r:net_conf_t:s0\x00", "user.v6guest-test": "kept by \"hand\"", "trusted.v6guest-test": "",
	}
	for attribute, value := range attributes {
		if err := unix.Setxattr(name, attribute, []byte(value), 0); errors.Is(err, unix.ENOTSUP) {
			t.Logf("%s: %v", attribute, err)
			delete(attributes, attribute)
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, command := range []string{"configure", "restore"} {
		options := im.options
		if command == "restore" {
			options = nil
		}
		if exit, out := im.run(t, command, options...); exit != fault.ExitDone {
			t.Fatalf("%s: exit code %d\n%s", command, exit, out)
		}
		var st unix.Stat_t
		if err := unix.Stat(name, &st); err != nil || st.Mode != unix.S_IFREG|0o2604 || st.Uid != 12 || st.Gid != 34 {
			t.Errorf("after %s: mode %o, owner %d:%d, %v", command, st.Mode, st.Uid, st.Gid, err)
		}
		for attribute, value := range attributes {
			got := make([]byte, 100)
			n, err := unix.Getxattr(name, attribute, got)
			if err != nil || string(got[:n]) != value {
				t.Errorf("after %s: %s is %q, want %q, %v", command, attribute, got[:max(n, 0)], value, err)
			}
		}
	}
}

// chmodProfiles gives NetworkManager's profiles the mode without which it does not read them, and which git does
// not keep.
func chmodProfiles(t *testing.T, root string) {
	t.Helper()
	for _, name := range []string{"etc", "run", "usr/lib"} {
		profiles, err := filepath.Glob(filepath.Join(root, name, "NetworkManager/system-connections/*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range profiles {
			if err := os.Chmod(p, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}
