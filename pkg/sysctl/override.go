package sysctl

import (
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/v6guest/v6guest/pkg/plainfile"
)

// procpsOnly is the one file outside the folders.
const procpsOnly = "etc/sysctl.conf"

// An Override is a line of another file that takes effect after ours and says otherwise.
type Override struct {
	Path  string // as seen from the root
	Line  int    // from 1
	NIC   string
	Want  Setting // ours
	Value string  // theirs
	// Pattern says that the line names the switch by a pattern. systemd and procps from 4.0 on let
	// our line win, since it names the switch itself; an older procps does not.
	Pattern bool
	// ProcpsOnly says that the file is /etc/sysctl.conf itself: procps reads it last, systemd only as
	// 99-sysctl.conf and so before ours.
	ProcpsOnly bool
}

func (o Override) String() string {
	return fmt.Sprintf("%s, line %d sets %s of %s to %q after %s set it to %q", o.Path, o.Line, o.Want.Switch, o.NIC, o.Value, path.Base(File), o.Want.Value)
}

// Cure says what a person can do about it.
func (o Override) Cure() string {
	return fmt.Sprintf("remove line %d of %s, or write it into a file whose name sorts before %s", o.Line, o.Path, path.Base(File))
}

// folders hold the files that are applied at boot. Of files with one name only that in the first
// folder counts; the order of application is that of the names, whatever the folder (sysctl.d(5)).
var folders = []string{"etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d", "lib/sysctl.d"}

// Overrides reports the lines of other files that win over the settings of a NIC in ours, for the
// settings that the file has now. Files that cannot be read are passed over.
func (p Persistent) Overrides(nic string) (out []Override, err error) {
	err = p.inside(func(root *os.Root) error {
		b, err := p.load(root)
		if err != nil {
			return err
		}
		for _, s := range settings(b, nic) {
			out = append(out, overrides(root, nic, s)...)
		}
		return nil
	})
	return out, err
}

// overrides goes through the lines after ours. A line takes the place of those before it that are no
// stronger: one that names the switch of any, a pattern or a line for procps alone only of its like.
func overrides(root *os.Root, nic string, want Setting) []Override {
	var out []Override
	for _, name := range later(root) {
		text, err := read(root, name)
		if err != nil {
			continue
		}
		for _, l := range parse(text) {
			if !l.hits(nic, want.Switch) {
				continue
			}
			o := Override{
				Path: "/" + name, Line: l.number, NIC: nic, Want: want, Value: l.value,
				Pattern: l.glob(), ProcpsOnly: name == procpsOnly,
			}
			out = slices.DeleteFunc(out, func(p Override) bool {
				return (!o.Pattern || p.Pattern) && (!o.ProcpsOnly || p.ProcpsOnly)
			})
			if l.value != want.Value {
				out = append(out, o)
			}
		}
	}
	return out
}

// later lists the files that are applied after ours, in order.
func later(root *os.Root) []string {
	found := map[string]string{}
	for _, dir := range folders {
		for _, name := range names(root, dir) {
			if _, hidden := found[name]; !hidden && strings.HasSuffix(name, ".conf") && name > path.Base(File) {
				found[name] = path.Join(dir, name)
			}
		}
	}
	var out []string
	for _, file := range found {
		out = append(out, file)
	}
	slices.SortFunc(out, func(a, b string) int { return strings.Compare(path.Base(a), path.Base(b)) })
	return append(out, procpsOnly)
}

// names lists a folder; one that is not there is empty.
func names(root *os.Root, dir string) []string {
	d, err := plainfile.OpenFolderIn(root, dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	out, err := d.Readdirnames(-1)
	if err != nil {
		return nil
	}
	return out
}

// read reads a file of others; links are followed, also absolute ones, as seen from the root. A link
// to /dev/null, by which a file is masked, is an error like everything that is not a file.
func read(root *os.Root, name string) ([]byte, error) {
	for range maxLinks {
		target, err := root.Readlink(name)
		if err != nil {
			break
		}
		if !path.IsAbs(target) {
			target = path.Join("/", path.Dir(name), target)
		}
		name = strings.TrimPrefix(path.Clean(target), "/")
	}
	f, err := plainfile.OpenIn(root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// maxLinks is how many symbolic links one after the other are followed.
const maxLinks = 8
