package listener

import (
	"iter"
	"net/netip"
	"slices"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/ra"
)

// A table keeps what routers said about things that K names, an entry for each thing and router. It is
// bounded, so that newcomers may find no room.
type table[K comparable] struct {
	max     int
	front   bool         // newcomers stand first
	inUse   func(K) bool // which things keep their place; nil for none
	entries []entry[K]
}

// An entry is what one router said about one thing.
type entry[K comparable] struct {
	key    K
	router netip.Addr // the zero Addr once the router is forgotten: what it said stays until its end
	said   said
	told   said // by the last Changed; zero if it is new since
}

// What is said about a thing is the ends of one or more properties; 0 stands for one that it has not.
type said struct {
	ends       [4]clock.Instant
	preference ra.Preference
}

// The properties; things other than prefixes have the first only.
const (
	valid     = iota // it is advertised
	onLink           // a prefix is on-link
	usable           // a host may have addresses in it
	preferred        // and use them for new connections
)

// until is when the last property ends.
func (s said) until() clock.Instant { return slices.Max(s.ends[:]) }

// news says whether s is worth telling after told: it has other properties, an end has become earlier,
// or less than half of the time that is left was told.
func (s said) news(now clock.Instant, told said) bool {
	if s.preference != told.preference {
		return true
	}
	for i, end := range s.ends {
		was := told.ends[i]
		if (end == 0) != (was == 0) || end != 0 && (end < was.Add(-time.Second) || was.Sub(now) < end.Sub(now)/2) {
			return true
		}
	}
	return false
}

// past removes the properties that have ended.
func (s *said) past(now clock.Instant) (changed bool) {
	for i, end := range s.ends {
		if end != 0 && end <= now {
			s.ends[i], changed = 0, true
		}
	}
	return changed
}

// put takes in what a router says now; without a property left it withdraws. It returns whether that
// is news and whether there was room. What routers that are forgotten have left behind is any router's
// to take over.
func (t *table[K]) put(now clock.Instant, key K, router netip.Addr, s said) (news, room bool) {
	s.past(now)
	i := t.find(key, router)
	switch {
	case i < 0 && s.until() == 0: // nothing is known that could be withdrawn
		return false, true
	case i < 0:
		e := entry[K]{key: key, router: router, said: s}
		if len(t.entries) >= t.max && !t.displace(e) {
			return false, false
		}
		if t.front {
			t.entries = slices.Insert(t.entries, 0, e)
		} else {
			t.entries = append(t.entries, e)
		}
		return true, true
	}
	t.entries[i].router, t.entries[i].said = router, s
	news = s.news(now, t.entries[i].told)
	before := len(t.entries)
	t.entries = slices.DeleteFunc(t.entries, func(e entry[K]) bool {
		return e.key == key && (!e.router.IsValid() || e.said.until() == 0)
	})
	return news || len(t.entries) < before, true
}

// find returns the index of what the router said about key, else of what a forgotten router has left
// behind, else -1.
func (t *table[K]) find(key K, router netip.Addr) int {
	left := -1
	for i, e := range t.entries {
		switch {
		case e.key != key:
		case e.router == router:
			return i
		case !e.router.IsValid():
			left = i
		}
	}
	return left
}

// displace makes room for a newcomer in a full table, if it has a right to it: in the place of what a
// forgotten router has left behind; of anything that is not in use, for a thing in use; of one of the
// same router that ends before the newcomer (RFC 8106, section 5.3.1); of an entry of the router that
// has the most, if the newcomer's has less than an even share. That last one may be in use, since a
// stranger can announce any number of prefixes that hold a certain address. Of those that may go, the
// one that ends first does.
func (t *table[K]) displace(e entry[K]) bool {
	free := func(old entry[K]) bool { return !t.used(old.key) }
	if t.drop(func(old entry[K]) bool { return !old.router.IsValid() && free(old) }) ||
		t.used(e.key) && t.drop(free) ||
		t.drop(func(old entry[K]) bool {
			return old.router == e.router && old.said.until() < e.said.until() && free(old)
		}) {
		return true
	}
	share := t.max / MaxRouters
	if t.count(e.router) >= share {
		return false
	}
	most := 0
	for _, old := range t.entries {
		most = max(most, t.count(old.router))
	}
	richest := func(old entry[K]) bool { return t.count(old.router) == most }
	return most > share && (t.drop(func(old entry[K]) bool { return richest(old) && free(old) }) || t.drop(richest))
}

// used says whether a thing is in use.
func (t *table[K]) used(key K) bool { return t.inUse != nil && t.inUse(key) }

// drop removes, of the entries that may go, the one that ends first.
func (t *table[K]) drop(may func(entry[K]) bool) bool {
	victim := -1
	for i, e := range t.entries {
		if may(e) && (victim < 0 || e.said.until() < t.entries[victim].said.until()) {
			victim = i
		}
	}
	if victim < 0 {
		return false
	}
	t.entries = slices.Delete(t.entries, victim, victim+1)
	return true
}

// count is how many entries a router has.
func (t *table[K]) count(router netip.Addr) (n int) {
	for _, e := range t.entries {
		if e.router == router {
			n++
		}
	}
	return n
}

// forget notes that a router is forgotten.
func (t *table[K]) forget(router netip.Addr) {
	for i := range t.entries {
		if t.entries[i].router == router {
			t.entries[i].router = netip.Addr{}
		}
	}
}

// expire removes what has ended and says whether there was any.
func (t *table[K]) expire(now clock.Instant) (changed bool) {
	for i := range t.entries {
		changed = t.entries[i].said.past(now) || changed
	}
	t.entries = slices.DeleteFunc(t.entries, func(e entry[K]) bool { return e.said.until() == 0 })
	return changed
}

// next is when the first property ends.
func (t *table[K]) next() clock.Instant {
	at := clock.Never
	for _, e := range t.entries {
		for _, end := range e.said.ends {
			if end != 0 {
				at = min(at, end)
			}
		}
	}
	return at
}

// merged yields each thing once, with the latest end that any router gives it.
func (t *table[K]) merged() iter.Seq2[K, clock.Instant] {
	return func(yield func(K, clock.Instant) bool) {
		for i, e := range t.entries {
			until, first := e.said.until(), true
			for j, other := range t.entries {
				if other.key == e.key {
					until, first = max(until, other.said.until()), first && j >= i
				}
			}
			if first && !yield(e.key, until) {
				return
			}
		}
	}
}

// tell notes that everything has been told.
func (t *table[K]) tell() {
	for i := range t.entries {
		t.entries[i].told = t.entries[i].said
	}
}

// A list is what the engine wants of a table, whatever it holds.
type list interface {
	expire(now clock.Instant) bool
	next() clock.Instant
	forget(router netip.Addr)
	tell()
}
