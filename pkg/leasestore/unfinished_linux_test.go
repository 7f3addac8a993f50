package leasestore

import (
	"bufio"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAKilledReturnIsFinishedAtTheNextStart: a process was killed at each step of putting its copy into the place of a
// file that was removed or replaced.
func TestAKilledReturnIsFinishedAtTheNextStart(t *testing.T) {
	newer, older := stamped(lease(2, 2)), stamped(lease(1, 1))
	const copied = ".new-4711"
	for _, tt := range []struct {
		name  string
		left  func(t *testing.T, path string) // older stands at path, newer at path+copied
		told  string
		want  *Lease
		found *Lease // in found-1
	}{
		{"removed, copied", func(t *testing.T, path string) { ok(t, os.Remove(path)) }, "was removed or moved while in use, and v6responder killed then", newer, nil},
		{"replaced, copied", func(*testing.T, string) {}, "kept as %s.found-1; all that it had is written there again", newer, older},
		{"replaced, half named", func(t *testing.T, path string) { ok(t, os.Link(path+copied, path+".found-1")) }, "kept as %s.found-1; all that it had is written there again", newer, older},
		{"replaced, exchanged", func(t *testing.T, path string) {
			ok(t, os.Link(path+copied, path+".found-1"))
			ok(t, unix.Renameat2(unix.AT_FDCWD, path+".found-1", unix.AT_FDCWD, path, unix.RENAME_EXCHANGE))
		}, "", newer, older},
		{"replaced, half copied", func(t *testing.T, path string) { ok(t, os.Truncate(path+copied, 9000)) }, "", older, nil},
		{"restored since then", func(t *testing.T, path string) { renewed(t, path, path+copied) }, "is kept as %s.found-1", older, newer},
		{"restored since then, half named", func(t *testing.T, path string) {
			ok(t, os.Link(path+copied, path+".found-1"))
			renewed(t, path, path+copied)
		}, "is kept as %s.found-1", older, newer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := temporary(t)
			for name, n := range map[string]int{path: 1, path + copied: 2} {
				h, err := opened(path + ".made")
				ok(t, err)
				h.do(t, put(n, n))
				ok(t, errors.Join(h.Close(), os.Rename(path+".made", name)))
			}
			renewed(t, path+copied, path)
			tt.left(t, path)
			told := ""
			h := open(t, path, func(_ *harness, o *Options) {
				o.Astray = func(what *Fault, back bool) {
					if told += what.Error(); !back || what.Cure == "" {
						t.Errorf("told %v, %s", what, what.Cure)
					}
				}
			})
			h.want(t, tt.want)
			if want := strings.ReplaceAll(tt.told, "%s", path); !strings.Contains(told, want) || want == "" && told != "" {
				t.Errorf("told %q", told)
			}
			ok(t, h.Close())
			names, err := filepath.Glob(path + "*")
			ok(t, err)
			if tt.found == nil {
				if len(names) != 1 {
					t.Errorf("left: %v", names)
				}
				return
			}
			if len(names) != 2 {
				t.Errorf("left: %v", names)
			}
			open(t, path+".found-1").want(t, tt.found)
		})
	}
}

// renewed makes the file the one that was changed last.
func renewed(t *testing.T, file, than string) {
	t.Helper()
	for {
		ok(t, os.Chmod(file, 0o600))
		a, err := os.Stat(file)
		ok(t, err)
		b, err := os.Stat(than)
		ok(t, err)
		if changed(a).After(changed(b)) {
			return
		}
	}
}

// TestACopyThatAnotherProcessIsInIsLeft to it, whatever it does with it.
func TestACopyThatAnotherProcessIsInIsLeft(t *testing.T) {
	path := temporary(t)
	h := open(t, path)
	h.do(t, put(1, 1))
	image := h.image(t)
	ok(t, os.Rename(image, path+".new-1"))
	other, err := openFile(path+".new-1", false)
	ok(t, err)
	h.again(t).want(t, stamped(lease(1, 1)))
	if _, err := os.Stat(path + ".new-1"); err != nil {
		t.Error(err)
	}
	ok(t, other.Close())
}

// TestKilledWhileTheFileIsReplaced, as TestKilledAtAnyMoment; meanwhile the file is removed, moved, or replaced by an
// older one. What was acknowledged is there at the next start, unless the process died before it could have missed the
// file: then there is none, or the other one.
func TestKilledWhileTheFileIsReplaced(t *testing.T) {
	const kills, older = 60, 20
	path, h := temporary(t), &history{}
	r := rand.New(rand.NewPCG(9, 9))
	ok(t, child(t, "write", path, 0, older, 6).Run())
	backup := temporaryCopy(t, path)
	actions := []func(){
		func() { ok(t, os.Remove(path)) },
		func() { ok(t, os.Rename(path, path+".old")) },
		func() {
			b, err := os.ReadFile(backup)
			ok(t, errors.Join(err, os.WriteFile(path+".backup", b, 0o600), os.Rename(path+".backup", path)))
		},
	}
	steps, back := older, 0
	for round := range kills {
		acknowledged, returned := killedIn(t, child(t, "write", path, steps, 0, 40, "astray"), steps, r, actions[round%len(actions)])
		got, err := clients(path)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		found := h.find(got, acknowledged, acknowledged+DefaultMaxQueue)
		if found < 0 && !returned {
			other := []int{0, 0, older}[round%len(actions)]
			found = h.find(got, other, other)
		}
		if found < 0 {
			t.Fatalf("round %d, from step %d, %d acknowledged, returned %t: %v", round, steps, acknowledged, returned, got)
		}
		if steps = found; returned {
			back++
		}
		kept, err := filepath.Glob(path + ".*")
		ok(t, err)
		for _, name := range kept {
			ok(t, os.Remove(name))
		}
	}
	t.Logf("%d kills, the last %d of them after the file was back", kills, back)
	if back < kills/4 {
		t.Errorf("only %d kills came when the file was back", back)
	}
}

// killedIn runs a child that writes from a step on, does something to its file, and kills it: how many steps it has
// acknowledged, and whether its file had come back.
func killedIn(t *testing.T, cmd *exec.Cmd, steps int, r *rand.Rand, do func()) (acknowledged int, back bool) {
	t.Helper()
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	ok(t, err)
	ok(t, cmd.Start())
	acknowledged = steps
	lines := bufio.NewScanner(out)
	read := func() bool {
		if !lines.Scan() {
			return false
		}
		if back = back || lines.Text() == "back"; lines.Text() != "back" {
			acknowledged = atoi(lines.Text()) + 1
		}
		return true
	}
	for range 5 + r.IntN(100) {
		read()
	}
	do()
	for n := r.IntN(200); n > 0 && read(); n-- {
	}
	ok(t, cmd.Process.Signal(syscall.SIGKILL))
	for read() { // what it has said before it died counts
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return acknowledged, back
}
