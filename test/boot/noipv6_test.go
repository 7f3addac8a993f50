package boot

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// A guest whose kernel was told to have no IPv6 boots without waiting for it and with nothing failed, and v6guest says
// what is the matter and does nothing.
func TestAKernelWithoutIPv6IsToldAndCostsNothing(t *testing.T) {
	needLong(t)
	tt := guestCases[0]
	root := need(t, tt.spec)
	ctx := within(t, 20*time.Minute)
	c := networks(ctx, t, tt.way)
	disk := diskOf(ctx, t, root, withPackage(ctx, enabled), tt.files, needsNetwork)
	g := &machine{t: t, ctx: ctx, cloud: c, root: root, disk: disk, nics: guestNICs(c), words: []string{"ipv6.disable=1"}}
	g.boots()
	for _, n := range c.Nets {
		g.await("IPv4 address on "+n.NIC, "ip -4 addr show dev "+n.NIC+" | grep -q inet")
	}
	if out, err := g.run(g.ctx, "v6guest", "wait-online"); err != nil || out.Code != 0 {
		t.Errorf("wait-online: %+v, %v", out, err)
	}
	g.has("nothing to wait for", "journalctl", "-b", "--no-pager", "-o", "cat", "-u", "v6guest-wait-online.service")
	g.has("IPv6 is off in this kernel", "v6guest", "status")
	g.has("IPv6 is off", "systemctl", "status", "--no-pager", "v6guest.service")
	g.has("0 loaded units listed", "systemctl", "--failed", "--no-pager")
	g.say("journalctl", "--sync")
	if lines := strings.Count(g.say("journalctl", "-b", "--no-pager", "-o", "cat", "-u", "v6guest.service"), "\n"); lines > 20 {
		t.Errorf("%d lines in the log", lines)
	}
	text := g.say("systemctl", "show", "--value", "-p", "CPUUsageNSec", "v6guest.service")
	const most = 10 * time.Second // of an emulated CPU; a busy loop would have taken the rest of the boot
	if used, err := strconv.Atoi(text); err != nil || time.Duration(used) > most {
		t.Errorf("v6guest has used %s ns of CPU, %v", text, err)
	}
}
