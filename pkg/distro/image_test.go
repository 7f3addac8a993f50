package distro

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// imageOf is a golden case's system.
func imageOf(t *testing.T, name string) (System, testCase) {
	t.Helper()
	c := loadCase(t, filepath.Join(testdata, name))
	return c.system(), c
}

func TestAnImagesFilesNameItsNICs(t *testing.T) {
	for name, want := range map[string]string{
		"ifupdown-installer":            "ens3",
		"ifupdown-two-nics":             "eth0 eth1",
		"ifupdown-bond-slave-refused":   "",
		"ifcfg-centos-6.2-stock":        "eth0=06:a0:f0:00:00:38",
		"ifcfg-rhel7.9-cloud-init":      "eth0=06:a0:f0:00:00:38 eth1=06:a0:f0:00:00:39",
		"ifcfg-slave-refused":           "",
		"netplan-ubuntu-cloud-init":     "eth0=06:a0:f0:00:00:38",
		"netplan-installer":             "ens3 ens4",
		"netplan-debian-cloud-all-boot": "", // patterns name none
		"networkd-cloud-init":           "eth0=06:a0:f0:00:00:38 eth1",
		"networkd-arch-all-nics":        "",
		"nm-cloud-init-dhcp":            "",
		"nm-one-for-all":                "",
		"wicked-cloud-init":             "eth0=06:a0:f0:00:00:38",
		"none-kernel-only":              "",
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := imageOf(t, name)
			var got []string
			for _, n := range NamedNICs(s) {
				text := n.Name
				if n.MAC != nil {
					text += "=" + n.MAC.String()
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
				t.Errorf("NICs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheFilesSayWhichNICIsIPv4sWayOut(t *testing.T) {
	for name, want := range map[string]string{
		"ifupdown-installer":            "/etc/network/interfaces says inet dhcp",
		"ifupdown-debian13-static":      "",
		"ifcfg-centos-6.2-stock":        "/etc/sysconfig/network-scripts/ifcfg-eth0 says BOOTPROTO=dhcp",
		"ifcfg-rhel8-nm":                "/etc/sysconfig/network-scripts/ifcfg-eth0 says BOOTPROTO=dhcp",
		"netplan-ubuntu-cloud-init":     "/etc/netplan/50-cloud-init.yaml says dhcp4",
		"netplan-debian-cloud-all-boot": "/run/systemd/network/10-netplan-all-eth.network says DHCP=yes",
		"networkd-cloud-init":           "/etc/systemd/network/10-cloud-init-eth0.network says DHCP=ipv4",
		"networkd-static":               "/etc/systemd/network/eth0.network gives a gateway",
		"nm-cloud-init-dhcp":            "/etc/NetworkManager/system-connections/cloud-init-eth0.nmconnection says [ipv4] method=auto",
		"nm-static-ipv6":                "",
		"netplan-nm":                    "/etc/netplan/50-nics.yaml says dhcp4",
		"wicked-stock":                  "/etc/sysconfig/network/ifcfg-eth0 says BOOTPROTO=dhcp",
		"wicked-yast-static":            "",
		"dhcpcd-one-nic":                "",
		"none-kernel-only":              "",
	} {
		t.Run(name, func(t *testing.T) {
			s, c := imageOf(t, name)
			if diff := cmp.Diff(want, IPv4Uplink(s, c.nics[0])); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestStacksReadRestoredFilesAgain(t *testing.T) {
	for name, want := range map[string]string{
		"networkd-running-own-file": "networkctl reload",
		"networkd-249-second-nic":   "networkctl reload (cuts IPv4)",
		"dhcpcd-manager":            "dhcpcd -n eth0 (cuts IPv4)",
		"wicked-stock":              "wicked ifreload eth0 (cuts IPv4)",
		"ifupdown-installer":        "",
		"nm-run-profile":            "nmcli connection reload; nmcli device reapply eth0",
		"nm-cloud-init-dhcp":        "nmcli connection reload; nmcli device reapply eth0",
	} {
		t.Run(name, func(t *testing.T) {
			s, c := imageOf(t, name)
			var got []string
			for _, step := range Reread(s, Detect(s, c.nics)[0]) {
				text := strings.Join(step.Argv, " ")
				if step.CutsIPv4 {
					text += " (cuts IPv4)"
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(want, strings.Join(got, "; ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
