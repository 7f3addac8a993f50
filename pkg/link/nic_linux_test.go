package link

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/vishvananda/netlink"
)

func TestInventory(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{})
	vlan := &netlink.Macvlan{LinkAttrs: netlink.LinkAttrs{Name: "mv.7", ParentIndex: p.eth0}, Mode: netlink.MACVLAN_MODE_BRIDGE}
	check(t, p.guest.h.LinkAdd(vlan))
	r := listed(t, p.k)
	r.compare(p.k)

	nics, err := p.k.NICs(t.Context())
	check(t, err)
	want := []NIC{
		{Index: 1, Name: "lo", MTU: 65536, Loopback: true},
		{Index: p.eth0, Name: "eth0", MAC: guestMAC, Kind: "veth", MTU: 1500, Up: true, Carrier: true, Ethernet: true},
		{Index: p.guest.index("mv.7"), Name: "mv.7", Kind: "macvlan", Parent: p.eth0, MTU: 1500, Ethernet: true},
	}
	for i := range nics {
		nics[i].CarrierChanges = 0
		if nics[i].Kind == "macvlan" { // a random one
			nics[i].MAC = nil
		}
	}
	diff(t, "inventory", want, nics)

	one, err := p.k.NIC(t.Context(), "eth0")
	check(t, err)
	same, err := p.k.NICByIndex(t.Context(), p.eth0)
	check(t, err)
	if !one.Equal(same) || one.Index != p.eth0 {
		t.Errorf("by name %+v, by index %+v", one, same)
	}
	for _, name := range []string{"", "eth1", "a-name-that-is-too-long"} {
		if _, err := p.k.NIC(t.Context(), name); !errors.Is(err, ErrNoNIC) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := p.k.NICByIndex(t.Context(), 4711); !errors.Is(err, ErrNoNIC) {
		t.Errorf("4711: %v", err)
	}
	if err := p.k.SetUp(t.Context(), 4711); !errors.Is(err, ErrNoNIC) {
		t.Errorf("set 4711 up: %v", err)
	}
	if _, err := p.k.Addrs(t.Context(), 4711); !errors.Is(err, ErrNoNIC) {
		t.Errorf("addresses of 4711: %v", err)
	}
}

func TestNICChangesAreTold(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{})
	r := listed(t, p.k)
	eth0 := p.guest.link("eth0")

	check(t, p.router.h.LinkSetDown(p.router.link("r0")))
	r.awaitNIC("carrier loss", func(c NICChanged) bool { return c.NIC.Up && !c.NIC.Carrier })
	check(t, p.router.h.LinkSetUp(p.router.link("r0")))
	r.awaitNIC("carrier", func(c NICChanged) bool { return c.NIC.Carrier && c.Before != nil && !c.Before.Carrier })

	check(t, p.guest.h.LinkSetDown(eth0))
	r.awaitNIC("down", func(c NICChanged) bool { return !c.NIC.Up && c.Before.Up })
	check(t, p.guest.h.LinkSetName(eth0, "ens3"))
	c := r.awaitNIC("the new name", func(c NICChanged) bool { return c.NIC.Name == "ens3" })
	if c.Before.Name != "eth0" || c.NIC.Index != p.eth0 {
		t.Errorf("renamed %+v", c)
	}
	mac := net.HardwareAddr{0x06, 0, 0, 0, 0, 0x99}
	check(t, p.guest.h.LinkSetHardwareAddr(eth0, mac))
	c = r.awaitNIC("the new MAC", func(c NICChanged) bool { return c.NIC.MAC.String() == mac.String() })
	if c.Before.MAC.String() != guestMAC.String() {
		t.Errorf("changed MAC from %v", c.Before.MAC)
	}
	check(t, p.k.SetUp(t.Context(), p.eth0))
	r.awaitNIC("up", func(c NICChanged) bool { return c.NIC.Up && c.NIC.Carrier })
	check(t, p.guest.h.LinkSetMTU(eth0, 1400))
	r.awaitNIC("the MTU", func(c NICChanged) bool { return c.NIC.MTU == 1400 })
	r.compare(p.k)

	// A bridge tells about its ports in messages that look like those of NICs, "gone" included.
	check(t, p.guest.h.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}))
	check(t, p.guest.h.LinkSetMaster(eth0, p.guest.link("br0")))
	r.awaitNIC("the master", func(c NICChanged) bool { return c.NIC.Index == p.eth0 && c.NIC.Master == p.guest.index("br0") })
	check(t, p.guest.h.LinkSetNoMaster(eth0))
	r.awaitNIC("no master", func(c NICChanged) bool { return c.NIC.Index == p.eth0 && c.NIC.Master == 0 })
	r.mark(p)
	r.compare(p.k)

	check(t, p.guest.h.LinkDel(eth0))
	gone := r.await("the end", func(ev Event) bool { _, ok := ev.(NICGone); return ok }).(NICGone)
	if gone.NIC.Index != p.eth0 || gone.NIC.Name != "ens3" {
		t.Errorf("gone: %+v", gone)
	}
	for key := range r.addrs {
		if key.index == p.eth0 {
			t.Errorf("address %v outlives its NIC", key.addr)
		}
	}
	r.compare(p.k)
}

func TestNICThatComesLaterIsTold(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{})
	r := listed(t, p.k)
	p.connect("eth1", "r1", net.HardwareAddr{6, 0, 0, 0, 1, 1}, net.HardwareAddr{6, 0, 0, 0, 1, 2})
	c := r.awaitNIC("eth1", func(c NICChanged) bool { return c.NIC.MAC.String() == "06:00:00:00:01:01" })
	if c.Before != nil {
		t.Errorf("a new NIC has a past: %+v", c)
	}
	r.awaitNIC("its carrier", func(c NICChanged) bool { return c.NIC.Name == "eth1" && c.NIC.Carrier })
	r.compare(p.k)
}

func TestDeviceBehindANIC(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{})
	sys := t.TempDir()
	place := filepath.Join(sys, "devices/pci0000:00/0000:00:03.0/virtio0")
	nic := filepath.Join(sys, "class/net/eth0")
	check(t, os.MkdirAll(place, 0o755))
	check(t, os.MkdirAll(nic, 0o755))
	check(t, os.Symlink(place, filepath.Join(nic, "device")))
	write := func(name, text string) {
		t.Helper()
		check(t, os.WriteFile(filepath.Join(nic, name), []byte(text+"\n"), 0o644))
	}
	write("address", guestMAC.String())
	for _, tt := range []struct {
		name, index string
		want        bool
	}{
		{"the NIC's own folder", "2", true},
		{"the folder of another namespace's eth0", "77", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			write("ifindex", tt.index)
			n, err := p.guest.open(Config{Sysfs: sys}).NIC(t.Context(), "eth0")
			check(t, err)
			if n.Device != tt.want || (n.DevicePath == place) != tt.want {
				t.Errorf("device %v at %q", n.Device, n.DevicePath)
			}
		})
	}
	t.Run("the kernel names the device", func(t *testing.T) {
		check(t, os.MkdirAll(filepath.Join(sys, "bus/virtio/devices"), 0o755))
		check(t, os.Symlink(place, filepath.Join(sys, "bus/virtio/devices/virtio0")))
		n := NIC{Index: 9, Name: "ens3"}
		p.guest.open(Config{Sysfs: sys}).describe(&n, device{name: "virtio0", bus: "virtio"})
		if !n.Device || n.DevicePath != place {
			t.Errorf("device %v at %q", n.Device, n.DevicePath)
		}
	})
}
