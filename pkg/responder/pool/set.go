package pool

// A set finds bindings by something that is in them, and takes some 16 bytes for each, where a map with a key
// takes 50. It is an open-addressing hash table in parts that grow one by one, so that no growth takes long.
type set struct {
	parts [256]part
	len   int
	hash  func(*Binding) uint64
}

// A part has a power of two of slots, of which a quarter at least is free. A tag is 0 where the slot is
// free, else a piece of the hash, which saves most looks at bindings.
type part struct {
	slots []*Binding
	tags  []uint8
	used  int
}

const leastSlots = 8

func (p *part) home(h uint64) uint64 { return h & uint64(len(p.slots)-1) }

// part is where hashes like that one are: by the upper bits, since home takes the lower ones.
func (s *set) part(h uint64) *part { return &s.parts[h>>56] }

// tag is of bits that neither part nor home takes.
func tag(h uint64) uint8 { return uint8(h>>48) | 1 }

// find returns the binding with that hash that is the one.
func (s *set) find(h uint64, is func(*Binding) bool) *Binding {
	p := s.part(h)
	if p.used == 0 {
		return nil
	}
	for i := p.home(h); p.tags[i] != 0; i = p.home(i + 1) {
		if p.tags[i] == tag(h) && is(p.slots[i]) {
			return p.slots[i]
		}
	}
	return nil
}

// add wants a binding that the set has not.
func (s *set) add(b *Binding) {
	h := s.hash(b)
	p := s.part(h)
	if 4*(p.used+1) > 3*len(p.slots) {
		old := p.slots
		size := max(leastSlots, 2*len(old))
		p.slots, p.tags = make([]*Binding, size), make([]uint8, size)
		for _, b := range old {
			if b != nil {
				p.place(b, s.hash(b))
			}
		}
	}
	p.place(b, h)
	p.used++
	s.len++
}

func (p *part) place(b *Binding, h uint64) {
	i := p.home(h)
	for p.tags[i] != 0 {
		i = p.home(i + 1)
	}
	p.slots[i], p.tags[i] = b, tag(h)
}

// remove takes a binding out, if the set has it. Those behind it move up, so that find passes no gap.
func (s *set) remove(b *Binding) {
	h := s.hash(b)
	p := s.part(h)
	if p.used == 0 {
		return
	}
	at := p.home(h)
	for ; p.slots[at] != b; at = p.home(at + 1) {
		if p.tags[at] == 0 {
			return
		}
	}
	p.used--
	s.len--
	for i := p.home(at + 1); p.tags[i] != 0; i = p.home(i + 1) {
		// One may move to the gap unless its home lies behind the gap, up to where it stands.
		if home := p.home(s.hash(p.slots[i])); p.home(i-home) >= p.home(i-at) {
			p.slots[at], p.tags[at] = p.slots[i], p.tags[i]
			at = i
		}
	}
	p.slots[at], p.tags[at] = nil, 0
}

// all gives each binding once, in no order. None may be added or removed meanwhile.
func (s *set) all(yield func(*Binding) bool) {
	for i := range s.parts {
		for _, b := range s.parts[i].slots {
			if b != nil && !yield(b) {
				return
			}
		}
	}
}
