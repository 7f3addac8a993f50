package distro

import (
	"errors"
	"strconv"
	"strings"
)

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
