package guest

import (
	"encoding/json"
	"path/filepath"
	"syscall"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/durable"
)

// A runNote heads a file of the run folder. It counts in one boot, since the run folder may outlive one in a
// container, and in one network namespace, since indices are its own.
type runNote struct {
	Format    int    `json:"format"`
	Boot      string `json:"boot"`
	Namespace uint64 `json:"namespace"` // of the network, by its inode
}

// runNoteFormat is the format of all of them.
const runNoteFormat = 1

// newRunNote is a note of now; ok is false where none can be kept.
func newRunNote(runDir, boot string) (n runNote, ok bool) {
	n = runNote{runNoteFormat, boot, networkNamespace()}
	return n, runDir != "" && boot != "" && n.Namespace != 0
}

// thisBoot is newRunNote for whoever does not know the boot's name yet.
func thisBoot(runDir string) (n runNote, ok bool) {
	boot, err := clock.BootID(clock.BootIDFile)
	if err != nil {
		boot = ""
	}
	return newRunNote(runDir, boot)
}

// head makes a note's head reachable in what embeds it.
func (n *runNote) head() *runNote { return n }

// read reads a file into note, and reports whether it is one that counts now as n does.
func (n runNote) read(file string, note interface{ head() *runNote }) bool {
	b, err := readSmall(file)
	return err == nil && json.Unmarshal(b, note) == nil && *note.head() == n
}

// open reads the note of that name in the run folder into old, and returns its file, "" where none can be kept
// (ok is newRunNote's), and whether it counts now.
func (n runNote) open(ok bool, runDir, name string, old interface{ head() *runNote }) (file string, counts bool) {
	if !ok {
		return "", false
	}
	file = filepath.Join(runDir, name)
	return file, n.read(file, old)
}

// writeRunNote puts a note in its place.
func writeRunNote(file string, note any) error {
	b, err := json.Marshal(note)
	if err != nil {
		return err
	}
	return durable.Replace(file, append(b, '\n'), 0o600)
}

// networkNamespace is the inode of the network namespace that this process is in, 0 when unknown.
func networkNamespace() uint64 {
	var st syscall.Stat_t
	if err := syscall.Stat("/proc/self/ns/net", &st); err != nil {
		return 0
	}
	return st.Ino
}
