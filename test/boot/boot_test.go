package boot

import (
	"slices"
	"testing"
)

func TestAGuestHasItsAddressesFromBootOn(t *testing.T) {
	t.Parallel()
	for _, tt := range guestCases {
		t.Run(tt.name, func(t *testing.T) {
			tt.needTime(t)
			tt.files = slices.Concat(tt.files, needsNetwork)
			g := bootCase(t, tt, enabled)
			g.wasConfigured(tt)
			g.wasOnline(tt)
			g.asReserved(tt)
			g.ipv4Stayed(tt)
			g.clockIsSet(tt) // to dhclient its IPv4 lease has ended then
			g.asBefore(tt.files)
		})
	}
}

// TestFilesFollowTheDefaultNIC: on the first boot the files are made for the NIC that is first on the bus, and
// an IPv4 default route through the other one settles the choice.
func TestFilesFollowTheDefaultNIC(t *testing.T) {
	needLong(t)
	t.Parallel()
	for _, tt := range swappedCases {
		t.Run(tt.name, func(t *testing.T) { filesFollow(t, tt) })
	}
}

func filesFollow(t *testing.T, tt guestCase) {
	g := bootCase(t, tt, enabled)
	g.wasConfigured(tt)
	g.has("first on the bus; provisional", "journalctl", "-b", "--no-pager", "-u", "v6guest-configure.service")
	g.logs("v6guest.service", "made for another default NIC")
	g.logs("v6guest-reconfigure.service", "Finished v6guest-reconfigure.service")
	g.asReserved(tt)
	t.Log(g.say("journalctl", "-b", "--no-pager", "-o", "cat", "-u", "v6guest-reconfigure.service"))
	g.has("every file is as it should be", "v6guest", "configure")
	g.ipv4Stayed(tt)
	g.reboot()
	g.asReserved(tt)
	g.ipv4Stayed(tt)
	g.asBefore(tt.files)
}

func TestConfigureRefusesWhatDhcpcdCannotDo(t *testing.T) {
	needLong(t)
	tt := guestCase{spec: debian13, files: []file{text("/etc/network/interfaces", twoNICs), distroLeases}}
	g := bootCase(t, tt, enabled)
	for _, n := range g.cloud.Nets {
		g.await("IPv4 address on "+n.NIC, "ip -4 addr show dev "+n.NIC+" | grep -q inet")
	}
	const why = "/etc/dhcpcd.conf:16: eth1: dhcpcd has one DUID for all NICs"
	for _, argv := range [][]string{
		{"v6guest", "configure"},
		{"v6guest", "configure", "--apply=live"},
		{"journalctl", "-b", "--no-pager", "-o", "cat", "-u", "v6guest-configure.service"},
	} {
		g.has(why, argv...)
		g.has("set lease = agent", argv...)
	}
	g.has("v6guest-configure.service", "systemctl", "--failed", "--no-pager")
	g.has("there is nothing to bring back", "v6guest", "restore")
	g.ipv4Stayed(tt)
	g.asBefore(tt.files)
	// And the policy that it names works.
	g.say("rm", "/etc/v6guest/v6guest.conf")
	if out, err := g.run(g.ctx, "v6guest", "configure"); err != nil || out.Code != 0 {
		t.Errorf("configure with lease = agent: %s%s, %v", out.Stdout, out.Stderr, err)
	}
}
