package hosts

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"net/netip"
	"slices"

	"github.com/v6guest/v6guest/pkg/wire"
)

// A Set holds hosts that come and go one by one, at the same cost whatever their number. A host is found by
// its key: one that is put takes the place of the one with the same key. The nil Set has no hosts.
type Set struct {
	list   []*Host        // in no order
	byKey  map[string]int // where in it
	byMAC  map[MAC][]*Host
	byDUID map[wire.DUID][]*Host
	byAddr map[[16]byte]*Host

	// An address in lost was put twice; partially says that a host has only an interface identifier. All other
	// addresses are their own host's.
	lost      map[[16]byte]bool
	partially bool
}

// NewSet returns an empty set.
func NewSet() *Set {
	return &Set{byKey: map[string]int{}, byMAC: map[MAC][]*Host{}, byDUID: map[wire.DUID][]*Host{}, byAddr: map[[16]byte]*Host{}, lost: map[[16]byte]bool{}}
}

// Key is what a host is known by in a Set: the first MAC that it names, else the first DUID.
func (h *Host) Key() string {
	switch {
	case len(h.MACs()) > 0:
		return h.MACs()[0].String()
	case len(h.DUIDs()) > 0:
		return DUIDKey(h.DUIDs()[0])
	}
	return ""
}

// DUIDKey is the key of a host that is named by a DUID; it is never long.
func DUIDKey(d wire.DUID) string {
	if b := []byte(d); len(b) <= 64 {
		return "duid-" + hex.EncodeToString(b)
	}
	sum := sha256.Sum256([]byte(d))
	return "duid-sha256-" + hex.EncodeToString(sum[:])
}

// Put adds a host, which is the set's from now on. Where an address is another host's already, that one loses it.
func (s *Set) Put(h *Host) {
	h.added = true
	key := h.Key()
	s.Remove(key)
	s.byKey[key] = len(s.list)
	s.list = append(s.list, h)
	for _, m := range h.MACs() {
		s.byMAC[m] = append(s.byMAC[m], h)
	}
	for _, d := range h.DUIDs() {
		s.byDUID[d] = append(s.byDUID[d], h)
	}
	for _, a := range h.Addrs() {
		if s.byAddr[a.As16()] != nil {
			s.lost[a.As16()] = true
		}
		s.byAddr[a.As16()] = h
		s.partially = s.partially || partial(a)
	}
}

// Remove takes the host with that key out; none is no error.
func (s *Set) Remove(key string) {
	h := s.Get(key)
	if h == nil {
		return
	}
	at, last := s.byKey[key], len(s.list)-1
	s.byKey[s.list[last].Key()] = at
	s.list[at], s.list[last] = s.list[last], nil
	s.list = s.list[:last]
	delete(s.byKey, key)
	for _, m := range h.MACs() {
		s.byMAC[m] = slices.DeleteFunc(s.byMAC[m], func(o *Host) bool { return o == h })
		if len(s.byMAC[m]) == 0 {
			delete(s.byMAC, m)
		}
	}
	for _, d := range h.DUIDs() {
		s.byDUID[d] = slices.DeleteFunc(s.byDUID[d], func(o *Host) bool { return o == h })
		if len(s.byDUID[d]) == 0 {
			delete(s.byDUID, d)
		}
	}
	for _, a := range h.Addrs() {
		if s.byAddr[a.As16()] == h {
			delete(s.byAddr, a.As16())
		}
	}
}

// Len is how many hosts there are.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return len(s.byKey)
}

// Get returns the host with that key, nil if there is none.
func (s *Set) Get(key string) *Host {
	if s == nil {
		return nil
	}
	at, found := s.byKey[key]
	if !found {
		return nil
	}
	return s.list[at]
}

// Owner is Index.Owner's twin.
func (s *Set) Owner(a netip.Addr) *Host {
	if s.Len() == 0 {
		return nil
	}
	key := a.As16()
	if h := s.byAddr[key]; h != nil {
		return h
	}
	clear(key[:8])
	return s.byAddr[key]
}

// All gives the hosts in no order, which takes a millisecond for a million: others may have to wait for it.
func (s *Set) All() []*Host {
	if s == nil {
		return nil
	}
	return slices.Clone(s.list)
}

// SortByKey sorts hosts by their keys.
func SortByKey(list []*Host) {
	type entry struct {
		key  string
		host *Host
	}
	keyed := make([]entry, len(list))
	for i, h := range list {
		keyed[i] = entry{h.Key(), h}
	}
	slices.SortFunc(keyed, func(a, b entry) int { return cmp.Compare(a.key, b.key) })
	for i := range keyed {
		list[i] = keyed[i].host
	}
}

// Reservations are those of an Index, which is made of files, and beside them those of a Set. What a file
// says wins.
type Reservations struct {
	File  *Index
	Added *Set
}

// Of gives the hosts of a DUID that is no DUID-LL of Ethernet, or where that is empty of a MAC, those that
// win first.
func (r Reservations) Of(m MAC, d wire.DUID) iter.Seq[*Host] {
	return func(yield func(*Host) bool) {
		f := r.Find(m, d)
		for h := f.Next(); h != nil && yield(h); h = f.Next() {
		}
	}
}

// Find is Of for who asks many thousand times a second: it allocates nothing, and who is content with what a file
// says does not pay for a look at the rest.
func (r Reservations) Find(m MAC, d wire.DUID) Found {
	f := Found{set: r.Added, mac: m, duid: d}
	if d != "" {
		f.index, f.next = r.File.firstOfDUID(d)
	} else {
		f.index, f.next = r.File.firstOfMAC(m)
	}
	return f
}

// Found are hosts that were found.
type Found struct {
	index *Index
	next  uint32 // in it, as a slot has it

	set   *Set // to be asked when the index has no more; nil where it was
	mac   MAC
	duid  wire.DUID
	added []*Host // of it
}

// Next returns the next host, nil after the last.
func (f *Found) Next() (h *Host) {
	if f.next != 0 {
		h, f.next = f.index.step(f.next)
		return h
	}
	if f.set != nil {
		f.added, f.set = f.set.of(f.mac, f.duid), nil
	}
	if len(f.added) > 0 {
		h, f.added = f.added[0], f.added[1:]
	}
	return h
}

// of are the hosts of a DUID, or where that is empty of a MAC.
func (s *Set) of(m MAC, d wire.DUID) []*Host {
	if d != "" {
		return s.byDUID[d]
	}
	return s.byMAC[m]
}

// disputed is Index.disputed's twin.
func (s *Set) disputed(a netip.Addr) bool { return s != nil && (s.partially || s.lost[a.As16()]) }

// Owns reports whether an address of a host that Find found is reserved for it, and not for another that wins.
func (r *Reservations) Owns(h *Host, a netip.Addr) bool {
	switch {
	case r.File.disputed(a), h.added && r.Added.disputed(a):
		return r.Owner(a) == h
	case h.added:
		return r.File.Owner(a) == nil
	}
	return true // without a search among all of them
}

// Owner returns the host for which the address is reserved, nil if there is none.
func (r Reservations) Owner(a netip.Addr) *Host {
	if h := r.File.Owner(a); h != nil {
		return h
	}
	return r.Added.Owner(a)
}
