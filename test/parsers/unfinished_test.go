package parsers

import (
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/pkg/distro"
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

// interfacesScraps are what the files of the next test are put together from.
var interfacesScraps = []string{
	"auto eth0\n", "iface eth0 inet6 auto\n", "iface eth0 inet6 dhcp\n", "iface eth0 inet manual\n", "auto eth1\niface eth1 inet6 manual\n", "iface eth1 inet6 auto\n",
	"  up echo a\n", "\tpost-up echo b \\\n", "  up echo c # d\n", "  # e\n", "# f \\\n", "\n", "\\", "\\\n", " ", "\t", "  down echo g\r\n", "  up echo h \\\\\n", "  up echo i\\",
	"auto", "iface eth0 inet6 auto \\\n", "  autoconf 1\n", "  accept_ra 1\n", "  up\n", "source /etc/network/interfaces.d/*\n", "allow-hotplug eth0\n", "  up echo 'j\n", "  up echo \"k\\\"\n",
}

// TestIfupdownFilesOfScrapsAreEditedRightOrRefused: what is accepted means to ifup what it shall. Each command
// of the user's is run as before, and the switches are set.
func TestIfupdownFilesOfScrapsAreEditedRightOrRefused(t *testing.T) {
	l := newLab(t)
	m := boot(t, l, stacks)
	random := rand.New(rand.NewPCG(5, 2026)) //nolint:gosec // the same files each time
	nic := distro.NIC{Name: "eth0", MAC: net.HardwareAddr{6, 0xa0, 0xf0, 0, 0, 0x38}}
	accepted := 0
	for range 300 {
		text := []byte("auto eth0\niface eth0 inet6 auto\n")
		for range 1 + random.IntN(7) {
			text = append(text, interfacesScraps[random.IntN(len(interfacesScraps))]...)
		}
		tree := fstest.MapFS{"etc/network/interfaces": {Data: text}, "sbin/ifup": {Mode: 0o755}, "sbin/dhclient": {Mode: 0o755}}
		plan, err := distro.NewPlan(distro.System{Tree: distro.NewTree(tree), Moment: distro.Image},
			[]distro.Want{{NIC: nic, Lease: distro.LeaseAgent}}, distro.Options{Backend: distro.Ifupdown})
		if err != nil {
			continue
		}
		for _, c := range plan.Changes {
			if c.Path != "/etc/network/interfaces" {
				continue
			}
			accepted++
			before, after := m.commands(string(text)), m.commands(string(c.After))
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("commands of\n%s(-want +got):\n%s", c.Diff(), diff)
			}
			m.write("/etc/network/interfaces", string(c.After))
			out := m.run("ifup", "--no-act", "-v", "--force", "eth0")
			if !strings.Contains(out.Stdout+out.Stderr, "\nsysctl -q -e -w net.ipv6.conf.eth0.accept_ra=0 net.ipv6.conf.eth0.autoconf=0 || true # v6guest\n") {
				t.Errorf("the switches are not set by\n%s%s", c.After, out.Stdout+out.Stderr)
			}
		}
	}
	if accepted < 30 {
		t.Errorf("only %d files were accepted", accepted)
	}
}

// commands is what the file's own options make ifup run for both NICs.
func (m *machine) commands(interfaces string) (out []string) {
	m.t.Helper()
	m.write("/etc/network/interfaces", interfaces)
	for _, nic := range []string{"eth0", "eth1"} {
		for _, program := range []string{"ifup", "ifdown"} {
			r := m.run(program, "--no-act", "-v", "--force", nic)
			for line := range strings.Lines(r.Stdout + r.Stderr) {
				if strings.HasPrefix(line, "echo") {
					out = append(out, nic+" "+line)
				}
			}
		}
	}
	return out
}
