package parsers

import (
	"strings"
	"testing"
)

// interfacesFolders are those that ifup reads.
var interfacesFolders = []string{"/etc/network/", "/etc/dhcp/"}

func TestIfupdownTakesWhatIsWritten(t *testing.T) {
	eachCase(t, stacks, "ifupdown-", interfacesFolders, func(t *testing.T, m *machine, c goldenCase) {
		if strings.HasPrefix(c.name, "ifupdown-ng") {
			t.Skip("for another ifup")
		}
		m.must("ifquery", "--list", "-a")
		for _, nic := range c.nics {
			if !strings.Contains(c.files["/etc/network/interfaces"]+c.files["/etc/network/interfaces.d/50-cloud-init"], nic) {
				continue
			}
			out := m.must("ifup", "--no-act", "-v", "--force", nic)
			clients := strings.Count(out, "dhclient -6")
			switch {
			case c.policy == "agent" && clients > 0:
				t.Errorf("%s: ifup leases IPv6 although v6guest does:\n%s", nic, out)
			case c.policy == "distro" && clients != 1:
				t.Errorf("%s: ifup starts %d DHCPv6 clients, want 1:\n%s", nic, clients, out)
			}
		}
	})
}

func TestIfupdownTakesTheRecipe(t *testing.T) {
	eachCase(t, stacks, "recipe-ubuntu", interfacesFolders, func(t *testing.T, m *machine, c goldenCase) {
		for _, nic := range c.nics {
			out := m.must("ifup", "--no-act", "-v", "--force", nic)
			if strings.Count(out, "dhclient -6") != 1 || !strings.Contains(out, "net.ipv6.conf."+nic+".autoconf=0") {
				t.Errorf("%s:\n%s", nic, out)
			}
		}
	})
}

func TestIfupdown2TakesWhatIsWritten(t *testing.T) {
	eachCase(t, ifupdown2, "ifupdown2-", interfacesFolders, func(_ *testing.T, m *machine, c goldenCase) {
		m.must("mkdir", "-p", "/run/network") // where its lock lies; the boot makes it
		m.must("ifup", "-s", "-i", "/etc/network/interfaces", "-a")
		for _, nic := range c.nics {
			m.must("ifquery", "-i", "/etc/network/interfaces", "-o", "json", nic)
		}
	})
}

func TestIfupdownNGTakesWhatIsWritten(t *testing.T) {
	eachCase(t, ifupdownNG, "ifupdown-ng-", interfacesFolders, func(t *testing.T, m *machine, c goldenCase) {
		for _, nic := range c.nics {
			m.must("ifquery", "-i", "/etc/network/interfaces", nic)
			out := m.must("ifup", "-n", "-v", "-f", "-i", "/etc/network/interfaces", nic)
			if !strings.Contains(out, "net.ipv6.conf."+nic+".accept_ra=") {
				t.Errorf("%s: the switches are not set:\n%s", nic, out)
			}
		}
	})
}

func TestDhclientTakesItsConfiguration(t *testing.T) {
	for _, prefix := range []string{"ifupdown-", "ifcfg-rhel6", "ifcfg-centos-6.2", "recipe-"} {
		eachCase(t, stacks, prefix, []string{"/etc/dhcp/"}, func(t *testing.T, m *machine, c goldenCase) {
			for _, name := range c.changed {
				if !strings.HasPrefix(name, "/etc/dhcp/") {
					continue
				}
				// It reads its file before it finds that there is no such NIC.
				r := m.run("dhclient", "-6", "-1", "-v", "-cf", name, "-lf", "/tmp/leases", "-pf", "/tmp/pid", "-sf", "/bin/true", "nosuchnic0")
				if out := r.Stdout + r.Stderr; strings.Contains(out, " line ") || strings.Contains(out, "Configuration file errors") || !strings.Contains(out, "nosuchnic0") {
					t.Errorf("%s", out)
				}
			}
		})
	}
}
