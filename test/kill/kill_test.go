package kill

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/roots"
)

var (
	long  = flag.Bool("long", false, "with the files of every back end")
	every = flag.Bool("every", false, "also at each openat that only reads: thousands, hours")
)

// short is the golden case whose files the short run changes; backends is one of each other back end.
// Together their plans edit files, make new ones with folders of their own, and take one away.
var (
	short    = []string{"ifupdown-two-nics"}
	backends = []string{
		"dhcpcd-manager", "ifcfg-rhel7.9-cloud-init", "ifupdown-ng-alpine", "ifupdown2-proxmox", "netplan-nm", "networkd-249-second-nic",
		"networkd-stale-own-file-goes", "nm-no-profile", "nm-cloud-init-dhcp", "recipe-centos-6.2", "wicked-stock",
	}
)

// calls are the kinds of system calls that write: strace counts each kind by itself. openat is among
// them, since it makes files: of its thousands those are taken that do, since what a kill leaves changes
// with calls that write only.
var calls = []string{
	"write", "fsync", "fchmod", "fchmodat", "fchown", "fsetxattr", "renameat", "renameat2", "unlinkat", "mkdirat", "linkat", "flock", "openat",
}

// needed are those of them without which no file is changed and can be brought back: a configure has to make a
// folder, a restore to take one away. keeping are those without which an edited file loses what newGuest gave it.
var (
	needed = map[string][]string{
		"configure": {"write", "fsync", "renameat", "mkdirat", "flock", "openat"},
		"restore":   {"write", "fsync", "renameat", "unlinkat", "flock", "openat"},
	}
	keeping = []string{"fchmod", "fchown", "fsetxattr"}
)

// runtimes are those that the Go runtime makes too, more in one run and fewer in another.
var runtimes = []string{"write", "openat"}

// oneThread is a file that the test adds to the program: strace counts the calls of each thread by
// itself, and the Go runtime moves work between threads as it likes.
const oneThread = `package main

import "runtime"

func init() { runtime.LockOSThread() }
`

func TestAKillAtAnySystemCallLeavesFilesWholeAndTheNextRunGoesOn(t *testing.T) {
	m := machine(t)
	cases := short
	if *long {
		cases = append(cases, backends...)
	}
	for _, name := range cases {
		t.Run(name, func(t *testing.T) {
			g := newGuest(t, m, name)
			for _, command := range []string{"configure", "restore"} {
				for _, call := range calls {
					t.Run(command+" "+call, func(t *testing.T) { g.in(t).killEach(command, call) })
				}
			}
		})
	}
}

// machine boots a machine that has strace and the program.
func machine(t *testing.T) *lab.Machine {
	t.Helper()
	l, err := lab.New()
	if errors.Is(err, lab.ErrNotRoot) {
		t.Skip(err)
	}
	check(t, err)
	t.Cleanup(func() { check(t, l.Close()) })
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	root, err := roots.Get(ctx, roots.Stacks, t.Output())
	check(t, err)
	bin := t.TempDir()
	build := exec.CommandContext(ctx, "go", "build", "-overlay", overlay(t), "-trimpath", "-buildvcs=false", "-o", bin, "../../cmd/v6guest")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	m, err := l.Boot(lab.Config{Name: "guest", Root: root, Bin: bin})
	check(t, err)
	t.Cleanup(func() { check(t, m.Close()) })
	return m
}

// overlay is a file that tells the compiler of oneThread.
func overlay(t *testing.T) string {
	t.Helper()
	place, err := filepath.Abs("../../cmd/v6guest/onethread.go")
	check(t, err)
	source := filepath.Join(t.TempDir(), "onethread.go")
	check(t, os.WriteFile(source, []byte(oneThread), 0o644))
	b, err := json.Marshal(map[string]map[string]string{"Replace": {place: source}})
	check(t, err)
	name := filepath.Join(t.TempDir(), "overlay.json")
	check(t, os.WriteFile(name, b, 0o644))
	return name
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A guest is an image in a machine, and what it is before and after.
type guest struct {
	t             *testing.T
	m             *lab.Machine
	options       []string // of configure
	before, after map[string]string
}

// The folders in the machine: the image as it was, as it is when all is done, and the one that is worked on.
const (
	original   = "/tmp/original"
	configured = "/tmp/configured"
	work       = "/tmp/work"
)

// newGuest brings the files of a golden case into the machine, each with an owner, a mode and an
// extended attribute that no new file would have by itself.
func newGuest(t *testing.T, m *lab.Machine, name string) *guest {
	t.Helper()
	g := &guest{t: t, m: m}
	g.must("rm", "-rf", original, configured, work)
	dir := filepath.Join("../../testdata/distro", name)
	check(t, os.CopyFS(m.Path(original), os.DirFS(filepath.Join(dir, "in"))))
	check(t, filepath.WalkDir(m.Path(original)+"/etc", func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		if err := os.Chown(name, 0, 8); err != nil {
			return err
		}
		mode := fs.FileMode(0o640)
		if filepath.Base(filepath.Dir(name)) == "system-connections" {
			mode = 0o600 // or NetworkManager, and so v6guest, leaves it out
		}
		return errors.Join(os.Chmod(name, mode), unix.Setxattr(name, "trusted.v6guest-test", []byte(filepath.Base(name)), 0))
	}))
	text, err := os.ReadFile(filepath.Join(dir, "case.txt"))
	check(t, err)
	for line := range strings.Lines(string(text)) {
		switch words := strings.Fields(line); words[0] {
		case "nic":
			g.options = append(g.options, "--nic", words[1]+"="+words[2])
		case "default":
			g.options = append(g.options, "--default", words[1])
		case "recipe":
			g.options = append(g.options, "--recipe")
		}
	}
	g.before = g.snapshot(original)
	g.must("cp", "-a", original, work)
	g.must(g.program("configure")...)
	g.must("cp", "-a", work, configured)
	g.after = g.snapshot(work)
	if len(g.after) == 0 || cmp.Equal(g.before, g.after) {
		t.Fatal("nothing is changed")
	}
	g.must(g.program("restore")...)
	g.same("restored", g.before)
	return g
}

// in is the guest for a test below the one that made it.
func (g *guest) in(t *testing.T) *guest {
	below := *g
	below.t = t
	return &below
}

// program is a command line of the program.
func (g *guest) program(command string) []string {
	args := []string{"v6guest", command, "--root", work}
	if command == "configure" {
		args = append(args, g.options...)
	}
	return args
}

// killEach runs the command and kills it at the first call of that kind, then at the second, until it
// comes to its end.
func (g *guest) killEach(command, call string) {
	from := original
	if command == "restore" {
		from = configured
	}
	traced := g.traced(command, call, from)
	must := slices.Contains(needed[command], call) || g.edits() && slices.Contains(keeping, call)
	if must && len(traced) == 0 {
		g.t.Fatal("no such call: the test proves nothing")
	}
	tried, killed := 0, 0
	for i, line := range traced {
		n := i + 1
		if call == "openat" && !*every && !strings.Contains(line, "O_CREAT") {
			continue
		}
		tried++
		g.must("sh", "-c", "rm -rf "+work+" && cp -a "+from+" "+work)
		r := g.strace(command, call, "-e", fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", call, n))
		if r.Code == 0 { // the runtime's own calls are more in one run and fewer in another
			continue
		}
		killed++
		if r.Code != -1 {
			g.t.Fatalf("call %d of %d: exit code %d\n%s%s", n, len(traced), r.Code, r.Stdout, r.Stderr)
		}
		g.whole(n)
		g.goOn(command, n)
		if g.t.Failed() {
			g.t.Fatalf("killed at call %d of %d: %s", n, len(traced), line)
		}
	}
	if killed < tried && !slices.Contains(runtimes, call) || killed*4 < tried*3 {
		g.t.Fatalf("only %d of %d kills hit: the calls come in no order", killed, tried)
	}
	g.t.Logf("%d calls, %d kills", len(traced), killed)
}

// edits says whether a file is edited, and not only made or taken away.
func (g *guest) edits() bool {
	for name, before := range g.before {
		if after, stays := g.after[name]; stays && after != before {
			return true
		}
	}
	return false
}

// traced is the calls of that kind in a run that nobody kills, a line each.
func (g *guest) traced(command, call, from string) (lines []string) {
	g.must("sh", "-c", "rm -rf "+work+" && cp -a "+from+" "+work)
	if r := g.strace(command, call); r.Code != 0 {
		g.t.Fatalf("exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	b, err := os.ReadFile(g.m.Path("/tmp/trace"))
	check(g.t, err)
	byThread := map[string][]string{}
	for line := range strings.Lines(string(b)) {
		thread, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		if text = strings.TrimSpace(text); strings.HasPrefix(text, call+"(") {
			byThread[thread] = append(byThread[thread], text)
		}
	}
	for _, of := range byThread {
		if len(of) > len(lines) { // the other threads are the runtime's own: they write nothing that stays
			lines = of
		}
	}
	return lines
}

// strace runs a command of the program under strace, which traces one kind of calls into /tmp/trace.
func (g *guest) strace(command, call string, options ...string) lab.Result {
	args := append([]string{"env", "GOMAXPROCS=1", "strace", "-f", "-qq", "-o", "/tmp/trace", "-e", "trace=" + call}, options...)
	return g.run(append(args, g.program(command)...)...)
}

// whole checks that each file is what it was or what it was to be: such a machine boots.
func (g *guest) whole(n int) {
	for name, got := range g.snapshot(work) {
		if strings.Contains(name, ".v6guest-tmp-") {
			continue // no stack reads a name that begins with a dot
		}
		if got != g.before[name] && got != g.after[name] && !strings.HasSuffix(name, "/") {
			g.t.Errorf("call %d: %s is %s", n, name, got)
		}
	}
	left := g.snapshot(work)
	for name := range g.before {
		_, there := left[name]
		if _, stays := g.after[name]; !there && stays { // changed or not: an edited file is replaced, never first removed
			g.t.Errorf("call %d: %s is gone", n, name)
		}
	}
}

// goOn lets the next run finish, be it the same command or the other one.
func (g *guest) goOn(command string, n int) {
	g.must("sh", "-c", "rm -rf "+work+".2 && cp -a "+work+" "+work+".2")
	g.must(g.program("restore")...)
	g.same(fmt.Sprintf("call %d of %s, restored at once", n, command), g.before)
	g.must("sh", "-c", "rm -rf "+work+" && mv "+work+".2 "+work)
	g.must(g.program("configure")...)
	g.same(fmt.Sprintf("call %d of %s, configured", n, command), g.after)
	g.must(g.program("restore")...)
	g.same(fmt.Sprintf("call %d of %s, configured and restored", n, command), g.before)
}

// same compares the image with what it is to be.
func (g *guest) same(when string, want map[string]string) {
	g.t.Helper()
	if diff := cmp.Diff(want, g.snapshot(work)); diff != "" {
		g.t.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

// snapshot is all that lies in the image but v6guest's own state: bytes, mode, owner, attribute.
func (g *guest) snapshot(dir string) map[string]string {
	g.t.Helper()
	root := g.m.Path(dir)
	out := map[string]string{}
	check(g.t, filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(name, root)
		if rel == "/var/lib/v6guest" {
			return filepath.SkipDir
		}
		switch {
		case rel == "" || strings.HasPrefix(rel, "/var"): // folders on the way to the state may be made
		case e.IsDir():
			out[rel+"/"] = "a folder"
		case e.Type()&fs.ModeSymlink != 0:
			out[rel], err = os.Readlink(name)
		default:
			out[rel], err = describe(name)
		}
		return err
	}))
	return out
}

// describe is a file in a line.
func describe(name string) (string, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return "", err
	}
	attribute := make([]byte, 100)
	n, err := unix.Getxattr(name, "trusted.v6guest-test", attribute)
	if err != nil {
		n = 0
	}
	return fmt.Sprintf("%o %d:%d %q %q", st.Mode, st.Uid, st.Gid, attribute[:n], b), nil
}

// run runs a program in the machine.
func (g *guest) run(args ...string) lab.Result {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), time.Minute)
	defer cancel()
	r, err := g.m.Run(ctx, args...)
	check(g.t, err)
	return r
}

// must runs a program that must succeed.
func (g *guest) must(args ...string) {
	g.t.Helper()
	if r := g.run(args...); r.Code != 0 {
		g.t.Fatalf("%s: exit code %d\n%s%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
}
