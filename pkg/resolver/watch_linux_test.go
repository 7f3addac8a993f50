package resolver

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// systemd-resolved may start after the agent, on a system that has no folder of it yet; and it may be stopped,
// its folder removed, and be started again.
func TestAResolverThatComesLateIsNoticed(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"etc", "run"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(root, "run/systemd/resolve/io.systemd.Resolve")
	ctx, cancel := context.WithCancel(t.Context())
	there, ended := make(chan bool), make(chan error, 1)
	go func() {
		ended <- watch(ctx, root, func() {
			_, err := os.Stat(socket)
			select {
			case there <- err == nil:
			case <-ctx.Done():
			}
		})
	}()
	told := func(want bool) {
		t.Helper()
		for <-there != want { // what happened on the way
		}
	}
	told(false)
	for range 20 {
		if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(socket, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		told(true)
		if err := os.RemoveAll(filepath.Join(root, "run/systemd")); err != nil {
			t.Fatal(err)
		}
		told(false)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
