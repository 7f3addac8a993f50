package distro

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The two texts of the CloudStack manual (Guest VM configuration for DHCPv6), byte for byte.
const (
	centosIfcfg = `DEVICE=eth0
HWADDR=06:A0:F0:00:00:38
NM_CONTROLLED=no
ONBOOT=yes
BOOTPROTO=dhcp6
TYPE=Ethernet
USERCTL=no
PEERDNS=yes
IPV6INIT=yes
DHCPV6C=yes
`
	centosNetwork = `NETWORKING=yes
HOSTNAME=centos62mgmt.lab.vmops.com
NETWORKING_IPV6=yes
IPV6_AUTOCONF=no
`
	ubuntuStanza = `iface eth0 inet6 dhcp
autoconf 0
accept_ra 1
`
)

func TestRecipesAreTheManualsTexts(t *testing.T) {
	for _, tt := range []struct {
		name, stock string
		want        map[string]string
	}{
		{"CentOS 6.2", "recipe-centos-6.2", map[string]string{
			"/etc/sysconfig/network-scripts/ifcfg-eth0": centosIfcfg, "/etc/sysconfig/network": centosNetwork, dhclientFile: duidLine + "\n",
		}},
		{"Ubuntu 12.10", "recipe-ubuntu-1210", map[string]string{interfacesFile: "\x00" + ubuntuStanza}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := loadCase(t, testdata+"/"+tt.stock)
			p, err := c.plan(c.system().Tree, LeaseDistro)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, change := range p.Changes {
				got[change.Path] = string(change.After)
				// Of a file that has more in it, the text is what was added.
				if strings.HasPrefix(tt.want[change.Path], "\x00") {
					got[change.Path] = "\x00" + strings.TrimPrefix(string(change.After), string(change.Before))
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRecipeIsRefusedWhereThereIsNone(t *testing.T) {
	m := fstest.MapFS{"etc/systemd/network/a.network": file([]byte("[Match]\nName=eth0\n"))}
	_, err := NewPlan(System{Tree: NewTree(m), Moment: Image}, []Want{{NIC: fuzzNIC, Default: true}}, Options{Backend: Networkd, Recipe: true})
	if r := (*RefusalError)(nil); !errors.Is(err, ErrUnsupported) || !errors.As(err, &r) || r.Cure != "leave out --recipe" {
		t.Errorf("got %v", err)
	}
}

func TestAnAskedBackendOverridesDetection(t *testing.T) {
	m := fstest.MapFS{"etc/dhcpcd.conf": file([]byte("clientid\n"))}
	p, err := NewPlan(System{Tree: NewTree(m), Moment: Image}, []Want{{NIC: fuzzNIC, Default: true, Lease: LeaseAgent}}, Options{Backend: Dhcpcd})
	if err != nil {
		t.Fatal(err)
	}
	const want = "eth0: dhcpcd: no stack claims it: the kernel alone; and dhcpcd was asked for"
	if got := p.NICs[0].Finding.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if len(p.Changes) != 1 || p.Changes[0].Path != dhcpcdFile {
		t.Errorf("changes: %s", diffs(p))
	}
}

func TestRefusalsNameFileLineAndCure(t *testing.T) {
	c := loadCase(t, testdata+"/ifupdown-bridge-port-refused")
	_, err := c.plan(c.system().Tree, LeaseAgent)
	r := (*RefusalError)(nil)
	if !errors.As(err, &r) {
		t.Fatal(err)
	}
	got := *r
	got.Err = nil
	want := RefusalError{NIC: "eth0", File: "/etc/network/interfaces", Line: 3, Cure: "manage br0 instead"}
	if diff := cmp.Diff(want, got); diff != "" || !errors.Is(r, ErrClaimed) {
		t.Errorf("%v (-want +got):\n%s", r, diff)
	}
}

func TestSystemdVersionIsReadFromItsLibrary(t *testing.T) {
	for _, tt := range []struct {
		files fstest.MapFS
		want  string
	}{
		{fstest.MapFS{"usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so": file(nil)}, "252"},
		{fstest.MapFS{"usr/lib/systemd/libsystemd-shared-257.6-1.fc42.so": file(nil)}, "257.6"},
		{fstest.MapFS{"lib/systemd/libsystemd-shared-237.so": file(nil)}, "237"},
		{fstest.MapFS{"etc/os-release": file([]byte("ID=ubuntu\nVERSION_ID=\"18.04\"\n"))}, "237"},
		{fstest.MapFS{"etc/os-release": file([]byte("ID=debian\nVERSION_ID=\"8\"\n"))}, "215"},
		{fstest.MapFS{}, "unknown"},
	} {
		if got := NewTree(tt.files).systemdVersion().String(); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestVersionsCompareByNumber(t *testing.T) {
	for _, tt := range []struct {
		v    string
		min  []int
		want bool
	}{
		{"9.49.38", []int{9, 49, 38}, true},
		{"9.49.37", []int{9, 49, 38}, false},
		{"0.7~beta2ubuntu11", []int{0, 7, 1}, false},
		{"0.7.1ubuntu1", []int{0, 7, 1}, true},
		{"1:10.1.0-11", []int{6, 7}, true},
		{"0.8", []int{0, 7, 49}, true},
		{"", []int{0}, false},
	} {
		if got := parseVersion(tt.v).atLeast(tt.min...); got != tt.want {
			t.Errorf("%q at least %v: %t", tt.v, tt.min, got)
		}
	}
}

func TestGlobMatchesAsFnmatch(t *testing.T) {
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"eth*", "eth0", true},
		{"e*0", "eth10", true},
		{"eth?", "eth10", false},
		{"eth[0-2]", "eth2", true},
		{"eth[!0-2]", "eth2", false},
		{"eth[]x]", "eth]", true},
		{"eth[", "eth[", true},
		{`e\*`, "e*", true},
		{"", "", true},
		{"*", "", true},
		{strings.Repeat("*a", 40) + "b", strings.Repeat("a", 4000), false},
	} {
		if got := fnmatch(tt.pattern, tt.s); got != tt.want {
			t.Errorf("%q, %q: %t", tt.pattern, tt.s, got)
		}
	}
}

func TestYAMLIsReadOrRefusedAndNeverGuessed(t *testing.T) {
	for _, tt := range []struct {
		text string
		want string // of network.ethernets.eth0.dhcp4, or the error
	}{
		{"network:\n  ethernets:\n    eth0:\n      dhcp4: true\n", "true"},
		{"network: {ethernets: {eth0: {dhcp4: yes, addresses: [10.0.0.5/24, \"2001:db8::5/64\"]}}}", "yes"},
		{"---\nnetwork: # the network\n    ethernets:\n        \"eth0\":\n            addresses:\n            - 10.0.0.5/24\n            - 'it''s'\n            dhcp4: 'no' # c\n", "no"},
		{"network:\n  ethernets: {eth0: {\n    dhcp4: true,\n    }}\n", "true"},
		{"network:\n  routes:\n  - to: default\n    via: 10.0.0.1\n  -\n    to: x\n  ethernets:\n    eth0: {dhcp4: a#b}\n", "a#b"},
		{"network:\n  ethernets:\n\teth0:\n", "line 3: a tab in the indentation"},
		{"a: &x 1\n", `line 1: "&x 1": anchors, tags and block texts are not read here`},
		{"a: |\n  b\n", `line 1: "|": anchors, tags and block texts are not read here`},
		{"a: 1\n---\nb: 2\n", "line 2: a second document"},
		{"a: [1, 2\n", "line 1: a bracket is not closed"},
		{"a: 1\n   b: 2\n", "line 2: wrong indentation"},
		{"a: \"b\n", "line 1: a quoted text of several lines"},
		{"a: b: c\n", "line 1: a mapping where a value is expected"},
		{"a: " + strings.Repeat("[", 60), "line 1: brackets do not match"},
	} {
		n, err := parseYAML([]byte(tt.text))
		got := n.child("network").child("ethernets").child("eth0").child("dhcp4").text()
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.text, got, tt.want)
		}
	}
}

func TestProcessesReadsArgumentsAndTitles(t *testing.T) {
	m := fstest.MapFS{
		"1/cmdline":  file([]byte("/lib/systemd/systemd\x00--system\x00")),
		"2/cmdline":  file(nil), // a thread of the kernel
		"30/cmdline": file([]byte("dhcpcd: eth0 [ip4] [ip6]")),
		"31/cmdline": file([]byte("/usr/sbin/dhclient\x00-6\x00eth0\x00")),
		"30/stat":    file([]byte("30 (dhcpcd: a) b) S 1 30 30 0 -1 4194560 1 0 0 0 2 3 0 0 20 0 1 0 12345 3 4\n")),
		"31/stat":    file([]byte("31 (short) S 1")),
		"uptime":     file([]byte("1000.25 12.00\n")),
		"self/x":     file(nil),
	}
	got, err := Processes(fs.FS(m), time.Unix(1700001000, 0))
	want := []Process{
		{PID: 1, Name: "systemd", Args: []string{"--system"}},
		{PID: 30, Name: "dhcpcd", Args: []string{"eth0", "[ip4]", "[ip6]"}, Started: time.Unix(1700000123, 200_000_000)},
		{PID: 31, Name: "dhclient", Args: []string{"-6", "eth0"}},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
