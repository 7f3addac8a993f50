package distro

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// planFor plans for eth0, the default NIC.
func planFor(m fstest.MapFS, stack Stack, policy Policy) (*Plan, error) {
	return NewPlan(System{Tree: NewTree(m), Moment: Image}, []Want{{NIC: fuzzNIC, Default: true, Lease: policy}}, Options{Backend: stack})
}

// TestNothingIsAddedBehindUnfinishedText: what is added there would become a part of it. How each program
// reads such files was seen with Debian 12's own: ifupdown 0.8.41, ifupdown2 3.0.0, ISC dhclient 4.4.3; dhcpcd
// continues no line, whatever it ends with.
func TestNothingIsAddedBehindUnfinishedText(t *testing.T) {
	const dhcp = "auto eth0\niface eth0 inet dhcp\niface eth0 inet6 auto\n"
	for _, tt := range []struct {
		name       string
		stack      Stack
		interfaces string
		dhclient   string
		want       string // the refusal; empty for none
	}{
		{"an option that ends in a backslash", Ifupdown, dhcp + "  up echo a \\\n", "", "/etc/network/interfaces:4: the line goes on"},
		{"without a newline", Ifupdown, dhcp + "  up echo a \\", "", "/etc/network/interfaces:4: the line goes on"},
		{"two backslashes", Ifupdown, dhcp + "  up echo a \\\\\n", "", "/etc/network/interfaces:4: the line goes on"},
		{"two backslashes and a blank line", Ifupdown, dhcp + "  up echo a \\\\\n\n", "", "/etc/network/interfaces:4: the line goes on"},
		{"two lines", Ifupdown, dhcp + "  up echo a \\\n  b\\\n", "", "/etc/network/interfaces:4: the line goes on"},
		{"an iface line over several lines", Ifupdown, "auto eth0\niface eth0 inet6 auto \\\n", "", "/etc/network/interfaces:2: the line goes on"},
		{"a finished one", Ifupdown, dhcp + "  up echo a \\\n  b\n", "", ""},
		{"continued by a blank line", Ifupdown, dhcp + "  up echo a \\\n\n", "", ""},
		{"a blank behind the backslash", Ifupdown, dhcp + "  up echo a \\ \n", "", ""},
		{"a CR behind the backslash", Ifupdown, strings.ReplaceAll(dhcp+"  up echo a \\\n", "\n", "\r\n"), "", ""},
		{"a comment with a backslash", Ifupdown, dhcp + "  # a \\\n", "", ""},
		{"of another NIC's", Ifupdown, dhcp + "iface eth1 inet6 auto\n  up echo a \\\n", "", ""},

		{"an option that ends in a backslash", Ifupdown2, dhcp + "  up echo a \\\n", "", "/etc/network/interfaces:4: the line goes on"},
		{"a comment with a backslash", Ifupdown2, dhcp + "  # a \\\n", "", "/etc/network/interfaces:4: ifupdown2 joins lines"},
		{"a comment in front of a stanza", Ifupdown2, "# a \\\n" + dhcp, "", "/etc/network/interfaces:1: ifupdown2 joins lines"},
		{"a blank behind the backslash", Ifupdown2, dhcp + "  up echo a \\ \n", "", "/etc/network/interfaces:4: ifupdown2 joins lines"},
		{"continued by a blank line", Ifupdown2, dhcp + "  up echo a \\\n\niface eth1\n", "", "/etc/network/interfaces:4: ifupdown2 joins lines"},
		{"a line that begins with a backslash", Ifupdown2, dhcp + "  up echo a\n\\ b\n", "", "/etc/network/interfaces:5: ifupdown2 joins lines"},
		{"a finished one", Ifupdown2, dhcp + "  up echo a \\\n  b\n", "", ""},
		{"a backslash inside", Ifupdown2, dhcp + "  up echo a\\nb\n", "", ""},

		{"no backslash continues", IfupdownNG, dhcp + "  up echo a \\\n", "", ""},

		{"a NUL byte", Ifupdown, dhcp + "  up echo a\x00b\n", "", "/etc/network/interfaces:4: a NUL byte"},

		{"dhclient: no semicolon", Ifupdown, dhcp, "timeout 60;\nsend host-name = gethostname()\n", "/etc/dhcp/dhclient.conf:2: eth0: what begins here"},
		{"dhclient: a backslash", Ifupdown, dhcp, "timeout 60; \\\n", "/etc/dhcp/dhclient.conf:1: eth0: what begins here"},
		{"dhclient: an open text", Ifupdown, dhcp, "timeout 60;\nsend host-name \"a;\n\n", "/etc/dhcp/dhclient.conf:2: eth0: what begins here"},
		{"dhclient: an open block", Ifupdown, dhcp, "interface \"eth1\" {\n  timeout 60;\n", "/etc/dhcp/dhclient.conf:1: eth0: what begins here"},
		{"dhclient: a brace too many", Ifupdown, dhcp, "timeout 60;\n}\n", "/etc/dhcp/dhclient.conf:2: eth0: what begins here"},
		{"dhclient: another client id over lines", Ifupdown, dhcp, "send\n dhcp6.client-id =\n 00:01;\n", "/etc/dhcp/dhclient.conf:1: eth0: another dhcp6.client-id"},
		{"dhclient: a text over lines", Ifupdown, dhcp, "send host-name \"a\n # ;b\";\n", ""},
		{"dhclient: a comment with a backslash", Ifupdown, dhcp, "# { \" \\\n", ""},
	} {
		t.Run(string(tt.stack)+", "+tt.name, func(t *testing.T) {
			m := fstest.MapFS{
				"etc/network/interfaces": file([]byte(tt.interfaces)), "sbin/ifup": file(nil), "sbin/dhclient": file(nil),
				"etc/dhcp/dhclient.conf": file([]byte(tt.dhclient)),
			}
			policy := LeaseAgent
			if tt.dhclient != "" {
				policy = LeaseDistro
			}
			p, err := planFor(m, tt.stack, policy)
			switch {
			case tt.want == "" && (err != nil || len(p.Changes) == 0):
				t.Errorf("no plan: %v", err)
			case tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)):
				t.Errorf("got  %v\nwant %s…", err, tt.want)
			}
			for _, r := range refusals(err) {
				checkRefusal(t, r)
			}
		})
	}
}

// TestOfABrokenIncludedFileWhatIfupReadsCounts: ifup takes what stands in front of a line that is no good,
// and tells.
func TestOfABrokenIncludedFileWhatIfupReadsCounts(t *testing.T) {
	for _, tt := range []struct{ included, want string }{
		{"garbage\n", ""},
		{"iface eth1\niface eth1 inet6 static\n", ""},
		{"iface eth1 inet dhcp\n  up\n", ""},
		{"\x00\x01\xff", "/etc/network/interfaces.d/b:1: a NUL byte"},
		{"# a\ngarbage x\nauto eth0\niface eth0 inet6 auto\n", "/etc/network/interfaces.d/b:2: misplaced option"},
	} {
		m := fstest.MapFS{
			"etc/network/interfaces": file([]byte("auto eth0\niface eth0 inet6 auto\nsource /etc/network/interfaces.d/*\n")), "sbin/ifup": file(nil),
			"etc/network/interfaces.d/b": file([]byte(tt.included)),
		}
		_, err := planFor(m, Ifupdown, LeaseAgent)
		if (err == nil) != (tt.want == "") || err != nil && !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %q", tt.included, err, tt.want)
		}
	}
}

// sourced is the variables that a shell has when it has sourced a file.
func sourced(t *testing.T, text []byte) map[string]string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ifcfg")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `set -a; . "$0" </dev/null >/dev/null 2>&1; exec /usr/bin/env -0`, name)
	cmd.Env = []string{"PATH=/nowhere"} // what is no command to a shell itself is none
	out, _ := cmd.Output()              // a file that a shell cannot read has no variables
	vars := map[string]string{}
	for v := range bytes.SplitSeq(out, []byte{0}) {
		if key, value, ok := strings.Cut(string(v), "="); ok && key != "_" {
			vars[key] = value
		}
	}
	return vars
}

// ifcfgMesses are ifcfg files that only a shell reads right, and whether they are refused for it.
var ifcfgMesses = []struct {
	name, text string
	line       int // that the refusal names; 0 if there is none
}{
	{"plain", "IPV6_AUTOCONF=yes\n", 0},
	{"a quoted text of several lines with a key", "NOTE=\"a\nIPV6_AUTOCONF=yes\nb\"\n", 2},
	{"in single quotes", "NOTE='a\nIPV6_AUTOCONF=yes\n'\nIPV6_AUTOCONF=yes\n", 2},
	{"a quoted text of several lines", "NOTE='a\nb'\nIPV6_AUTOCONF=yes\n", 0},
	{"an escaped quote", "NOTE=\"a\\\"\nb\"\nIPV6_AUTOCONF=yes\n", 0},
	{"a backslash at the end", "NOTE=a\\\n", 2},
	{"a backslash at the very end", "NOTE=a\\", 2},
	{"a comment with a backslash at the end", "# a\\\n", 0},
	{"a comment with a quote", "# it's\nIPV6_AUTOCONF=yes # don't\n", 0},
	{"a number sign in a word", "NOTE=a#'\nIPV6_AUTOCONF=yes\n'\n", 2},
	{"an open quote", "IPV6_AUTOCONF=yes\nNOTE=\"a\n", 3},
	{"a continued assignment", "IPV6_AUTOCONF=\\\nyes\n", 2},
	{"a key that is continued", "IPV6_\\\nAUTOCONF=yes\nOTHER=1\n", 0},
	{"a here-document", "cat <<EOF\nIPV6_AUTOCONF=yes\nEOF\n", 2},
	{"export", "export IPV6_AUTOCONF=yes\n", 2},
	{"readonly", "IPV6_AUTOCONF=yes\nreadonly IPV6_AUTOCONF\n", 3},
	{"unset", "IPV6_AUTOCONF=yes\nunset IPV6_AUTOCONF\n", 3},
	{"two in one line", "NOTE=a IPV6_AUTOCONF=yes\n", 2},
	{"a semicolon", "NOTE=a; IPV6_AUTOCONF=yes\n", 2},
	{"a semicolon without blanks", "IPV6_AUTOCONF=yes;NOTE=a\n", 2},
	{"a condition", "if true; then\n  IPV6_AUTOCONF=yes\nfi\n", 2},
	{"a condition that is not met", "if false; then\nNOTE=a\nfi\nIPV6_AUTOCONF=yes\n", 2},
	{"an and-list", "test -e / && IPV6_AUTOCONF=yes\n", 2},
	{"a function", "f() {\nIPV6_AUTOCONF=yes\n}\n", 2},
	{"a subshell", "(\nIPV6_AUTOCONF=yes\n)\n", 2},
	{"an end before the end", "return 0\n", 2},
	{"another file", ". /dev/null\n", 2},
	{"eval", "eval 'IPV6''_AUTOCONF=yes'\n", 2},
	{"an expansion", "IPV6_AUTOCONF=$NOTE\n", 2},
	{"a substitution with quotes", "NOTE=\"$(echo \")\nIPV6_AUTOCONF=yes\n\")\"\n", 2},
	{"backquotes", "NOTE=`echo \\`\nIPV6_AUTOCONF=yes\n`\n", 2},
	{"a command", "ulimit -n 100\nIPV6_AUTOCONF=yes\n", 2},
	{"a quoted command", "\\return\nIPV6_AUTOCONF=yes\n", 2},
	{"another variable that is exported", "export NOTE=a NOTE2\nIPV6_AUTOCONF=yes\n", 0},
	{"added to", "IPV6_AUTOCONF=y\nIPV6_AUTOCONF+=es\n", 3},
	{"no newline at the end", "IPV6_AUTOCONF=yes", 0},
}

// TestEditedIfcfgFilesMeanToAShellWhatTheyShall sources each file before and after the edit.
func TestEditedIfcfgFilesMeanToAShellWhatTheyShall(t *testing.T) {
	const name = "/etc/sysconfig/network-scripts/ifcfg-eth0"
	for _, tt := range ifcfgMesses {
		for _, stack := range []Stack{Initscripts, NetworkManager} {
			for _, policy := range policies {
				t.Run(fmt.Sprintf("%s, %s, %s", stack, policy, tt.name), func(t *testing.T) {
					text := []byte("DEVICE=eth0\n" + tt.text)
					m := fstest.MapFS{
						name[1:]: file(text), "etc/redhat-release": file([]byte("CentOS Linux release 7.9.2009 (Core)\n")),
					}
					if stack == NetworkManager {
						m["usr/lib64/NetworkManager/1.40.0/x"], m["usr/sbin/NetworkManager"] = file(nil), file(nil)
						m["etc/systemd/system/multi-user.target.wants/NetworkManager.service"] = file(nil)
					}
					p, err := planFor(m, stack, policy)
					if tt.line > 0 {
						for _, r := range refusals(err) {
							if checkRefusal(t, r); r.Line != tt.line || r.File != name {
								t.Errorf("%v, want line %d", r, tt.line)
							}
						}
						if err == nil {
							t.Errorf("not refused:\n%s", diffs(p))
						}
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					checkSourced(t, p, name, text)
				})
			}
		}
	}
}

// checkSourced holds the variables after an edit against those before: keys of ours have the values that
// were written, and all else is as it was.
func checkSourced(t *testing.T, p *Plan, name string, text []byte) bool {
	t.Helper()
	for _, c := range p.Changes {
		if c.Path != name {
			continue
		}
		before, after := sourced(t, text), sourced(t, c.After)
		for key, value := range before {
			if !slices.Contains(editedKeys, key) && after[key] != value {
				t.Errorf("%s was %q, is %q in\n%s", key, value, after[key], c.After)
			}
		}
		for key, value := range after {
			want, ok := parseShell(c.After).get(key)
			if slices.Contains(editedKeys, key) && key != "IPV6_AUTOCONF" && (!ok || want != value) {
				t.Errorf("%s is %q, want %q in\n%s", key, value, want, c.After)
			}
		}
		if want, _ := parseShell(c.After).get("IPV6_AUTOCONF"); after["IPV6_AUTOCONF"] != want {
			t.Errorf("IPV6_AUTOCONF is %q, want %q in\n%s", after["IPV6_AUTOCONF"], want, c.After)
		}
	}
	return !t.Failed()
}

func TestAGlobalFileThatOnlyAShellReadsIsRefused(t *testing.T) {
	m := fstest.MapFS{
		"etc/sysconfig/network-scripts/ifcfg-eth0": file([]byte("DEVICE=eth0\nIPV6INIT=yes\n")), "etc/redhat-release": file([]byte("CentOS release 6.2 (Final)\n")),
		"etc/sysconfig/network": file([]byte("NETWORKING=yes\nexport IPV6_AUTOCONF=yes\n")),
	}
	_, err := planFor(m, Initscripts, LeaseAgent)
	r := (*RefusalError)(nil)
	if !errors.As(err, &r) || r.File != redHatGlobal || r.Line != 2 || r.Cure == "" {
		t.Errorf("%v", err)
	}
}

// shellScraps are what the files of the next test are put together from. None does anything but assign.
var shellScraps = []string{
	"IPV6_AUTOCONF=yes\n", "IPV6INIT=no\n", " IPV6INIT='no'\n", "IPV6INIT=\"no\" # c\n", "A='", "'", "\"", "B=\"", "\\", "\n", "\\\n", "# c \\\n", " # '", "#",
	"export IPV6INIT=no\n", "C=a;", "D=a ", "E=$IPV6INIT\n", "F=a#b\n", "G=a\\'b\n", "H=a\\", "=", "IPV6_", "AUTOCONF", " ", "\t", "I=\n", "J='a'\"b\"\n", ";", "&", "{", "(", ")",
	"if ", "fi\n", "K=${A:-\"x\"}\n", "`", "$(", "L=$((1+2))\n", "M=~\n", "IPV6INIT=no IPV6_AUTOCONF=no\n", "readonly IPV6INIT\n", "unset A\n", "N=a>", "|", "return\n",
}

// TestIfcfgFilesOfScrapsAreEditedRightOrRefused: what is accepted means to a shell what it shall.
func TestIfcfgFilesOfScrapsAreEditedRightOrRefused(t *testing.T) {
	const name = "/etc/sysconfig/network-scripts/ifcfg-eth0"
	random := rand.New(rand.NewPCG(5, 2026)) //nolint:gosec // the same files each time
	accepted := 0
	for range 1500 {
		text := []byte("DEVICE=eth0\n")
		for range 1 + random.IntN(7) {
			text = append(text, shellScraps[random.IntN(len(shellScraps))]...)
		}
		m := fstest.MapFS{name[1:]: file(text), "etc/redhat-release": file([]byte("CentOS Linux release 7.9.2009 (Core)\n"))}
		p, err := planFor(m, Initscripts, LeaseDistro)
		if err != nil {
			continue
		}
		if accepted++; !checkSourced(t, p, name, text) {
			t.Fatalf("%q", text)
		}
	}
	if accepted < 100 {
		t.Errorf("only %d files were accepted", accepted)
	}
}
