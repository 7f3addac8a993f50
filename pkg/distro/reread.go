package distro

import "strings"

// Reread is what makes a stack read files of its own again that were brought back, for one NIC; nothing
// for stacks that read them only when they bring a NIC up.
func Reread(s System, f Finding) []LiveStep {
	w := newWorkspace(s, Options{})
	n := &NICPlan{Want: Want{NIC: NIC{Name: f.NIC}}}
	if f.Client == "dhcpcd" { // ifup started it
		n.Live = append(n.Live, dhcpcdRereads(f.NIC))
	}
	switch f.Stack {
	case Networkd:
		w.networkdLive(n)
	case NetworkManager:
		if f.Generator == "netplan" {
			n.Live = append(n.Live, LiveStep{Argv: []string{"netplan", "generate"}, Why: "makes the profile anew"})
		}
		reload := LiveStep{Argv: []string{"nmcli", "connection", "reload"}, Why: "NetworkManager reads its profiles again"}
		if strings.HasPrefix(f.File, nmFolder+"v6guest-") || f.File == "" {
			reload.CutsIPv4 = true
			reload.Why += "; the one in use was v6guest's own, and IPv4 is leased again with the next one"
			n.Live = append(n.Live, reload)
			break
		}
		n.Live = append(n.Live, reload, LiveStep{
			Argv: []string{"nmcli", "device", "reapply", f.NIC}, Why: "NetworkManager uses the profile as it is now; IPv4 stays",
		})
	case Dhcpcd:
		n.Live = []LiveStep{dhcpcdRereads(f.NIC)}
	case Wicked:
		n.Live = []LiveStep{wickedRereads(f.NIC)}
	case Ifupdown, Ifupdown2, IfupdownNG, Initscripts, Connman, None: // with the next ifup, or not at all
	}
	return n.Live
}
