package boot

import "testing"

// TestDNSOnABootedGuest: networkd looks after the NICs, so that systemd-resolved takes nothing of them by
// command; it is told by a file of its own.
func TestDNSOnABootedGuest(t *testing.T) {
	needLong(t)
	tt := caseOf("debian13-networkd")
	g := bootCase(t, tt, enabled)
	g.asReserved(tt)
	g.logs("v6guest.service", `DNS servers handed over" to=systemd-resolved`)
	server := g.cloud.Nets[0].Host(0x53).String()
	global := []string{"sh", "-c", "resolvectl dns | grep ^Global; resolvectl domain | grep ^Global"} // networkd tells it of its links itself
	told := func(what string) {
		t.Helper()
		t.Log(what)
		g.has(server, global...)
		g.has("lab.example", global...)
	}
	told("at boot")
	g.has(server, "cat", "/run/systemd/resolved.conf.d/90-v6guest.conf")
	g.do("systemctl", "restart", "systemd-resolved.service")
	told("systemd-resolved was started anew")
	g.do("systemctl", "restart", "v6guest.service")
	told("v6guest was started anew")
	g.do("systemctl", "stop", "v6guest.service")
	g.hasNot(server, global...)
	g.has("No such file", "cat", "/run/systemd/resolved.conf.d/90-v6guest.conf")
}
