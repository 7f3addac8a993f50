package clock_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
)

// soon bounds a wait for something that comes much sooner.
const soon = 10 * time.Second

func newTimer(t *testing.T) clock.Timer {
	t.Helper()
	timer, err := clock.Boottime{}.NewTimer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = timer.Close() })
	return timer
}

func fires(t *testing.T, timer clock.Timer) {
	t.Helper()
	select {
	case <-timer.C():
	case <-time.After(soon):
		t.Fatal("the timer does not fire")
	}
}

func silent(t *testing.T, timer clock.Timer) {
	t.Helper()
	select {
	case <-timer.C():
		t.Fatal("the timer fired")
	default:
	}
}

func TestBoottimeGoesOn(t *testing.T) {
	c := clock.Boottime{}
	first := c.Now()
	if first <= 0 {
		t.Fatalf("time since boot: %s", first)
	}
	for c.Now() == first { // a few reads of a clock that counts nanoseconds
	}
	if c.Now().Before(first) {
		t.Error("the clock went back")
	}
}

func TestBoottimeTimerFiresAtItsDeadline(t *testing.T) {
	timer, c := newTimer(t), clock.Boottime{}
	for range 3 {
		at := c.Now().Add(20 * time.Millisecond)
		if err := timer.Set(at); err != nil {
			t.Fatal(err)
		}
		fires(t, timer)
		if now := c.Now(); now.Before(at) {
			t.Errorf("fired at %s, before %s", now, at)
		}
	}
}

func TestBoottimeTimerInThePastFiresAtOnce(t *testing.T) {
	timer := newTimer(t)
	for _, at := range []clock.Instant{clock.Boottime{}.Now() - 1, 1, 0, -1} {
		if err := timer.Set(at); err != nil {
			t.Fatal(err)
		}
		fires(t, timer)
	}
}

// TestBoottimeTimerIsReplaced proves that the last Set counts: a second timer, armed for a later
// moment than the first deadline of the one that was replaced, fires while that one stays silent.
func TestBoottimeTimerIsReplaced(t *testing.T) {
	for _, tt := range []struct {
		name string
		then clock.Instant
	}{
		{"Never disarms", clock.Never},
		{"a later deadline replaces an earlier one", clock.Boottime{}.Now().Add(time.Hour)},
		{"the moment before Never is far away", clock.Never - 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			timer, witness := replaced(t, tt.then), newTimer(t)
			if err := witness.Set(clock.Boottime{}.Now().Add(60 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			fires(t, witness)
			silent(t, timer)
			if err := timer.Set(1); err != nil {
				t.Fatal(err)
			}
			fires(t, timer)
		})
	}
}

// replaced is a timer that was set to a moment 30 ms ahead and then, before that came, to another.
func replaced(t *testing.T, then clock.Instant) clock.Timer {
	t.Helper()
	for {
		timer, first := newTimer(t), clock.Boottime{}.Now().Add(30*time.Millisecond)
		if err := errors.Join(timer.Set(first), timer.Set(then)); err != nil {
			t.Fatal(err)
		}
		if (clock.Boottime{}).Now().Before(first) { // else the machine was busy elsewhere
			return timer
		}
	}
}

func TestBoottimeTimerNobodyReceives(t *testing.T) {
	timer := newTimer(t)
	for range 3 { // expiries that nobody receives pile up to one value and block nothing
		if err := timer.Set(1); err != nil {
			t.Fatal(err)
		}
		witness := newTimer(t)
		if err := witness.Set(1); err != nil {
			t.Fatal(err)
		}
		fires(t, witness)
	}
	if err := timer.Close(); err != nil {
		t.Fatal(err)
	}
	silent(t, timer)
}

func TestBoottimeCloseEndsTheTimer(t *testing.T) {
	goroutines, descriptors := runtime.NumGoroutine(), openFiles(t)
	for range 50 {
		timer, err := clock.Boottime{}.NewTimer()
		if err != nil {
			t.Fatal(err)
		}
		if err := timer.Set(clock.Boottime{}.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := timer.Close(); err != nil {
			t.Fatal(err)
		}
		if err := timer.Set(1); !errors.Is(err, os.ErrClosed) {
			t.Fatalf("Set after Close: %v", err)
		}
		silent(t, timer)
	}
	// Close waits until its goroutine has told that it ends; the last few may still be on their way out.
	for deadline := time.Now().Add(soon); runtime.NumGoroutine() > goroutines && time.Now().Before(deadline); {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines, %d before", n, goroutines)
	}
	if n := openFiles(t); n > descriptors {
		t.Errorf("%d open files, %d before", n, descriptors)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

func TestBootID(t *testing.T) {
	id, err := clock.BootID(clock.BootIDFile)
	if err != nil || len(id) != 36 {
		t.Errorf("this boot: %q, %v", id, err)
	}
	empty := filepath.Join(t.TempDir(), "boot_id")
	if _, err := clock.BootID(empty); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := clock.BootID(empty); err == nil || !strings.Contains(err.Error(), empty) {
		t.Errorf("empty file: %v", err)
	}
}
