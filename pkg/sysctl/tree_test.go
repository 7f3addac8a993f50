package sysctl

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fake makes a /proc/sys of plain files.
func fake(t *testing.T, nic string, values map[Switch]string) Tree {
	t.Helper()
	tree := Tree{Root: t.TempDir()}
	dir := filepath.Join(tree.conf(), nic)
	check(t, os.MkdirAll(dir, 0o755))
	for s, v := range values {
		check(t, os.WriteFile(filepath.Join(dir, string(s)), []byte(v+"\n"), 0o644))
	}
	return tree
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSwitchesAreAppliedAndRestored(t *testing.T) {
	for _, nic := range []string{"eth0", "eth0.100", "a*b", "ä-%s", "...", `x\y`} {
		t.Run(nic, func(t *testing.T) {
			tree := fake(t, nic, map[Switch]string{AcceptRA: "1", Autoconf: "1", AcceptRADefrtr: "0"})
			saved, err := tree.Apply(nic, []Setting{{AcceptRADefrtr, "0"}, {Autoconf, "0"}, {AcceptRA, "2"}})
			check(t, err)
			want := Saved{NIC: nic, Settings: []Setting{{Autoconf, "1"}, {AcceptRA, "1"}}}
			if d := cmp.Diff(want, saved); d != "" {
				t.Errorf("saved (-want +got):\n%s", d)
			}
			expect(t, tree, nic, AcceptRA, "2")
			expect(t, tree, nic, Autoconf, "0")
			check(t, tree.Restore(saved))
			expect(t, tree, nic, AcceptRA, "1")
			expect(t, tree, nic, Autoconf, "1")
			check(t, os.RemoveAll(filepath.Join(tree.conf(), nic)))
			check(t, tree.Restore(saved)) // the NIC is gone
		})
	}
}

func expect(t *testing.T, tree Tree, nic string, s Switch, want string) {
	t.Helper()
	got, err := tree.Get(nic, s)
	check(t, err)
	if got != want {
		t.Errorf("%s is %q, want %q", s, got, want)
	}
}

func TestNamesLeadNowhereElse(t *testing.T) {
	tree := fake(t, "eth0", map[Switch]string{AcceptRA: "1"})
	secret := filepath.Join(tree.Root, "accept_ra")
	check(t, os.WriteFile(secret, []byte("0\n"), 0o644))
	for _, nic := range []string{
		"", ".", "..", "../../..", "../eth0", "eth0/../..", "/", "all", "default", "a b", "a:b", "a\tb", "a\u00a0b", "a\nb", "a\x00b", "sixteen-bytes-16",
	} {
		if _, err := tree.Get(nic, AcceptRA); !errors.Is(err, ErrBadName) {
			t.Errorf("read %q: %v", nic, err)
		}
		if err := tree.Set(nic, Setting{AcceptRA, "2"}); !errors.Is(err, ErrBadName) {
			t.Errorf("set %q: %v", nic, err)
		}
	}
	for _, s := range []Switch{"", "..", "../eth0/accept_ra", "Accept_RA", "a/b", "a.b"} {
		if _, err := tree.Get("eth0", s); !errors.Is(err, ErrNoSwitch) {
			t.Errorf("read switch %q: %v", s, err)
		}
		if err := tree.Set("eth0", Setting{s, "2"}); !errors.Is(err, ErrBadValue) {
			t.Errorf("set switch %q: %v", s, err)
		}
	}
	if b, err := os.ReadFile(secret); err != nil || string(b) != "0\n" {
		t.Errorf("changed to %q, %v", b, err)
	}
}

func TestFailuresSayWhatAndHowToCure(t *testing.T) {
	for _, tt := range []struct {
		name    string
		nic     string
		set     Setting
		prepare func(t *testing.T, tree Tree)
		is      error
		cure    string
	}{
		{"no IPv6", "eth0", Setting{AcceptRA, "2"}, func(t *testing.T, tree Tree) { check(t, os.RemoveAll(tree.conf())) }, ErrNoIPv6, "ipv6.disable"},
		{"no NIC", "eth9", Setting{AcceptRA, "2"}, nil, ErrNoNIC, "MTU"},
		{"no switch", "eth0", Setting{OptimisticDAD, "1"}, nil, ErrNoSwitch, "kernel"},
		{"not a number", "eth0", Setting{AcceptRA, "2\n0"}, nil, ErrBadValue, ""},
		{"no value", "eth0", Setting{AcceptRA, ""}, nil, ErrBadValue, ""},
		{"a leading zero", "eth0", Setting{AcceptRA, "02"}, nil, ErrBadValue, ""},
		{"not ours to set", "eth0", Setting{Forwarding, "1"}, nil, ErrBadValue, ""},
		{"not taken", "eth0", Setting{AcceptRA, "2"}, func(t *testing.T, tree Tree) {
			// It can be written, but nothing is kept.
			file := filepath.Join(tree.conf(), "eth0/accept_ra")
			check(t, os.Remove(file))
			check(t, os.Symlink("/dev/null", file))
		}, ErrNotTaken, "other program"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tree := fake(t, "eth0", map[Switch]string{AcceptRA: "1", Forwarding: "0"})
			if tt.prepare != nil {
				tt.prepare(t, tree)
			}
			err := tree.Set(tt.nic, tt.set)
			var e *Error
			if !errors.Is(err, tt.is) || !errors.As(err, &e) {
				t.Fatalf("got %v, want %v", err, tt.is)
			}
			if e.NIC != tt.nic || !strings.Contains(err.Error(), string(tt.set.Switch)) {
				t.Errorf("does not say where: %v", err)
			}
			if tt.cure == "" != (e.Cure() == "") || !strings.Contains(e.Cure(), tt.cure) {
				t.Errorf("cure: %q", e.Cure())
			}
		})
	}
}

// A failing switch does not keep the others from being set, and is not restored.
func TestApplyGoesOnAfterAFailure(t *testing.T) {
	tree := fake(t, "eth0", map[Switch]string{AcceptRA: "1"})
	saved, err := tree.Apply("eth0", []Setting{{OptimisticDAD, "1"}, {AcceptRA, "0"}})
	if !errors.Is(err, ErrNoSwitch) {
		t.Errorf("got %v", err)
	}
	expect(t, tree, "eth0", AcceptRA, "0")
	if d := cmp.Diff([]Setting{{AcceptRA, "1"}}, saved.Settings); d != "" {
		t.Errorf("saved (-want +got):\n%s", d)
	}
}

func TestErrorsOfTheFileSystemKeepTheirCause(t *testing.T) {
	err := &Error{Op: "set", NIC: "eth0", Switch: AcceptRA, Value: "2", Err: accessError(fs.ErrPermission)}
	if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Cure(), "CAP_NET_ADMIN") {
		t.Errorf("%v; cure %q", err, err.Cure())
	}
}
