package distro

import (
	"slices"
	"strings"
)

// duidLine makes ISC dhclient send a DUID-LL (type 3, hardware type and address) of whatever NIC it
// runs on. IPv4 does not see it.
const duidLine = "send dhcp6.client-id = concat(00:03:00, hardware);"

// dhclientFile is dhclient's configuration on Debian, Ubuntu and Red Hat 6 and later.
const dhclientFile = "/etc/dhcp/dhclient.conf"

// dhclientDUID puts the line into a configuration of dhclient.
func (w *workspace) dhclientDUID(nic, file string) error {
	b, err := w.read(file)
	if err != nil {
		return refuse(ErrUnreadable, nic, file, 0, "", "%v", err)
	}
	lines := splitLines(b)
	line, same, open := findClientID(lines)
	switch {
	case same:
		return nil
	case line > 0:
		return refuse(ErrClaimed, nic, file, line, "remove the line, or set lease = agent", "another dhcp6.client-id is set")
	case open:
		return refuse(ErrUnreadable, nic, file, 0, "repair the file", "its braces do not match")
	}
	w.put(file, joinLines(insertLines(lines, len(lines), duidLine)), 0o644,
		"dhclient -6 sends a DUID-LL made of the NIC's own MAC; the line holds for every NIC, and IPv4 does not see it")
	return nil
}

// dhclientLive ends the DHCPv6 client that runs, and starts it anew where the distribution is to lease.
// Nothing is brought down and up: that would drop IPv4.
func (n *NICPlan) dhclientLive(pid, leases string, options ...string) {
	n.Live = append(n.Live, LiveStep{StopPID: pid, Why: "ends the distribution's DHCPv6 client; IPv4 stays"})
	if n.Want.Lease == LeaseDistro {
		argv := append([]string{"dhclient", "-6", "-nw"}, options...)
		n.Live = append(n.Live, LiveStep{Argv: append(argv, "-pf", pid, "-lf", leases, n.name()), Why: "starts it with a DUID-LL"})
	}
}

// findClientID looks for a statement that sets the DHCPv6 client id: its line, whether it is ours, and
// whether a brace stays open at the end.
func findClientID(lines []string) (line int, same, open bool) {
	depth := 0
	for i, l := range lines {
		text := uncommentDhclient(body(l))
		depth += strings.Count(text, "{") - strings.Count(text, "}")
		words := strings.Fields(text)
		if slices.Contains(words, "dhcp6.client-id") || slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, "dhcp6.client-id=") }) {
			line = i + 1
			same = strings.Join(words, "") == strings.ReplaceAll(duidLine, " ", "")
		}
	}
	return line, same, depth != 0
}

// uncommentDhclient takes comments and quoted texts out of a line.
func uncommentDhclient(line string) string {
	var out strings.Builder
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == '#' && !quoted:
			return out.String()
		case !quoted:
			out.WriteByte(c)
		}
	}
	return out.String()
}

// dhclientVersion is that of the installed ISC dhclient; nil if unknown.
func (d *detector) dhclientVersion() version {
	if v := d.Tree.debian("isc-dhcp-client"); v.known() {
		return v
	}
	r := d.Tree.release()
	if r.rhel && r.version.known() {
		return map[int]version{6: {4, 1}, 7: {4, 2}, 8: {4, 3}, 9: {4, 4}}[r.version[0]]
	}
	return nil
}
