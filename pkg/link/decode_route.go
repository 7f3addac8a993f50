package link

import (
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// userHz is the unit of rta_expires, in ticks a second; the kernel shows it as 100 on every
// architecture that Go has.
const userHz = 100

// rtaNextHopID is RTA_NH_ID, since Linux 5.3; x/sys/unix lacks it.
const rtaNextHopID = 30

// A nextHop is a nexthop object (RTM_NEWNEXTHOP): one way, or a group of others.
type nextHop struct {
	index   int
	gateway netip.Addr
	group   []uint32
}

// decodeRoute reads an RTM_NEWROUTE or RTM_DELROUTE message: a Route for each way. hops resolves
// nexthop objects where the message names one without saying what it is, as the kernel does with
// sysctl nexthop_compat_mode=0. The result is nil for what is not a unicast route.
func decodeRoute(b []byte, hops map[uint32]nextHop) []Route {
	if len(b) < unix.SizeofRtMsg || b[7] != unix.RTN_UNICAST || u32(b[8:])&unix.RTM_F_CLONED != 0 {
		return nil
	}
	r := Route{Table: int(b[4]), Protocol: Protocol(b[5])}
	r.Dead = u32(b[8:])&(unix.RTNH_F_DEAD|unix.RTNH_F_LINKDOWN) != 0
	dst := netip.IPv6Unspecified()
	switch b[0] {
	case unix.AF_INET6:
	case unix.AF_INET:
		dst = netip.IPv4Unspecified()
	default:
		return nil
	}
	var multipath []byte
	for t, v := range attributes(b[unix.SizeofRtMsg:]) {
		switch t {
		case unix.RTA_DST:
			dst = address(v)
		case unix.RTA_MULTIPATH:
			multipath = v
		default:
			r.attribute(t, v)
		}
	}
	r.Dst = netip.PrefixFrom(dst, int(b[1]))
	if !r.Dst.IsValid() || r.Table == unix.RT_TABLE_LOCAL {
		return nil
	}
	switch {
	case multipath != nil:
		return r.split(multipath)
	case r.Index == 0 && r.NextHopID != 0:
		return r.resolve(r.NextHopID, hops, 0)
	}
	return []Route{r}
}

func (r *Route) attribute(t uint16, v []byte) {
	switch t {
	case unix.RTA_OIF:
		r.Index = int(u32(v))
	case unix.RTA_GATEWAY:
		r.Gateway = address(v)
	case unix.RTA_VIA: // an IPv4 route through an IPv6 gateway: address family, address
		if len(v) > 2 {
			r.Gateway = address(v[2:])
		}
	case unix.RTA_PRIORITY:
		r.Metric = int(u32(v))
	case unix.RTA_TABLE:
		r.Table = int(u32(v))
	case unix.RTA_PREFSRC:
		r.Source = address(v)
	case rtaNextHopID:
		r.NextHopID = u32(v)
	case unix.RTA_PREF:
		if len(v) > 0 {
			r.Preference = Preference(v[0])
		}
	case unix.RTA_CACHEINFO: // clntref, lastuse, expires
		if len(v) >= 12 {
			r.Expires = max(0, time.Duration(int32(u32(v[8:])))*time.Second/userHz)
		}
	}
}

// split gives the ways of a multipath route.
func (r Route) split(b []byte) []Route {
	var out []Route
	r.Multipath = true
	for len(b) >= unix.SizeofRtNexthop {
		n := int(binary.NativeEndian.Uint16(b))
		if n < unix.SizeofRtNexthop || n > len(b) {
			break
		}
		way := r
		way.Index = int(int32(u32(b[4:])))
		way.Dead = b[2]&(unix.RTNH_F_DEAD|unix.RTNH_F_LINKDOWN) != 0
		way.Gateway = netip.Addr{}
		for t, v := range attributes(b[unix.SizeofRtNexthop:n]) {
			if t == unix.RTA_GATEWAY || t == unix.RTA_VIA {
				way.attribute(t, v)
			}
		}
		out = append(out, way)
		b = b[min(len(b), (n+3)&^3):]
	}
	return out
}

// resolve gives the ways of a nexthop object. Groups hold no groups: depth ends a list that says so.
func (r Route) resolve(id uint32, hops map[uint32]nextHop, depth int) []Route {
	hop, ok := hops[id]
	if !ok || depth > 1 {
		return nil
	}
	if len(hop.group) == 0 {
		r.Index, r.Gateway = hop.index, hop.gateway
		return []Route{r}
	}
	var out []Route
	r.Multipath = true
	for _, member := range hop.group {
		out = append(out, r.resolve(member, hops, depth+1)...)
	}
	return out
}

// decodeNextHop reads an RTM_NEWNEXTHOP or RTM_DELNEXTHOP message.
func decodeNextHop(b []byte) (id uint32, hop nextHop, ok bool) {
	if len(b) < unix.SizeofNhmsg {
		return 0, nextHop{}, false
	}
	for t, v := range attributes(b[unix.SizeofNhmsg:]) {
		switch t {
		case unix.NHA_ID:
			id = u32(v)
		case unix.NHA_OIF:
			hop.index = int(u32(v))
		case unix.NHA_GATEWAY:
			hop.gateway = address(v)
		case unix.NHA_GROUP: // struct nexthop_grp: id, weight and padding, 8 bytes
			for ; len(v) >= 8; v = v[8:] {
				hop.group = append(hop.group, u32(v))
			}
		}
	}
	return id, hop, id != 0
}
