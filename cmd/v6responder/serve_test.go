package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/responder"
)

// A safeBuffer is a log that is written and read by several goroutines.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestServeAndReload(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("makes a network namespace, which needs root")
	}
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("conf", "[server]\nhosts = "+path("hosts")+"\n[network guests]\ninterface = eth1\nprefix = 2001:db8:1::/64\n")
	write("hosts", "06:a0:f0:00:00:38,[2001:db8:1::38]\n06:a0:f0:00:00:39,[2001:db8:1::39]\n")
	args := func(command ...string) []string {
		return append([]string{"v6responder", "--config", path("conf"), "--state-dir", path("state"), "--run-dir", path("run")}, command...)
	}

	var log safeBuffer
	hangups := make(chan os.Signal, 1)
	server := &env{newProgram(&log, &log), hangups}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the thread ends with its namespace
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- server.run(ctx, args("serve"))
	}()
	stopped := false
	stop := func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	defer stop()

	await := func(what string, ok func() bool) {
		t.Helper()
		for limit := time.Now().Add(10 * time.Second); !ok(); runtime.Gosched() {
			if time.Now().After(limit) {
				t.Fatalf("not seen: %s\n%s", what, log.String())
			}
		}
	}
	await("the server's control socket", func() bool {
		_, err := responder.Reload(t.Context(), path("run"))
		return err == nil
	})
	await("what is missing", func() bool { return strings.Contains(log.String(), "interface is missing") })

	// The file is rewritten with one line less: reload does not wait for two quiet seconds.
	write("hosts", "06:a0:f0:00:00:38,[2001:db8:1::38]\nbroken\n")
	var out, errs bytes.Buffer
	client := &env{newProgram(&out, &errs), nil}
	reload := func(code int, wantOut string, wantErrs ...string) {
		t.Helper()
		out.Reset()
		errs.Reset()
		if got := client.Exit(client.run(t.Context(), args("reload"))); got != code || out.String() != wantOut {
			t.Errorf("reload: exit code %d, says %q; want %d, %q", got, out.String(), code, wantOut)
		}
		for _, want := range wantErrs {
			if !strings.Contains(errs.String(), want) {
				t.Errorf("reload tells of %q, want %q", errs.String(), want)
			}
		}
	}
	reload(fault.ExitFailure, "1 hosts line in force, 1 problem\n",
		"hosts:2: says not for whom it is", "v6responder: 1 hosts line is left out\nv6responder: try: correct the lines named")
	await("the line left out", func() bool { return strings.Contains(log.String(), `msg="hosts: line left out" problem=`) })

	// The file is removed: what it said holds on, and nothing is said of lines.
	if err := os.Remove(path("hosts")); err != nil {
		t.Fatal(err)
	}
	reload(fault.ExitFailure, "1 hosts line in force, 2 problems\n", "hosts: cannot be read: no such file or directory", "v6responder: 1 hosts file cannot be read")
	await("the file not read", func() bool {
		return strings.Contains(log.String(), `msg="hosts: file not read; the lines that it had before stay in force" problem=`)
	})
	write("hosts", "06:a0:f0:00:00:38,[2001:db8:1::38]\n06:a0:f0:00:00:39,[2001:db8:1::38]\n")
	reload(fault.ExitDone, "2 hosts lines in force, 1 problem\n", "hosts:2: [2001:db8:1::38] stands in line")
	await("the doubtful line", func() bool { return strings.Contains(log.String(), `msg="hosts: doubtful line" problem=`) })

	write("hosts", "")
	hangups <- syscall.SIGHUP
	await("SIGHUP", func() bool { return strings.Contains(log.String(), `msg="read anew" networks=1 lines=0`) })

	// A broken configuration leaves the old one in force; one in order is put in force.
	conf := "[server]\nhosts = " + path("hosts") + "\n[network guests]\ninterface = eth1\nprefix = 2001:db8:1::/64\n"
	write("conf", conf+"perfix = x\n")
	reload(fault.ExitUsage, "", `unknown key "perfix"; did you mean "prefix"?`, "try: correct the lines named")
	hangups <- syscall.SIGHUP
	await("SIGHUP with a broken file", func() bool { return strings.Contains(log.String(), `msg="nothing read anew: all stays as it was"`) })
	write("conf", conf+"preferred_lifetime = infinite\nvalid_lifetime = infinite\n")
	reload(fault.ExitDone, "0 hosts lines in force, 0 problems\n", "warning: "+path("conf")+":6: clients of infinite lifetimes never renew")

	// A second server with the same run folder is refused before it touches anything.
	err := client.run(t.Context(), args("serve"))
	if f := (*fault.Fault)(nil); !errors.As(err, &f) || !strings.Contains(err.Error(), "another v6responder is running") {
		t.Errorf("a second server: %v", err)
	}
	if err := stop(); err != nil {
		t.Errorf("stopped with %v", err)
	}
	if _, err := responder.Reload(t.Context(), path("run")); !errors.Is(err, responder.ErrNotRunning) {
		t.Errorf("after the stop: %v", err)
	}
}

// TestGarbageIsCollectedTheMoreOftenTheMoreIsKept.
func TestGarbageIsCollectedTheMoreOftenTheMoreIsKept(t *testing.T) {
	for n, want := range map[int]int{0: 400, 1000: 400, 100_000: 400, 300_000: 274, 600_000: 95, 1_000_000: 50, 100_000_000: 50} {
		if got := collectAt(n); got != want {
			t.Errorf("%d reservations: %d, want %d", n, got, want)
		}
	}
	for n, want := range map[int]int64{0: 448 << 20, 1_000_000: 448 << 20, 2_000_000: 900_000_000} {
		if got := collectBefore(n); got != want {
			t.Errorf("%d reservations: garbage is collected before %d bytes, want %d", n, got, want)
		}
	}
}
