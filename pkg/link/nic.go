package link

import (
	"bytes"
	"cmp"
	"fmt"
	"net"
	"slices"
	"strings"
)

// A NIC is a network interface as the kernel describes it.
type NIC struct {
	Index int    // of the kernel; never used again for another NIC while this one lives
	Name  string // at this moment: NICs are renamed
	// MAC is the link-layer address in use; empty where the NIC has none (tunnels) or all zero (lo).
	MAC net.HardwareAddr
	// PermanentMAC is the hardware's own address; nil where there is none or the kernel (before 5.6)
	// does not tell.
	PermanentMAC net.HardwareAddr
	// Kind is the driver class of a software NIC: "veth", "bridge", "bond", "vlan", "macvlan", "tun"
	// and so on; empty for a device and for lo.
	Kind string
	// Device says that a device is behind the NIC (virtio, PCI, Xen, Hyper-V and so on).
	Device bool
	// DevicePath is the device's place in sysfs (/sys/devices/pci0000:00/0000:00:03.0/virtio0); empty
	// without a device or where sysfs is not readable. ComparePlace orders by it.
	DevicePath string

	Master int    // index of the bridge, bond or team that the NIC belongs to; 0 for none
	Parent int    // index of the NIC below a VLAN or macvlan, or of a veth's peer; 0 for none in this namespace
	VLAN   uint16 // VLAN id of a NIC of kind vlan; 0 for others

	MTU      int  // bytes
	Up       bool // set up by an administrator (IFF_UP)
	Carrier  bool // the link beneath works (IFF_LOWER_UP); false while the NIC is down
	Loopback bool
	Ethernet bool // frames are Ethernet's (ARPHRD_ETHER); false for loopback
	PtP      bool // point to point: a tunnel

	// CarrierChanges counts how often the carrier came or went: a difference shows a flap of which
	// no message arrived.
	CarrierChanges uint32
}

// A Key says which NIC a state is of, across boots and names: the one with that MAC, and of a VLAN, which has
// the MAC of the NIC below it, the one with that VLAN id as well.
type Key struct {
	MAC  net.HardwareAddr
	VLAN uint16 // 0 where the NIC is no VLAN
}

// Key is the NIC's.
func (n NIC) Key() Key { return Key{n.MAC, n.VLAN} }

// Equal reports whether both are of one NIC.
func (k Key) Equal(other Key) bool { return bytes.Equal(k.MAC, other.MAC) && k.VLAN == other.VLAN }

// String is the MAC, and the VLAN where there is one: "06:a0:f0:00:00:38 VLAN 5".
func (k Key) String() string {
	if k.VLAN == 0 {
		return k.MAC.String()
	}
	return fmt.Sprintf("%s VLAN %d", k.MAC, k.VLAN)
}

// Equal reports whether n and m say the same in every field.
func (n NIC) Equal(m NIC) bool {
	if !bytes.Equal(n.MAC, m.MAC) || !bytes.Equal(n.PermanentMAC, m.PermanentMAC) {
		return false
	}
	a, b := n.scalars(), m.scalars()
	return a == b
}

// scalars is all of a NIC but its two byte slices, so that == can compare it.
func (n NIC) scalars() any {
	return struct {
		index, master, parent, mtu                      int
		name, kind, path                                string
		vlan                                            uint16
		device, up, carrier, loopback, ethernet, tunnel bool
		changes                                         uint32
	}{
		n.Index, n.Master, n.Parent, n.MTU, n.Name, n.Kind, n.DevicePath, n.VLAN,
		n.Device, n.Up, n.Carrier, n.Loopback, n.Ethernet, n.PtP, n.CarrierChanges,
	}
}

// ComparePlace orders NICs as they sit on their buses, numbers by value; NICs without a known device
// come last; the lower index decides between equals.
func ComparePlace(a, b NIC) int {
	if (a.DevicePath == "") != (b.DevicePath == "") {
		return cmp.Compare(b.DevicePath, a.DevicePath)
	}
	return cmp.Or(slices.CompareFunc(strings.Split(a.DevicePath, "/"), strings.Split(b.DevicePath, "/"), compareFolder),
		cmp.Compare(a.Index, b.Index))
}

// compareFolder compares names of devices. Of one length they are hexadecimal and of fixed width, as
// PCI's are, or do not differ in the number of digits; else numbers count by value (vif-2, vif-10).
func compareFolder(a, b string) int {
	if len(a) == len(b) {
		return cmp.Compare(a, b)
	}
	return compareNatural(a, b)
}

// compareNatural compares strings so that a run of decimal digits counts by its value.
func compareNatural(a, b string) int {
	for a != "" && b != "" {
		x, y := digits(a), digits(b)
		if x > 0 && y > 0 {
			m, n := strings.TrimLeft(a[:x], "0"), strings.TrimLeft(b[:y], "0")
			if c := cmp.Or(cmp.Compare(len(m), len(n)), cmp.Compare(m, n)); c != 0 {
				return c
			}
			a, b = a[x:], b[y:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

func digits(s string) int {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return i
		}
	}
	return len(s)
}
