package distro

import (
	"net"
)

// A NIC is what the stacks' own rules choose a network interface by. Only Name is always needed; MAC is
// needed wherever a file must be bound to this very NIC.
type NIC struct {
	Name string
	// MAC is the link-layer address in use.
	MAC net.HardwareAddr
	// PermanentMAC is the hardware's own address; nil counts as MAC.
	PermanentMAC net.HardwareAddr
	// Index is the kernel's; 0 in an unbooted image.
	Index int
	// Driver is udev's ID_NET_DRIVER (virtio_net); empty when unknown.
	Driver string
	// Path is udev's ID_PATH (pci-0000:00:03.0); empty when unknown.
	Path string
	// Type is systemd's device type: "ether", "vlan", "bridge", …; empty counts as "ether".
	Type string
	// Kind is the kernel's class of a software NIC ("veth", "bond", …); empty for a device.
	Kind string
}

// permanent is the hardware's own address.
func (n NIC) permanent() net.HardwareAddr {
	if len(n.PermanentMAC) > 0 {
		return n.PermanentMAC
	}
	return n.MAC
}

// kindOfDevice is what systemd calls the NIC's type.
func (n NIC) kindOfDevice() string {
	if n.Type == "" {
		return "ether"
	}
	return n.Type
}

// A Policy says who is the DHCPv6 client on a NIC (`lease =` in v6guest's configuration).
type Policy string

// The policies.
const (
	LeaseAgent  Policy = "agent"  // v6guest leases; the stack leaves DHCPv6 alone
	LeaseDistro Policy = "distro" // the stack's own client leases, with a DUID-LL
)

// A Want is what is wanted of one NIC.
type Want struct {
	NIC NIC
	// Default says that the NIC keeps the IPv6 default route; every other NIC must never have one.
	Default bool
	Lease   Policy
	// KeepRA says of a NIC that is not the default one that Router Advertisements are processed there,
	// all but their default route (secondary_ra = no-default-route).
	KeepRA bool
}
