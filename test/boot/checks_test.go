package boot

import (
	"fmt"
	"slices"
	"strings"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/test/cloud"
)

// asReserved checks all that a guest has to have once it has booted.
func (g *machine) asReserved(tt guestCase) {
	g.t.Helper()
	for _, n := range g.cloud.Nets {
		g.await("reserved address on "+n.NIC, "ip -6 addr show dev "+n.NIC+" scope global -tentative | grep -qF "+n.Reserved.Addr.String()+"/128")
	}
	if out, err := g.run(g.ctx, "v6guest", "wait-online"); err != nil || out.Code != 0 {
		g.t.Errorf("wait-online: %+v, %v", out, err)
	}
	for _, n := range tt.dualStack(g.cloud.Nets) {
		g.await("IPv4 address on "+n.NIC, "ip -4 addr show dev "+n.NIC+" | grep -q inet")
	}
	g.await("IPv6 default route", "ip -6 route show default | grep -q default")
	status := g.say("v6guest", "status")
	g.t.Logf("status:\n%s", status)
	for i, n := range g.cloud.Nets {
		nic := n.NIC
		g.has("inet6 "+n.Reserved.Addr.String()+"/128", "ip", "-6", "addr", "show", "dev", nic)
		if got := strings.Count(g.say("ip", "-6", "addr", "show", "dev", nic, "scope", "global"), "inet6"); got != 1 {
			g.t.Errorf("%s has %d global IPv6 addresses", nic, got)
		}
		if i != tt.way {
			g.hasNot("default", "ip", "-6", "route", "show", "dev", nic)
		}
		// The way to a secondary NIC's neighbours comes with the router's advertisement, which may be later than the lease.
		g.await("way to the neighbour on "+nic, "ip -6 route get "+n.Neighbor6.String()+" | grep -q 'dev "+nic+" '")
		g.reaches(n.Neighbor6.String())
	}
	if got := strings.Count(g.say("ip", "-6", "route", "show", "default"), "default"); got != 1 {
		g.t.Errorf("%d IPv6 default routes", got)
	}
	g.reaches(cloud.Outside.String())
	g.await("IPv4 default route", fmt.Sprintf("ip -4 route show default | grep -qF 'default via 10.0.%d.1'", tt.way))
	g.has("0 loaded units listed", "systemctl", "--failed", "--no-pager")
	if clients := g.say("ss", "-Hlunp", "sport", "=", ":546"); strings.Count(clients, `"`+tt.client+`"`) != 2 || strings.Count(clients, "\n") != 1 {
		g.t.Errorf("on UDP port 546: %s", clients)
	}
}

// wasConfigured checks what v6guest-configure.service found and that it did not stand in anybody's way.
func (g *machine) wasConfigured(tt guestCase) {
	g.t.Helper()
	g.has(tt.stack, "journalctl", "-b", "--no-pager", "-u", "v6guest-configure.service")
	g.hasNot("ordering cycle", "journalctl", "-b", "--no-pager")
}

// ipv4Stayed checks the changes of addresses since early in the boot: each NIC got one IPv4 address by DHCP
// and kept it. (dhcpcd makes one of 169.254.0.0/16 where no server has answered for 5 s, as on a busy machine.)
func (g *machine) ipv4Stayed(tt guestCase) {
	g.t.Helper()
	changes := g.say("cat", watchFile)
	for _, n := range tt.dualStack(g.cloud.Nets) {
		got := map[string]bool{}
		for line := range strings.Lines(changes) {
			if f := strings.Fields(line); strings.Contains(line, n.NIC+" ") && strings.Contains(line, " inet 10.") {
				if f[0] == "Deleted" {
					g.t.Errorf("IPv4 went away: %s", line)
				}
				got[f[slices.Index(f, "inet")+1]] = true
			}
		}
		if len(got) != 1 {
			g.t.Errorf("%s had %d IPv4 addresses: %v\n%s", n.NIC, len(got), got, changes)
		}
	}
}

// asBefore brings the files back and checks that they are the originals.
func (g *machine) asBefore(files []file) {
	g.t.Helper()
	if out, err := g.run(g.ctx, "v6guest", "restore"); err != nil || out.Code != 0 {
		g.t.Errorf("restore: %s%s, %v", out.Stdout, out.Stderr, err)
	}
	g.say("systemctl", "stop", "v6guest.service") // DNS servers that it has handed over are its own until then
	for _, f := range files {
		if got := g.say("cat", f.name); !strings.HasPrefix(f.text, "-> ") && got != strings.TrimSpace(f.text) {
			g.t.Errorf("%s after restore:\n%s\nwant:\n%s", f.name, got, f.text)
		}
	}
	if got := g.say("sh", "-c", "grep -rl v6guest /etc --include=* | grep -v -e ^/etc/systemd/system/ -e ^/etc/v6guest/ -e ^/etc/init.d/v6guest"); got != "" {
		g.t.Errorf("files that still speak of v6guest after restore: %s", got)
	}
}

// clockIsSet sets the wall clock a day forward, as a time daemon does after a snapshot, and back: where v6guest
// leases, it confirms each lease with its server at once, and no address goes, not for a moment.
func (g *machine) clockIsSet(tt guestCase) {
	g.t.Helper()
	nets := g.cloud.Nets
	if tt.client != "v6guest" {
		nets = nil
	}
	before := g.deletions(nets...)
	for _, set := range [][2]string{{"tomorrow", "forward"}, {"yesterday", "back"}} {
		confirmed := g.confirmed(nets...)
		g.say("date", "-s", set[0])
		confirmed()
		g.say("v6guest", "lease") // an exchange with the server: what came of it is done by its end
		g.say("journalctl", "--sync")
		g.has("the wall clock was set "+set[1]+" by", "journalctl", "--no-pager", "-u", "v6guest.service")
		for _, n := range g.cloud.Nets {
			g.has("inet6 "+n.Reserved.Addr.String()+"/128", "ip", "-6", "addr", "show", "dev", n.NIC)
		}
	}
	if after := g.deletions(nets...); len(after) > len(before) {
		g.t.Errorf("addresses went away: %v", after[len(before):])
	}
}

// confirmed returns a function that waits until the guest has sent a Confirm on each of the networks, from now on,
// and has had an answer.
func (g *machine) confirmed(nets ...*cloud.Net) func() {
	from := make([]int, len(nets))
	for i, n := range nets {
		from[i] = len(n.Segment.Capture.Packets())
	}
	return func() {
		g.t.Helper()
		for i, n := range nets {
			_, next, err := n.Segment.Capture.Await(g.ctx, from[i], "a Confirm", dhcpMessage(dhcpv6.MessageTypeConfirm, n.Reserved.MAC, nil))
			check(g.t, err)
			_, _, err = n.Segment.Capture.Await(g.ctx, next, "its Reply", dhcpMessage(dhcpv6.MessageTypeReply, nil, n.Reserved.MAC))
			check(g.t, err)
		}
	}
}

// deletions are the lines by which the kernel told that a reserved address of the networks went.
func (g *machine) deletions(nets ...*cloud.Net) (out []string) {
	g.t.Helper()
	for line := range strings.Lines(g.say("cat", watchFile)) {
		for _, n := range nets {
			if strings.HasPrefix(line, "Deleted") && strings.Contains(line, n.Reserved.Addr.String()+"/") {
				out = append(out, line)
			}
		}
	}
	return out
}
