package link

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// A listing is one of the kernel's lists.
type listing int

// In the order of a whole inventory: nobody is told of an address before its NIC.
const (
	listNICs listing = iota
	listHops
	listAddrs
	listRoutes6
	listRoutes4
	listRules
)

// listings is their number.
const listings = int(listRules) + 1

// unknownTo reports whether the error says that the kernel is older than, or was built without, what the
// list is of.
func (l listing) unknownTo(err error) bool {
	return l == listHops && noNextHops(err) || l == listRules && noRules(err)
}

type addrKey struct {
	index int
	addr  netip.Addr
}

// A routeKey is what makes a way another one.
type routeKey struct {
	route   routeID
	index   int
	gateway netip.Addr
}

// A routeID is what the ways of one multipath route have in common.
type routeID struct {
	dst           netip.Prefix
	table, metric int
	protocol      Protocol
	hop           uint32
}

func (r Route) id() routeID   { return routeID{r.Dst, r.Table, r.Metric, r.Protocol, r.NextHopID} }
func (r Route) key() routeKey { return routeKey{r.id(), r.Index, r.Gateway} }

// A state is what was told of the kernel so far. It is pure: messages and the ends of listings go in,
// events collect in out, and lists that must be read anew in stale.
type state struct {
	nics   map[int]NIC
	addrs  map[addrKey]Addr
	routes map[routeKey]Route
	hops   map[uint32]nextHop
	rules  map[Rule]bool

	describe func(*NIC, device) // asks sysfs

	// seen holds the keys of the present listing that were met since it began; nil between listings.
	seen    map[any]bool
	listing listing
	// stale are the lists that must be read, for what is in them may differ from this state.
	stale [listings]bool

	out []Event
}

func newState(describe func(*NIC, device)) *state {
	return &state{
		nics: map[int]NIC{}, addrs: map[addrKey]Addr{}, routes: map[routeKey]Route{}, hops: map[uint32]nextHop{}, rules: map[Rule]bool{},
		describe: describe,
	}
}

// expire makes all lists stale: messages were lost, or none has come yet.
func (s *state) expire() {
	s.seen = nil
	for l := range s.stale {
		s.stale[l] = true
	}
}

// begin starts the next listing that is due, if any.
func (s *state) begin() (l listing, ok bool) {
	for l, stale := range s.stale {
		if stale {
			s.stale[l], s.listing, s.seen = false, listing(l), map[any]bool{}
			return s.listing, true
		}
	}
	return 0, false
}

// end ends the present listing: what it did not show is gone.
func (s *state) end() {
	seen := s.seen
	s.seen = nil
	switch s.listing {
	case listNICs:
		for index := range s.nics {
			if !seen[index] {
				s.nicGone(index)
			}
		}
	case listHops:
		for id := range s.hops {
			if !seen[id] {
				delete(s.hops, id)
			}
		}
	case listAddrs:
		for key, a := range s.addrs {
			if !seen[key] {
				s.addrGone(a)
			}
		}
	case listRoutes6, listRoutes4:
		for key, r := range s.routes {
			if !seen[key] && r.Dst.Addr().Is4() == (s.listing == listRoutes4) {
				s.routeGone(r)
			}
		}
	case listRules:
		for r := range s.rules {
			if !seen[r] {
				s.ruleGone(r)
			}
		}
	}
}

func (s *state) emit(ev Event) { s.out = append(s.out, ev) }

// meet remembers that the present listing, if it is l, has the key.
func (s *state) meet(l listing, key any) {
	if s.seen != nil && s.listing == l {
		s.seen[key] = true
	}
}

// message takes one message of the kernel: a change, or (listed) a line of a list.
func (s *state) message(msgType, flags uint16, b []byte, listed bool) {
	switch msgType {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		s.nicMessage(b, msgType == unix.RTM_DELLINK)
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		s.addrMessage(b, msgType == unix.RTM_DELADDR, listed)
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		s.routeMessage(b, msgType == unix.RTM_DELROUTE, flags&unix.NLM_F_REPLACE != 0 && !listed, listed)
	case unix.RTM_NEWNEXTHOP, unix.RTM_DELNEXTHOP:
		s.hopMessage(b, msgType == unix.RTM_DELNEXTHOP, listed)
	case unix.RTM_NEWRULE, unix.RTM_DELRULE:
		s.ruleMessage(b, msgType == unix.RTM_DELRULE)
	}
}

func (s *state) nicMessage(b []byte, gone bool) {
	n, parent, notifyPeers, ok := decodeNIC(b)
	if !ok {
		return
	}
	if gone {
		s.nicGone(n.Index)
		return
	}
	s.meet(listNICs, n.Index)
	old, known := s.nics[n.Index]
	if known && old.Name == n.Name && (old.Device || parent.name == "") {
		n.Device, n.DevicePath = old.Device, old.DevicePath
	} else {
		s.describe(&n, parent)
	}
	if known && old.Equal(n) && !notifyPeers {
		return
	}
	s.nics[n.Index] = n
	ev := NICChanged{NIC: n, NotifyPeers: notifyPeers}
	if known {
		ev.Before = &old
		if old.Up != n.Up || old.Carrier != n.Carrier {
			s.staleRoutes(n.Index)
		}
	}
	s.emit(ev)
}

func (s *state) nicGone(index int) {
	n, known := s.nics[index]
	if !known {
		return
	}
	for _, a := range s.addrs {
		if a.Index == index {
			s.addrGone(a)
		}
	}
	s.staleRoutes(index)
	for _, r := range s.routes {
		if r.Index == index {
			s.routeGone(r)
		}
	}
	delete(s.nics, index)
	s.emit(NICGone{n})
}

// staleRoutes has the routes read anew if one leads through the NIC: when a NIC loses its link, the
// kernel removes or marks IPv4 routes without a message, and IPv6 routes too if told so by sysctl
// (skip_notify_on_dev_down).
func (s *state) staleRoutes(index int) {
	for _, r := range s.routes {
		if r.Index == index {
			s.stale[listRoutes6], s.stale[listRoutes4] = true, true
			return
		}
	}
}

func (s *state) addrMessage(b []byte, gone, listed bool) {
	if len(b) > 0 && b[0] == unix.AF_INET {
		// Routes with this source address go without a message.
		s.stale[listRoutes4] = s.stale[listRoutes4] || gone
		return
	}
	a, ok := decodeAddr(b)
	if !ok {
		return
	}
	key := addrKey{a.Index, a.Addr}
	old, known := s.addrs[key]
	switch {
	case gone && known:
		s.addrGone(a) // with the flags of the message: they say why
	case gone:
	case s.stale[listAddrs]: // its list comes
	default:
		s.meet(listAddrs, key)
		s.addrs[key] = a
		if listed {
			// The lifetimes in a list are always others.
			old.Preferred, old.Valid = a.Preferred, a.Valid
		}
		if !known || old != a {
			s.emit(AddrChanged{a})
		}
	}
}

func (s *state) addrGone(a Addr) {
	delete(s.addrs, addrKey{a.Index, a.Addr})
	s.emit(AddrGone{a})
}
