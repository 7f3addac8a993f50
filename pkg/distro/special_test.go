package distro

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/plainfile"
)

// TestAPipeInAFilesPlaceIsRefusedAndNeverWaitedFor: whoever opens it waits until somebody writes.
func TestAPipeInAFilesPlaceIsRefusedAndNeverWaitedFor(t *testing.T) {
	const interfaces = "auto eth0\niface eth0 inet6 auto\nsource /etc/network/interfaces.d/*\n"
	for _, tt := range []struct {
		pipe  string
		stack Stack
		files map[string]string
		want  string // the refusal's beginning; empty where the stack itself leaves such a file out
	}{
		{"/etc/network/interfaces", Ifupdown, map[string]string{"/sbin/ifup": ""}, "/etc/network/interfaces: "},
		{"/etc/network/interfaces.d/a", Ifupdown, map[string]string{"/sbin/ifup": "", "/etc/network/interfaces": interfaces}, "/etc/network/interfaces.d/a: "},
		{"/etc/network/interfaces.d", Ifupdown, map[string]string{"/sbin/ifup": "", "/etc/network/interfaces": interfaces}, ""},
		{"/etc/netplan/a.yaml", Networkd, map[string]string{"/usr/sbin/netplan": ""}, "/etc/netplan/a.yaml: "},
		{"/etc/netplan", Networkd, map[string]string{"/usr/sbin/netplan": "", "/etc/systemd/network/a.network": "[Match]\nName=eth0\n"}, ""},
		{"/etc/sysconfig/network-scripts/ifcfg-eth0", Initscripts, map[string]string{"/etc/redhat-release": "CentOS release 6.2 (Final)\n"}, "/etc/sysconfig/network-scripts/ifcfg-eth0: eth0: "},
		{"/etc/sysconfig/network", Initscripts, map[string]string{"/etc/sysconfig/network-scripts/ifcfg-eth0": "DEVICE=eth0\n"}, "/etc/sysconfig/network: eth0: "},
		{"/etc/sysconfig/network/ifcfg-eth0", Wicked, nil, "/etc/sysconfig/network/ifcfg-eth0: eth0: "},
		{"/etc/dhcpcd.conf", Dhcpcd, nil, "/etc/dhcpcd.conf: eth0: "},
		{"/etc/dhcp/dhclient.conf", Ifupdown, map[string]string{"/sbin/ifup": "", "/sbin/dhclient": "", "/etc/network/interfaces": interfaces}, "/etc/dhcp/dhclient.conf: eth0: "},
		{"/etc/systemd/network/a.network", Networkd, map[string]string{"/etc/systemd/network/b.network": "[Match]\nName=eth0\n"}, ""},
		{"/etc/NetworkManager/system-connections/a", NetworkManager, map[string]string{"/usr/lib64/NetworkManager/1.40.0/x": ""}, ""},
		{"/var/lib/dpkg/status", Ifupdown, map[string]string{"/sbin/ifup": "", "/etc/network/interfaces": interfaces}, ""},
		{"/etc/os-release", Ifupdown, map[string]string{"/sbin/ifup": "", "/etc/network/interfaces": interfaces}, ""},
	} {
		t.Run(string(tt.stack)+" "+tt.pipe, func(t *testing.T) {
			dir, s := newRoot(t, tt.files)
			name := filepath.Join(dir, tt.pipe)
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := unix.Mkfifo(name, 0o600); err != nil {
				t.Fatal(err)
			}
			policy := LeaseAgent
			if strings.Contains(tt.pipe, "dhclient") {
				policy = LeaseDistro
			}
			for _, tree := range []*Tree{s.Tree(), NewTree(os.DirFS(dir)), NewTree(plainfile.Folder(dir))} {
				_, err := NewPlan(System{Tree: tree, Moment: Image}, []Want{{NIC: fuzzNIC, Default: true, Lease: policy}}, Options{Backend: tt.stack})
				if tt.want == "" {
					if err != nil {
						t.Error(err)
					}
					continue
				}
				if err == nil || !strings.HasPrefix(err.Error(), tt.want) || !strings.Contains(err.Error(), "a named pipe, not a regular file") {
					t.Errorf("got  %v\nwant %s…", err, tt.want)
				}
				for _, r := range refusals(err) {
					if !strings.HasPrefix(r.Cure, "put a regular file in the place of "+tt.pipe) {
						t.Errorf("cure %q", r.Cure)
					}
				}
			}
		})
	}
}

// TestPipesInTheStoresOwnPlacesHoldNobodyUp: what v6guest keeps, and what it is to write.
func TestPipesInTheStoresOwnPlacesHoldNobodyUp(t *testing.T) {
	for _, name := range []string{"/var/lib/v6guest/backup", "/var/lib/v6guest/backup/manifest.json", "/etc/a"} {
		dir, s := newRoot(t, map[string]string{"/etc/other": ""})
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mkfifo(full, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Apply([]Change{{Path: "/etc/a", After: []byte("new\n"), Mode: 0o644}}); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := s.Restore(false); err == nil && name != "/etc/a" {
			t.Errorf("%s: restored", name)
		}
		if info, err := os.Lstat(full); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}
