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
		return unread(nic, file, err)
	}
	lines := splitLines(b)
	c := parseDhclient(string(b))
	switch {
	case c.unfinished > 0:
		return refuse(ErrUnreadable, nic, file, c.unfinished, "finish it: a statement ends with a semicolon, a block with a brace, a text with a quote",
			"what begins here is not finished at the end of the file, or its braces do not match")
	case c.other > 0:
		return refuse(ErrClaimed, nic, file, c.other, "remove the line, or set lease = agent", "another dhcp6.client-id is set")
	case c.same:
		return nil
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

// A dhclientConf is what matters here of a configuration of dhclient.
type dhclientConf struct {
	same       bool // our own statement is there, for every NIC
	other      int  // number of the line, from 1, of one that sets another DHCPv6 client id; 0 if there is none
	unfinished int  // number of the line that begins what does not end in the file; 0 if all ends
}

// parseDhclient reads statements. Texts in quotes may go over lines, and only "#" begins a comment.
func parseDhclient(text string) (c dhclientConf) {
	var statement strings.Builder
	var blocks []int // lines where the open ones begin
	line, begun := 1, 0
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case b == '#':
			for i+1 < len(text) && text[i+1] != '\n' {
				i++
			}
		case b == ';' || b == '{' || b == '}':
			c.take(statement.String(), begun, len(blocks))
			statement.Reset()
			switch {
			case b == '{':
				blocks = append(blocks, max(begun, 1))
			case b == '}' && len(blocks) > 0:
				blocks = blocks[:len(blocks)-1]
			case b == '}':
				c.unfinished = line
			}
			begun = 0
		case strings.IndexByte(" \t\r\n\v\f\x00", b) >= 0:
			statement.WriteByte(' ')
		default:
			if begun == 0 {
				begun = line
			}
			end := i + 1
			if b == '"' {
				end = quoteEnd(text, i)
			}
			statement.WriteString(text[i:end])
			line += strings.Count(text[i:end], "\n")
			i = end - 1
			continue
		}
		if text[i] == '\n' {
			line++
		}
	}
	if begun == 0 && len(blocks) > 0 {
		begun = blocks[0]
	}
	if c.unfinished == 0 {
		c.unfinished = begun
	}
	return c
}

// quoteEnd is where the quoted text that begins at i ends, behind its quote.
func quoteEnd(text string, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// take looks at one statement, in so many blocks.
func (c *dhclientConf) take(statement string, line, blocks int) {
	words := strings.Fields(strings.ReplaceAll(statement, "=", " = "))
	if len(words) < 2 || words[1] != "dhcp6.client-id" || !slices.Contains([]string{"send", "supersede", "default", "prepend", "append"}, words[0]) {
		return
	}
	switch {
	case strings.Join(words, "")+";" != strings.ReplaceAll(duidLine, " ", ""):
		c.other = line
	case blocks == 0:
		c.same = true
	}
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
