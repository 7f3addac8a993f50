package hosts_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/pkg/clock/clocktest"
	"github.com/v6guest/v6guest/pkg/responder/hosts"
)

// passing lets time go on until f returns: what the watcher hears late only sets its timer anew.
func passing(clk *clocktest.Clock, f func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				clk.Advance(hosts.Quiet)
				runtime.Gosched()
			}
		}
	}()
	f()
	close(stop)
	<-stopped
}

// watch follows path on a clock that stands still unless the test moves it.
func watch(t *testing.T, path string) (*clocktest.Clock, *hosts.Watcher, func(want ...string)) {
	t.Helper()
	clk := clocktest.New(0)
	w, err := hosts.NewWatcher(path, clk)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	updates := make(chan hosts.Update)
	done := make(chan error, 1)
	go func() {
		done <- w.Run(ctx, func(u hosts.Update) {
			select {
			case updates <- u:
			case <-ctx.Done():
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	limit := time.After(20 * time.Second)
	// await waits until these machines, by name, are all that hold.
	await := func(want ...string) {
		t.Helper()
		var got []string
		for {
			select {
			case u := <-updates:
				got = nil
				for h := range u.Index.All() {
					got = append(got, h.Name)
				}
				slices.Sort(got) // in which order they hold is the index's test
				if cmp.Equal(want, got) {
					return
				}
			case <-limit:
				t.Fatalf("hosts (-want +got):\n%s", cmp.Diff(want, got))
			}
		}
	}
	return clk, w, await
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWatcherFollowsAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hosts")
	clk, w, await := watch(t, file)
	await() // it is not there yet

	write(t, file, line(1))
	await("vm-1")

	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(line(2)); err != nil {
		t.Fatal(err)
	}
	await("vm-1", "vm-2")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}

	write(t, file+".new", line(2))
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
	await("vm-1", "vm-2")
	passing(clk, func() { await("vm-2") })

	write(t, file, "")
	reread := make(chan error, 1)
	go func() { reread <- w.Reread(t.Context()) }()
	await()
	if err := <-reread; err != nil {
		t.Error(err)
	}
}

func TestWatcherFollowsAFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hosts.d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "a"), line(1))
	write(t, filepath.Join(dir, ".hidden"), line(9))
	write(t, filepath.Join(dir, "copy~"), line(9))
	write(t, filepath.Join(dir, "#edited#"), line(9))
	clk, _, await := watch(t, dir)
	await("vm-1")
	write(t, filepath.Join(dir, "b"), line(2))
	await("vm-1", "vm-2")
	if err := os.Remove(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	await("vm-1", "vm-2")
	passing(clk, func() { await("vm-2") })
}

func TestWatcherFollowsALinkThatIsReplaced(t *testing.T) {
	// As Kubernetes lays out a volume: hosts -> ..data/hosts, ..data -> a folder, and ..data is replaced.
	dir := t.TempDir()
	for name, text := range map[string]string{"one": line(1), "two": line(2)} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name, "hosts"), text)
	}
	link := func(to, name string) {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("one", "..data")
	link("..data/hosts", "hosts")
	_, _, await := watch(t, filepath.Join(dir, "hosts"))
	await("vm-1")
	link("two", "..new")
	if err := os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	await("vm-1", "vm-2")
}

func TestWatcherWantsTheFolderAbove(t *testing.T) {
	_, err := hosts.NewWatcher(filepath.Join(t.TempDir(), "none", "hosts"), clocktest.New(0))
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want one of a missing folder", err)
	}
}
