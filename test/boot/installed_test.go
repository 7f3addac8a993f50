package boot

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// packageFiles are the packages of two versions, for a guest that installs them itself.
func packageFiles(t *testing.T, name string) []file {
	t.Helper()
	var files []file
	for v, made := range map[string]func() (string, error){version: thisVersion, newer: newerVersion} {
		dir, err := made()
		check(t, err)
		files = append(files, fileOf(t, "/root/"+v+".deb", debFile(dir, name, v)))
	}
	return files
}

// fileOf is a copy of a file of this machine's.
func fileOf(t *testing.T, name, from string) file {
	t.Helper()
	b, err := os.ReadFile(from)
	check(t, err)
	return text(name, string(b))
}

// sums are the checksums, modes and owners of everything in /etc that is not the package's own.
func (g *machine) sums() string {
	g.t.Helper()
	return g.do("sh", "-c", `find /etc -xdev \( -path /etc/v6guest -o -path '/etc/systemd/system/*.wants' -o -path '/etc/rc?.d' -o -name v6guest -o -name resolv.conf -o -name '*-' \) -prune \
		-o -type f -exec sha256sum {} + -exec stat -c '%n %a %U %G' {} + | sort`)
}

// started waits until the agent of this boot has started so many times.
func (g *machine) started(times int) {
	g.t.Helper()
	g.do("sh", "-c", fmt.Sprintf(`journalctl -b -f -n all -o cat -u v6guest.service | { n=0; while read -r line; do
		case $line in *'msg="v6guest started"'*) n=$((n + 1));; esac; [ $n -lt %d ] || exit 0; done; } & wait $!; pkill -x journalctl; true`, times))
}

// keptAddresses checks that the reserved addresses of the networks did not go away since early in the boot.
func (g *machine) keptAddresses(nets ...*cloud.Net) {
	g.t.Helper()
	if gone := g.deletions(nets...); len(gone) > 0 {
		g.t.Errorf("addresses went away: %v", gone)
	}
}

// TestAPackageIsInstalledUpgradedAndRemoved: by dpkg, on a guest that runs; from then on it has its addresses from each boot on, keeps them over an
// upgrade and a kill of the agent, and after a removal every file is what it was.
func TestAPackageIsInstalledUpgradedAndRemoved(t *testing.T) {
	tt := caseOf("debian13-ifupdown-dhcpcd")
	root := need(t, tt.spec)
	ctx := within(t, 20*time.Minute)
	c := networks(ctx, t, tt.way)
	g := start(ctx, t, c, root, diskOf(ctx, t, root, asItComes, packageFiles(t, "v6guest"), tt.files))
	for _, n := range c.Nets {
		g.await("IPv4 address on "+n.NIC, "ip -4 addr show dev "+n.NIC+" | grep -q inet")
	}
	for _, n := range c.Nets { // dhcpcd's DHCPv6 has begun
		_, err := n.Server.Processes()[0].AwaitLine(ctx, 0, "no address for client")
		check(t, err)
	}
	originals := g.sums()

	t.Log(g.do("dpkg", "-i", "/root/"+version+".deb"))
	g.has("active", "systemctl", "is-active", "v6guest.service")
	if g.sums() == originals {
		t.Error("the installation configured nothing")
	}
	// Until the next boot the NICs are dhcpcd's: named from within the unit's sandbox, in which it is another's process.
	g.logs("v6guest.service", "another DHCPv6 client has the NIC.*dhcpcd")
	g.has("dhcpcd", "v6guest", "status")
	g.reboot()
	g.wasConfigured(tt)
	g.asReserved(tt)

	g.do("dpkg", "-i", "/root/"+newer+".deb")
	g.started(2)
	g.has("v6guest "+newer+",", "v6guest", "status")
	g.asReserved(tt)
	g.do("systemctl", "kill", "-s", "KILL", "v6guest.service")
	g.started(3)
	g.asReserved(tt)
	g.keptAddresses(c.Nets...)
	g.ipv4Stayed(tt)

	out := g.do("dpkg", "-r", "v6guest")
	for _, n := range c.Nets {
		if want := "the address leased on " + n.NIC + " stays and is not renewed any more: valid infinite"; !strings.Contains(out, want) {
			t.Errorf("the removal does not say %q:\n%s", want, out)
		}
	}
	if got := g.sums(); got != originals {
		t.Errorf("after the removal:\n%s\nbefore the installation:\n%s", got, originals)
	}
	g.keptAddresses(c.Nets...)
	g.do("systemctl", "start", "multi-user.target") // as a boot does: links and the start script are there until the purge
	g.has("0 loaded units listed", "systemctl", "--failed", "--no-pager")
	t.Log(g.do("dpkg", "-P", "v6guest"))
	if got := g.say("sh", "-c", "find / -xdev -iname '*v6guest*' ! -path '/root/*' ! -path '/tmp/*' ! -path '/var/tmp/*' ! -path '/usr/share/doc/*'"); got != "" {
		t.Errorf("after the purge there is still\n%s", got)
	}
}

// TestAClonedImageHasNoTraceOfItsTemplate: it boots with other MACs, which have other reservations.
func TestAClonedImageHasNoTraceOfItsTemplate(t *testing.T) {
	tt := caseOf("debian13-networkd")
	g := bootCase(t, tt, enabled)
	g.asReserved(tt)
	g.do("systemctl", "poweroff", "--no-block")
	check(t, g.off(g.ctx))
	var old []peer.Guest
	for i, n := range g.cloud.Nets {
		template := n.Reserved
		old = append(old, template)
		n.Reserved.Addr, n.Reserved.Name = n.Host(0x99), "clone"
		n.Reserved.MAC = slices.Clone(template.MAC)
		n.Reserved.MAC[5] = 0x99
		check(t, n.Server.Reserve(g.ctx, append(n.Network().Guests, template)))
		g.nics[i].mac = n.Reserved.MAC
	}
	from := make([]int, len(g.cloud.Nets))
	for i, n := range g.cloud.Nets {
		from[i] = len(n.Segment.Capture.Packets())
	}
	g.boot()
	g.asReserved(tt)
	for i, n := range g.cloud.Nets {
		if changes := g.say("cat", watchFile); strings.Contains(changes, old[i].Addr.String()+"/") {
			t.Errorf("the template's address %s was used:\n%s", old[i].Addr, changes)
		}
		// Nor is it, or the template's MAC, in anything that the clone says to anybody.
		for _, p := range n.Segment.Capture.Packets()[from[i]:] {
			addr := old[i].Addr.As16()
			if slices.Equal(p.From, n.Reserved.MAC) && (p.Src == old[i].Addr || bytes.Contains(p.Payload, addr[:]) || bytes.Contains(p.Payload, old[i].MAC)) {
				t.Errorf("%s: the clone speaks of its template: %v", n.NIC, p)
			}
		}
	}
}

// TestANICComesAndGoes while the guest runs: what has been unplugged is forgotten, what is plugged in has its address.
func TestANICComesAndGoes(t *testing.T) {
	tt := caseOf("debian13-networkd")
	root := need(t, tt.spec)
	ctx := within(t, 20*time.Minute)
	c := networks(ctx, t, tt.way)
	disk := diskOf(ctx, t, root, withPackage(ctx, enabled), tt.files)
	g := &machine{t: t, ctx: ctx, cloud: c, root: root, disk: disk, nics: guestNICs(c)}
	g.nics[1].later = true
	g.boots()
	g.await("reserved address on eth0", "ip -6 addr show dev eth0 scope global -tentative | grep -qF "+c.Nets[0].Reserved.Addr.String()+"/128")
	g.hasNot("eth1", "ip", "link")
	for range 2 {
		check(t, g.plug(ctx, 1))
		g.asReserved(tt)
		check(t, g.unplug(ctx, 1))
		g.hasNot("eth1", "ip", "link")
		g.has("v6guest "+version, "v6guest", "status")
	}
	g.keptAddresses(c.Nets[0])
}

// routerFiles make a machine the router of both networks, as an administrator does.
func routerFiles(g *machine) []file {
	var interfaces, conf, hosts strings.Builder
	interfaces.WriteString("auto lo\niface lo inet loopback\n")
	conf.WriteString("[server]\nhosts = /etc/v6responder/hosts\n")
	for i, n := range g.cloud.Nets {
		fmt.Fprintf(&interfaces, "auto eth%d\niface eth%d inet6 static\n\taddress %s/64\n\taccept_ra 0\n", i, i, n.Host(0x2))
		fmt.Fprintf(&conf, "[network net%d]\ninterface = eth%d\nprefix = %s\nrouter_lifetime = 30m\n", i, i, n.Prefix)
	}
	// The second network's guest is reserved later, by a line that is appended.
	n := g.cloud.Nets[0]
	fmt.Fprintf(&hosts, "id:%s,[%s],%s,infinite\n", n.Reserved.DUID(), n.Reserved.Addr, n.Reserved.Name)
	return []file{
		text("/etc/network/interfaces", interfaces.String()), text("/etc/v6responder/v6responder.conf", conf.String()), text("/etc/v6responder/hosts", hosts.String()),
		text("/etc/sysctl.d/router.conf", "net.ipv6.conf.all.forwarding = 1\nnet.ipv6.conf.default.forwarding = 1\n"),
		text("/etc/systemd/system/outside.service", "[Service]\nType=oneshot\nExecStart=ip -6 addr add 2001:db8:ffff::1/128 dev lo nodad\n"),
		link("/etc/systemd/system/multi-user.target.wants/outside.service", "/etc/systemd/system/outside.service"),
	}
}

// bootRouter boots a virtual machine with the responder's package in both networks.
func bootRouter(ctx context.Context, t *testing.T, c *cloud.Cloud, root string, files func(*machine) []file) *machine {
	t.Helper()
	dir, err := thisVersion()
	check(t, err)
	r := &machine{t: t, ctx: ctx, cloud: c, root: root}
	for i, n := range c.Nets {
		mac := slices.Clone(n.RouterMAC)
		mac[5] = 0x02
		r.nics = append(r.nics, nic{net: c.Nets[i], mac: mac})
	}
	r.disk = diskOf(ctx, t, root, func(tree string) error {
		return install(ctx, tree, debFile(dir, "v6guest-responder", version))
	}, files(r))
	r.boots()
	return r
}

// TestThePairFromPackages: the responder's package on a router, the agent's on a guest, both virtual machines.
func TestThePairFromPackages(t *testing.T) {
	tt := caseOf("debian13-ifupdown-dhcpcd")
	root := need(t, tt.spec)
	ctx := within(t, 20*time.Minute)
	c := networks4(ctx, t, tt.way)
	r := bootRouter(ctx, t, c, root, routerFiles)
	r.has("0 loaded units listed", "systemctl", "--failed", "--no-pager")
	r.has("_v6responder", "ps", "-o", "user:20=", "-C", "v6responder")
	r.has("active", "systemctl", "is-active", "v6responder.service")
	// What the unit promises, as the kernel has it: a user of its own, CAP_NET_BIND_SERVICE (10) and CAP_NET_RAW (13)
	// and nothing else, and no way to more; and that it works so, beside a store that somebody removes.
	const status = "cat /proc/$(systemctl show -P MainPID v6responder.service)/status"
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		r.has(set+":\t0000000000002400\n", "sh", "-c", status)
	}
	r.has("NoNewPrivs:\t1\n", "sh", "-c", status)
	r.hasNot("Uid:\t0\t", "sh", "-c", status)
	r.has("2 of 2 networks served", "v6responder", "status")
	r.do("rm", "/var/lib/v6responder/leases.db")
	r.await("lease store written again", "test -s /var/lib/v6responder/leases.db")
	r.has("the file was removed while in use; all that it had is written there again", "v6responder", "status")

	g := start(ctx, t, c, root, diskOf(ctx, t, root, withPackage(ctx, enabled), tt.files))
	first, second := c.Nets[0], c.Nets[1]
	g.await("reserved address on eth0", "ip -6 addr show dev eth0 scope global -tentative | grep -qF "+first.Reserved.Addr.String()+"/128")
	g.hasNot(second.Reserved.Addr.String(), "ip", "-6", "addr", "show", "dev", "eth1")
	line := fmt.Sprintf("id:%s,[%s],%s,infinite", second.Reserved.DUID(), second.Reserved.Addr, second.Reserved.Name)
	r.do("sh", "-c", "echo '"+line+"' >>/etc/v6responder/hosts")
	r.do("v6responder", "reload") // by its end the line is in force
	t.Log(g.do("v6guest", "lease", "eth1"))
	g.asReserved(tt)

	// A restart says nothing to the guests; a stop says that this router is none any more.
	from := len(first.Segment.Capture.Packets())
	r.do("systemctl", "restart", "v6responder.service")
	r.has("active", "systemctl", "is-active", "v6responder.service")
	g.do("v6guest", "lease")
	g.asReserved(tt)
	g.keptAddresses(c.Nets...)
	_, next, err := first.Segment.Capture.Await(ctx, from, "an advertisement of the restarted router", advertises(r.nics[0].mac))
	check(t, err)
	last := finalAdvertisement(r.nics[0].mac)
	if said := first.Segment.Capture.Packets()[from:]; slices.ContainsFunc(said, last) {
		t.Error("the router said at its restart that it is none any more")
	}
	r.do("dpkg", "-r", "v6guest-responder")
	_, _, err = first.Segment.Capture.Await(ctx, next, "the router's last advertisement", last)
	check(t, err)
	g.await("end of the default route", "! ip -6 route show default | grep -q default")
	g.keptAddresses(c.Nets...)
}

// advertises accepts the Router Advertisements of a router.
func advertises(router net.HardwareAddr) func(lab.Packet) bool {
	return func(p lab.Packet) bool {
		return p.ICMP == lab.RouterAdvertisement && len(p.Payload) >= 16 && slices.Equal(p.From, router)
	}
}

// finalAdvertisement accepts those by which it is no default router any more: their router lifetime is 0.
func finalAdvertisement(router net.HardwareAddr) func(lab.Packet) bool {
	return func(p lab.Packet) bool {
		return advertises(router)(p) && p.Payload[6] == 0 && p.Payload[7] == 0
	}
}
