package parsers

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/roots"
)

// The stacks, in roots of their own where they exclude each other.
var (
	stacks         = roots.Stacks
	networkManager = roots.NetworkManager
	ifupdown2      = roots.Ifupdown2
	ifupdownNG     = roots.Spec{Name: "ifupdown-ng", Suite: "bookworm", Packages: []string{"ifupdown-ng", "iproute2", "procps"}}
)

// testdata is pkg/distro's golden cases.
const testdata = "../../testdata/distro"

// A goldenCase is one of pkg/distro's golden cases with one policy's files.
type goldenCase struct {
	name, policy string
	files        map[string]string // as they are when the plan is done
	changed      []string          // of them, those that pkg/distro wrote
	nics         []string
	ra           map[string]string // by NIC: who processes Router Advertisements, as the plan says
}

// goldenCases reads the cases whose name begins with prefix and that have output.
func goldenCases(t *testing.T, prefix string) (out []goldenCase) {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(testdata, prefix+"*", "out.*"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases %s: %v", prefix, err)
	}
	for _, dir := range dirs {
		c := goldenCase{name: filepath.Base(filepath.Dir(dir)), policy: strings.TrimPrefix(filepath.Base(dir), "out.")}
		c.files = readTree(t, filepath.Join(filepath.Dir(dir), "in"))
		for name, text := range readTree(t, dir) {
			if gone, ok := strings.CutSuffix(name, ".removed"); ok {
				delete(c.files, gone)
				continue
			}
			c.files[name] = text
			c.changed = append(c.changed, name)
		}
		c.nics, c.ra = plannedNICs(t, filepath.Join(filepath.Dir(dir), "plan.json"), c.policy)
		out = append(out, c)
	}
	return out
}

// readTree reads the files below a folder.
func readTree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(name)
		out[strings.TrimPrefix(name, dir)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// plannedNICs is the NICs of a case, with who processes Router Advertisements there.
func plannedNICs(t *testing.T, file, policy string) (out []string, ra map[string]string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var plans map[string]struct {
		NICs []struct {
			NIC string `json:"nic"`
			RA  string `json:"ra"`
		} `json:"nics"`
	}
	if err := json.Unmarshal(b, &plans); err != nil {
		t.Fatal(err)
	}
	ra = map[string]string{}
	for _, n := range plans[policy].NICs {
		out = append(out, n.NIC)
		ra[n.NIC] = n.RA
	}
	return out, ra
}

// eachCase boots a machine for every golden case, with those of its files that begin with one of the
// folders, and runs f in it.
func eachCase(t *testing.T, spec roots.Spec, prefix string, folders []string, f func(t *testing.T, m *machine, c goldenCase)) {
	t.Helper()
	l := newLab(t)
	folderOf(t, spec)
	for _, c := range goldenCases(t, prefix) {
		t.Run(c.name+" "+c.policy, func(t *testing.T) {
			m := boot(t, l, spec)
			for name, text := range c.files {
				for _, folder := range folders {
					if strings.HasPrefix(name, folder) {
						m.write(name, text)
					}
				}
			}
			f(t, m, c)
		})
	}
}

// newLab makes a lab; without root the test is skipped.
func newLab(t *testing.T) *lab.Lab {
	t.Helper()
	l, err := lab.New()
	if errors.Is(err, lab.ErrNotRoot) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// A machine is one of the lab's, with the test that it is for.
type machine struct {
	*lab.Machine
	t *testing.T
}

// folderOf is the folder of a root, which is made now if the cache lacks it.
func folderOf(t *testing.T, spec roots.Spec) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	dir, err := roots.Get(ctx, spec, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// boot boots a machine on a root.
func boot(t *testing.T, l *lab.Lab, spec roots.Spec) *machine {
	t.Helper()
	m, err := l.Boot(lab.Config{Name: "guest", Root: folderOf(t, spec)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return &machine{Machine: m, t: t}
}

// write writes a file of the machine.
func (m *machine) write(name, text string) {
	m.t.Helper()
	if err := m.WriteFile(name, text); err != nil {
		m.t.Fatal(err)
	}
}

// run runs a program to its end.
func (m *machine) run(args ...string) lab.Result {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
	defer cancel()
	r, err := m.Run(ctx, args...)
	if err != nil {
		m.t.Fatal(err)
	}
	return r
}

// must runs a program that must succeed, and gives what it printed.
func (m *machine) must(args ...string) string {
	m.t.Helper()
	r := m.run(args...)
	if r.Code != 0 {
		m.t.Fatalf("%s: exit code %d\n%s%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout + r.Stderr
}
