package boot

import "github.com/v6guest/v6guest/test/roots"

// base is what every guest needs to boot on virtual hardware and to be looked at.
var base = []string{
	"dbus", "initramfs-tools", "iproute2", "iputils-ping", "kmod", "linux-image-cloud-amd64", "procps", "systemd-sysv", "udev", "zstd",
}

// guest is a Debian release with packages beside the base.
func guest(name, suite string, packages ...string) roots.Spec {
	return roots.Spec{Name: "boot-" + name, Suite: suite, Packages: append(packages, base...)}
}

// The guests, each with the network stack that it has by default or that its users choose.
var (
	debian13 = guest("debian13", "trixie", "ifupdown", "dhcpcd-base")
	debian12 = guest("debian12", "bookworm", "ifupdown", "isc-dhcp-client")
	networkd = guest("networkd", "trixie", "systemd-resolved")
	nm       = guest("nm", "trixie", "network-manager")
	// clouds is what Debian's own cloud images have; cloud-init does nothing there without a seed.
	clouds = guest("clouds", "trixie", "cloud-init", "e2fsprogs", "netplan.io", "systemd-resolved")
	// clouds12 is what they had before: cloud-init writes ifupdown's files.
	// debootstrap does not find python3-cffi-backend by itself, since packages ask for it by another name.
	clouds12 = guest("clouds12", "bookworm", "cloud-init", "e2fsprogs", "ifupdown", "isc-dhcp-client", "python3-cffi-backend")
)
