package link

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A device is what the kernel says of the hardware behind a NIC.
type device struct{ name, bus string }

// describe fills in what sysfs knows of the NIC. The kernel's own word (since 5.14) goes first: buses
// are the same in every network namespace, /sys/class/net shows the one that it was mounted in. There
// a NIC is believed only where index and MAC are those of n.
func (k *Kernel) describe(n *NIC, parent device) {
	if parent.name != "" {
		n.Device = true
		if base := filepath.Base(parent.name); parent.bus == filepath.Base(parent.bus) && base == parent.name {
			n.DevicePath = resolved(filepath.Join(k.cfg.Sysfs, "bus", parent.bus, "devices", base))
		}
		return
	}
	if n.Name == "" || n.Name != filepath.Base(n.Name) {
		return
	}
	dir := filepath.Join(k.cfg.Sysfs, "class", "net", n.Name)
	if line(filepath.Join(dir, "ifindex")) != strconv.Itoa(n.Index) {
		return
	}
	if mac, err := net.ParseMAC(line(filepath.Join(dir, "address"))); err == nil && hardware(mac).String() != n.MAC.String() {
		return
	}
	if _, err := os.Stat(filepath.Join(dir, "device")); err != nil {
		return
	}
	n.Device, n.DevicePath = true, resolved(filepath.Join(dir, "device"))
}

// resolved is the path without symbolic links; empty where it does not exist.
func resolved(path string) string {
	p, err := filepath.EvalSymlinks(path)
	if err != nil {
		return ""
	}
	return p
}

func line(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
