package distro

import (
	"slices"
	"strings"
	"time"
)

// SharesPort says whether dhcpcd works as manager and uses no DHCPv6 on a NIC: it has the client's UDP port
// for every NIC all the same, and v6guest's client has to work beside it. Of a dhcpcd that runs only what
// its file said when it started counts; one that will be started reads the file as it is. The processes are
// asked for only where the file says so. It names the process, 0 for one that will be started.
func SharesPort(t *Tree, processes func() []Process, nic NIC) (pid int, shares bool) {
	c := parseDhcpcd([]byte(t.text(dhcpcdFile)))
	if c.denies(nic.Name) == 0 && !c.withoutDHCPv6(nic.Name) {
		return 0, false
	}
	all := processes()
	if i := slices.IndexFunc(all, func(p Process) bool { return p.dhcpcdManager() }); i >= 0 {
		return all[i].PID, t.changed(dhcpcdFile).Before(all[i].Started.Add(startedWithin))
	}
	return 0, t.enabled("dhcpcd") != ""
}

// startedWithin is how exactly it is known when a process started.
const startedWithin = 5 * time.Second / clockTicks

// dhcpcdManager says whether the process is a dhcpcd that looks after all NICs: its title says so, or no NIC
// is among its arguments.
func (p *Process) dhcpcdManager() bool {
	return p.Name == "dhcpcd" && !p.dhcpcdHelper() &&
		!slices.ContainsFunc(p.Args, func(a string) bool { return !strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "[") })
}

// dhcpcdHelper says whether the process is one that a dhcpcd made, "[BPF ARP] eth0 …" or "[network proxy]",
// and not the one that others speak of: "[manager] [ip4] [ip6]" or "eth0 [ip4] [ip6]".
func (p *Process) dhcpcdHelper() bool {
	return len(p.Args) > 0 && strings.HasPrefix(p.Args[0], "[") && p.Args[0] != "[manager]" && p.Args[0] != "[master]"
}

// withoutDHCPv6 says whether the options that count for a NIC switch DHCPv6 off: the last one wins.
func (c *dhcpcdConf) withoutDHCPv6(nic string) (off bool) {
	for i := range c.options {
		o := &c.options[i]
		if !o.isFor(nic) {
			continue
		}
		switch o.key {
		case "nodhcp6", "noipv6":
			off = true
		case "dhcp6", "ipv6":
			off = false
		}
	}
	return off
}

// changed is when a file's content was changed last; the zero Time when it is not there.
func (t *Tree) changed(name string) time.Time {
	info, err := t.stat(name)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
