package distro

import (
	"errors"
	"slices"
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
