package inifile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/inifile"
)

func parse(text string) ([]inifile.Section, error) {
	return inifile.Parse("f", []byte(text), "[agent]", "[nic NAME]")
}

func TestSectionsAndKeysWithTheirLines(t *testing.T) {
	got, err := parse("\xef\xbb\xbf; a comment\r\n[agent]   # another\r\n  nics = eth0 en*, eth1;eth2  ; the last\r\n\nempty =\n" +
		"[nic  eth0 ]\nlease=distro\na = b = c %(nics)s \\\n[nic two words]\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []inifile.Section{
		{Title: "agent", Where: "f:2", Keys: []inifile.Key{
			{Name: "nics", Text: "eth0 en*, eth1;eth2", Where: "f:3"}, {Name: "empty", Where: "f:5"},
		}},
		{Title: "nic", Name: "eth0", Where: "f:6", Keys: []inifile.Key{
			{Name: "lease", Text: "distro", Where: "f:7"}, {Name: "a", Text: `b = c %(nics)s \`, Where: "f:8"},
		}},
		{Title: "nic", Name: "two words", Where: "f:9"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sections (-want +got):\n%s", diff)
	}
}

func TestMistakesAreNamedWithTheirLine(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"key before a section", "lease = agent\n", "f:1: a key before the first section; begin with [agent] or [nic NAME]"},
		{"no section", "[agent\n", `f:1: "[agent" is no section; write [agent] or [nic NAME]`},
		{"two sections in a line", "[agent] [nic eth0]\n", `f:1: "[agent] [nic eth0]" is no section; write [agent] or [nic NAME]`},
		{"section without a name", "[ ]\n", "f:1: a section without a name; write [agent] or [nic NAME]"},
		{"the library's own section", "[DEFAULT]\nlease = agent\n", `f:1: "[DEFAULT]" is no section; write [agent] or [nic NAME]`},
		{"doubled key", "[agent]\na = 1\nb = 1\na = 2\n", `f:4: "a" is set twice; first in line 2`},
		{"doubled section", "[nic eth0]\n[agent]\n[nic  eth0]\n", "f:3: section [nic eth0] stands twice; first in line 1"},
		{"no key", "[agent]\n\nlease\n", `f:3: "lease" is neither a section nor key = value`},
		{"colon for an equals sign", "[agent]\nlease: agent\n", `f:2: "lease: agent" is neither a section nor key = value`},
		{"blank in a key", "[agent]\ndefault nic = x\n", `f:2: "default nic" is no name of a key`},
		{"quotes", "[agent]\nlease = \"agent\"\n", "f:2: lease: values stand without quotes"},
		{"control characters", "[agent]\nlease = agent\x1b[2J\n", "f:2: the line holds control characters or is not UTF-8"},
		{"not UTF-8", "[agent]\nlease = agent\xff\n", "f:2: the line holds control characters or is not UTF-8"},
		{"several", "[agent\n= 1\nx\n", "f:1: \"[agent\" is no section; write [agent] or [nic NAME]\n" +
			"f:2: \"= 1\" is neither a section nor key = value\nf:3: \"x\" is neither a section nor key = value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse(tt.text)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestTheOtherLinesCountBesideABadOne(t *testing.T) {
	got, err := parse("[agent]\na = 1\nnonsense\nb = 2\n[nic eth0\nc = 3\nc = 4\n[-]\nd = 5\n[agent]\na = 6\ne = 7\n")
	if n := strings.Count(errString(err), "\n") + 1; n != 5 {
		t.Errorf("%d mistakes, want 5:\n%v", n, err)
	}
	want := []inifile.Section{
		{Title: "agent", Where: "f:1", Keys: []inifile.Key{{Name: "a", Text: "1", Where: "f:2"}, {Name: "b", Text: "2", Where: "f:4"}}},
		{Title: "agent", Where: "f:1", Keys: []inifile.Key{{Name: "e", Text: "7", Where: "f:12"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sections (-want +got):\n%s", diff)
	}
}

func errString(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestSuggest(t *testing.T) {
	names := []string{"duid", "default_nic", "lease"}
	const all = "there are duid, default_nic, lease"
	for word, want := range map[string]string{
		"duidd": `did you mean "duid"?`, "default-nic": `did you mean "default_nic"?`, "leese": `did you mean "lease"?`,
		"": all, "foo": all, "x": all, strings.Repeat("x", 1_000_000): all,
	} {
		if got := inifile.Suggest(word, names); got != want {
			t.Errorf("%.20q: %s, want %s", word, got, want)
		}
	}
}

func TestReadFindsTheFolderBeside(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x[1].conf") // a path that looks like a pattern
	for name, text := range map[string]string{
		file: "main", file + ".d/20-b.conf": "b", file + ".d/10-a.conf": "a", file + ".d/README": "no configuration",
		file + ".d/30-long.conf": strings.Repeat("x", inifile.MaxFile+1),
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(file+".d/40-pipe.conf", 0o600); err != nil { // that nobody writes to
		t.Fatal(err)
	}
	if err := os.Mkdir(file+".d/50-folder.conf", 0o700); err != nil {
		t.Fatal(err)
	}
	got := inifile.Read(file)
	want := []string{"x[1].conf: main", "10-a.conf: a", "20-b.conf: b", "30-long.conf: error", "40-pipe.conf: error", "50-folder.conf: error"}
	var is []string
	for _, f := range got {
		text := string(f.Text)
		if f.Err != nil {
			text = "error"
			if want := f.Name + " is no regular file of at most 1048576 bytes"; f.Err.Error() != want {
				t.Errorf("%v, want %s", f.Err, want)
			}
		}
		is = append(is, filepath.Base(f.Name)+": "+text)
	}
	if diff := cmp.Diff(want, is); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	none := inifile.Read(filepath.Join(t.TempDir(), "none.conf"))
	if len(none) != 1 || !errors.Is(none[0].Err, fs.ErrNotExist) {
		t.Errorf("no file: %+v", none)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("[agent]\nnics = auto\n[nic eth1] ; x\nlease = distro\n"))
	f.Add([]byte("[network a]\nprefix=2001:db8::/64\ninterface=e\n[DEFAULT]\nx=y\n%(x)s = \\\n"))
	f.Add([]byte("\xef\xbb\xbf[a]\r\nb = c\r\n[-]\n-=1\n[a]\nb=\n[x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		sections, err := inifile.Parse("f", text)
		seen, keys := map[string]bool{}, 0
		for _, s := range sections {
			name := s.Title + " " + s.Name
			if s.Title == "" || strings.HasSuffix(s.Where, ":0") || err == nil && seen[name] {
				t.Errorf("section %+v, seen %t", s, seen[name])
			}
			seen[name] = true
			for _, k := range s.Keys {
				keys++
				if k.Name == "" || strings.HasSuffix(k.Where, ":0") || !strings.Contains(string(text), k.Text) {
					t.Errorf("key %+v", k)
				}
			}
		}
		// What was not refused was understood: no line with an equals sign was dropped.
		lines := 0
		for line := range strings.SplitSeq(strings.TrimPrefix(string(text), "\xef\xbb\xbf"), "\n") {
			if line = strings.TrimSpace(line); line != "" && !strings.ContainsRune(";#[", rune(line[0])) {
				lines++
			}
		}
		if err == nil && keys != lines {
			t.Errorf("%d keys in %d lines", keys, lines)
		}
	})
}
