package inotify

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAFileThatIsMadeInAFolderIsTold(t *testing.T) {
	w, err := New()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	watch, err := w.Add(dir, unix.IN_CREATE)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "new"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := <-w.C; len(got) != 1 || got[0] != (Event{watch, unix.IN_CREATE, "new"}) {
		t.Errorf("%+v", got)
	}
	if _, err := w.Add(filepath.Join(dir, "none"), unix.IN_CREATE); err == nil {
		t.Error("what is not there is watched")
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	for range w.C { // it ends
	}
}

func FuzzParse(f *testing.F) {
	event := make([]byte, unix.SizeofInotifyEvent+16)
	binary.NativeEndian.PutUint32(event[12:], 16)
	copy(event[unix.SizeofInotifyEvent:], "name")
	f.Add(event)
	f.Add(event[:unix.SizeofInotifyEvent+4])
	f.Fuzz(func(t *testing.T, b []byte) {
		if n := len(parse(b)); n > len(b)/unix.SizeofInotifyEvent {
			t.Errorf("%d events in %d bytes", n, len(b))
		}
	})
}
