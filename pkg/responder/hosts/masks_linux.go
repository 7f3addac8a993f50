package hosts

import (
	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/inotify"
)

// masks of events.
const (
	maskClosed = unix.IN_CLOSE_WRITE | unix.IN_MOVED_TO
	maskGone   = unix.IN_DELETE | unix.IN_MOVED_FROM
	maskNames  = unix.IN_CREATE | unix.IN_MOVED_TO | maskGone // which files there are
	maskMeta   = unix.IN_ATTRIB                               // who may read them
	maskAll    = unix.IN_MODIFY | maskNames | maskMeta | maskClosed
)

// probe says why a folder cannot be watched.
func probe(ino *inotify.Watcher, folder string) error {
	watch, err := ino.Add(folder, maskNames|unix.IN_ONLYDIR)
	if err == nil {
		ino.Remove(watch)
	}
	return err
}
