package parsers

import (
	"strings"
	"testing"
)

// ours is a line as v6guest adds one behind the last option of a stanza.
const ours = "  pre-up echo ours\n"

// lastLines are last lines of an interfaces file, and which programs take a line behind them for a part of
// them. pkg/distro refuses to add there.
var lastLines = []struct {
	text                string
	ifupdown, ifupdown2 bool
}{
	{text: "  up echo a\n"},
	{text: "  up echo a \\\n", ifupdown: true, ifupdown2: true},
	{text: "  up echo a \\\\\n", ifupdown: true, ifupdown2: true},
	{text: "  up echo a \\\n  b\n"},
	{text: "  up echo a \\\n\n", ifupdown2: true},
	{text: "  up echo a \\ \n", ifupdown2: true},
	{text: "  up echo a \\\r\n", ifupdown2: true},
	{text: "  # a \\\n", ifupdown2: true},
}

func TestIfupdownJoinsLinesAsIsBelieved(t *testing.T) {
	l := newLab(t)
	m := boot(t, l, stacks)
	for _, tt := range lastLines {
		m.write("/etc/network/interfaces", "auto eth0\niface eth0 inet6 manual\n"+tt.text+ours)
		out := m.must("ifup", "--no-act", "-v", "--force", "eth0")
		if joined := !strings.Contains(out, "\necho ours\n"); joined != tt.ifupdown {
			t.Errorf("%q: joined %t, want %t:\n%s", tt.text, joined, tt.ifupdown, out)
		}
	}
}

func TestIfupdown2JoinsLinesAsIsBelieved(t *testing.T) {
	l := newLab(t)
	m := boot(t, l, ifupdown2)
	m.must("mkdir", "-p", "/run/network")
	for _, tt := range lastLines {
		m.write("/etc/network/interfaces", "auto eth0\niface eth0 inet6 manual\n"+tt.text+ours)
		out := m.must("ifquery", "-i", "/etc/network/interfaces", "-o", "json", "eth0")
		if joined := !strings.Contains(out, `"pre-up": "echo ours"`); joined != tt.ifupdown2 {
			t.Errorf("%q: joined %t, want %t:\n%s", tt.text, joined, tt.ifupdown2, out)
		}
	}
}

func TestDhclientTakesALineBehindFinishedTextOnly(t *testing.T) {
	l := newLab(t)
	m := boot(t, l, stacks)
	for _, tt := range []struct {
		text string
		open bool
	}{
		{"timeout 60;\n", false},
		{"send host-name \"a\nb\";\n", false},
		{"# { \" \\\n", false},
		{"send host-name = gethostname()\n", true},
		{"timeout 60; \\\n", true},
		{"send host-name \"a;\n", true},
		{"interface \"x\" {\n", true},
		{"timeout 60; }\n", true},
	} {
		m.write("/tmp/conf", tt.text+"send dhcp6.client-id = concat(00:03:00, hardware);\n")
		r := m.run("dhclient", "-6", "-1", "-v", "-cf", "/tmp/conf", "-lf", "/tmp/leases", "-pf", "/tmp/pid", "-sf", "/bin/true", "nosuchnic0")
		if open := strings.Contains(r.Stdout+r.Stderr, "/tmp/conf line "); open != tt.open {
			t.Errorf("%q: complained about %t, want %t:\n%s%s", tt.text, open, tt.open, r.Stdout, r.Stderr)
		}
	}
}
