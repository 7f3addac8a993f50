package plainfile

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
)

// maxLinks is how many symbolic links are followed, as many as by the kernel.
const maxLinks = 40

// ErrLinkLoop means that symbolic links lead in a circle.
var ErrLinkLoop = errors.New("too many symbolic links")

// Follow follows every symbolic link of a name as from inside a root folder, where an absolute target begins
// and ".." ends, and gives the name of the file itself, which need not exist. readLink is the target of a
// name whose folder part has no links; false for what is no link.
func Follow(name string, readLink func(name string) (string, bool)) (string, error) {
	done, rest, links := "/", Parts(name), 0
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		if part == ".." {
			done = path.Dir(done)
			continue
		}
		next := path.Join(done, part)
		target, ok := readLink(next)
		if !ok {
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%s: %w", name, ErrLinkLoop)
		}
		if path.IsAbs(target) {
			done = "/"
		}
		rest = append(Parts(target), rest...)
	}
	return done, nil
}

// Parts is a path's parts, without "." and empty ones; ".." stays, since it counts after links.
func Parts(name string) []string {
	return slices.DeleteFunc(strings.Split(name, "/"), func(s string) bool { return s == "" || s == "." })
}

// Inside is where a file of a root folder lies: no symbolic link leads out of it.
func Inside(root, name string) (string, error) {
	name, err := Follow(name, func(name string) (string, bool) {
		target, err := os.Readlink(path.Join(root, name))
		return target, err == nil
	})
	return path.Join(root, name), err
}
