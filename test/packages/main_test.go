package packages

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes namespaces")
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Minute, fmt.Errorf("not within five minutes"))
	t.Cleanup(cancel)
	root, err := roots.Get(ctx, roots.Packaging, t.Output())
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

// makes runs make once and returns the folder that it filled; what names the target and its variable.
func makes(target, variable string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		dir := filepath.Join(outDir, target)
		cmd := exec.Command("make", target, variable+"="+dir, "VERSION="+version)
		cmd.Dir = top
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("make %s: %w\n%s", target, err, out)
		}
		return dir, nil
	})
}

// version is that of all that is built here.
const version = "0.9.0"

var (
	outDir string
	docs   = makes("docs", "DOCS")
)

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
