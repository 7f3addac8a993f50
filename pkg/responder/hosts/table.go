package hosts

import "hash/maphash"

// A table is a map from keys to numbers that is filled once: an open-addressing hash table in one piece, in which a
// key is found in one cache line as a rule. Go's map, which can grow, goes through three.
type table[K comparable] struct {
	seed  maphash.Seed
	slots []slot[K]
}

// A slot is free where its number is 0.
type slot[K comparable] struct {
	key    K
	number uint32
}

// newTable returns one for so many keys. A third of the slots and more stays free.
func newTable[K comparable](keys int) table[K] {
	return table[K]{maphash.MakeSeed(), make([]slot[K], keys+keys/2+1)}
}

// at returns the slot of the key, or the free one that it would have.
func (t *table[K]) at(key K) *slot[K] {
	h := maphash.Comparable(t.seed, key) >> 32
	for i := h * uint64(len(t.slots)) >> 32; ; i++ {
		if i == uint64(len(t.slots)) {
			i = 0
		}
		if s := &t.slots[i]; s.number == 0 || s.key == key {
			return s
		}
	}
}
