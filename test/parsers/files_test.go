package parsers

import (
	"context"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"
)

func TestNetplanTakesWhatIsWritten(t *testing.T) {
	eachCase(t, stacks, "netplan-", []string{"/etc/netplan/"}, func(t *testing.T, m *machine, c goldenCase) {
		m.must("chmod", "-R", "go=", "/etc/netplan")
		m.must("netplan", "generate")
		for _, name := range c.changed {
			if name != "/etc/netplan/90-v6guest.yaml" {
				continue
			}
			method := "method=link-local"
			if c.name == "netplan-nm-static-ipv6" {
				method = "method=manual"
			}
			if c.policy == "distro" {
				method = "dhcp-duid=ll"
			}
			out := m.must("sh", "-c", "cat /run/NetworkManager/system-connections/*")
			if n := strings.Count(out, method+"\n"); n != len(c.nics) {
				t.Errorf("%s in %d of %d profiles:\n%s", method, n, len(c.nics), out)
			}
		}
	})
}

func TestNetworkManagerTakesEveryKeyOfItsProfiles(t *testing.T) {
	eachCase(t, networkManager, "nm-", nil, func(t *testing.T, m *machine, c goldenCase) {
		for _, name := range c.changed {
			if !strings.Contains(name, "system-connections") {
				continue
			}
			m.write("/tmp/in", c.files[name])
			// It prints the profile as it understood it: what it does not know is gone.
			out := m.must("sh", "-c", "nmcli --offline connection modify connection.stable-id v6guest < /tmp/in")
			for _, key := range []string{"method=link-local", "dhcp-duid=ll", "dhcp-iaid=mac", "ip6-privacy=0", "never-default=true", "autoconnect-priority=1"} {
				if strings.Contains(c.files[name], "\n"+key+"\n") && !strings.Contains(out, key+"\n") {
					t.Errorf("%s: %s is not understood:\n%s", name, key, out)
				}
			}
		}
	})
}

func TestNetworkdTakesEveryKeyOfItsFiles(t *testing.T) {
	l := newLab(t)
	m := boot(t, l, stacks)
	// One networkd reads the files of every case; the case's name goes in front of theirs.
	for _, prefix := range []string{"networkd-", "netplan-"} {
		for _, c := range goldenCases(t, prefix) {
			for name, text := range c.files {
				if strings.HasSuffix(name, ".netdev") { // of which a .network file speaks
					m.write(name, text)
				}
			}
			for _, name := range c.changed {
				rest, ok := strings.CutPrefix(name, "/etc/systemd/network/")
				if !ok {
					continue
				}
				to := "/etc/systemd/network/" + c.name + "-" + c.policy + "-" + rest
				m.write(to, c.files[name])
				if dir := path.Dir(to); strings.HasSuffix(dir, ".network.d") { // a drop-in wants its file
					m.write(strings.TrimSuffix(dir, ".d"), "[Match]\nName=nosuchnic0\n")
				}
			}
		}
	}
	// A file that it must complain about shows that it would.
	m.write("/etc/systemd/network/control.network", "[Match]\nName=nosuchnic0\n[Network]\nNoSuchKey=1\n")
	m.must("mount", "-o", "remount,ro", "/sys") // else it waits for udev
	m.must("mkdir", "-p", "/run/systemd/netif/links", "/run/systemd/netif/leases", "/run/systemd/netif/lldp")
	p, err := m.Start("env", "SYSTEMD_LOG_LEVEL=debug", "SYSTEMD_LOG_TARGET=console", "/lib/systemd/systemd-networkd")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := p.AwaitLine(ctx, 0, "lo: "); err != nil {
		t.Fatalf("%v\n%s", err, p.Output())
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(p.Output(), "control.network:4: Unknown key") {
		t.Errorf("networkd does not tell unknown keys:\n%s", p.Output())
	}
	for _, line := range p.Lines() {
		if strings.Contains(line.Text, "control.network") {
			continue
		}
		for _, bad := range []string{"Unknown key", "Unknown section", "Failed to parse", "Invalid", "ignoring"} {
			if strings.Contains(line.Text, "/etc/systemd/network/") && strings.Contains(line.Text, bad) {
				t.Error(line.Text)
			}
		}
	}
}

func TestAShellReadsTheIfcfgFiles(t *testing.T) {
	for _, prefix := range []string{"ifcfg-", "recipe-centos"} {
		eachCase(t, stacks, prefix, []string{"/etc/sysconfig/"}, func(t *testing.T, m *machine, c goldenCase) {
			for _, name := range c.changed {
				if !strings.HasPrefix(name, "/etc/sysconfig/") {
					continue
				}
				m.must("bash", "-n", name)
				// Every key that was written has its value when the scripts source the file.
				want := map[string]string{}
				for line := range strings.Lines(c.files[name]) {
					key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
					value, _, _ = strings.Cut(value, "#")
					if ok && !strings.HasPrefix(key, "#") {
						want[key] = strings.Trim(strings.TrimSpace(value), `"'`)
					}
				}
				for key, value := range want {
					out := m.must("env", "-i", "bash", "-c", fmt.Sprintf(`. %s; printf %%s "$%s"`, name, key))
					if out != value {
						t.Errorf("%s: %s is %q, want %q", name, key, out, value)
					}
				}
			}
		})
	}
}
