package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/v6guest/v6guest/pkg/plainfile"
)

// dropInFile is where systemd-resolved is told of NICs for which it takes nothing by command.
const dropInFile = "/run/systemd/resolved.conf.d/90-v6guest.conf"

// A System is the one whose resolver is told. One goroutine uses it at a time.
type System struct {
	// Root is the folder that is its root; "" for "/".
	Root string
	// StateDir is where the record is kept, as this process sees it.
	StateDir string
	// Boot names the boot: what lies below /run is gone with it.
	Boot string
	// Run runs a program with that on its standard input, and gives an error if it fails.
	Run func(ctx context.Context, stdin string, argv ...string) error
}

// Hand hands over what the links say, in the place of what was handed over before, also by an earlier
// process; no links take everything back. It says to whom, and why.
func (s *System) Hand(ctx context.Context, links []Link) (Choice, error) {
	old, err := s.load()
	if err != nil {
		return Choice{}, err
	}
	facts, err := s.facts(old)
	if err != nil {
		return Choice{}, err
	}
	choice := Choose(facts)
	links = slices.DeleteFunc(slices.Clone(links), Link.empty)
	want := s.wanted(choice.To, links, facts)
	if want.empty() && old.empty() {
		return choice, nil
	}
	if err := s.save(old.with(want)); err != nil { // before anything is done: a kill must not hide it
		return choice, err
	}
	err = errors.Join(s.hand(ctx, facts, links, old, want), s.takeBack(ctx, facts, old, want))
	if err != nil {
		return choice, err // the record of both stays
	}
	return choice, s.save(want)
}

// Restore takes back what was handed over. Where that is nothing, nothing is looked at.
func (s *System) Restore(ctx context.Context) error {
	old, err := s.load()
	if err == nil && !old.empty() {
		_, err = s.Hand(ctx, nil)
	}
	return err
}

// Stale says whether what was handed over is to be handed over anew: somebody else is to be told now, or
// the file that v6guest wrote was written by somebody.
func (s *System) Stale(last Choice) bool {
	r, err := s.load()
	if err != nil {
		return false
	}
	f, err := s.facts(r)
	if err != nil {
		return false
	}
	if Choose(f).To != last.To {
		return true
	}
	if r.File == nil {
		return false
	}
	b, err := plainfile.Read(s.path(File), maxFile)
	return err != nil || string(b) != r.File.Written
}

// otherNetwork says whether this process is in another network namespace than the first one. Where that
// cannot be seen, it is not.
func (s *System) otherNetwork() bool {
	first, err := os.Readlink("/proc/1/ns/net")
	if err != nil {
		return false
	}
	own, err := os.Readlink("/proc/self/ns/net")
	return err == nil && own != first
}

// wanted is what the record is to say.
func (s *System) wanted(to Target, links []Link, f Facts) record {
	r := record{Format: recordFormat, Boot: s.Boot}
	if len(links) == 0 {
		return r
	}
	switch to {
	case ToResolved:
		var managed []Link
		for _, l := range links {
			if l.Managed {
				managed = append(managed, l)
			} else {
				r.Links = append(r.Links, l.NIC)
			}
		}
		if managed != nil {
			r.DropIn = dropIn(managed)
		}
	case ToResolvconf:
		for _, l := range links {
			r.Resolvconf = append(r.Resolvconf, l.NIC)
		}
	case ToFile:
		r.File = &fileRecord{Missing: f.Missing, Original: f.Text, Mode: s.mode(), Written: resolvConf(links, f.Text)}
	case ToNobody:
	}
	return r
}

// hand tells the target.
func (s *System) hand(ctx context.Context, f Facts, links []Link, old, want record) error {
	var errs []error
	for _, l := range links {
		switch {
		case slices.Contains(want.Links, l.NIC):
			errs = append(errs, s.Run(ctx, "", slices.Concat([]string{f.Resolvectl, "dns", l.NIC}, orNone(l.servers()))...),
				s.Run(ctx, "", slices.Concat([]string{f.Resolvectl, "domain", l.NIC}, orNone(l.Domains))...))
		case slices.Contains(want.Resolvconf, l.NIC):
			errs = append(errs, s.Run(ctx, resolvconfText(l), f.Resolvconf, "-a", resolvconfName(l.NIC)))
		}
	}
	if want.DropIn != "" && want.DropIn != old.DropIn {
		dir := filepath.Dir(s.path(dropInFile))
		err := os.MkdirAll(dir, 0o755)
		if err == nil {
			err = os.Chmod(dir, 0o755) // systemd-resolved is another user, whatever our umask
		}
		if err == nil {
			err = replace(s.path(dropInFile), want.DropIn, 0o644)
		}
		errs = append(errs, err, s.reload(ctx))
	}
	if want.File != nil && (old.File == nil || old.File.Written != want.File.Written) {
		errs = append(errs, replace(s.path(File), want.File.Written, want.File.Mode))
	}
	return errors.Join(errs...)
}

// orNone is the list, or the empty word by which resolvectl empties its own.
func orNone(words []string) []string {
	if len(words) == 0 {
		return []string{""}
	}
	return words
}

// resolvconfName is the name of what resolvconf is told of a NIC.
func resolvconfName(nic string) string { return nic + ".v6guest" }

// reload has systemd-resolved read its files. It is started anew, which keeps what it was told of NICs: from
// version 256 on it could read them as it runs, but then keeps search domains that are gone (seen with 257).
func (s *System) reload(ctx context.Context) error {
	return s.Run(ctx, "", "systemctl", "try-restart", "systemd-resolved.service")
}

// takeBack takes back what was handed over before and is not wanted any more.
func (s *System) takeBack(ctx context.Context, f Facts, old, want record) error {
	var errs []error
	for _, nic := range old.Links {
		if !slices.Contains(want.Links, nic) && f.Resolvectl != "" && f.ResolvedRuns && s.hasNIC(nic) {
			errs = append(errs, s.Run(ctx, "", f.Resolvectl, "revert", nic))
		}
	}
	for _, nic := range old.Resolvconf {
		if !slices.Contains(want.Resolvconf, nic) && f.Resolvconf != "" {
			errs = append(errs, s.Run(ctx, "", f.Resolvconf, "-d", resolvconfName(nic)))
		}
	}
	if old.DropIn != "" && want.DropIn == "" {
		err := os.Remove(s.path(dropInFile))
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		errs = append(errs, err)
		if f.ResolvedRuns {
			errs = append(errs, s.reload(ctx))
		}
	}
	if old.File != nil && want.File == nil {
		errs = append(errs, s.restoreFile(old.File))
	}
	return errors.Join(errs...)
}

// restoreFile brings the original back, unless somebody wrote the file since.
func (s *System) restoreFile(r *fileRecord) error {
	if info, err := os.Lstat(s.path(File)); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return nil // somebody put a link in its place
	}
	now, err := plainfile.Read(s.path(File), maxFile)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, plainfile.ErrNotRegular), errors.Is(err, plainfile.ErrTooLarge):
		return nil // somebody took it away
	case err != nil:
		return err
	case string(now) != r.Written:
		return nil // it is somebody else's now
	case r.Missing:
		return os.Remove(s.path(File))
	}
	return replace(s.path(File), r.Original, r.Mode)
}

// maxFile bounds File, in bytes: what is longer is nobody's that v6guest could judge.
const maxFile = 64 << 10

// facts reads what the choice rests on. Where File is as v6guest wrote it, its original counts.
func (s *System) facts(r record) (Facts, error) {
	f := Facts{OtherNetwork: s.otherNetwork(), Resolvectl: s.find("resolvectl"), ResolvedRuns: s.resolvedRuns()}
	if name := s.find("resolvconf"); name != "" {
		if to, err := os.Readlink(s.path(name)); err != nil || filepath.Base(to) != "resolvectl" {
			f.Resolvconf = name
		}
	}
	name := s.path(File)
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.Missing = true
		return f, nil
	case err != nil:
		return f, err
	case info.Mode()&fs.ModeSymlink != 0:
		f.Link, err = os.Readlink(name)
		return f, err
	case !info.Mode().IsRegular() || info.Size() > maxFile:
		return f, fmt.Errorf("%s is no regular file of at most %d bytes", File, maxFile)
	}
	b, err := plainfile.Read(name, maxFile)
	f.Text = string(b)
	if r.File != nil && f.Text == r.File.Written {
		f.Text, f.Missing = r.File.Original, r.File.Missing
	}
	return f, err
}

// mode is that of File, or the usual one.
func (s *System) mode() fs.FileMode {
	if info, err := os.Stat(s.path(File)); err == nil {
		return info.Mode().Perm()
	}
	return 0o644
}

// resolvedRuns asks whether systemd-resolved runs: it answers at its socket (from systemd 246 on), or left
// its files and is among the processes.
func (s *System) resolvedRuns() bool {
	folder := s.path("/run/systemd/resolve") + "/"
	c, err := net.Dial("unix", folder+"io.systemd.Resolve")
	if err == nil {
		_ = c.Close() // nothing was said
		return true
	}
	if _, err := os.Stat(folder + "io.systemd.Resolve"); err == nil {
		return false // it is not listened at
	}
	if _, err := os.Stat(folder + "resolv.conf"); err != nil {
		return false
	}
	names, _ := filepath.Glob(s.path("/proc/[0-9]*/comm"))
	return slices.ContainsFunc(names, func(name string) bool {
		b, err := os.ReadFile(name)
		return err == nil && strings.TrimSpace(string(b)) == "systemd-resolve" // the kernel keeps 15 characters
	})
}

// find is where a program is, as seen from inside; "" for nowhere.
func (s *System) find(program string) string {
	for _, dir := range []string{"/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"} {
		name := dir + "/" + program
		if info, err := os.Stat(s.path(name)); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return name
		}
	}
	return ""
}

func (s *System) hasNIC(name string) bool {
	_, err := os.Stat(s.path("/sys/class/net/" + name))
	return err == nil
}

// The folders' links are followed as from inside; the file's own is the caller's business.
func (s *System) path(name string) string {
	if filepath.Clean("/"+s.Root) == "/" {
		return name
	}
	folder, err := plainfile.Inside(s.Root, filepath.Dir(name))
	if err != nil { // links in a circle: nothing is there
		folder = filepath.Join(s.Root, "/", filepath.Dir(name))
	}
	return filepath.Join(folder, filepath.Base(name))
}
