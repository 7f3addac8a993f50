package link

import (
	"golang.org/x/sys/unix"
)

// watched reports whether Watch tells of the route (see RouteChanged). Others are not kept: a routing
// daemon may have hundreds of thousands.
func (r Route) watched() bool {
	if r.Dst.Addr().Is4() {
		return r.Default() && r.Table == TableMain
	}
	return r.Default() || r.Protocol == ProtoKernel || r.Protocol == ProtoRA || r.Protocol == ProtoDHCP
}

func (s *state) routeMessage(b []byte, gone, replaces, listed bool) {
	if len(b) == 0 {
		return
	}
	list := listRoutes6
	if b[0] == unix.AF_INET {
		list = listRoutes4
	}
	ways := decodeRoute(b, s.hops)
	if len(ways) == 0 {
		return
	}
	switch {
	case gone:
		s.waysGone(ways, list)
	case s.stale[list] && !listed: // its list comes
	default:
		if replaces && s.conflict(ways[0]) {
			s.stale[list] = true
		}
		s.wholeRoute(ways)
		for _, r := range ways {
			s.way(r, list, listed)
		}
	}
}

// conflict reports whether a route that replaces others may have replaced one that is known: the
// kernel does not say which.
func (s *state) conflict(r Route) bool {
	for _, o := range s.routes {
		if o.Dst == r.Dst && o.Table == r.Table {
			return true
		}
	}
	return false
}

// wholeRoute drops the ways that a route of several ways or of a nexthop object does not have any
// more: a message about such a route shows all of it.
func (s *state) wholeRoute(ways []Route) {
	if !ways[0].Multipath && ways[0].NextHopID == 0 {
		return
	}
	now := map[routeKey]bool{}
	for _, r := range ways {
		now[r.key()] = true
	}
	for key, o := range s.routes {
		if key.route == ways[0].id() && !now[key] && (o.Multipath || o.NextHopID != 0) {
			s.routeGone(o)
		}
	}
}

func (s *state) way(r Route, list listing, listed bool) {
	if !r.watched() {
		return
	}
	key := r.key()
	s.meet(list, key)
	old, known := s.routes[key]
	s.routes[key] = r
	if listed && (old.Expires == 0) == (r.Expires == 0) {
		old.Expires = r.Expires // what is left is always another
	}
	if !known || old != r {
		s.emit(RouteChanged{r})
	}
}

func (s *state) waysGone(ways []Route, list listing) {
	for _, r := range ways {
		old, known := s.routes[r.key()]
		if !known {
			continue
		}
		// The ways that are left may be a single one now.
		s.stale[list] = s.stale[list] || old.Multipath
		s.routeGone(old)
	}
	if hop := ways[0].NextHopID; hop != 0 {
		for key, o := range s.routes {
			if key.route == ways[0].id() {
				s.routeGone(o)
			}
		}
	}
}

func (s *state) routeGone(r Route) {
	delete(s.routes, r.key())
	s.emit(RouteGone{r})
}

// hopMessage follows nexthop objects. Routes that are made of one change with it, and the kernel does
// not always say so (nexthop_compat_mode).
func (s *state) hopMessage(b []byte, gone, listed bool) {
	id, hop, ok := decodeNextHop(b)
	if !ok {
		return
	}
	if gone {
		delete(s.hops, id)
	} else {
		s.meet(listHops, id)
		s.hops[id] = hop
	}
	if listed {
		return
	}
	for _, r := range s.routes {
		if r.NextHopID != 0 {
			s.stale[listRoutes6], s.stale[listRoutes4] = true, true
			return
		}
	}
}
