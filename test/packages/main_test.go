package packages

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/roots"
)

// top is the repository's folder.
const top = "../.."

// A machine has the judges, and nothing of ours yet.
type machine struct {
	*lab.Machine
	t   *testing.T
	ctx context.Context
}

// boot makes a machine from the cached root of packaging tools.
func boot(t *testing.T) *machine {
	t.Helper()
	return bootFrom(t, roots.Packaging)
}

func bootFrom(t *testing.T, spec roots.Spec) *machine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes namespaces")
	}
	// The first test of all also builds the packager and the packages in this time.
	ctx, cancel := context.WithTimeoutCause(t.Context(), 15*time.Minute, fmt.Errorf("not within 15 minutes"))
	t.Cleanup(cancel)
	root, err := roots.Get(ctx, spec, t.Output())
	check(t, err)
	l, err := lab.New()
	check(t, err)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	m, err := l.Boot(lab.Config{Name: "guest", Root: root})
	check(t, err)
	return &machine{m, t, ctx}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// do runs a program and returns what it printed.
func (m *machine) do(argv ...string) lab.Result {
	m.t.Helper()
	r, err := m.Run(m.ctx, argv...)
	check(m.t, err)
	return r
}

// must runs a program that has to succeed, and returns all that it printed.
func (m *machine) must(argv ...string) string {
	m.t.Helper()
	r := m.do(argv...)
	if r.Code != 0 {
		m.t.Fatalf("%s: exit code %d\n%s%s", strings.Join(argv, " "), r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout + r.Stderr
}

// put copies a file of this machine's into the other.
func (m *machine) put(name, from string) {
	m.t.Helper()
	text, err := os.ReadFile(from)
	check(m.t, err)
	check(m.t, m.WriteFile(name, string(text)))
}

// version is that of all that is built here; epoch is the time of its commit.
const (
	version = "0.9.0"
	epoch   = "1790000000"
)

var (
	outDir string
	docs   = sync.OnceValues(func() (string, error) {
		dir := filepath.Join(outDir, "docs")
		return dir, makes("docs", "DOCS="+dir)
	})
	// built is the folder with the packages of this machine's architecture.
	built = sync.OnceValues(func() (string, error) {
		dir := filepath.Join(outDir, "built")
		return dir, makes("packages", "DIST="+dir, "ARCHES="+runtime.GOARCH, "VERSION="+version)
	})
	// upgrade is the same with the next version.
	upgrade = sync.OnceValues(func() (string, error) {
		dir := filepath.Join(outDir, "upgrade")
		return dir, makes("packages", "DIST="+dir, "ARCHES="+runtime.GOARCH, "VERSION="+version+".1")
	})
)

func makes(target string, variables ...string) error {
	cmd := exec.Command("make", append([]string{target}, variables...)...)
	cmd.Dir = top
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+epoch)
	for _, v := range variables {
		if strings.HasPrefix(v, "ARCHES=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make %s: %w\n%s", target, err, out)
	}
	return nil
}

// packageFile is the file of a package in a folder that make packages has filled.
func packageFile(t *testing.T, dir, name, kind string) string {
	t.Helper()
	sep := map[string]string{"deb": "_", "rpm": "-"}[kind]
	found, err := filepath.Glob(filepath.Join(dir, name+sep+"[0-9]*."+kind))
	check(t, err)
	if len(found) != 1 {
		t.Fatalf("%s of %s in %s: %q", kind, name, dir, found)
	}
	return found[0]
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "v6guest-packages-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	outDir = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}
