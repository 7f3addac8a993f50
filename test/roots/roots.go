// Package roots keeps Debian root directories that hold the DHCPv6 servers and clients which v6guest
// is tested against. Those programs are never installed on the machine that runs the tests: their
// packages start daemons on its own NICs, and some exclude each other. A root is made once by
// debootstrap and kept in a cache; whoever uses it puts an overlay over it, nobody writes to it.
package roots

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A Spec says what a root holds: a Debian release and packages beyond the minimal system.
type Spec struct {
	Name     string
	Suite    string
	Packages []string
}

// Peers holds the servers, the older clients, and the tools that show what happened.
var Peers = Spec{Name: "peers", Suite: "bookworm", Packages: []string{
	"dhcpcd-base", "dnsmasq-base", "iproute2", "iputils-ping", "isc-dhcp-client", "kea-admin",
	"kea-dhcp6-server", "ndisc6", "nftables", "procps", "radvd",
}}

// Trixie holds the client that Debian 13 has by default.
var Trixie = Spec{Name: "trixie", Suite: "trixie", Packages: []string{
	"dhcpcd-base", "iproute2", "iputils-ping", "nftables", "procps",
}}

// Stacks holds the network stacks that do not exclude each other, and strace.
var Stacks = Spec{Name: "stacks", Suite: "bookworm", Packages: []string{
	"bash", "ifupdown", "iproute2", "isc-dhcp-client", "netplan.io", "procps", "strace", "systemd",
}}

// Packaging holds what reads packages, units, pages and scripts: each is the judge that its users have.
var Packaging = Spec{Name: "packaging", Suite: "trixie", Packages: []string{
	"bash", "binutils", "fish", "iproute2", "lintian", "mandoc", "perl-openssl-defaults", "procps", "rpm", "systemd-sysv", "sysvinit-utils", "zsh",
}}

// RPMLint holds the judge of rpm packages; Debian 13 has none. debootstrap does not find python3-cffi-backend by
// itself, since packages ask for it by another name.
var RPMLint = Spec{Name: "rpmlint", Suite: "bookworm", Packages: []string{"python3-cffi-backend", "rpm", "rpmlint"}}

// NetworkManager holds it with its bus: debootstrap finds no package for the virtual ones that it and polkitd
// depend on.
var NetworkManager = Spec{Name: "networkmanager", Suite: "bookworm", Packages: []string{
	"bash", "dbus", "iproute2", "libpam-systemd", "network-manager", "systemd",
}}

// Ifupdown2 holds the ifup of Cumulus and Proxmox.
var Ifupdown2 = Spec{Name: "ifupdown2", Suite: "bookworm", Packages: []string{"ifupdown2", "iproute2", "isc-dhcp-client", "procps"}}

// Resolved holds systemd-resolved with the bus that it is asked over. It, resolvconf and openresolv
// exclude each other.
var Resolved = Spec{Name: "resolved", Suite: "trixie", Packages: []string{
	"dbus", "iproute2", "iputils-ping", "procps", "systemd", "systemd-resolved",
}}

// Resolvconf holds Debian's resolvconf.
var Resolvconf = Spec{Name: "resolvconf", Suite: "bookworm", Packages: []string{"iproute2", "iputils-ping", "procps", "resolvconf"}}

// Openresolv holds openresolv, which other distributions have as resolvconf.
var Openresolv = Spec{Name: "openresolv", Suite: "trixie", Packages: []string{"iproute2", "iputils-ping", "openresolv", "procps"}}

// Relays holds ISC's relay agent.
var Relays = Spec{Name: "relays", Suite: "bookworm", Packages: []string{"iproute2", "isc-dhcp-relay", "procps"}}

// Advertisers holds a radvd that knows PREF64 (from 2.20 on).
var Advertisers = Spec{Name: "advertisers", Suite: "trixie", Packages: []string{"iproute2", "iputils-ping", "ndisc6", "nftables", "procps", "radvd"}}

// All lists the roots that several tests use.
var All = []Spec{Peers, Trixie, Stacks, Packaging}

// format is part of a root's key; it changes when roots are made in another way.
const format = "2"

// ErrNoArchive means that apt's own configuration names no Debian archive to make a root from.
var ErrNoArchive = errors.New("apt's sources name no Debian archive")

// Dir returns the cache's folder: $V6GUEST_CACHE, else a folder under /var/cache.
func Dir() string {
	if dir := os.Getenv("V6GUEST_CACHE"); dir != "" {
		return dir
	}
	return "/var/cache/v6guest-lab"
}

// key names the root of a spec in the cache: another list of packages is another root.
func (s Spec) key() string {
	packages := slices.Sorted(slices.Values(s.Packages))
	sum := sha256.Sum256([]byte(strings.Join(append([]string{format, s.Suite}, packages...), "\n")))
	return s.Name + "-" + s.Suite + "-" + hex.EncodeToString(sum[:6])
}

// Get returns the folder of a root, made now if the cache lacks it (about a minute, with the
// network); progress goes to log. Several processes may ask at once: one makes it, the others wait.
// It needs root and debootstrap; without an archive the error is ErrNoArchive.
func Get(ctx context.Context, s Spec, log io.Writer) (string, error) {
	dir := filepath.Join(Dir(), s.key())
	if made(dir) {
		return dir, nil
	}
	if err := os.MkdirAll(Dir(), 0o755); err != nil {
		return "", fmt.Errorf("cache of roots: %w", err)
	}
	unlock, err := lock(filepath.Join(Dir(), ".lock-"+s.key()))
	if err != nil {
		return "", err
	}
	defer unlock()
	if made(dir) { // by the process that held the lock
		return dir, nil
	}
	if err := build(ctx, s, dir, log); err != nil {
		return "", fmt.Errorf("root %s (%s): %w", s.Name, s.Suite, err)
	}
	return dir, nil
}

func made(dir string) bool {
	_, err := os.Stat(dir)
	return err == nil
}

// lock waits for the exclusive lock on a file; the kernel lets go of it when the process ends.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}
