package pool

// FNV-1a's numbers; mix is the finaliser of splitmix64, which spreads what FNV leaves in the upper bits.
const (
	offset = 0xcbf29ce484222325
	prime  = 0x100000001b3
)

func hashString(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * prime
	}
	return h
}

func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// Hash is a number that is always the same for the text, and has nothing to do with it otherwise.
func Hash(text string) uint64 { return mix(hashString(offset, text)) }

func (c *Client) hash(seed uint64) uint64 {
	h := hashString(offset^seed, string(c.DUID))
	for _, b := range c.MAC {
		h = (h ^ uint64(b)) * prime
	}
	for i := range 4 {
		h = (h ^ uint64(byte(c.IAID>>(8*i)))) * prime
	}
	return mix(h)
}
