package link

import (
	"net"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// nicMessage writes an RTM_NEWLINK message as the kernel does.
func nicMessage(family int, attrs ...*nl.RtAttr) []byte {
	header := nl.NewIfInfomsg(family)
	header.Index, header.Type, header.Flags = 7, unix.ARPHRD_ETHER, unix.IFF_UP|unix.IFF_LOWER_UP
	b := header.Serialize() //nolint:misspell // the library's spelling
	for _, a := range attrs {
		b = append(b, a.Serialize()...) //nolint:misspell // the library's spelling
	}
	return b
}

// What this machine's kernel cannot make: a VLAN, a permanent MAC, a live migration.
func TestNICMessagesAreDecoded(t *testing.T) {
	mac := net.HardwareAddr{6, 0, 0, 0, 0, 7}
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(unix.IFLA_INFO_KIND, nl.ZeroTerminated("vlan"))
	info.AddRtAttr(unix.IFLA_INFO_DATA, nil).AddRtAttr(unix.IFLA_VLAN_ID, nl.Uint16Attr(42))
	b := nicMessage(unix.AF_UNSPEC,
		nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated("eth0.42")), nl.NewRtAttr(unix.IFLA_ADDRESS, mac),
		nl.NewRtAttr(unix.IFLA_PERM_ADDRESS, mac), nl.NewRtAttr(unix.IFLA_LINK, nl.Uint32Attr(2)),
		nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(9000)), nl.NewRtAttr(unix.IFLA_MASTER, nl.Uint32Attr(9)), info,
		nl.NewRtAttr(unix.IFLA_PARENT_DEV_NAME, nl.ZeroTerminated("0000:00:03.0")),
		nl.NewRtAttr(unix.IFLA_PARENT_DEV_BUS_NAME, nl.ZeroTerminated("pci")))
	got, parent, notify, ok := decodeNIC(b)
	if !ok || notify || parent != (device{name: "0000:00:03.0", bus: "pci"}) {
		t.Errorf("ok %v, notify %v, parent %+v", ok, notify, parent)
	}
	diff(t, "NIC", NIC{
		Index: 7, Name: "eth0.42", MAC: mac, PermanentMAC: mac, Kind: "vlan", VLAN: 42, Parent: 2, Master: 9, MTU: 9000,
		Up: true, Carrier: true, Ethernet: true,
	}, got)
}

func TestLiveMigrationIsToldThoughNothingChanged(t *testing.T) {
	s := newState(func(*NIC, device) {})
	name := nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated("eth0"))
	s.message(unix.RTM_NEWLINK, 0, nicMessage(unix.AF_UNSPEC, name), false)
	s.message(unix.RTM_NEWLINK, 0, nicMessage(unix.AF_UNSPEC, name), false) // nothing new: not told
	s.message(unix.RTM_NEWLINK, 0, nicMessage(unix.AF_UNSPEC, name,
		nl.NewRtAttr(unix.IFLA_EVENT, nl.Uint32Attr(unix.IFLA_EVENT_NOTIFY_PEERS))), false)
	s.message(unix.RTM_DELLINK, 0, nicMessage(unix.AF_BRIDGE, name), false) // it left a bridge
	nic := NIC{Index: 7, Name: "eth0", Up: true, Carrier: true, Ethernet: true}
	diff(t, "events", []Event{NICChanged{NIC: nic}, NICChanged{NIC: nic, Before: &nic, NotifyPeers: true}}, s.out)
}
