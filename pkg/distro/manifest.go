package distro

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// manifestFormat is the number of the manifest's form. A newer one is refused, every older one is read.
const manifestFormat = 1

// The manifest's file in the backup folder, and the one that takes its place when a transaction is done.
const (
	manifestName = "manifest.json"
	manifestDone = "manifest.json.done"
)

// A manifest says which files v6guest changed and how they were before.
type manifest struct {
	Format int `json:"format"`
	// Files is every file that is not as it was before v6guest.
	Files []entry `json:"files"`
	// Folders is those that v6guest made, outermost first; they go when they are empty again.
	Folders []string `json:"folders,omitempty"`
	// Pending is a transaction that was begun and not finished.
	Pending *transaction `json:"pending,omitempty"`
}

// An entry is one changed file.
type entry struct {
	Path string `json:"path"` // as it was asked for
	Real string `json:"real"` // with links followed
	// Before and After are SHA-256 of the original and of what v6guest left; empty for no file.
	Before string    `json:"before"`
	After  string    `json:"after"`
	Backup string    `json:"backup,omitempty"` // the original's name in the backup folder
	Time   time.Time `json:"time"`             // of the first change
	// Added is the lines that are in what v6guest left and not in the original. A file that somebody else
	// wrote since and that has none of them was written anew, by a generator like cloud-init: it is an
	// original by itself.
	Added []string `json:"added,omitempty"`
	// Edited says that somebody else changed the file between two changes of v6guest's: the original
	// lacks that edit, so that only a forced restore brings it back.
	Edited bool     `json:"edited,omitempty"`
	Attr   metadata `json:"attr"`
}

// metadata is what a file has beside its bytes.
type metadata struct {
	Mode   fs.FileMode       `json:"mode"`
	UID    int               `json:"uid"`
	GID    int               `json:"gid"`
	Xattrs map[string][]byte `json:"xattrs,omitempty"`
}

// A transaction is a set of files that change together.
type transaction struct {
	// Committed says that every new file lies ready beside its place: from then on the way is forward.
	Committed bool   `json:"committed"`
	Steps     []step `json:"steps"`
	// Made is the folders that the transaction makes.
	Made []string `json:"made,omitempty"`
	// Files is what the manifest says when all is done.
	Files []entry `json:"files"`
}

// A step is one file of a transaction.
type step struct {
	Real   string   `json:"real"`
	Temp   string   `json:"temp,omitempty"` // where the new bytes lie ready; empty to take the file away
	Before string   `json:"before"`
	After  string   `json:"after"`
	Attr   metadata `json:"attr"`

	bytes []byte // the new file, until it is staged
	old   []byte // what was there, to go back to
}

// Errors of the store.
var (
	// ErrUnsafeBackup means that others could have written the backup folder: nothing is restored from it.
	ErrUnsafeBackup = errors.New("the backup folder is not the user's own with mode 0700")
	// ErrNewerManifest means that a newer v6guest wrote the manifest.
	ErrNewerManifest = errors.New("the manifest is of a newer v6guest")
	// ErrBadManifest means that the manifest is damaged.
	ErrBadManifest = errors.New("the manifest cannot be read")
	// ErrEdited means that somebody changed a file since v6guest did.
	ErrEdited = errors.New("edited since v6guest changed it")
	// ErrStale means that a file is not as it was when the change was planned.
	ErrStale = errors.New("not as it was when the change was planned")
	// ErrBusy means that another v6guest is changing files.
	ErrBusy = errors.New("another v6guest is changing files")
)

// A LinkedError means that a file has several names (hard links). The new bytes would be under one of them
// alone, and no restore could join them again.
type LinkedError struct {
	Name  string // as seen from inside the root folder
	Names uint64
}

// Error says how many names.
func (e *LinkedError) Error() string {
	return fmt.Sprintf("the file has %d names (hard links), and one of them alone would be changed", e.Names)
}

// Cure is what makes it a file of its own.
func (e *LinkedError) Cure() string {
	return fmt.Sprintf("nothing was changed; make it a file of its own: cp -p %[1]s %[1]s.new && mv %[1]s.new %[1]s; or the other names symbolic links", e.Name)
}

// sum is the hash that manifests hold; empty for no file.
func sum(b []byte) string {
	if b == nil {
		return ""
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// addedLines is the lines of a changed file that its original lacks, without blanks around them.
func addedLines(original, changed []byte) (out []string) {
	had := map[string]bool{"": true}
	for line := range strings.Lines(string(original)) {
		had[strings.TrimSpace(line)] = true
	}
	for line := range strings.Lines(string(changed)) {
		if text := strings.TrimSpace(line); !had[text] {
			had[text] = true
			out = append(out, text)
		}
	}
	return out
}

// rewritten reports whether somebody wrote the file anew since, without v6guest's change; now is its bytes.
func (e *entry) rewritten(now []byte) bool {
	if h := sum(now); now == nil || e.Before == "" || len(e.Added) == 0 || h == e.Before || h == e.After {
		return false
	}
	for line := range strings.Lines(string(now)) {
		if slices.Contains(e.Added, strings.TrimSpace(line)) {
			return false
		}
	}
	return true
}

// entry is what the manifest says of a file; nil if nothing.
func (m *manifest) entry(real string) *entry {
	for i := range m.Files {
		if m.Files[i].Real == real {
			return &m.Files[i]
		}
	}
	return nil
}

// load reads the manifest; there need not be one.
func (s *Store) load() (*manifest, error) {
	m := &manifest{Format: manifestFormat}
	name := path.Join(s.dir, manifestName)
	b, err := s.tree.Read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, ErrBadManifest, err)
	}
	if m.Format > manifestFormat {
		return nil, fmt.Errorf("%s has format %d: %w", name, m.Format, ErrNewerManifest)
	}
	return m, nil
}

// save writes the manifest, whole or not at all.
func (s *Store) save(m *manifest) error {
	temp := manifestName + ".new"
	if err := s.write(m, temp); err != nil {
		return err
	}
	return s.disk.rename(path.Join(s.dir, temp), path.Join(s.dir, manifestName))
}

// write writes a manifest into a file of the backup folder.
func (s *Store) write(m *manifest, name string) error {
	b, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	attr := metadata{Mode: 0o600, UID: -1, GID: -1}
	if err := s.disk.write(path.Join(s.dir, name), append(b, '\n'), attr); err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	return nil
}
