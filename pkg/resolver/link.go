package resolver

import (
	"net/netip"
	"slices"
	"strings"
)

// A Link is what the network of one NIC says.
type Link struct {
	NIC string
	// Managed says that a network stack tells systemd-resolved of this NIC, which then takes nothing from
	// others for it.
	Managed bool
	Servers []netip.Addr // a link-local one without zone is one on this NIC
	Domains []string     // without final dot
}

// The bounds of what is taken of one NIC.
const (
	MaxServers = 8
	MaxDomains = 16
)

// Clean is the link without what must not get into a resolver's files: addresses that are no server's,
// names with anything but letters, digits, hyphens and underscores between dots, doubles, and what is over
// the bounds. Link-local servers get the NIC as zone.
func (l Link) Clean() Link {
	out := Link{NIC: l.NIC, Managed: l.Managed}
	if strings.HasPrefix(l.NIC, "-") || strings.ContainsAny(l.NIC, "/% \t\n") || l.NIC == "" {
		return out // no name to put behind a command or an address
	}
	for _, a := range l.Servers {
		a = a.WithZone("")
		if !a.Is6() || a.Is4In6() || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() {
			continue
		}
		if a.IsLinkLocalUnicast() {
			a = a.WithZone(l.NIC)
		}
		if len(out.Servers) < MaxServers && !slices.Contains(out.Servers, a) {
			out.Servers = append(out.Servers, a)
		}
	}
	for _, d := range l.Domains {
		d = strings.ToLower(strings.TrimSuffix(d, "."))
		if len(out.Domains) < MaxDomains && validDomain(d) && !slices.Contains(out.Domains, d) {
			out.Domains = append(out.Domains, d)
		}
	}
	return out
}

// validDomain says whether a name may stand in a resolver's file, and behind a command.
func validDomain(d string) bool {
	if d == "" || len(d) > 253 {
		return false
	}
	for label := range strings.SplitSeq(d, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// Equal reports whether both say the same.
func (l Link) Equal(o Link) bool {
	return l.NIC == o.NIC && l.Managed == o.Managed && slices.Equal(l.Servers, o.Servers) && slices.Equal(l.Domains, o.Domains)
}

func (l Link) empty() bool { return len(l.Servers)+len(l.Domains) == 0 }

func (l Link) servers() []string {
	out := make([]string, len(l.Servers))
	for i, a := range l.Servers {
		out[i] = a.String()
	}
	return out
}

// fileServers is how many servers the C library asks (MAXNS).
const fileServers = 3

// header begins the file that v6guest writes.
const header = "# Written by v6guest: no server of this file could be used, and no program said that it is its own.\n" +
	"# The original comes back when v6guest is stopped, or by `v6guest restore`.\n"

// resolvConf is the text of File: the servers of all links, as many as are asked, and their domains. What
// the file said of other things stays.
func resolvConf(links []Link, original string) string {
	var b strings.Builder
	b.WriteString(header)
	var servers, domains []string
	for _, l := range links {
		servers = append(servers, l.servers()...)
		domains = append(domains, l.Domains...)
	}
	for _, s := range servers[:min(len(servers), fileServers)] {
		b.WriteString("nameserver " + s + "\n")
	}
	if len(domains) > 0 {
		b.WriteString("search " + strings.Join(domains[:min(len(domains), MaxDomains)], " ") + "\n")
	}
	for line := range strings.Lines(original) {
		if f := strings.Fields(line); len(f) > 0 && f[0] != "nameserver" && (len(domains) == 0 || f[0] != "search" && f[0] != "domain") {
			b.WriteString(strings.TrimRight(line, "\n") + "\n")
		}
	}
	return b.String()
}

// resolvconfText is what resolvconf is told of one link.
func resolvconfText(l Link) string {
	var b strings.Builder
	for _, s := range l.servers() {
		b.WriteString("nameserver " + s + "\n")
	}
	if len(l.Domains) > 0 {
		b.WriteString("search " + strings.Join(l.Domains, " ") + "\n")
	}
	return b.String()
}

// dropIn is the text of a drop-in file of systemd-resolved: for NICs of which a network stack tells it.
func dropIn(links []Link) string {
	var servers, domains []string
	for _, l := range links {
		servers = append(servers, l.servers()...)
		domains = append(domains, l.Domains...)
	}
	text := "# Written by v6guest, and removed when what it says holds no more.\n[Resolve]\n"
	if len(servers) > 0 {
		text += "DNS=" + strings.Join(servers, " ") + "\n"
	}
	if len(domains) > 0 {
		text += "Domains=" + strings.Join(domains, " ") + "\n"
	}
	return text
}
