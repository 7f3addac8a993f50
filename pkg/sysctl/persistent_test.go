package sysctl

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

var secondary = []Setting{{Autoconf, "0"}, {AcceptRA, "0"}}

func TestFileIsWrittenAsGolden(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before string // file in testdata; empty: none
		edit   func(p Persistent) (bool, error)
	}{
		{"new", "", func(p Persistent) (bool, error) {
			_, err := p.Put("eth0", []Setting{{Autoconf, "0"}, {AcceptRA, "2"}})
			if err != nil {
				return false, err
			}
			return p.Put("eth1.100", secondary)
		}},
		{"changed", "new.conf", func(p Persistent) (bool, error) { return p.Put("eth0", secondary) }},
		{"others", "others-before.conf", func(p Persistent) (bool, error) { return p.Put("eth0", secondary) }},
		{"others-removed", "others-before.conf", func(p Persistent) (bool, error) { return p.Remove("eth0") }},
		{"renamed", "new.conf", func(p Persistent) (bool, error) { return p.Rename("eth1.100", "ens3") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := Persistent{Root: t.TempDir()}
			if tt.before != "" {
				b, err := os.ReadFile(filepath.Join("testdata", tt.before))
				check(t, err)
				plant(t, p, File, string(b))
			}
			changed, err := tt.edit(p)
			check(t, err)
			if !changed {
				t.Error("reports no change")
			}
			golden := filepath.Join("testdata", tt.name+".conf")
			got, err := os.ReadFile(p.Path())
			check(t, err)
			if *update {
				check(t, os.WriteFile(golden, got, 0o644))
			}
			want, err := os.ReadFile(golden)
			check(t, err)
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Errorf("file (-want +got):\n%s", d)
			}

			// A second time changes nothing, not even the file's inode.
			info, err := os.Stat(p.Path())
			check(t, err)
			if changed, err := tt.edit(p); err != nil || changed && tt.name != "new" {
				t.Errorf("again: changed %v, %v", changed, err)
			}
			if again, err := os.Stat(p.Path()); err != nil || !os.SameFile(info, again) {
				t.Errorf("written again: %v", err)
			}
			leftNothing(t, p)
		})
	}
}

// plant writes a file below the root.
func plant(t *testing.T, p Persistent, name, text string) {
	t.Helper()
	path := filepath.Join(p.Root, name)
	check(t, os.MkdirAll(filepath.Dir(path), 0o755))
	check(t, os.WriteFile(path, []byte(text), 0o644))
}

func leftNothing(t *testing.T, p Persistent) {
	t.Helper()
	files, err := os.ReadDir(filepath.Dir(p.Path()))
	check(t, err)
	for _, f := range files {
		if f.Name() != filepath.Base(File) {
			t.Errorf("left %s", f.Name())
		}
	}
}

func TestSettingsReadBack(t *testing.T) {
	p := Persistent{Root: t.TempDir()}
	got, err := p.Settings("eth0")
	if err != nil || got != nil {
		t.Errorf("without a file: %v, %v", got, err)
	}
	for _, nic := range []string{"eth0", "eth0.100", "eth0.200", "a/b"} {
		if _, err := p.Put(nic, secondary); (err == nil) == strings.Contains(nic, "/") {
			t.Errorf("%s: %v", nic, err)
		}
	}
	nics, err := p.NICs()
	check(t, err)
	if d := cmp.Diff([]string{"eth0", "eth0.100", "eth0.200"}, nics); d != "" {
		t.Errorf("NICs (-want +got):\n%s", d)
	}
	got, err = p.Settings("eth0.100")
	check(t, err)
	if d := cmp.Diff(secondary, got); d != "" {
		t.Errorf("settings (-want +got):\n%s", d)
	}

	// The last one takes the file along.
	for _, nic := range nics {
		if changed, err := p.Remove(nic); err != nil || !changed {
			t.Errorf("remove %s: %v, %v", nic, changed, err)
		}
	}
	if _, err := os.Lstat(p.Path()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the empty file stays: %v", err)
	}
	if changed, err := p.Remove("eth0"); err != nil || changed {
		t.Errorf("remove again: %v, %v", changed, err)
	}
}

func TestRemoveMakesNoFolder(t *testing.T) {
	p := Persistent{Root: t.TempDir()}
	if changed, err := p.Remove("eth0"); err != nil || changed {
		t.Errorf("%v, %v", changed, err)
	}
	if _, err := os.Lstat(filepath.Join(p.Root, "etc")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("made a folder: %v", err)
	}
}

func TestPutRefuses(t *testing.T) {
	p := Persistent{Root: t.TempDir()}
	for _, nic := range []string{"", "..", "all", "default", "a*", "a?", "[a]", "a=b", `a\b`, "a\x01b", "a b", "a/b", "\xff"} {
		if _, err := p.Put(nic, secondary); !errors.Is(err, ErrBadName) {
			t.Errorf("NIC %q: %v", nic, err)
		}
		if _, err := p.Rename("eth0", nic); !errors.Is(err, ErrBadName) {
			t.Errorf("rename to %q: %v", nic, err)
		}
	}
	for _, s := range [][]Setting{{{AcceptRA, ""}}, {{AcceptRA, "1\nkernel.panic = 1"}}, {{"a.b", "1"}}, {{Forwarding, "1"}}, {{AcceptRA, "0"}, {AcceptRA, "1"}}} {
		if _, err := p.Put("eth0", s); !errors.Is(err, ErrBadValue) {
			t.Errorf("%v: %v", s, err)
		}
	}
	if _, err := os.Lstat(p.Path()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("wrote a file: %v", err)
	}
}

func TestModeAndOwnerAreKept(t *testing.T) {
	p := Persistent{Root: t.TempDir()}
	_, err := p.Put("eth0", secondary)
	check(t, err)
	info, err := os.Stat(p.Path())
	check(t, err)
	if info.Mode() != 0o644 {
		t.Errorf("made with mode %v", info.Mode())
	}
	check(t, os.Chmod(p.Path(), 0o640))
	if os.Geteuid() == 0 {
		check(t, os.Chown(p.Path(), 1, 2))
	}
	_, err = p.Put("eth1", secondary)
	check(t, err)
	info, err = os.Stat(p.Path())
	check(t, err)
	if info.Mode() != 0o640 {
		t.Errorf("mode %v", info.Mode())
	}
	if st := info.Sys().(*syscall.Stat_t); os.Geteuid() == 0 && (st.Uid != 1 || st.Gid != 2) {
		t.Errorf("owner %d:%d", st.Uid, st.Gid)
	}
}

// An image may hold anything: nothing is written or read outside of it.
func TestLinksDoNotLeadOutOfTheRoot(t *testing.T) {
	outside := t.TempDir()
	t.Run("the file", func(t *testing.T) {
		p := Persistent{Root: t.TempDir()}
		check(t, os.MkdirAll(filepath.Dir(p.Path()), 0o755))
		check(t, os.Symlink(filepath.Join(outside, "x.conf"), p.Path()))
		if _, err := p.Put("eth0", secondary); err == nil {
			t.Error("no error")
		}
	})
	t.Run("the folder", func(t *testing.T) {
		p := Persistent{Root: t.TempDir()}
		check(t, os.MkdirAll(filepath.Join(p.Root, "etc"), 0o755))
		check(t, os.Symlink(outside, filepath.Dir(p.Path())))
		if _, err := p.Put("eth0", secondary); err == nil {
			t.Error("no error")
		}
	})
	if files, err := os.ReadDir(outside); err != nil || len(files) != 0 {
		t.Errorf("outside: %v, %v", files, err)
	}
}

func TestSeveralWritersLoseNothing(t *testing.T) {
	p := Persistent{Root: t.TempDir()}
	want := []string{"eth0", "eth1", "eth2", "eth3", "eth4", "eth5", "eth6", "eth7"}
	var all sync.WaitGroup
	for _, nic := range want {
		all.Go(func() {
			if _, err := p.Put(nic, secondary); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	got, err := p.NICs()
	check(t, err)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("NICs (-want +got):\n%s", d)
	}
}

// Whatever a file holds: edits keep the lines of others, do what they say, and are idempotent.
func FuzzPut(f *testing.F) {
	for _, s := range []string{
		"", header, "net.ipv6.conf.eth0.accept_ra = 1", "-net/ipv6/conf/eth0.1/accept_ra=0\n# x\n;y\nkernel.panic=1\r\n",
		"net.ipv6.conf.eth0/1.accept_ra = 2\nnet.ipv6.conf.*.autoconf=1\n = \n==\n-\n/\n.=", "net/ipv6/conf//eth0/./autoconf = 1",
		"net.ipv6.conf.eth0.accept_ra = 1\nx\nnet.ipv6.conf.eth0.autoconf = 1",
	} {
		f.Add([]byte(s), "eth0", "0", "2")
		f.Add([]byte(s), "eth0.1", "1", "0")
	}
	f.Fuzz(func(t *testing.T, b []byte, nic, one, two string) {
		want := []Setting{{Autoconf, one}, {AcceptRA, two}}
		if checkWritable(nic) != nil || want[0].check() != nil || want[1].check() != nil {
			t.Skip()
		}
		others := func(b []byte) (out []line) {
			for _, l := range parse(b) {
				if name, _, ok := l.setting(); !ok || name != nic {
					l.number = 0
					out = append(out, l)
				}
			}
			return out
		}
		got := put(b, nic, want)
		if d := cmp.Diff(want, settings(got, nic)); d != "" {
			t.Errorf("settings (-want +got):\n%s", d)
		}
		if again := put(got, nic, want); string(again) != string(got) {
			t.Errorf("not idempotent: %q, %q", got, again)
		}
		gone := put(got, nic, nil)
		if len(settings(gone, nic)) != 0 {
			t.Errorf("left %q", gone)
		}
		for _, after := range [][]byte{got, gone} {
			if d := cmp.Diff(others(b), others(after), cmp.AllowUnexported(line{})); d != "" {
				t.Errorf("lines of others (-before +after):\n%s", d)
			}
		}
		for _, l := range parse(b) {
			l.hits(nic, AcceptRA)
		}
	})
}
