package main

import (
	"github.com/v6guest/v6guest/cmd/internal/manual"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/responder"
)

// book is what the manual is made of; see package manual.
func (e *env) book() *manual.Book {
	app := e.app()
	e.Finish(app)
	b := &manual.Book{
		App:   app,
		Title: "DHCPv6 server and Router Advertisements for reserved addresses",
		About: "`v6responder` is the router's side of v6guest(8): a DHCPv6 server that gives every NIC the address reserved for its MAC, from the hosts file " +
			"that CloudStack's virtual router writes for dnsmasq, or made of prefix and MAC; and a sender of Router Advertisements.\n\n" +
			"v6responder.service runs `v6responder serve` as the user _v6responder with two capabilities. It is not started before a network is configured.\n\n" +
			"Reservations are safe from other guests only where the hypervisor, or the switch, keeps guests from sending frames with a MAC that is not theirs.",
		Exits: []int{fault.ExitDone, fault.ExitFailure, fault.ExitUsage, fault.ExitNotPermitted},
		Signals: []manual.Entry{
			{Term: "SIGTERM, SIGINT", Text: "Stop: guests are told by Router Advertisements with lifetime 0 that this router is none any more."},
			{Term: "SIGUSR1", Text: "Stop for a restart: guests are told nothing and keep their route. systemd from 244 on sends it (RestartKillSignal=)."},
			{Term: "SIGHUP", Text: "Read the configuration and the hosts anew, as `v6responder reload`. A configuration with a mistake changes nothing."},
		},
		Files: []manual.Entry{
			{Term: responder.DefaultConfigFile, Text: "The configuration; at least one network is needed. See v6responder.conf(5)."},
			{Term: responder.DefaultConfigFile + ".d/*.conf", Text: "Files that override it, in the order of their names."},
			{Term: "/etc/v6responder/hosts", Text: "The reservations, where the configuration names no other file: in the syntax of dnsmasq's dhcp-hostsfile, read anew at each change."},
			{Term: responder.DefaultStateDir, Text: "What is kept: the server's DUID (server-duid.json) and the bindings of pools and the hosts that were added by command (leases.db)."},
			{Term: responder.DefaultRunDir, Text: "The control socket."},
		},
		Examples: []manual.Entry{
			{Term: responder.SmallestConfig, Text: "The smallest configuration:"},
			{Term: "id:00:03:00:01:06:a0:f0:00:00:38,[2001:db8:1::38],vm-38,infinite", Text: "A line of the hosts file:"},
			{Term: "v6responder check-config", Text: "Check both before they count:"},
		},
		SeeAlso:   []string{"v6guest(8)", "dnsmasq(8)", "radvd(8)"},
		ConfTitle: "configuration of v6responder",
		ConfAbout: "The file is read when v6responder(8) is started, and anew by `v6responder reload`. A [server] section holds what is true for all networks; each network has a section " +
			"[network NAME], whose name is for messages. A section [class TAG], or [class TAG NETWORK] for one network, may hold dns, search, ntp, option.NN, the two " +
			"lifetimes and information_refresh: they are for clients whose hosts line has set:TAG, in place of the network's; a key without a value takes away.\n\n" +
			manual.IniRules,
		Conf: "Configuration of v6responder: see v6responder.conf(5). What stands behind a ';' is the default.\n" +
			"Needed are the hosts file and one network: take the ';' off [network NAME], interface and prefix, and fill them in. Then:\n" +
			"`v6responder check-config && systemctl reload-or-restart v6responder`",
		Set: map[string]string{"hosts": "hosts = /etc/v6responder/hosts"},
	}
	for _, k := range responder.Keys() {
		section := k.Section
		if section == "network" {
			section = "network NAME"
		}
		b.Keys = append(b.Keys, manual.Key{Section: section, Name: k.Name, Default: k.Default, Values: k.Values, Unit: k.Unit, Sentence: k.Sentence})
	}
	return b
}
