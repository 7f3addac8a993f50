package boot

import "testing"

// TestAHungAgentIsStartedAnew: one that is stopped in the middle of its work feeds no watchdog. systemd ends it and starts another; the
// addresses stay on the NICs meanwhile.
func TestAHungAgentIsStartedAnew(t *testing.T) {
	needLong(t)
	tt := caseOf("debian13-ifupdown-dhcpcd")
	tt.files = append(tt.files[:len(tt.files):len(tt.files)], text("/etc/systemd/system/v6guest.service.d/lab.conf", "[Service]\nWatchdogSec=30s\n"))
	g := bootCase(t, tt, enabled)
	g.asReserved(tt)
	g.do("systemctl", "kill", "--kill-whom=main", "-s", "STOP", "v6guest.service")
	g.logs("v6guest.service", "Watchdog timeout")
	g.started(2)
	g.asReserved(tt)
	g.keptAddresses(g.cloud.Nets...)
	g.ipv4Stayed(tt)
	t.Log(g.say("journalctl", "-b", "--no-pager", "-o", "short-monotonic", "-u", "v6guest.service", "-g", "atchdog|SIGABRT|started|Failed|Scheduled"))
}
