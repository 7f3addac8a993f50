package guest

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/pkg/link"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// virtio is a NIC as a cloud gives it.
func virtio(index int, name, address, path string) link.NIC {
	return link.NIC{
		Index: index, Name: name, MAC: mac(address), Device: true, Ethernet: true, Up: true, Carrier: true, MTU: 1500,
		DevicePath: "/sys/devices/pci0000:00/" + path,
	}
}

func soft(index int, name, kind, address string, master int) link.NIC {
	return link.NIC{Index: index, Name: name, Kind: kind, MAC: mac(address), Ethernet: true, Up: true, Carrier: true, Master: master, MTU: 1500}
}

// cloud is what a guest with two networks and Docker has.
func cloud() []link.NIC {
	return []link.NIC{
		{Index: 1, Name: "lo", Loopback: true, Up: true, Carrier: true},
		virtio(3, "eth1", "06:a0:f0:00:00:39", "0000:00:10.0/virtio9"),
		virtio(2, "eth0", "06:a0:f0:00:00:38", "0000:00:03.0/virtio10"),
		soft(4, "docker0", "bridge", "02:42:00:00:00:01", 0),
		soft(5, "veth1", "veth", "02:42:00:00:00:02", 4),
		{Index: 6, Name: "tun0", Kind: "tun", PtP: true, Up: true},
	}
}

// TestPlans compares the whole printed plan, with every chain of reasons, with a golden file.
func TestPlans(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config string
		facts  Facts
	}{
		{"first-on-the-bus", "", Facts{NICs: cloud()}},
		{"wait-is-over", "", Facts{NICs: cloud(), WaitOver: true}},
		{"ipv4-default-route", "", Facts{NICs: cloud(), IPv4Defaults: []IPv4Default{{2, 1024}, {3, 100}}}},
		{"ipv4-by-files", "", Facts{NICs: cloud(), IPv4Defaults: []IPv4Default{{2, 0}}, Uplinks: []Uplink{{3, "/etc/network/interfaces says inet dhcp"}}}},
		{"ipv4-by-files-of-two", "", Facts{NICs: cloud(), IPv4Defaults: []IPv4Default{{3, 0}}, Uplinks: []Uplink{{2, "one"}, {3, "other"}}}},
		{"ipv4-through-docker", "", Facts{NICs: cloud(), IPv4Defaults: []IPv4Default{{4, 0}}}},
		{"remembered", "", Facts{NICs: cloud(), Remembered: &link.Key{MAC: mac("06:a0:f0:00:00:39")}}},
		{"remembered-and-ipv4-elsewhere", "", Facts{
			NICs: cloud(), Remembered: &link.Key{MAC: mac("06:a0:f0:00:00:39")}, IPv4Defaults: []IPv4Default{{2, 100}},
		}},
		{"memory-of-the-image-cloned", "", Facts{NICs: cloud(), Remembered: &link.Key{MAC: mac("06:00:00:00:00:01")}, IPv4Defaults: []IPv4Default{{2, 100}}}},
		{"remembered-went-away", "", Facts{NICs: cloud(), Remembered: &link.Key{MAC: mac("06:00:00:00:00:01")}, RememberedLeft: true}},
		{"remembered-stays-away", "", Facts{NICs: cloud(), Remembered: &link.Key{MAC: mac("06:00:00:00:00:01")}, RememberedLeft: true, WaitOver: true}},
		{"memory-damaged", "", Facts{NICs: cloud(), MemoryError: errors.New("invalid\ncharacter")}},
		{"configured", "[agent]\ndefault_nic = eth1\n", Facts{NICs: cloud(), Remembered: &link.Key{MAC: mac("06:a0:f0:00:00:38")}}},
		{"configured-by-mac", "[agent]\ndefault_nic = 06:a0:f0:00:00:39\n", Facts{NICs: cloud()}},
		{"configured-not-there", "[agent]\ndefault_nic = eth9\n", Facts{NICs: cloud()}},
		{"configured-not-managed", "[agent]\ndefault_nic = docker0\n", Facts{NICs: cloud()}},
		{"named", "[agent]\nnics = veth1 eth*, 02:42:00:00:00:01 eth7 lo\n", Facts{NICs: cloud()}},
		{"one-nic", "", Facts{NICs: cloud()[:2]}},
		{"no-nic", "", Facts{NICs: cloud()[:1]}},
		{"vf-and-its-master", "", Facts{NICs: []link.NIC{
			func() link.NIC {
				n := virtio(3, "enP1s1", "00:0d:3a:00:00:01", "VMBUS:02")
				n.Master = 2
				return n
			}(),
			virtio(2, "eth0", "00:0d:3a:00:00:01", "VMBUS:01"),
		}}},
		{"two-nics-with-one-mac", "[agent]\nnics = eth0 eth0.100\n", Facts{NICs: []link.NIC{
			virtio(2, "eth0", "06:a0:f0:00:00:38", "0000:00:03.0"), soft(3, "eth0.100", "vlan", "06:a0:f0:00:00:38", 0),
		}}},
		{"a-vlan-beside-the-nic-below-it", "[agent]\nnics = eth0 eth0.100\n", Facts{
			NICs: []link.NIC{
				virtio(2, "eth0", "06:a0:f0:00:00:38", "0000:00:03.0"),
				func() link.NIC {
					n := soft(3, "eth0.100", "vlan", "06:a0:f0:00:00:38", 0)
					n.VLAN = 100
					return n
				}(),
			},
			Remembered: &link.Key{MAC: mac("06:a0:f0:00:00:38"), VLAN: 100},
		}},
		{"in-a-container", "", Facts{
			Place: Place{Container: "lxc", FixedSwitches: true},
			NICs: []link.NIC{
				soft(2, "eth0", "veth", "00:16:3e:00:00:38", 0), soft(3, "eth1", "macvlan", "00:16:3e:00:00:39", 0),
				soft(4, "docker0", "bridge", "02:42:00:00:00:01", 0),
				func() link.NIC {
					n := soft(5, "veth1", "veth", "02:42:00:00:00:02", 0)
					n.Parent = 6 // the other end is here too
					return n
				}(),
				soft(6, "veth2", "veth", "02:42:00:00:00:03", 4), // of a container within
			},
		}},
		{"ports-of-a-bond", "[agent]\nnics = bond0 eth0\n", Facts{NICs: []link.NIC{
			func() link.NIC {
				n := virtio(2, "eth0", "06:a0:f0:00:00:38", "0000:00:03.0")
				n.Master = 4
				return n
			}(),
			soft(4, "bond0", "bond", "06:a0:f0:00:00:38", 0),
		}}},
		{"settings", "[agent]\nsecondary_ra = no-default-route\noptimistic_dad = yes\nduid = host\n[nic eth1]\nlease = distro\n", Facts{
			NICs: cloud(), Remembered: &link.Key{MAC: mac("06:a0:f0:00:00:38")},
		}},
		{"one-duid-for-the-host", "[agent]\nduid = host\n", Facts{NICs: cloud(), Remembered: &link.Key{MAC: mac("06:00:00:00:00:01")}, RememberedLeft: true}},
		{"renamed", "[agent]\nnics = eth0 eth1\ndefault_nic = eth1\n[nic eth1]\noptimistic_dad = yes\n", Facts{
			NICs:     []link.NIC{virtio(2, "eth0", "06:a0:f0:00:00:38", "0000:00:03.0"), virtio(3, "lan1", "06:a0:f0:00:00:39", "0000:00:04.0")},
			OldNames: map[int][]string{3: {"eth1"}},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := NewPlan(parse(t, tt.config), tt.facts)
			got := plan.String()
			if plan.Remember != nil {
				got += "remembers " + plan.Remember.String() + "\n"
			}
			golden(t, filepath.Join("testdata", "plan", tt.name+".txt"), got)
			for _, n := range plan.NICs {
				if strings.Contains(n.Reason, "\n") || strings.Contains(plan.Reason, "\n") {
					t.Errorf("%s: reasons are one line: %q, %q", n.NIC.Name, n.Reason, plan.Reason)
				}
			}
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// TestAPlanIsTheSameInAnyOrderOfNICs proves that planning does not depend on how the kernel lists.
func TestAPlanIsTheSameInAnyOrderOfNICs(t *testing.T) {
	nics := cloud()
	a := NewPlan(DefaultConfig(), Facts{NICs: nics})
	for i, j := 0, len(nics)-1; i < j; i, j = i+1, j-1 {
		nics[i], nics[j] = nics[j], nics[i]
	}
	b := NewPlan(DefaultConfig(), Facts{NICs: nics})
	if diff := cmp.Diff(a.String(), b.String()); diff != "" {
		t.Error(diff)
	}
}
