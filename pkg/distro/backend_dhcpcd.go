package distro

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// dhcpcdBackend appends marked blocks to dhcpcd.conf: blocks of one NIC add up, and one ends only where
// the next begins, so that a block at the end is safe and a global option there is not.
type dhcpcdBackend struct{}

func (dhcpcdBackend) stack() Stack { return Dhcpcd }

func (dhcpcdBackend) render(w *workspace, nics []*NICPlan) error {
	var errs []error
	for _, n := range nics {
		if n.Want.Lease == LeaseDistro {
			errs = append(errs, w.dhcpcdDistro(n))
		} else {
			errs = append(errs, w.dhcpcdAgent(n))
		}
	}
	return errors.Join(errs...)
}

// dhcpcdRereads makes a running dhcpcd read its file again.
func dhcpcdRereads(nic string) LiveStep {
	return LiveStep{
		Argv: []string{"dhcpcd", "-n", nic}, CutsIPv4: true, Why: "dhcpcd reads its file again; it deletes the IPv4 address and adds it back",
	}
}

// dhcpcdAgent tells dhcpcd to leave DHCPv6 on a NIC alone.
func (w *workspace) dhcpcdAgent(n *NICPlan) error {
	options := []string{"nodhcp6", "ipv6ra_noautoconf"}
	if n.Want.Default {
		n.stackDoesRA()
		n.note("dhcpcd processes Router Advertisements; it installs the default route once the NIC has a global address, and v6guest's counts")
	} else {
		options = []string{"nodhcp6", "noipv6rs"}
		n.note("noipv6 would leave the NIC without link-local address")
	}
	v := w.Tree.debian("dhcpcd-base")
	if !v.known() {
		v = w.Tree.debian("dhcpcd5")
	}
	if n.Want.Default && v.known() && !v.atLeast(6, 7) {
		options = []string{"nodhcp6", "noipv6rs"}
		n.RA = RAKernel
		n.note("dhcpcd " + v.String() + " cannot do Router Advertisements without autoconfiguration: the kernel does them")
	}
	c, err := w.readDhcpcd(n)
	if err != nil {
		return err
	}
	if o := c.lastOff(n.name(), "noipv6rs"); o != nil && n.RA == RAStack {
		options = append(options, "ipv6rs")
		n.note(fmt.Sprintf("%s:%d switches Router Solicitations off: the NIC gets ipv6rs, without which dhcpcd hears no router", dhcpcdFile, o.line+1))
	}
	n.Live = append(n.Live, dhcpcdRereads(n.name()))
	lines := append([]string{markBegin + n.name(), "interface " + n.name()}, options...)
	w.putBlock(dhcpcdFile, n, append(lines, markEnd+n.name()))
	return nil
}

// readDhcpcd reads dhcpcd.conf as the user wrote it, without v6guest's block, and refuses what would make that block void.
func (w *workspace) readDhcpcd(n *NICPlan) (*dhcpcdConf, error) {
	b, err := w.read(dhcpcdFile)
	if err != nil {
		return nil, unread(n.name(), dhcpcdFile, err)
	}
	c := parseDhcpcd(b)
	if i := slices.IndexFunc(c.lines, func(l string) bool { return strings.HasSuffix(l, "\r\n") }); i >= 0 {
		return nil, refuse(ErrUnreadable, n.name(), dhcpcdFile, i+1, "give the file LF line endings", "dhcpcd takes the CR of CRLF line endings for a part of each option")
	}
	for _, option := range []string{"noipv6", "ipv4only"} {
		if o := c.lastOff(n.name(), option); o != nil {
			return nil, refuse(ErrClaimed, n.name(), dhcpcdFile, o.line+1, "remove the line", "%s switches IPv6 off%s", option, o.where())
		}
	}
	own := slices.IndexFunc(c.lines, func(l string) bool { return strings.TrimSpace(l) == markEnd+n.name() })
	if o := c.lastOff(n.name(), "noipv6rs"); own >= 0 && o != nil && o.line > own && n.Want.Default {
		return nil, refuse(ErrClaimed, n.name(), dhcpcdFile, o.line+1, "remove the line, or move it in front of "+strings.TrimSpace(c.lines[own]), "dhcpcd reads noipv6rs after v6guest's own block")
	}
	return c, nil
}

// putBlock makes lines the marked region of a NIC at the end of a file.
func (w *workspace) putBlock(file string, n *NICPlan, lines []string) {
	b, _ := w.read(file) // the caller has read it
	old := splitLines(b)
	start := slices.IndexFunc(old, func(l string) bool { return strings.TrimSpace(l) == lines[0] })
	if start >= 0 && bytes.Contains(b, []byte(strings.Join(lines, ending(old)))) {
		return // it is there already, and what stands behind it is somebody's wish
	}
	old = withoutMarked(old, n.name())
	if len(old) > 0 && strings.TrimSpace(old[len(old)-1]) != "" {
		lines = append([]string{""}, lines...)
	}
	w.put(file, joinLines(insertLines(old, len(old), lines...)), 0o644, whyOf(n))
}

// dhcpcdDUIDLine is the number, from 1, of the line that sets dhcpcd's DUID; 0 if there is none.
func (w *workspace) dhcpcdDUIDLine() int {
	if o := parseDhcpcd([]byte(w.Tree.text(dhcpcdFile))).global("duid"); o != nil {
		return o.line + 1
	}
	return 0
}

// dhcpcdDistro lets dhcpcd lease with a DUID-LL, which it can on a guest with one NIC only.
func (w *workspace) dhcpcdDistro(n *NICPlan) error {
	for _, other := range w.all {
		if other.NIC.Name != n.name() {
			return refuse(ErrUnsupported, n.name(), dhcpcdFile, w.dhcpcdDUIDLine(), "set lease = agent", "dhcpcd has one DUID for all NICs, so that only one of several gets its address")
		}
	}
	for _, file := range []string{"/var/lib/dhcpcd/duid", "/etc/dhcpcd.duid"} {
		if w.Tree.Exists(file) {
			return refuse(ErrClaimed, n.name(), file, 1, "remove the file, or set lease = agent", "a stored DUID wins over dhcpcd.conf")
		}
	}
	c, err := w.readDhcpcd(n)
	if err != nil {
		return err
	}
	for _, option := range []string{"noipv6rs", "nodhcp6"} {
		if o := c.lastOff(n.name(), option); o != nil {
			return refuse(ErrClaimed, n.name(), dhcpcdFile, o.line+1, "remove the line, or set lease = agent", "with %s dhcpcd does not lease", option)
		}
	}
	n.stackDoesRA()
	n.Live = append(n.Live, dhcpcdRereads(n.name()))
	duid := c.global("duid")
	if duid != nil && slices.Equal(duid.values, []string{"ll"}) {
		return nil
	}
	if clientid := c.global("clientid"); clientid == nil || duid != nil && duid.line > clientid.line {
		line := 0
		if duid != nil {
			line = duid.line + 1
		}
		return refuse(ErrUnsupported, n.name(), dhcpcdFile, line, "set lease = agent", "IPv4's client id is made of the DUID as well and would change")
	}
	lines := c.lines
	if duid != nil {
		text := body(lines[duid.line])
		lines = applyEdits(lines, []lineEdit{{duid.line, duid.line + 1, []string{indent(text) + "duid ll"}}})
	} else {
		at := c.global("clientid").line
		lines = insertLines(lines, at, "duid ll")
	}
	w.put(dhcpcdFile, joinLines(lines), 0o644, whyOf(n))
	return nil
}
