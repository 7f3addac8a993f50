package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/inotify"
)

// watched are the folders in which it shows that another Target may have to be chosen, with the names that
// count there and the events. systemd-resolved makes its socket before it listens at it, of which nothing is
// told, and its files after that.
var watched = []struct {
	folder string
	names  []string
	events uint32
}{
	{"/etc", []string{"resolv.conf"}, unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_CLOSE_WRITE | unix.IN_DELETE},
	{"/run/systemd/resolve", []string{"io.systemd.Resolve", "resolv.conf"}, unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_DELETE},
}

// Watch calls changed when another Target may have to be chosen, until ctx ends, which is no error.
func Watch(ctx context.Context, changed func()) error { return watch(ctx, "/", changed) }

// watch is Watch below a root folder.
func watch(ctx context.Context, root string, changed func()) error {
	ino, err := inotify.New()
	if err != nil {
		return fmt.Errorf("watch the resolver's files: %w", err)
	}
	defer func() { _ = ino.Close() }() // nothing is lost with it
	f := folders{ino: ino, root: root}
	if err := f.follow(); err != nil {
		return err
	}
	changed() // as far as anybody knows
	for {
		select {
		case <-ctx.Done():
			return nil
		case events, ok := <-ino.C:
			if !ok {
				return fmt.Errorf("watch the resolver's files: %w", ino.Err())
			}
			if !slices.ContainsFunc(events, f.counts) {
				continue
			}
			if err := f.follow(); err != nil { // a folder may have come, or gone
				return err
			}
			changed()
		}
	}
}

// folders are what is watched now, in the place of a folder that is not there the nearest one above it: a
// program may make it with the first of its files.
type folders struct {
	ino   *inotify.Watcher
	root  string
	names map[int][]string // that count, by the folder's watch
}

// follow watches all that there is now.
func (f *folders) follow() error {
	f.names = map[int][]string{}
	for _, w := range watched {
		if err := f.add(w.folder, w.names, w.events); err != nil {
			return err
		}
	}
	return nil
}

// add watches for names in a folder.
func (f *folders) add(folder string, names []string, events uint32) error {
	watch, err := f.ino.Add(filepath.Join(f.root, folder), events|unix.IN_ONLYDIR)
	switch {
	case err == nil:
		f.names[watch] = append(f.names[watch], names...)
		return nil
	case !errors.Is(err, fs.ErrNotExist) || folder == "/":
		return err
	}
	if err := f.add(filepath.Dir(folder), []string{filepath.Base(folder)}, unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(f.root, folder)); err == nil {
		return f.add(folder, names, events) // it came meanwhile
	}
	return nil
}

// counts says whether an event may mean another Target: so does one that says that some were lost, or that a
// folder has gone.
func (f *folders) counts(ev inotify.Event) bool {
	names, ours := f.names[ev.Watch]
	return ev.Mask&unix.IN_Q_OVERFLOW != 0 || ours && (ev.Mask&unix.IN_IGNORED != 0 || slices.Contains(names, ev.Name))
}
