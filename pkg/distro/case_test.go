package distro

import (
	"bytes"
	"flag"
	"io/fs"
	"net"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files under testdata/distro")

// testdata is where the golden cases lie; testdata/distro/README tells their form.
const testdata = "../../testdata/distro"

// A testCase is a folder of testdata: in/ is the root folder, case.txt says the rest.
type testCase struct {
	dir      string
	moment   Moment
	nics     []NIC
	facts    Facts
	fallback string // name of the default NIC; the first unless said
	recipe   bool
	modes    map[string]fs.FileMode // by path: of profiles, which have 0600 otherwise
}

// loadCase reads a case.
func loadCase(t *testing.T, dir string) testCase {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "case.txt"))
	if err != nil {
		t.Fatal(err)
	}
	c := testCase{dir: dir, moment: Image}
	for line := range strings.Lines(string(b)) {
		words := strings.Fields(line)
		switch words[0] {
		case "moment":
			c.moment = Moment(words[1])
		case "nic":
			c.nics = append(c.nics, parseNIC(t, words[1:]))
		case "process":
			c.facts.Processes = append(c.facts.Processes, Process{Name: words[1], Args: words[2:]})
		case "default":
			c.fallback = words[1]
		case "mode":
			mode, err := strconv.ParseUint(words[2], 8, 32)
			if err != nil {
				t.Fatal(err)
			}
			c.modes = map[string]fs.FileMode{words[1]: fs.FileMode(mode)}
		case "recipe":
			c.recipe = true
		default:
			t.Fatalf("%s: %q", dir, line)
		}
	}
	if c.fallback == "" {
		c.fallback = c.nics[0].Name
	}
	return c
}

// parseNIC reads "name mac [index [driver]]".
func parseNIC(t *testing.T, words []string) NIC {
	t.Helper()
	mac, err := net.ParseMAC(words[1])
	if err != nil {
		t.Fatal(err)
	}
	nic := NIC{Name: words[0], MAC: mac}
	if len(words) > 2 {
		if nic.Index, err = strconv.Atoi(words[2]); err != nil {
			t.Fatal(err)
		}
	}
	if len(words) > 3 {
		nic.Driver = words[3]
	}
	return nic
}

// system is the case's guest.
func (c testCase) system() System {
	return System{Tree: NewTree(caseFS{os.DirFS(filepath.Join(c.dir, "in")), c}), Moment: c.moment, Facts: c.facts}
}

// mode is the mode of a case's file: git keeps none, and NetworkManager looks at those of profiles.
func (c testCase) mode(name string, mode fs.FileMode) fs.FileMode {
	switch want, ok := c.modes[name]; {
	case ok:
		return want
	case mode.IsRegular() && strings.HasSuffix(path.Dir(name), "/system-connections"):
		return 0o600
	}
	return mode
}

// copyTo copies a case's root folder.
func (c testCase) copyTo(t *testing.T, root string) {
	t.Helper()
	if err := os.CopyFS(root, os.DirFS(filepath.Join(c.dir, "in"))); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		return os.Chmod(name, c.mode(strings.TrimPrefix(name, root), info.Mode()))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// caseFS is a case's root folder with the modes that it means.
type caseFS struct {
	fs.FS
	c testCase
}

func (f caseFS) ReadLink(name string) (string, error) { return fs.ReadLink(f.FS, name) }

func (f caseFS) Lstat(name string) (fs.FileInfo, error) { return fs.Lstat(f.FS, name) }

func (f caseFS) Stat(name string) (fs.FileInfo, error) {
	info, err := fs.Stat(f.FS, name)
	if err != nil {
		return nil, err
	}
	return caseInfo{info, f.c.mode("/"+name, info.Mode())}, nil
}

type caseInfo struct {
	fs.FileInfo
	mode fs.FileMode
}

func (i caseInfo) Mode() fs.FileMode { return i.mode }

// golden compares with a golden file, or rewrites it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%s:\nwant:\n%s\ngot:\n%s", name, want, got)
	}
}

// cases runs f for every case of a folder.
func cases(t *testing.T, pattern string, f func(t *testing.T, c testCase)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(testdata, pattern, "case.txt"))
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			f(t, loadCase(t, dir))
		})
	}
}
