package distro

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// ifupdown2Backend edits /etc/network/interfaces as ifupdown2 reads it (Cumulus, Proxmox VE). It purges
// addresses that are not in the file at each ifreload, unless it is told not to.
type ifupdown2Backend struct{}

func (ifupdown2Backend) stack() Stack { return Ifupdown2 }

// ifupdown2Policy is a file of v6guest's own that ifupdown2 reads defaults from.
const ifupdown2Policy = "/etc/network/ifupdown2/policy.d/v6guest.json"

func (ifupdown2Backend) render(w *workspace, nics []*NICPlan) error {
	var errs []error
	edits := lineEdits{}
	for _, n := range nics {
		e := &stanzaEditor{w: w, n: n, edits: edits}
		errs = append(errs, e.ifupdown2())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return w.putEdits(edits, nics)
}

// ifupdown2 plans the NIC's stanzas.
func (e *stanzaEditor) ifupdown2() error {
	if err := e.w.checkStanzas(e.n); err != nil {
		return err
	}
	e.n.dhclientLive("/run/dhclient6."+e.n.name()+".pid", "/var/lib/dhcp/dhclient6."+e.n.name()+".leases", "-D", "LL")
	lease := e.n.Want.Lease == LeaseDistro
	if lease && e.w.Tree.program("dhclient") == "" {
		return refuse(ErrUnsupported, e.n.name(), "", 0, "set lease = agent, or install isc-dhcp-client", "ifupdown2 leases by dhclient, which is not installed")
	}
	stanzas := e.dynamic()
	for i, s := range stanzas {
		method := "manual"
		if lease && i == 0 {
			method = "dhcp"
		}
		e.method(s, method)
		e.hook(s, i == 0)
	}
	changed := false
	for _, s := range e.w.interfaces.of(e.n.name()) { // these options hold whatever the method is
		changed = e.switchesOff(s, e.n.kernelRA()) || changed
	}
	switch {
	case len(stanzas) > 0, changed && !lease:
	case lease:
		after := e.lastStanza()
		e.edits.replace(after.file, after.end, after.end, "iface "+e.n.name()+" inet6 dhcp", e.indentOf(after)+e.hookLine(e.n.kernelRA()))
	default:
		e.n.note("the NIC has no inet6 auto or dhcp stanza: the kernel's switches are all that is needed")
	}
	if lease {
		e.w.put(ifupdown2Policy, []byte(`{"dhcp": {"defaults": {"dhcp6-duid": "LL"}}}`+"\n"), 0o644, "ifupdown2 runs dhclient -6 with -D LL")
		return nil
	}
	e.keepAddresses()
	return nil
}

// hook makes v6guest's own option of a stanza the one that sets the switches, or takes it away.
func (e *stanzaEditor) hook(s *stanza, wanted bool) {
	line := e.hookLine(e.n.kernelRA())
	switch {
	case !wanted:
		e.replaceOwn(s, nil, false)
	case e.ownOption(s) != line:
		e.replaceOwn(s, []string{line}, false)
	}
}

// keepAddresses makes ifupdown2 leave addresses alone that are not in its file.
func (e *stanzaEditor) keepAddresses() {
	static := slices.IndexFunc(e.w.interfaces.of(e.n.name()), func(s *stanza) bool {
		_, ok := s.option("address")
		return ok
	})
	if static < 0 {
		return
	}
	s := e.w.interfaces.of(e.n.name())[static]
	switch o, ok := s.option("address-purge"); {
	case ok && o.value == "no":
		return
	case ok:
		lines := splitLines([]byte(e.w.Tree.text(s.file)))
		e.edits.replace(s.file, o.line, o.end, indent(lines[o.line])+o.key+" no")
	default:
		e.add(s, "address-purge no")
	}
	e.n.note("address-purge no: else each ifreload takes v6guest's address away")
}

// ifupdownNGBackend edits /etc/network/interfaces as ifupdown-ng reads it (Alpine). All stanzas of a NIC
// are one object there, families are hints, and it has no DHCPv6 client of its own.
type ifupdownNGBackend struct{}

func (ifupdownNGBackend) stack() Stack { return IfupdownNG }

func (ifupdownNGBackend) render(w *workspace, nics []*NICPlan) error {
	var errs []error
	edits := lineEdits{}
	for _, n := range nics {
		e := &stanzaEditor{w: w, n: n, edits: edits}
		errs = append(errs, e.ifupdownNG())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return w.putEdits(edits, nics)
}

// ifupdownNG plans the NIC's stanzas.
func (e *stanzaEditor) ifupdownNG() error {
	if err := e.w.checkStanzas(e.n); err != nil {
		return err
	}
	stanzas := e.w.interfaces.of(e.n.name())
	if len(stanzas) == 0 {
		return refuse(ErrUnsupported, e.n.name(), interfacesFile, 0, "write an iface stanza for the NIC", "no stanza is about the NIC")
	}
	acceptRA := e.n.kernelRA()
	switch {
	case e.n.Finding.Client == "dhcpcd" && e.n.Want.Lease == LeaseAgent:
		if err := e.w.dhcpcdAgent(e.n); err != nil {
			return err
		}
		if e.n.Want.Default {
			acceptRA = 0
		}
	case e.n.Finding.Client == "dhcpcd":
		if err := e.w.dhcpcdDistro(e.n); err != nil {
			return err
		}
		acceptRA = 0
	case e.n.Want.Lease == LeaseDistro:
		return refuse(ErrUnsupported, e.n.name(), stanzas[0].file, stanzas[0].start+1, "set lease = agent", "ifupdown-ng starts no DHCPv6 client")
	}
	line := e.ngHook(acceptRA)
	if s, o := e.inheritedRA(stanzas); s != nil && !e.n.Want.Default {
		return refuse(ErrUnreadable, e.n.name(), s.file, o.line+1, "write the line into the stanzas of the NICs that want it, and remove it here",
			"%s, from which the NIC inherits, switches Router Advertisements on", s.word(1))
	}
	for i, s := range stanzas {
		if !e.n.Want.Default { // it writes accept_ra=1 when the NIC comes up
			for _, o := range s.options {
				if o.key == "use" && o.value == "ipv6-ra" {
					e.edits.replace(s.file, o.line, o.end)
				}
			}
		}
		if i > 0 {
			e.replaceOwn(s, nil, false)
		} else if e.ownOption(s) != line {
			e.replaceOwn(s, []string{line}, false)
		}
	}
	return nil
}

// inheritedRA is the line `use ipv6-ra` of something that the stanzas inherit from; nil if there is none.
func (e *stanzaEditor) inheritedRA(stanzas []*stanza) (*stanza, option) {
	seen := map[string]bool{e.n.name(): true}
	for todo := stanzas; len(todo) > 0; todo = todo[1:] {
		for _, o := range todo[0].options {
			if o.key == "use" && o.value == "ipv6-ra" && todo[0].word(1) != e.n.name() {
				return todo[0], o
			}
			if o.key != "inherit" || seen[o.value] {
				continue
			}
			seen[o.value] = true
			for _, s := range e.w.interfaces.stanzas {
				if (s.keyword() == "template" || s.keyword() == "iface") && s.word(1) == o.value {
					todo = append(todo, s)
				}
			}
		}
	}
	return nil, option{}
}

// ngHook sets the switches; busybox's sysctl takes one at a time.
func (e *stanzaEditor) ngHook(acceptRA int) string {
	set := "sysctl -q -e -w " + switchName(e.n.name(), "accept_ra") + "=" + strconv.Itoa(acceptRA)
	if first := strings.TrimSpace(e.noDefaultRoute()); first != "" {
		set = "sysctl -q -e -w " + first + "; " + set
	}
	return strings.Join([]string{"pre-up", set + ";", "sysctl -q -e -w " + switchName(e.n.name(), "autoconf") + "=0 || true", ownLine}, " ")
}
