package main

import (
	"github.com/v6guest/v6guest/cmd/internal/manual"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/guest"
)

// book is what the manual is made of; see package manual.
func (e *env) book() *manual.Book {
	app := e.app()
	e.Finish(app)
	b := &manual.Book{
		App:   app,
		Title: "reserved IPv6 addresses of a cloud guest",
		About: "`v6guest` gives every NIC of a virtual machine the IPv6 address that the cloud has reserved for it, and keeps it: by DHCPv6, with a " +
			"DUID-LL of the NIC's own MAC. Only the default NIC gives an IPv6 default route.\n\n" +
			"`v6guest run` is the agent, started at boot by v6guest.service. Before any network stack reads its files, v6guest-configure.service has " +
			"`v6guest configure` make them agree. v6guest-wait-online.service makes network-online.target mean that the default NIC has an address. " +
			"No configuration is needed.",
		Exits: []int{
			fault.ExitDone, fault.ExitFailure, fault.ExitUsage, fault.ExitNoServer, fault.ExitRefused, fault.ExitInUse, fault.ExitNotPermitted,
		},
		Signals: []manual.Entry{
			{Term: "SIGTERM, SIGINT", Text: "The agent stops. Addresses, routes and kernel switches stay as they are, unless release_on_stop says otherwise."},
			{Term: "SIGUSR1", Text: "The agent stops for a restart: nothing is released. systemd from 244 on sends it (RestartKillSignal=)."},
		},
		Files: []manual.Entry{
			{Term: guest.DefaultConfigFile, Text: "The configuration; all of it is optional. See v6guest.conf(5)."},
			{Term: guest.DefaultConfigFile + ".d/*.conf", Text: "Files that override it, in the order of their names."},
			{Term: guest.DefaultStateDir + "/lease", Text: "The lease of each NIC, by its MAC, with the server's Reply."},
			{Term: guest.DefaultStateDir + "/default-nic.json", Text: "The MAC of the default NIC, so that roles do not change between boots."},
			{Term: guest.DefaultStateDir + "/backup", Text: "The originals of files that `v6guest configure` changed, for `v6guest restore`."},
			{Term: guest.DefaultRunDir + "/v6guest.sock", Text: "The agent's control socket (root only)."},
			{Term: "/etc/sysctl.d/99-v6guest.conf", Text: "The kernel's switches for each NIC, written by `v6guest configure`, removed by `v6guest restore`."},
		},
		Examples: []manual.Entry{
			{Term: "v6guest status", Text: "What every NIC has, what is missing, and why:"},
			{Term: "v6guest lease eth0 -v", Text: "Lease now, or notice a changed reservation, and show every packet:"},
			{Term: "v6guest duid", Text: "What the cloud must know each NIC by:"},
			{Term: "v6guest configure --dry-run", Text: "What would be changed in the distribution's network files:"},
			{Term: "v6guest configure --root /mnt/image --nic eth0=06:a0:f0:00:00:38", Text: "Prepare an image that is not running:"},
		},
		SeeAlso:   []string{"v6responder(8)", "sysctl.d(5)", "systemd-networkd.service(8)", "NetworkManager(8)", "interfaces(5)", "dhcpcd(8)", "dhclient(8)"},
		ConfTitle: "configuration of v6guest",
		ConfAbout: "The file is read by each command of v6guest(8); the running agent goes on with what it read when it was started. It need not exist.\n\n" + manual.IniRules,
		Conf: "Configuration of v6guest: see v6guest.conf(5). All of it is optional. What stands here behind a ';' is the default.\n" +
			"What holds for one NIC only stands in a section of its own: [nic eth1], or [nic 06:a0:f0:00:00:38].\n" +
			"`v6guest run --dry-run` shows what follows from a change; `systemctl restart v6guest` makes it count.",
	}
	for _, k := range guest.Keys() {
		b.Keys = append(b.Keys, manual.Key{
			Section: "agent", PerNIC: k.PerNIC, Name: k.Name, Default: k.Default, Values: k.Values, Unit: k.Unit, Sentence: k.Sentence,
		})
	}
	return b
}
