package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/inotify"
)

// watched are the folders in which it shows that another Target may have to be chosen, with the name that
// counts there and the events.
var watched = []struct {
	folder, name string
	events       uint32
}{
	{"/etc", "resolv.conf", unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_CLOSE_WRITE | unix.IN_DELETE},
	{"/run/systemd/resolve", "io.systemd.Resolve", unix.IN_CREATE | unix.IN_DELETE},
}

// Watch calls changed when another Target may have to be chosen, until ctx ends, which is no error.
func Watch(ctx context.Context, changed func()) error {
	ino, err := inotify.New()
	if err != nil {
		return fmt.Errorf("watch the resolver's files: %w", err)
	}
	defer func() { _ = ino.Close() }() // nothing is lost with it
	names := map[int]string{}
	for _, w := range watched {
		watch, err := ino.Add(w.folder, w.events|unix.IN_ONLYDIR)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		names[watch] = w.name
	}
	counts := func(ev inotify.Event) bool { // or what is lost may have counted
		return ev.Mask&unix.IN_Q_OVERFLOW != 0 || ev.Name != "" && names[ev.Watch] == ev.Name
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case events, ok := <-ino.C:
			switch {
			case !ok:
				return fmt.Errorf("watch the resolver's files: %w", ino.Err())
			case slices.ContainsFunc(events, counts):
				changed()
			}
		}
	}
}
