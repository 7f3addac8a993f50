package leasestore

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A history is the states that a store has after each number of steps.
type history struct {
	next  model
	after []string
}

// state is that after so many steps.
func (h *history) state(steps int) string {
	if h.after == nil {
		h.next = model{}
		h.after = []string{fmt.Sprint(h.next)}
	}
	for len(h.after) <= steps {
		step(len(h.after)-1, h.next)
		h.after = append(h.after, fmt.Sprint(h.next))
	}
	return h.after[steps]
}

// find says after how many steps, from least to most, the store was as got; -1 if never.
func (h *history) find(got model, least, most int) int {
	text := fmt.Sprint(got)
	for n := least; n <= most; n++ {
		if h.state(n) == text {
			return n
		}
	}
	return -1
}

// TestKilledAtAnyMoment kills a process that writes, again and again. What it said to be durable is
// there; the rest is there up to some step and not beyond, so nothing is half done or out of order.
func TestKilledAtAnyMoment(t *testing.T) {
	path := temporary(t)
	const kills = 40
	r := rand.New(rand.NewPCG(7, 7))
	h, steps, total := &history{}, 0, 0
	for round := range kills {
		cmd := child(t, "write", path, steps, 0, 40)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		acknowledged := steps
		lines, limit := bufio.NewScanner(out), r.IntN(400)
		for n := 0; (n < limit || round%10 == 9 && n < 3000) && lines.Scan(); n++ {
			acknowledged = atoi(lines.Text()) + 1
		}
		if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it has said before it died counts
			acknowledged = atoi(lines.Text()) + 1
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("round %d: the child ended by itself: %v", round, err)
		}
		got, err := clients(path)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		found := h.find(got, acknowledged, acknowledged+DefaultMaxQueue)
		if found < 0 {
			t.Fatalf("round %d, from step %d, %d acknowledged: %v", round, steps, acknowledged, got)
		}
		total += acknowledged - steps
		steps = found
	}
	t.Logf("%d kills, %d steps acknowledged, none lost", kills, total)
}

// TestAFileThatMayNotGrow: the commit fails, nothing acknowledged is lost, and with the limit gone the
// store goes on.
func TestAFileThatMayNotGrow(t *testing.T) {
	if out, err := child(t, "limit", temporary(t)).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestAFullDisk(t *testing.T) { onItsOwnDisk(t, "full") }

// TestAFullDiskWhileTheFileIsWrittenAgain: it was removed, and there is no room for it, for its name or for half of it.
func TestAFullDiskWhileTheFileIsWrittenAgain(t *testing.T) { onItsOwnDisk(t, "rewrite") }

// onItsOwnDisk lets a child mount a small file system in a mount namespace of its own.
func onItsOwnDisk(t *testing.T, what string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, to mount a small file system")
	}
	cmd := child(t, what, t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	t.Logf("%s", out)
}
