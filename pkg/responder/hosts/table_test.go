package hosts

import (
	"math/rand/v2"
	"testing"
)

func TestTableFindsWhatWasPutAndNothingElse(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 100, 10_000} {
		random := rand.New(rand.NewPCG(1, uint64(n)))
		table, want := newTable[MAC](n), map[MAC]uint32{}
		for len(want) < n {
			m := MAC{6, 0, 0, 0, byte(random.IntN(256)), byte(random.IntN(256))}
			want[m] = 1 + random.Uint32N(1000)
			*table.at(m) = slot[MAC]{m, want[m]}
		}
		for i := range 1 << 16 {
			m := MAC{6, 0, 0, 0, byte(i >> 8), byte(i)}
			if got := table.at(m).number; got != want[m] {
				t.Fatalf("of %d keys %s has %d, want %d", n, m, got, want[m])
			}
		}
	}
}
