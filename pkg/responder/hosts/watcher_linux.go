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
	"github.com/v6guest/v6guest/pkg/inotify"
)

// MaxFile is how long a hosts file may be in bytes: several million lines.
const MaxFile = 512 << 20

// A Watcher follows a hosts file or a folder of them. Symbolic links are followed, and every place at
// which it can change what path leads to is watched: links on the way and folders that are replaced.
type Watcher struct {
	path    string
	clk     clock.Clock
	tracker Tracker
	ino     *inotify.Watcher
	reread  chan chan struct{}

	watches map[int]watched
	target  string // what path leads to
	found   bool   // there is something at path
	folder  bool   // and it is a folder
	files   []string
	behind  bool // something was heard that the tracker is still to be told
}

// NewWatcher prepares to follow the file or folder at path, which need not exist; the folder that holds
// it must.
func NewWatcher(path string, clk clock.Clock) (*Watcher, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("hosts: %w", err)
	}
	ino, err := inotify.New()
	if err != nil {
		return nil, fmt.Errorf("hosts: %w", err)
	}
	w := &Watcher{path: path, clk: clk, ino: ino, reread: make(chan chan struct{}), watches: map[int]watched{}}
	// Later the folder may come and go; at the start a path that cannot be is a mistake.
	if err := errors.Join(probe(ino, filepath.Dir(path)), w.look()); err != nil {
		return nil, errors.Join(fmt.Errorf("hosts: %w", err), ino.Close())
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
	defer func() { _ = w.ino.Close() }()
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
			_ = w.look() // what cannot be read is a problem of that file
			w.step(Reread{Files: w.files, All: w.found}, update)
			close(done)
		case list, ok := <-w.ino.C:
			if !ok {
				return fmt.Errorf("hosts: inotify: %w", w.ino.Err())
			}
			events := w.events(list)
			for i, ev := range events {
				w.behind = i < len(events)-1
				w.step(ev, update)
			}
		}
	}
}

// step takes an event to the tracker and does what it says.
func (w *Watcher) step(ev Event, update func(Update)) {
	now := w.clk.Now()
	w.tracker.late = w.behind || !w.ino.Told()
	for _, a := range slices.Clone(w.tracker.Step(now, ev)) {
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

// look finds out what path is, and watches every place at which that can change. The error is about
// the folder in which the hosts are; other places that cannot be watched are left out.
func (w *Watcher) look() (err error) {
	for range maxLinks { // what is changed before it is watched is told by nobody
		way, target, found := route(w.path)
		err = w.watch(way, target, found)
		if now, _, _ := route(w.path); slices.Equal(now, way) {
			break
		}
	}
	return err
}

// watch watches what a route came by.
func (w *Watcher) watch(way []place, target string, found bool) (err error) {
	w.target, w.found = target, found
	info, statErr := os.Stat(target)
	w.folder = found && statErr == nil && info.IsDir()
	kept := watches{ino: w.ino, kept: map[int]watched{}}
	if w.folder {
		kept.way(way)
		err = kept.hosts(target)
		w.list()
		for _, f := range w.files {
			if to, _, _ := route(f); len(to) > 0 && to[len(to)-1].path() != f { // a link
				err = errors.Join(err, kept.file(to, f))
			}
		}
	} else {
		w.files = []string{w.path}
		err = kept.file(way, w.path)
	}
	for id := range w.watches {
		if _, ok := kept.kept[id]; !ok {
			w.ino.Remove(id)
		}
	}
	w.watches = kept.kept
	return err
}

// list finds the files of the folder. One that cannot be listed keeps those that it had, and is a file
// that cannot be read itself.
func (w *Watcher) list() {
	files, err := list(w.target)
	if err != nil {
		files = append(slices.DeleteFunc(w.tracker.names(), func(f string) bool { return f == w.path }), w.path)
	}
	w.files = files
}

// list gives the hosts files of a folder, as dnsmasq picks them.
func list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if usable(e.Name()) && !e.IsDir() {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out, nil
}

// usable reports whether a file of a folder counts: hidden files and editors' copies do not.
func usable(name string) bool {
	return name != "" && name[0] != '.' && !strings.HasSuffix(name, "~") &&
		(name[0] != '#' || name[len(name)-1] != '#')
}

// events turns what was heard into events of the tracker's.
func (w *Watcher) events(list []inotify.Event) []Event {
	var out []Event
	for _, h := range list {
		at, ok := w.watches[h.Watch]
		files := at.ends[h.Name]
		switch {
		case h.Mask&unix.IN_Q_OVERFLOW != 0, ok && h.Mask&unix.IN_IGNORED != 0: // a folder that was watched is gone
			out = append(out, w.again()...)
		case !ok:
		case at.ways[h.Name] && h.Mask&(maskNames|unix.IN_ATTRIB) != 0,
			len(files) > 0 && h.Mask&maskNames != 0 && (w.folder || w.moved()):
			out = append(out, w.again()...)
		case len(files) > 0:
			out = append(out, w.strays()...)
			for _, f := range files {
				out = append(out, fileEvent(h.Mask, f, false)...)
			}
		case at.hosts != "" && usable(h.Name) && h.Mask&unix.IN_ISDIR == 0:
			if f := filepath.Join(at.hosts, h.Name); h.Mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0 && isLink(f) {
				out = append(out, w.again()...)
			} else {
				out = append(out, fileEvent(h.Mask, f, true)...)
			}
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
	_ = w.look()
	return w.target != target || w.folder != folder
}

// again tells the tracker of all files, after events were lost or path leads somewhere else. Nothing is
// known of who writes: what is gone waits for Quiet as ever. Where nothing is at path, all lines stay.
func (w *Watcher) again() []Event {
	_ = w.look()
	out := w.strays()
	for _, f := range w.files {
		out = append(out, Closed{File: f})
	}
	return out
}

// strays tells of files that path does not lead to any more.
func (w *Watcher) strays() (out []Event) {
	for _, f := range w.tracker.names() {
		if !slices.Contains(w.files, f) {
			out = append(out, Gone{File: f, Final: w.found})
		}
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
