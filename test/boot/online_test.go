package boot

import "github.com/v6guest/v6guest/test/cloud"

// onlineFile has what a service found that starts when the network is there.
const onlineFile = "/run/online"

// needsNetwork is such a service, as any that asks the network once at its start.
var needsNetwork = []file{
	text("/etc/systemd/system/needs-network.service", `[Unit]
Wants=network-online.target
After=network-online.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=sh -c 'ip -6 address show scope global -tentative; ping -c 1 -w 60 `+cloud.Outside.String()+` 2>&1; true'
StandardOutput=file:`+onlineFile+"\n"),
	link("/etc/systemd/system/multi-user.target.wants/needs-network.service", "/etc/systemd/system/needs-network.service"),
}

// wasOnline checks that IPv6 worked on the default NIC when network-online.target was reached in this boot.
func (g *machine) wasOnline(tt guestCase) {
	g.t.Helper()
	g.has(" "+g.cloud.Nets[tt.way].Reserved.Addr.String()+"/128 ", "cat", onlineFile)
	g.has(", 1 received,", "cat", onlineFile)
	g.has("has "+g.cloud.Nets[tt.way].Reserved.Addr.String(), "journalctl", "-b", "--no-pager", "-o", "cat", "-u", "v6guest-wait-online.service")
	g.has(g.cloud.Nets[tt.way].Reserved.Addr.String(), "systemctl", "show", "-P", "StatusText", "v6guest.service")
}
