package hosts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/clock"
)

// MaxFile is how long a hosts file may be in bytes: several million lines.
const MaxFile = 512 << 20

// A Watcher follows a hosts file or a folder of them. A symbolic link is followed, also where the link
// is replaced or leads through another that is.
type Watcher struct {
	path    string
	clk     clock.Clock
	tracker Tracker
	ino     *inotify
	reread  chan chan struct{}

	watches map[int]watched
	target  string // what path leads to
	folder  bool   // path is a folder
	files   []string
}

// watched says what is looked for in a folder.
type watched struct {
	names []string // of the file, or of the link that leads to it
	hosts string   // the folder's path where it is the folder of hosts files, else ""
}

// NewWatcher prepares to follow the file or folder at path, which need not exist; the folder that holds
// it must.
func NewWatcher(path string, clk clock.Clock) (*Watcher, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("hosts: %w", err)
	}
	ino, err := newInotify()
	if err != nil {
		return nil, fmt.Errorf("hosts: %w", err)
	}
	w := &Watcher{path: path, clk: clk, ino: ino, reread: make(chan chan struct{}), watches: map[int]watched{}}
	if err := w.look(); err != nil {
		return nil, errors.Join(fmt.Errorf("hosts: %w", err), ino.close())
	}
	return w, nil
}

// Reread makes Run read everything anew, and each file counts as it stands then. It returns when update
// has been called with the outcome, or the context's error.
func (w *Watcher) Reread(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case w.reread <- done:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run reads the hosts and calls update with what is in force, first at once and then after each change,
// until the context ends. It may be called once; afterwards the Watcher is closed.
func (w *Watcher) Run(ctx context.Context, update func(Update)) error {
	defer func() { _ = w.ino.close() }()
	timer, err := w.clk.NewTimer()
	if err != nil {
		return fmt.Errorf("hosts: %w", err)
	}
	defer func() { _ = timer.Close() }()
	w.step(Reread{Files: w.files, All: true}, update)
	for {
		if err := timer.Set(w.tracker.Deadline()); err != nil {
			return fmt.Errorf("hosts: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C():
			w.step(Expired{}, update)
		case done := <-w.reread:
			if err := w.look(); err != nil {
				return fmt.Errorf("hosts: %w", err)
			}
			w.step(Reread{Files: w.files, All: w.folder}, update)
			close(done)
		case list, ok := <-w.ino.c:
			if !ok {
				return fmt.Errorf("hosts: inotify: %w", w.ino.err)
			}
			for _, ev := range w.events(list) {
				w.step(ev, update)
			}
		}
	}
}

// step takes an event to the tracker and does what it says.
func (w *Watcher) step(ev Event, update func(Update)) {
	for _, a := range slices.Clone(w.tracker.Step(w.clk.Now(), ev)) {
		switch a := a.(type) {
		case Read:
			begin := w.clk.Now()
			text, err := readFile(a.File)
			now := w.clk.Now()
			w.step(Content{File: a.File, Text: text, Err: err, Took: now.Sub(begin)}, update)
		case Update:
			update(a)
		}
	}
}

// look finds out what path is, and watches the folders in which that can change.
func (w *Watcher) look() error {
	names := []string{w.path}
	w.files, w.folder, w.target = []string{w.path}, false, w.path
	if target, err := filepath.EvalSymlinks(w.path); err == nil {
		w.target = target
		if info, err := os.Stat(target); err == nil && info.IsDir() {
			w.folder = true
			w.files = list(target)
		} else if target != w.path {
			names = append(names, target)
		}
	}
	kept := map[int]watched{}
	for _, name := range names {
		id, err := w.ino.add(filepath.Dir(name))
		if err != nil {
			return err
		}
		kept[id] = watched{names: append(kept[id].names, filepath.Base(name))}
	}
	if w.folder {
		id, err := w.ino.add(w.target)
		if err != nil {
			return err
		}
		kept[id] = watched{names: kept[id].names, hosts: w.target}
	}
	for id := range w.watches {
		if _, ok := kept[id]; !ok {
			w.ino.remove(id)
		}
	}
	w.watches = kept
	return nil
}

// list gives the hosts files of a folder, as dnsmasq picks them.
func list(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if usable(e.Name()) && !e.IsDir() {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out
}

// usable reports whether a file of a folder counts: hidden files and editors' copies do not.
func usable(name string) bool {
	return name != "" && name[0] != '.' && !strings.HasSuffix(name, "~") &&
		(name[0] != '#' || name[len(name)-1] != '#')
}

// events turns what was heard into events of the tracker's.
func (w *Watcher) events(list []heard) []Event {
	var out []Event
	for _, h := range list {
		at, ok := w.watches[h.watch]
		switch {
		case h.mask&unix.IN_Q_OVERFLOW != 0:
			out = append(out, w.again()...)
		case !ok:
		case at.hosts != "":
			if usable(h.name) && h.mask&unix.IN_ISDIR == 0 {
				out = append(out, fileEvent(h.mask, filepath.Join(at.hosts, h.name), true)...)
			}
		case slices.Contains(at.names, h.name):
			if h.mask&maskNames != 0 && w.moved() || w.folder {
				out = append(out, w.again()...)
			} else {
				out = append(out, fileEvent(h.mask, w.path, false)...)
			}
		case h.mask&maskNames != 0 && w.moved(): // a link on the way to it
			out = append(out, w.again()...)
		}
	}
	return out
}

// fileEvent is what a mask says of a file.
func fileEvent(mask uint32, file string, inFolder bool) []Event {
	switch {
	case mask&maskGone != 0:
		return []Event{Gone{File: file, Final: inFolder}}
	case mask&maskClosed != 0:
		return []Event{Closed{File: file}}
	case mask&unix.IN_MODIFY != 0, mask&unix.IN_CREATE != 0 && beingWritten(file):
		return []Event{Modified{File: file}}
	case mask != 0:
		return []Event{Touched{File: file}}
	}
	return nil
}

// beingWritten reports whether a file that was just made is one that its maker will write to and close,
// which is not so of links.
func beingWritten(file string) bool {
	var st unix.Stat_t
	return unix.Lstat(file, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Nlink == 1
}

// moved looks again and reports whether path leads somewhere else than before.
func (w *Watcher) moved() bool {
	target, folder := w.target, w.folder
	_ = w.look() // the folder above was there when Run began; Reread tells if it is not
	return w.target != target || w.folder != folder
}

// again tells the tracker of all files, after events were lost or path leads somewhere else. Nothing is
// known of who writes: what is gone waits for Quiet as ever.
func (w *Watcher) again() []Event {
	before := w.files
	_ = w.look()
	var out []Event
	for _, f := range before {
		if !slices.Contains(w.files, f) {
			out = append(out, Gone{File: f, Final: w.folder})
		}
	}
	for _, f := range w.files {
		out = append(out, Closed{File: f})
	}
	return out
}

// readFile reads a regular file of at most MaxFile bytes.
func readFile(name string) (string, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", bare(err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", bare(err)
	case !info.Mode().IsRegular():
		return "", errors.New("is no regular file")
	case info.Size() > MaxFile:
		return "", fmt.Errorf("is longer than %d bytes", MaxFile)
	}
	var text strings.Builder
	text.Grow(int(info.Size()))
	if _, err := io.Copy(&text, io.LimitReader(f, MaxFile)); err != nil {
		return "", bare(err)
	}
	return text.String(), nil
}

// bare takes the path off an error that is told beside it.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("cannot be read: %w", p.Err)
	}
	return fmt.Errorf("cannot be read: %w", err)
}
