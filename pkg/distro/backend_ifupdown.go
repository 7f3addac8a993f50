package distro

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ifupdownBackend edits /etc/network/interfaces and what it includes, as Debian's and Ubuntu's ifupdown
// reads it. Every stanza of a NIC runs and none overrides another, so that the stanzas themselves are
// edited; nothing is added where the NIC has no inet6 stanza to stop.
type ifupdownBackend struct{}

func (ifupdownBackend) stack() Stack { return Ifupdown }

// ownLine ends the option lines that v6guest adds: a comment for the shell that runs them.
const ownLine = "# v6guest"

func (ifupdownBackend) render(w *workspace, nics []*NICPlan) error {
	var errs []error
	edits := lineEdits{}
	for _, n := range nics {
		e := &stanzaEditor{w: w, n: n, edits: edits, version: w.Tree.debian("ifupdown")}
		errs = append(errs, e.edit())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return w.putEdits(edits, nics)
}

// putEdits writes edited files, each with the reasons of its NICs.
func (w *workspace) putEdits(edits lineEdits, nics []*NICPlan) error {
	for file, list := range edits {
		b, err := w.read(file)
		if err != nil {
			return unread("", file, err)
		}
		lines := splitLines(b)
		if at := w.interfaces.unfinished[file]; at > 0 && slices.ContainsFunc(list, func(e lineEdit) bool { return len(e.add) > 0 && e.end == len(lines) }) {
			return refuse(ErrUnreadable, "", file, at, "take the backslash at the end of the file away, or write the line that it announces",
				"the line goes on behind the end of the file, and would take in what is added there")
		}
		var why []string
		for _, n := range nics {
			why = append(why, whyOf(n))
		}
		w.put(file, joinLines(applyEdits(lines, list)), 0o644, why...)
	}
	return nil
}

// whyOf is what a change of a NIC's files is for.
func whyOf(n *NICPlan) string {
	who, role := "v6guest leases", "the default NIC"
	if n.Want.Lease == LeaseDistro {
		who = "the distribution's own client leases, with a DUID-LL"
	}
	if !n.Want.Default {
		role = "not the default NIC: no IPv6 default route through it"
	}
	return n.name() + ": " + who + "; " + role
}

// A stanzaEditor edits the stanzas of one NIC.
type stanzaEditor struct {
	w       *workspace
	n       *NICPlan
	edits   lineEdits
	version version
}

// plainNames are the letters of NICs' names that no shell takes for something else.
const plainNames = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:@+"

// checkStanzas refuses what cannot be edited.
func (w *workspace) checkStanzas(n *NICPlan) error {
	i := w.interfaces
	if i == nil {
		return refuse(ErrUnsupported, n.name(), interfacesFile, 0, "install ifupdown, or leave out --backend", "ifup is not installed")
	}
	if i.problem != nil {
		return i.problem
	}
	if s := i.named(n.name()); s != nil && strings.Trim(n.name(), plainNames) != "" { // it goes into a line that a shell runs
		return refuse(ErrUnsupported, n.name(), s.file, s.start+1, "give the NIC a name of letters, digits and .-_:@+", "a shell would read the NIC's name as more than a name")
	}
	if s, logical := i.starter(n.name()); logical != "" {
		return refuse(ErrUnreadable, n.name(), s.file, s.start+1, "name the NIC in a line and a stanza of its own", "the line gives the NIC the stanza %s, and maybe not only this NIC", logical)
	}
	for _, c := range i.cut {
		if slices.Contains(c.behind, n.name()) {
			return c.why
		}
	}
	if m := i.mapping(n.name()); m != nil {
		return refuse(ErrUnreadable, n.name(), m.file, m.start+1, "name the NIC in a stanza of its own", "a mapping script decides which stanza the NIC gets")
	}
	if master, s, o := i.master(n.name()); s != nil {
		return refuse(ErrClaimed, n.name(), s.file, o.line+1, "manage "+master+" instead", "the NIC is a port of %s", master)
	}
	if n.Want.Lease == LeaseDistro && i.named(n.name()) == nil {
		return refuse(ErrUnsupported, n.name(), interfacesFile, 0, "write an iface stanza for the NIC, or set lease = agent", "no stanza is about the NIC")
	}
	for _, s := range i.of(n.name(), "inet6") {
		if s.head-s.start > 1 {
			return refuse(ErrUnreadable, n.name(), s.file, s.start+1, "write the iface line without a backslash", "the iface line goes over several lines")
		}
	}
	return nil
}

// edit plans the NIC's stanzas.
func (e *stanzaEditor) edit() error {
	if err := e.w.checkStanzas(e.n); err != nil {
		return err
	}
	if !e.runsDhcpcd() {
		e.n.dhclientLive("/run/dhclient6."+e.n.name()+".pid", "/var/lib/dhcp/dhclient6."+e.n.name()+".leases")
	}
	switch {
	case e.w.options.Recipe:
		return e.recipe()
	case e.n.Want.Lease == LeaseDistro:
		return e.distro()
	}
	return e.agent()
}

// dynamic is the NIC's inet6 stanzas that lease or autoconfigure, and those that an earlier run of
// v6guest made of such.
func (e *stanzaEditor) dynamic() (out []*stanza) {
	for _, s := range e.w.interfaces.of(e.n.name(), "inet6") {
		if m := s.word(3); m == "auto" || m == "dhcp" || m == "manual" && len(ownOptions(s)) > 0 {
			out = append(out, s)
		}
	}
	return out
}

// ownOptions is the options of a stanza that v6guest added.
func ownOptions(s *stanza) (out []option) {
	for _, o := range s.options {
		if o.own {
			out = append(out, o)
		}
	}
	return out
}

// runsDhcpcd reports whether ifup starts dhcpcd for the NIC's IPv4 (Debian 13): it does IPv6 as well.
func (e *stanzaEditor) runsDhcpcd() bool {
	return e.n.Finding.Client == "dhcpcd" &&
		slices.ContainsFunc(e.w.interfaces.of(e.n.name(), "inet"), func(s *stanza) bool { return s.word(3) == "dhcp" })
}

// agent makes the stack leave DHCPv6 and autoconfiguration alone.
func (e *stanzaEditor) agent() error {
	acceptRA := e.n.kernelRA()
	if e.runsDhcpcd() {
		e.n.note("ifup runs dhcpcd for IPv4, which does Router Advertisements and DHCPv6 too: it is told in " + dhcpcdFile)
		if err := e.w.dhcpcdAgent(e.n); err != nil {
			return err
		}
		if e.n.Want.Default {
			acceptRA = 0
		}
	}
	stanzas := e.dynamic()
	for i, s := range stanzas {
		var add []string
		if i == 0 && e.hookLine(acceptRA) != e.ownOption(s) {
			add = []string{e.hookLine(acceptRA)}
		}
		e.method(s, "manual")
		e.replaceOwn(s, add, i == 0)
	}
	if changed := e.static(acceptRA); len(stanzas) == 0 && !changed {
		e.n.note("nothing in " + interfacesFile + " needs a change: the NIC has no inet6 auto or dhcp stanza")
	}
	e.noteStatic()
	return nil
}

// static makes the NIC's static stanzas leave Router Advertisements and autoconfiguration off where they
// are to be off: ifup sets what they say after every pre-up line.
func (e *stanzaEditor) static(acceptRA int) (changed bool) {
	for _, s := range e.w.interfaces.of(e.n.name(), "inet6") {
		if s.word(3) == "static" {
			changed = e.switchesOff(s, acceptRA) || changed
		}
	}
	return changed
}

// switchesOff sets a stanza's own options for the kernel's switches to 0, where they are to be that.
func (e *stanzaEditor) switchesOff(s *stanza, acceptRA int) (changed bool) {
	lines := splitLines([]byte(e.w.Tree.text(s.file)))
	for _, o := range s.options {
		key := strings.ReplaceAll(o.key, "_", "-")
		if o.value == "0" || key != "autoconf" && (key != "accept-ra" || acceptRA != 0) {
			continue
		}
		e.edits.replace(s.file, o.line, o.end, indent(lines[o.line])+o.key+" 0")
		changed = true
	}
	return changed
}

// noteStatic tells what a static stanza does beside.
func (e *stanzaEditor) noteStatic() {
	for _, s := range e.w.interfaces.of(e.n.name(), "inet6") {
		if s.word(3) != "static" {
			continue
		}
		if o, ok := s.option("gateway"); ok {
			e.n.note(fmt.Sprintf("%s:%d gives an IPv6 gateway: it stays, and ifup switches Router Advertisements off there", s.file, o.line+1))
		}
	}
}

// hookLine is the option that sets the switches before the link comes up, so that no first Router
// Advertisement is faster. It works with every version.
func (e *stanzaEditor) hookLine(acceptRA int) string {
	nic := e.n.name()
	return fmt.Sprintf("pre-up sysctl -q -e -w %s%s=%d %s=0 || true %s",
		e.noDefaultRoute(), switchName(nic, "accept_ra"), acceptRA, switchName(nic, "autoconf"), ownLine)
}

// noDefaultRoute is the switch that keeps the default route alone away, in front of others; empty where it is
// not needed.
func (e *stanzaEditor) noDefaultRoute() string {
	if !e.n.keepsRA() {
		return ""
	}
	return switchName(e.n.name(), "accept_ra_defrtr") + "=0 "
}

// ownOption is the text of the first option that v6guest added to a stanza.
func (e *stanzaEditor) ownOption(s *stanza) string {
	if own := ownOptions(s); len(own) > 0 {
		return strings.TrimSpace(splitLines([]byte(e.w.Tree.text(s.file)))[own[0].line])
	}
	return ""
}

// method changes a stanza's method.
func (e *stanzaEditor) method(s *stanza, method string) {
	if s.word(3) != method {
		line := splitLines([]byte(e.w.Tree.text(s.file)))[s.start]
		e.edits.replace(s.file, s.start, s.head, replaceWord(body(line), 3, method))
	}
}

// replaceOwn adds lines at the end of a stanza and takes those away that v6guest added earlier, unless
// they are the same (keep, and nothing to add).
func (e *stanzaEditor) replaceOwn(s *stanza, add []string, keep bool) {
	if !keep || len(add) > 0 {
		for _, o := range ownOptions(s) {
			e.edits.replace(s.file, o.line, o.end)
		}
	}
	e.add(s, add...)
}

// add puts options at the end of a stanza, indented as its others are.
func (e *stanzaEditor) add(s *stanza, options ...string) {
	if len(options) == 0 {
		return
	}
	blanks := e.indentOf(s)
	for i := range options {
		options[i] = blanks + options[i]
	}
	e.edits.replace(s.file, s.end, s.end, options...)
}

// indentOf is how options are indented in a stanza, else in its file.
func (e *stanzaEditor) indentOf(s *stanza) string {
	lines := splitLines([]byte(e.w.Tree.text(s.file)))
	if len(s.options) > 0 {
		return indent(lines[s.options[0].line])
	}
	for _, other := range e.w.interfaces.stanzas {
		if other.file == s.file && len(other.options) > 0 {
			return indent(lines[other.options[0].line])
		}
	}
	return "    "
}

// distro makes dhclient lease with a DUID-LL.
func (e *stanzaEditor) distro() error {
	if e.runsDhcpcd() {
		e.n.note("ifup runs dhcpcd for IPv4, which leases IPv6 too")
		for _, s := range e.dynamic() {
			e.method(s, "manual")
			e.replaceOwn(s, nil, false)
		}
		return e.w.dhcpcdDistro(e.n)
	}
	if e.w.Tree.program("dhclient") == "" {
		return refuse(ErrUnsupported, e.n.name(), "", 0, "set lease = agent, or install isc-dhcp-client", "no DHCPv6 client that ifup knows is installed")
	}
	stanzas := e.dynamic()
	for _, s := range append(stanzas, e.lastStanza()) {
		if ending(splitLines([]byte(e.w.Tree.text(s.file)))) != "\n" {
			return refuse(ErrUnreadable, e.n.name(), s.file, 1, "give the file LF line endings, or set lease = agent",
				"ifup takes the CR of CRLF line endings for a part of accept_ra's value")
		}
	}
	options := e.leaseOptions()
	for i, s := range stanzas {
		if i > 0 { // a second one would start dhclient twice
			e.method(s, "manual")
			e.replaceOwn(s, nil, false)
			continue
		}
		e.method(s, "dhcp")
		e.setOptions(s, options)
	}
	if len(stanzas) == 0 {
		e.newStanza(options)
	}
	e.static(e.n.kernelRA())
	return e.w.dhclientDUID(e.n.name(), dhclientFile)
}

// leaseOptions is what stands under `inet6 dhcp`: the key, "-" and "_" alike, and the value.
func (e *stanzaEditor) leaseOptions() [][2]string {
	acceptRA := strconv.Itoa(e.n.kernelRA())
	if e.n.Want.Default {
		e.n.note("accept_ra is 2, not 1: with 1 the default route is lost as soon as forwarding is switched on")
	}
	if e.version.known() && !e.version.atLeast(0, 7, 1) {
		e.n.note("ifupdown " + e.version.String() + " knows no accept_ra under inet6 dhcp: the switches are set before the link comes up")
		value := e.hookLine(e.n.kernelRA())
		return [][2]string{{"pre-up", strings.TrimPrefix(value, "pre-up ")}}
	}
	options := [][2]string{{"accept_ra", acceptRA}, {"autoconf", "0"}}
	if set := e.noDefaultRoute(); set != "" {
		options = append(options, [2]string{"pre-up", "sysctl -q -e -w " + set + "|| true " + ownLine})
	}
	return options
}

// setOptions gives options their values: in the lines that hold, else in new ones.
func (e *stanzaEditor) setOptions(s *stanza, options [][2]string) {
	var add []string
	lines := splitLines([]byte(e.w.Tree.text(s.file)))
	for _, o := range ownOptions(s) {
		if !slices.Contains(options, [2]string{o.key, o.value}) {
			e.edits.replace(s.file, o.line, o.end)
		}
	}
	for _, want := range options {
		old, ok := s.option(strings.ReplaceAll(want[0], "_", "-"))
		switch {
		case want[0] == "pre-up":
			if !slices.ContainsFunc(s.options, func(o option) bool { return o.key == want[0] && o.value == want[1] }) {
				add = append(add, want[0]+" "+want[1])
			}
		case !ok:
			add = append(add, want[0]+" "+want[1])
		case old.value != want[1]:
			text := body(lines[old.line])
			e.edits.replace(s.file, old.line, old.end, text[:len(text)-len(strings.TrimLeft(text, " \t"))]+old.key+" "+want[1])
		}
	}
	e.add(s, add...)
}

// newStanza adds `iface X inet6 dhcp` behind the NIC's last stanza.
func (e *stanzaEditor) newStanza(options [][2]string) {
	after := e.lastStanza()
	blanks := e.indentOf(after)
	lines := []string{"iface " + e.n.name() + " inet6 dhcp"}
	for _, o := range options {
		lines = append(lines, blanks+o[0]+" "+o[1])
	}
	e.edits.replace(after.file, after.end, after.end, lines...)
}

// lastStanza is the NIC's last stanza, or the line that brings it up.
func (e *stanzaEditor) lastStanza() *stanza {
	own := e.w.interfaces.of(e.n.name())
	if len(own) == 0 {
		return e.w.interfaces.named(e.n.name())
	}
	return own[len(own)-1]
}
