package boot

import (
	"strings"
	"testing"
)

// seed is a NoCloud seed that speaks of eth0 alone, and the wish that cloud-init writes the network's
// configuration at each boot, not at the first one only.
func seed(network string) []file {
	const dir = "/var/lib/cloud/seed/nocloud/"
	return []file{
		text(dir+"meta-data", "instance-id: i-0123\nlocal-hostname: guest\n"),
		text(dir+"user-data", "#cloud-config\nhostname: guest\n"),
		text(dir+"network-config", network),
		text("/etc/cloud/cloud.cfg.d/90-lab.cfg", "datasource_list: [NoCloud]\nupdates:\n  network:\n    when: [boot-new-instance, boot]\n"+
			// What it does beside the network needs the internet, or packages that these guests lack.
			"cloud_config_modules: []\ncloud_final_modules: []\n"),
	}
}

// A cloudInitCase is a guest whose files cloud-init writes.
type cloudInitCase struct {
	guestCase
	writes string // what cloud-init writes
	own    string // a line of it about IPv6, which restore brings back
}

var cloudInitCases = []cloudInitCase{
	{
		guestCase: guestCase{name: "debian13-netplan", spec: clouds, stack: "networkd, from netplan", client: "v6guest", configured: 1, files: seed(`network:
  version: 2
  ethernets:
    eth0:
      match:
        macaddress: "06:a0:f0:00:00:38"
      set-name: eth0
      dhcp4: true
      dhcp6: true
`)},
		writes: "/etc/netplan/50-cloud-init.yaml", own: "dhcp6: true",
	},
	{
		guestCase: guestCase{
			name: "debian12-ifupdown", spec: clouds12, stack: "ifupdown with dhclient, from cloud-init", client: "v6guest", configured: 1,
			files: append(seed(`version: 1
config:
- type: physical
  name: eth0
  mac_address: "06:a0:f0:00:00:38"
  subnets:
  - type: dhcp4
  - type: dhcp6
`), text("/etc/network/interfaces", "source /etc/network/interfaces.d/*\n")),
		},
		writes: "/etc/network/interfaces.d/50-cloud-init", own: "iface eth0 inet6 dhcp",
	},
}

// TestChangesSurviveCloudInitAtEachBoot: cloud-init writes its files anew at each boot, before v6guest. The
// second NIC, of which it does not speak, has no IPv4 and its reserved address all the same.
func TestChangesSurviveCloudInitAtEachBoot(t *testing.T) {
	needLong(t)
	t.Parallel()
	for _, tt := range cloudInitCases {
		t.Run(tt.name, func(t *testing.T) {
			g := bootCase(t, tt.guestCase, enabled)
			const mark = "# written by nobody that counts"
			for boots := 1; ; boots++ {
				if got := g.do("cat", tt.writes); strings.Contains(got, mark) {
					t.Errorf("boot %d: cloud-init did not write %s anew:\n%s", boots, tt.writes, got)
				}
				g.wasConfigured(tt.guestCase)
				g.asReserved(tt.guestCase)
				g.ipv4Stayed(tt.guestCase)
				if boots == 3 {
					break
				}
				// What cloud-init does not write anew keeps this line.
				g.do("sh", "-c", "echo '"+mark+"' >> "+tt.writes)
				g.reboot()
			}
			g.asBefore(tt.files)
			if got := g.say("cat", tt.writes); !strings.Contains(got, tt.own) {
				t.Errorf("%s after restore:\n%s\nwant %q in it", tt.writes, got, tt.own)
			}
		})
	}
}
