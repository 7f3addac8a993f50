package link

import (
	"bytes"
	"encoding/binary"
	"iter"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/wire"
)

// Attribute numbers that x/sys/unix lacks.
const ifaProto = 11 // IFA_PROTO, since Linux 5.18

// nlaTypeMask takes the flags off an attribute's type.
const nlaTypeMask = ^uint16(unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)

// attributes yields type and value of each netlink attribute in b, and ends at the first that does
// not fit.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.SizeofRtAttr {
			n := int(binary.NativeEndian.Uint16(b))
			if n < unix.SizeofRtAttr || n > len(b) {
				return
			}
			if !yield(binary.NativeEndian.Uint16(b[2:])&nlaTypeMask, b[unix.SizeofRtAttr:n]) {
				return
			}
			b = b[min(len(b), (n+3)&^3):]
		}
	}
}

func u32(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(b)
}

func text(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}

func address(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a
}

// hardware copies a link-layer address; one of all zeroes is none.
func hardware(b []byte) net.HardwareAddr {
	if len(bytes.Trim(b, "\x00")) == 0 {
		return nil
	}
	return bytes.Clone(b)
}

// lifetime turns a number of seconds of the kernel into a duration; 0xffffffff is wire.Infinite.
func lifetime(seconds uint32) time.Duration { return time.Duration(seconds) * time.Second }

// seconds is the inverse of lifetime. A duration under a second counts as one, so that no lifetime
// ends early by rounding; whatever is at least wire.Infinite is infinite.
func seconds(d time.Duration) uint32 {
	switch {
	case d <= 0:
		return 0
	case d >= wire.Infinite:
		return 0xffffffff
	}
	return uint32((d + time.Second - 1) / time.Second)
}

// decodeNIC reads an RTM_NEWLINK or RTM_DELLINK message. notifyPeers is its IFLA_EVENT. ok is false
// for messages that are not about a NIC as such: a bridge tells about its ports in the same form.
func decodeNIC(b []byte) (n NIC, parent device, notifyPeers, ok bool) {
	if len(b) < unix.SizeofIfInfomsg || b[0] != unix.AF_UNSPEC {
		return NIC{}, device{}, false, false
	}
	hardwareType := binary.NativeEndian.Uint16(b[2:])
	flags := u32(b[8:])
	n = NIC{
		Index:    int(int32(u32(b[4:]))),
		Up:       flags&unix.IFF_UP != 0,
		Carrier:  flags&unix.IFF_LOWER_UP != 0,
		Loopback: flags&unix.IFF_LOOPBACK != 0,
		PtP:      flags&unix.IFF_POINTOPOINT != 0,
		Ethernet: hardwareType == unix.ARPHRD_ETHER,
	}
	elsewhere := false
	for t, v := range attributes(b[unix.SizeofIfInfomsg:]) {
		switch t {
		case unix.IFLA_IFNAME:
			n.Name = text(v)
		case unix.IFLA_ADDRESS:
			n.MAC = hardware(v)
		case unix.IFLA_PERM_ADDRESS:
			n.PermanentMAC = hardware(v)
		case unix.IFLA_MTU:
			n.MTU = int(u32(v))
		case unix.IFLA_LINK:
			n.Parent = int(int32(u32(v)))
		case unix.IFLA_LINK_NETNSID:
			elsewhere = true
		case unix.IFLA_MASTER:
			n.Master = int(int32(u32(v)))
		case unix.IFLA_CARRIER_CHANGES:
			n.CarrierChanges = u32(v)
		case unix.IFLA_LINKINFO:
			decodeLinkInfo(v, &n)
		case unix.IFLA_PARENT_DEV_NAME:
			parent.name = text(v)
		case unix.IFLA_PARENT_DEV_BUS_NAME:
			parent.bus = text(v)
		case unix.IFLA_EVENT:
			notifyPeers = u32(v) == unix.IFLA_EVENT_NOTIFY_PEERS
		}
	}
	if elsewhere {
		n.Parent = 0 // an index of another namespace
	}
	return n, parent, notifyPeers, n.Index > 0
}

func decodeLinkInfo(b []byte, n *NIC) {
	var data []byte
	for t, v := range attributes(b) {
		switch t {
		case unix.IFLA_INFO_KIND:
			n.Kind = text(v)
		case unix.IFLA_INFO_DATA:
			data = v
		}
	}
	if n.Kind != "vlan" {
		return
	}
	for t, v := range attributes(data) {
		if t == unix.IFLA_VLAN_ID && len(v) >= 2 {
			n.VLAN = binary.NativeEndian.Uint16(v)
		}
	}
}

// decodeAddr reads an RTM_NEWADDR or RTM_DELADDR message; ok is false unless it is about IPv6.
func decodeAddr(b []byte) (a Addr, ok bool) {
	if len(b) < unix.SizeofIfAddrmsg || b[0] != unix.AF_INET6 {
		return Addr{}, false
	}
	a = Addr{Index: int(u32(b[4:])), Bits: int(b[1])}
	flags := uint32(b[2])
	var local, peer netip.Addr
	for t, v := range attributes(b[unix.SizeofIfAddrmsg:]) {
		switch t {
		case unix.IFA_LOCAL: // only with a peer
			local = address(v)
		case unix.IFA_ADDRESS:
			peer = address(v)
		case unix.IFA_FLAGS:
			flags = u32(v)
		case unix.IFA_CACHEINFO:
			if len(v) >= unix.SizeofIfaCacheinfo {
				a.Preferred, a.Valid = lifetime(u32(v)), lifetime(u32(v[4:]))
			}
		case ifaProto:
			if len(v) > 0 {
				a.Origin = Origin(v[0])
			}
		}
	}
	if a.Addr = local; !local.IsValid() {
		a.Addr = peer
	}
	a.setFlags(flags)
	return a, a.Addr.Is6()
}

func (a *Addr) setFlags(flags uint32) {
	a.Tentative = flags&unix.IFA_F_TENTATIVE != 0
	a.DADFailed = flags&unix.IFA_F_DADFAILED != 0
	a.Optimistic = flags&unix.IFA_F_OPTIMISTIC != 0
	a.Deprecated = flags&unix.IFA_F_DEPRECATED != 0
	a.Permanent = flags&unix.IFA_F_PERMANENT != 0
	a.Temporary = flags&unix.IFA_F_TEMPORARY != 0
	a.ManagedTemp = flags&unix.IFA_F_MANAGETEMPADDR != 0
	a.NoPrefix = flags&unix.IFA_F_NOPREFIXROUTE != 0
}
