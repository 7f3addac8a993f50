package guest

import (
	"errors"
	"io/fs"
	"net"
	"path"
	"slices"
	"strings"

	"github.com/v6guest/v6guest/pkg/distro"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/link"
)

// ImageFacts are the facts of an unbooted image: the NICs that it will have, each written NAME=MAC, or
// NAME where the MAC is not known; without any, those that the image's files name. Where neither the
// configuration nor the files say which is the default one, it is the first.
func (f *Files) ImageFacts(nics []string) (Facts, error) {
	facts := Facts{WaitOver: true, Image: true}
	has := func(of func(link.NIC) bool) bool { return slices.ContainsFunc(facts.NICs, of) }
	add := func(name string, mac net.HardwareAddr) {
		facts.NICs = append(facts.NICs, link.NIC{
			Index: len(facts.NICs) + 1, Name: name, MAC: mac, PermanentMAC: mac, Device: true, Ethernet: true, MTU: 1500,
		})
	}
	for _, text := range nics {
		name, addr, ok := strings.Cut(text, "=")
		mac, err := net.ParseMAC(addr)
		if ok && (err != nil || len(mac) != 6) || !validName(name) || strings.ContainsAny(name, "*?[") {
			return facts, fault.New(fault.ExitUsage, "write --nic eth0=06:a0:f0:00:00:38", "%q is not the name of a NIC with its MAC", text)
		}
		switch {
		case ok && !ofOneNIC(mac):
			return facts, fault.New(fault.ExitUsage, "write the MAC that the guest's NIC will have", "%q: no NIC has the MAC %s", text, mac)
		case has(func(n link.NIC) bool { return n.Name == name }):
			return facts, fault.New(fault.ExitUsage, "name each NIC once", "%q: --nic names %s twice", text, name)
		case ok && has(func(n link.NIC) bool { return slices.Equal(n.MAC, mac) }):
			return facts, fault.New(fault.ExitUsage, "give each NIC its own MAC", "%q: another --nic has the MAC %s", text, mac)
		}
		add(name, mac)
	}
	if len(nics) == 0 {
		for _, n := range distro.NamedNICs(distro.System{Tree: f.store.Tree(), Moment: distro.Image}) {
			add(n.Name, n.MAC)
		}
	}
	if facts.NICs == nil {
		return facts, fault.New(fault.ExitUsage, "name each with --nic eth0=06:a0:f0:00:00:38",
			"no file of the image names a NIC; or leave it to v6guest-configure.service at its first boot")
	}
	if b, err := f.store.Tree().Read(memoryFile(f.stateDir)); err == nil {
		facts.Remembered, facts.MemoryError = parseMemory(memoryFile(f.stateDir), b)
	}
	return facts, nil
}

// ofOneNIC says whether a NIC can have the MAC: it is neither a group's nor all zeros.
func ofOneNIC(mac net.HardwareAddr) bool {
	return mac[0]&1 == 0 && slices.ContainsFunc(mac, func(b byte) bool { return b != 0 })
}

// ImageConfig reads the configuration inside the root folder; no symbolic link leads out of it. What is
// absent is no error.
func (f *Files) ImageConfig() (*Config, error) {
	c := DefaultConfig()
	t := f.store.Tree()
	var errs []error
	for _, name := range append([]string{DefaultConfigFile}, t.Glob(DefaultConfigFile+".d/*.conf")...) {
		b, err := t.Read(name)
		switch {
		case err == nil:
			errs = append(errs, c.Parse(path.Clean(name), b))
		case !errors.Is(err, fs.ErrNotExist):
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fault.New(fault.ExitUsage, "correct what is named", "configuration of the image: %w", err)
	}
	return c, nil
}

// stacks are those that a person may name, in the order of the pages of documentation.
var stacks = []distro.Stack{
	distro.Ifupdown, distro.Ifupdown2, distro.IfupdownNG, distro.Initscripts, distro.Networkd, distro.NetworkManager,
	distro.Wicked, distro.Dhcpcd, distro.Connman, distro.None,
}

// kindsOfFiles are names of files that more than one stack reads.
var kindsOfFiles = map[string]string{
	"ifcfg":   string(distro.Initscripts) + ", " + string(distro.NetworkManager) + " or " + string(distro.Wicked),
	"netplan": string(distro.Networkd) + " or " + string(distro.NetworkManager),
}

// StackNames is the names that Stack knows, for people.
func StackNames() string {
	var names []string
	for _, s := range stacks {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

// Stack finds a stack by the name that a person gives, in any case of letters.
func Stack(name string) (distro.Stack, error) {
	for _, s := range stacks {
		if strings.EqualFold(name, string(s)) {
			return s, nil
		}
	}
	if readers := kindsOfFiles[strings.ToLower(name)]; readers != "" {
		return "", fault.New(fault.ExitUsage, "write the one that is in charge: "+readers, "%s is a kind of files, which several stacks read", name)
	}
	return "", fault.New(fault.ExitUsage, "write one of: "+StackNames(), "%q is no back end", name)
}
