package resolver

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A stand is a system in a folder, whose programs only note what they are told.
type stand struct {
	*testing.T
	s    *System
	log  []string
	fail string // a word of the command that fails
}

func newStand(t *testing.T) *stand {
	t.Helper()
	root, err := os.MkdirTemp("", "r") // t.TempDir is too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	st := &stand{T: t}
	st.s = &System{Root: root, StateDir: filepath.Join(root, "state"), Boot: "one", Run: st.run}
	st.write("etc/hostname", "lab\n", 0o644)
	return st
}

func (s *stand) run(_ context.Context, stdin string, argv ...string) error {
	s.log = append(s.log, strings.Join(argv, " ")+strings.ReplaceAll("\n"+stdin, "\n", "|"))
	if s.fail != "" && strings.Contains(strings.Join(argv, " "), s.fail) {
		return errors.New("exit status 1")
	}
	return nil
}

func (s *stand) write(name, text string, mode fs.FileMode) {
	s.Helper()
	name = filepath.Join(s.s.Root, name)
	err := os.MkdirAll(filepath.Dir(name), 0o755)
	if err == nil {
		err = os.WriteFile(name, []byte(text), mode)
	}
	if err != nil {
		s.Fatal(err)
	}
}

// read is the text of a file, "none" where there is none.
func (s *stand) read(name string) string {
	s.Helper()
	b, err := os.ReadFile(filepath.Join(s.s.Root, name))
	if errors.Is(err, fs.ErrNotExist) {
		return "none"
	}
	if err != nil {
		s.Fatal(err)
	}
	return string(b)
}

// resolved has systemd-resolved run.
func (s *stand) resolved() {
	s.Helper()
	s.write("usr/bin/resolvectl", "", 0o755)
	s.write("run/systemd/resolve/resolv.conf", "", 0o644)
	l, err := net.Listen("unix", filepath.Join(s.s.Root, "run/systemd/resolve/io.systemd.Resolve"))
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = l.Close() })
}

// hand hands over, which must go well, and returns the commands.
func (s *stand) hand(to Target, links ...Link) []string {
	s.Helper()
	s.log = nil
	choice, err := s.s.Hand(s.Context(), links)
	if err != nil {
		s.Fatal(err)
	}
	if choice.To != to {
		s.Errorf("handed to %q: %s", choice.To, choice.Why)
	}
	return s.log
}

func (s *stand) want(what string, want, got any) {
	s.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		s.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

var (
	eth0 = Link{NIC: "eth0", Servers: addrs("2001:db8::53"), Domains: []string{"lab.example"}}
	eth1 = Link{NIC: "eth1", Servers: addrs("2001:db8:1::53")}
)

const record1 = "state/" + RecordFile

func TestTheFileIsWrittenAndComesBack(t *testing.T) {
	s := newStand(t)
	const original = "# mine\noptions timeout:1\n"
	s.write("etc/resolv.conf", original, 0o640)
	s.hand(ToFile, eth0, eth1)
	written := header + "nameserver 2001:db8::53\nnameserver 2001:db8:1::53\nsearch lab.example\n# mine\noptions timeout:1\n"
	s.want("written", written, s.read("etc/resolv.conf"))
	s.hand(ToFile, eth0)
	s.want("one withdrawn", strings.Replace(written, "nameserver 2001:db8:1::53\n", "", 1), s.read("etc/resolv.conf"))

	s.s = &System{Root: s.s.Root, StateDir: s.s.StateDir, Boot: "two", Run: s.run} // after a power cut
	s.hand(ToFile, eth1)
	s.hand(ToFile)
	s.want("all withdrawn", original, s.read("etc/resolv.conf"))
	s.want("record", "none", s.read(record1))
	if info, err := os.Stat(filepath.Join(s.s.Root, "etc/resolv.conf")); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	left, err := filepath.Glob(filepath.Join(s.s.Root, "etc/.*"))
	if err != nil || left != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestAFileThatWasNotThereGoesAgain(t *testing.T) {
	s := newStand(t)
	s.hand(ToFile, eth0)
	s.hand(ToFile)
	s.want("the file", "none", s.read("etc/resolv.conf"))
}

func TestAFileThatSomebodyWroteSinceIsHis(t *testing.T) {
	s := newStand(t)
	s.hand(ToFile, eth0)
	if s.s.Stale(Choice{To: ToFile}) {
		t.Error("stale although nobody wrote it")
	}
	s.write("etc/resolv.conf", "nameserver 192.0.2.1\n", 0o644)
	if !s.s.Stale(Choice{To: ToFile}) {
		t.Error("not stale although somebody wrote it")
	}
	s.hand(ToNobody, eth0)
	s.want("the file", "nameserver 192.0.2.1\n", s.read("etc/resolv.conf"))
	s.want("record", "none", s.read(record1))
}

func TestResolvconfIsTold(t *testing.T) {
	s := newStand(t)
	s.write("usr/sbin/resolvconf", "", 0o755)
	s.want("told", []string{
		"/usr/sbin/resolvconf -a eth0.v6guest|nameserver 2001:db8::53|search lab.example|",
		"/usr/sbin/resolvconf -a eth1.v6guest|nameserver 2001:db8:1::53|",
	}, s.hand(ToResolvconf, eth0, eth1))
	s.want("one NIC is gone", []string{
		"/usr/sbin/resolvconf -a eth1.v6guest|nameserver 2001:db8:1::53|", "/usr/sbin/resolvconf -d eth0.v6guest|",
	}, s.hand(ToResolvconf, eth1))
	s.s = &System{Root: s.s.Root, StateDir: s.s.StateDir, Boot: "one", Run: s.run} // after a kill
	s.want("all withdrawn", []string{"/usr/sbin/resolvconf -d eth1.v6guest|"}, s.hand(ToResolvconf))
	s.want("again", []string(nil), s.hand(ToResolvconf))
}

// What was handed over before a kill in the middle is taken back, and so is what failed.
func TestWhatFailedIsTakenBackToo(t *testing.T) {
	s := newStand(t)
	s.write("usr/sbin/resolvconf", "", 0o755)
	s.hand(ToResolvconf, eth0)
	s.fail = "eth1"
	if _, err := s.s.Hand(t.Context(), []Link{eth1}); err == nil {
		t.Fatal("no error")
	}
	s.fail = ""
	s.want("taken back", []string{"/usr/sbin/resolvconf -d eth0.v6guest|", "/usr/sbin/resolvconf -d eth1.v6guest|"}, s.hand(ToResolvconf))
}

func TestSystemdResolvedIsTold(t *testing.T) {
	s := newStand(t)
	s.resolved()
	s.write("sys/class/net/eth1/ifindex", "3", 0o644)
	s.want("told", []string{
		"/usr/bin/resolvectl dns eth0 2001:db8::53|", "/usr/bin/resolvectl domain eth0 lab.example|",
		"/usr/bin/resolvectl dns eth1 2001:db8:1::53|", "/usr/bin/resolvectl domain eth1 |",
	}, s.hand(ToResolved, eth0, eth1))
	s.want("withdrawn; eth0 is gone itself", []string{"/usr/bin/resolvectl revert eth1|"}, s.hand(ToResolved))
}

// Of a NIC that networkd or NetworkManager tells it of, systemd-resolved takes nothing from others, or
// they would overwrite each other.
func TestSystemdResolvedIsToldOfAManagedNICByAFile(t *testing.T) {
	s := newStand(t)
	s.resolved()
	managed := eth0
	managed.Managed = true
	const reload = "systemctl try-restart systemd-resolved.service|"
	s.want("told", []string{reload}, s.hand(ToResolved, managed))
	s.want("the file", "# Written by v6guest, and removed when what it says holds no more.\n[Resolve]\nDNS=2001:db8::53\nDomains=lab.example\n", s.read(dropInFile))
	s.want("the same again", []string(nil), s.hand(ToResolved, managed))
	s.want("withdrawn", []string{reload}, s.hand(ToResolved))
	s.want("the file", "none", s.read(dropInFile))
}

// Another takes over while the agent runs: what the first was told is taken back.
func TestTheTargetChanges(t *testing.T) {
	s := newStand(t)
	s.hand(ToFile, eth0)
	s.write("usr/sbin/resolvconf", "", 0o755)
	if !s.s.Stale(Choice{To: ToFile}) {
		t.Error("resolvconf was installed, and nobody noticed")
	}
	s.want("told", []string{"/usr/sbin/resolvconf -a eth0.v6guest|nameserver 2001:db8::53|search lab.example|"}, s.hand(ToResolvconf, eth0))
	s.want("the file", "none", s.read("etc/resolv.conf"))
}

func TestARecordOfANewerProgramIsRefusedAndADamagedOneIgnored(t *testing.T) {
	s := newStand(t)
	s.write(record1, `{"format": 2}`, 0o600)
	if _, err := s.s.Hand(t.Context(), []Link{eth0}); err == nil || !strings.Contains(err.Error(), "format 2") {
		t.Errorf("error %v", err)
	}
	s.write(record1, `{"form`, 0o600)
	s.hand(ToFile, eth0)
}

// TestRestoreInAnImageFollowsNoLinkOutOfIt: the record and the file are the image's own, wherever its links lead.
func TestRestoreInAnImageFollowsNoLinkOutOfIt(t *testing.T) {
	outside := t.TempDir()
	victim := filepath.Join(outside, "resolv.conf")
	const written = "# ours\n"
	for _, tt := range []struct{ link, target string }{
		{"etc", outside}, // "/etc" of the image, as from inside, is a folder of that name inside
		{"etc", "../../../../../../.." + outside},
		{"etc/resolv.conf", victim},
		{"etc/resolv.conf", "../../../../../../../.." + victim},
	} {
		if err := os.WriteFile(victim, []byte(written), 0o600); err != nil {
			t.Fatal(err)
		}
		root := t.TempDir()
		state := filepath.Join(root, "state")
		if err := os.Mkdir(state, 0o700); err != nil {
			t.Fatal(err)
		}
		record := `{"format": 1, "boot": "", "file": {"missing": true, "original": "", "mode": 420, "written": "# ours\n"}}`
		if err := os.WriteFile(filepath.Join(state, RecordFile), []byte(record), 0o600); err != nil {
			t.Fatal(err)
		}
		link := filepath.Join(root, tt.link)
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(tt.target, link); err != nil {
			t.Fatal(err)
		}
		s := &System{Root: root, StateDir: state}
		if err := s.Restore(t.Context()); err != nil {
			t.Errorf("%v: %v", tt, err)
		}
		if b, err := os.ReadFile(victim); err != nil || string(b) != written {
			t.Errorf("%v: the file outside: %q, %v", tt, b, err)
		}
		if got, err := os.Readlink(link); err != nil || got != tt.target {
			t.Errorf("%v: the link: %q, %v", tt, got, err)
		}
	}
}
