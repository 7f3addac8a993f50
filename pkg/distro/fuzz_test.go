package distro

import (
	"bytes"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// seeds adds every file of the golden cases whose path contains part.
func seeds(f *testing.F, part string) {
	f.Helper()
	err := filepath.WalkDir(testdata, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || !strings.Contains(name, part) {
			return err
		}
		b, err := os.ReadFile(name)
		f.Add(b)
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
}

// fuzzNIC is the NIC of the fuzzed systems.
var fuzzNIC = NIC{Name: "eth0", MAC: net.HardwareAddr{6, 0xa0, 0xf0, 0, 0, 0x38}, Index: 2, Driver: "virtio_net"}

// checkPlans plans on a system for both policies and roles: no panic, and a second run changes nothing.
func checkPlans(t *testing.T, m fstest.MapFS, stack Stack) {
	t.Helper()
	for _, policy := range policies {
		for _, isDefault := range []bool{true, false} {
			s := System{Tree: NewTree(m), Moment: Boot}
			wants := []Want{{NIC: fuzzNIC, Default: isDefault, Lease: policy}}
			p, err := NewPlan(s, wants, Options{Backend: stack})
			if err != nil {
				continue
			}
			s.Tree = p.after(s.Tree)
			again, err := NewPlan(s, wants, Options{Backend: stack})
			if err != nil {
				t.Fatalf("%s, default %t: the second run fails: %v\n%s", policy, isDefault, err, diffs(p))
			}
			if len(again.Changes) > 0 {
				t.Fatalf("%s, default %t: the second run changes:\n%s\nfirst:\n%s", policy, isDefault, diffs(again), diffs(p))
			}
		}
	}
}

// diffs is a plan's changes.
func diffs(p *Plan) string {
	var b strings.Builder
	for _, c := range p.Changes {
		b.WriteString(c.Diff())
	}
	return b.String()
}

func file(b []byte) *fstest.MapFile { return &fstest.MapFile{Data: b, Mode: 0o644} }

func FuzzInterfaces(f *testing.F) {
	seeds(f, "network/interfaces")
	f.Add([]byte("source /etc/network/interfaces interfaces /etc/network/*\nauto eth0\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, d := range dialects {
			m := fstest.MapFS{"etc/network/interfaces": file(b), "sbin/ifup": file(nil), "sbin/dhclient": file(nil)}
			if n := parseInterfaces(NewTree(m), d); len(n.stanzas) > len(b) {
				t.Fatal("more stanzas than bytes")
			}
		}
		m := fstest.MapFS{"etc/network/interfaces": file(b), "sbin/ifup": file(nil), "sbin/dhclient": file(nil)}
		checkPlans(t, m, Ifupdown)
		m["usr/share/ifupdown2/x"] = file(nil)
		checkPlans(t, m, Ifupdown2)
		delete(m, "usr/share/ifupdown2/x")
		m["usr/libexec/ifupdown-ng/x"] = file(nil)
		checkPlans(t, m, IfupdownNG)
	})
}

func FuzzIfcfg(f *testing.F) {
	seeds(f, "ifcfg-")
	f.Fuzz(func(t *testing.T, b []byte) {
		s := parseShell(b)
		if !bytes.Equal(s.bytes(), b) {
			t.Fatal("parsing loses bytes")
		}
		if s.opaque("", "", "", "IPV6INIT") == nil {
			s.set("IPV6INIT", "yes")
			if v, ok := parseShell(s.bytes()).get("IPV6INIT"); !ok || v != "yes" {
				t.Fatalf("set reads back as %q in %q", v, s.bytes())
			}
		}
		release := file([]byte("CentOS Linux release 7.9.2009 (Core)\n"))
		m := fstest.MapFS{"etc/sysconfig/network-scripts/ifcfg-eth0": file(b), "etc/redhat-release": release}
		checkPlans(t, m, Initscripts)
		m["usr/lib64/NetworkManager/1.40.0/x"] = file(nil)
		checkPlans(t, m, NetworkManager)
		checkPlans(t, fstest.MapFS{"etc/sysconfig/network/ifcfg-eth0": file(b)}, Wicked)
	})
}

func FuzzNetworkFile(f *testing.F) {
	seeds(f, ".network")
	f.Fuzz(func(t *testing.T, b []byte) {
		if !bytes.Equal(parseINI(b, true).bytes(), b) {
			t.Fatal("parsing loses bytes")
		}
		for _, version := range []string{"237", "249", "257"} {
			checkPlans(t, fstest.MapFS{"etc/systemd/network/x.network": file(b), "usr/lib/systemd/libsystemd-shared-" + version + ".so": file(nil)}, Networkd)
		}
	})
}

func FuzzKeyfile(f *testing.F) {
	seeds(f, "system-connections")
	f.Fuzz(func(t *testing.T, b []byte) {
		ini := parseINI(b, false)
		ini.set("ipv6", "method", "link-local")
		if v, ok := parseINI(ini.bytes(), false).get("ipv6", "method"); !ok || v != "link-local" {
			t.Fatalf("set reads back as %q in %q", v, ini.bytes())
		}
		m := fstest.MapFS{"etc/NetworkManager/system-connections/x": file(b), "usr/lib64/NetworkManager/1.40.0/x": file(nil)}
		checkPlans(t, m, NetworkManager)
	})
}

func FuzzNetplan(f *testing.F) {
	seeds(f, ".yaml")
	f.Fuzz(func(t *testing.T, b []byte) {
		if node, err := parseYAML(b); err == nil && countNodes(node) > 2*len(b)+1 {
			t.Fatal("more nodes than bytes")
		}
		m := fstest.MapFS{"etc/netplan/x.yaml": file(b), "usr/sbin/netplan": file(nil), "usr/lib/systemd/libsystemd-shared-252.so": file(nil)}
		checkPlans(t, m, "")
		m["usr/lib64/NetworkManager/1.40.0/x"] = file(nil)
		checkPlans(t, m, NetworkManager)
	})
}

// countNodes is the size of a YAML document.
func countNodes(n *yamlNode) int {
	sum := 1
	for _, v := range n.values {
		sum += countNodes(v)
	}
	return sum
}

func FuzzDhcpcdConf(f *testing.F) {
	seeds(f, "dhcpcd.conf")
	f.Fuzz(func(t *testing.T, b []byte) {
		checkPlans(t, fstest.MapFS{"etc/dhcpcd.conf": file(b)}, Dhcpcd)
	})
}

func FuzzDhclientConf(f *testing.F) {
	seeds(f, "dhclient.conf")
	f.Fuzz(func(t *testing.T, b []byte) {
		m := fstest.MapFS{
			"etc/network/interfaces": file([]byte("auto eth0\niface eth0 inet dhcp\n")), "sbin/ifup": file(nil), "sbin/dhclient": file(nil),
			"etc/dhcp/dhclient.conf": file(b),
		}
		checkPlans(t, m, Ifupdown)
	})
}

func FuzzLineEdits(f *testing.F) {
	f.Add([]byte("a\nb\r\nc"), uint8(1), uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, at, n uint8) {
		lines := splitLines(b)
		from := int(at) % (len(lines) + 1)
		to := min(from+int(n%3), len(lines))
		got := applyEdits(lines, []lineEdit{{from, to, []string{"new"}}, {from, from, []string{"before"}}})
		want := len(lines) - (to - from) + 2
		if len(b) > 0 && len(splitLines(joinLines(got))) != want {
			t.Fatalf("%q: %d lines, want %d: %q", b, len(got), want, got)
		}
		if !slices.Equal(got[:max(0, from-1)], lines[:max(0, from-1)]) {
			t.Fatalf("lines in front changed: %q", got)
		}
	})
}
