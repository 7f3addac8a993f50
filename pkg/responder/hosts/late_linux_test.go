package hosts

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/v6guest/v6guest/pkg/clock/clocktest"
)

// TestAMachineThatStoodStillLosesNoHost: a file was emptied and read, and seconds have passed since the last that was
// heard of it, before it is heard that somebody is writing to it.
func TestAMachineThatStoodStillLosesNoHost(t *testing.T) {
	file, clk := filepath.Join(t.TempDir(), "hosts"), clocktest.New(0)
	if err := os.WriteFile(file, []byte("06:a0:f0:00:00:38,[2001:db8:1::38]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := NewWatcher(file, clk)
	if err != nil {
		t.Fatal(err)
	}
	defer w.ino.Close()
	held := 0
	update := func(u Update) { held = u.Index.Len() }
	w.step(Reread{Files: w.files, All: true}, update)
	w.step(Closed{File: file}, update)
	writer, err := os.OpenFile(file, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	clk.Advance(Quiet)
	w.step(Content{File: file}, update)
	w.step(Expired{}, update)
	if held != 1 {
		t.Errorf("%d hosts while the file is written", held)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	for w.tracker.files[file].open || !w.ino.Told() || w.tracker.Deadline() <= clk.Now() {
		select {
		case list := <-w.ino.C:
			for _, ev := range w.events(list) {
				w.step(ev, update)
			}
		default:
			w.step(Expired{}, update)
		}
	}
	if held != 1 {
		t.Errorf("%d hosts when the file has just been written", held)
	}
	clk.Advance(Quiet)
	if w.step(Expired{}, update); held != 0 {
		t.Errorf("%d hosts of an empty file", held)
	}
}
