package hosts

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/inotify"
)

// A place is a name in a folder.
type place struct{ folder, name string }

func (p place) path() string { return filepath.Join(p.folder, p.name) }

// maxLinks is how many symbolic links the kernel follows.
const maxLinks = 40

// route follows an absolute path as the kernel does, link by link, and returns each place that it comes
// by; folders are real paths. If found, the last place is the target. Else it is the one at which there
// is nothing, and the target is path.
func route(path string) (places []place, target string, found bool) {
	at, rest, links := "/", split(path), 0
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		if name == ".." {
			at = filepath.Dir(at)
			continue
		}
		here := place{at, name}
		places = append(places, here)
		info, err := os.Lstat(here.path())
		switch {
		case err != nil:
			return places, path, false
		case info.Mode()&fs.ModeSymlink == 0:
			at = here.path()
			continue
		}
		to, err := os.Readlink(here.path())
		if links++; err != nil || links > maxLinks {
			return places, path, false
		}
		if filepath.IsAbs(to) {
			at = "/"
		}
		rest = append(split(to), rest...)
	}
	return places, at, true
}

// split gives the names in a path.
func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

func isLink(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// watched says what is looked for in a folder.
type watched struct {
	ways  map[string]bool     // links and folders on the way
	ends  map[string][]string // what a name is, after all links, to the tracker
	hosts string              // the folder's path where it is the folder of hosts files, else ""
}

// watches are those that are wanted now.
type watches struct {
	ino  *inotify.Watcher
	kept map[int]watched
}

// add watches a folder.
func (w *watches) add(folder string, mask uint32) (watched, int, error) {
	id, err := w.ino.Add(folder, mask|unix.IN_ONLYDIR)
	if err != nil {
		return watched{}, 0, err
	}
	at, ok := w.kept[id]
	if !ok {
		at = watched{ways: map[string]bool{}, ends: map[string][]string{}}
		w.kept[id] = at
	}
	return at, id, nil
}

// way watches the places on the way. A folder that may be passed through but not listed cannot be
// watched; one that has gone meanwhile is told by the folder above it.
func (w *watches) way(places []place) {
	for _, p := range places {
		if at, _, err := w.add(p.folder, maskNames|maskMeta); err == nil {
			at.ways[p.name] = true
		}
	}
}

// file watches the way to a file, and what is done to the file at its end.
func (w *watches) file(places []place, file string) error {
	last := len(places) - 1
	w.way(places[:last])
	at, _, err := w.add(places[last].folder, maskAll)
	if err == nil {
		at.ends[places[last].name] = append(at.ends[places[last].name], file)
	}
	return err
}

// hosts watches the folder of hosts files.
func (w *watches) hosts(folder string) error {
	at, id, err := w.add(folder, maskAll)
	if err == nil {
		at.hosts = folder
		w.kept[id] = at
	}
	return err
}
