package pool

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/wire"
)

// TestASetIsAMap: whatever is added and removed, also where all hashes are crowded together.
func TestASetIsAMap(t *testing.T) {
	for _, spread := range []uint64{^uint64(0), 0xff000000000000ff, 0x7, 0} {
		r := rand.New(rand.NewPCG(1, spread))
		s := &set{hash: func(b *Binding) uint64 { return mix(b.Change) & spread }}
		in := map[uint64]*Binding{}
		for range 4000 {
			n := r.Uint64N(300)
			if b := in[n]; b != nil {
				delete(in, n)
				s.remove(b)
				s.remove(b) // that is gone already: nothing
			} else {
				in[n] = &Binding{Change: n}
				s.add(in[n])
			}
			for n := range uint64(300) {
				if got := s.find(mix(n)&spread, func(b *Binding) bool { return b.Change == n }); got != in[n] {
					t.Fatalf("spread %x: %d is %v, want %v", spread, n, got, in[n])
				}
			}
			seen := 0
			for b := range s.all {
				if seen++; in[b.Change] != b {
					t.Fatalf("%d is not in it", b.Change)
				}
			}
			if seen != len(in) || s.len != len(in) {
				t.Fatalf("%d and %d, want %d", seen, s.len, len(in))
			}
		}
	}
}

// TestABindingIsTheLease that it was made of, with a DUID of any length.
func TestABindingIsTheLease(t *testing.T) {
	table := New()
	for _, want := range leases() {
		table.Restore(&want)
		b := table.At(want.Prefix)
		if b == nil {
			t.Fatalf("%s is not found", want.Prefix)
		}
		if diff := cmp.Diff(want, b.Lease(), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if !b.Of(want.DUID) || b.Of(want.DUID+"x") || b.Of(want.DUID[:len(want.DUID)-1]) || b.Ends() != want.Ends() {
			t.Errorf("%q, ends %v, want %v", b.DUID(), b.Ends(), want.Ends())
		}
	}
}

func leases() (all []leasestore.Lease) {
	for i, length := range []int{3, 10, 14, 20, 21, 130} {
		bits := 128 - 8*(i%3)
		all = append(all, leasestore.Lease{
			Prefix: netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 13: byte(i)}), bits).Masked(), Delegated: bits < 128,
			State: leasestore.Bound, DUID: wire.DUID(bytes.Repeat([]byte{byte(i)}, length)), IAID: wire.IAID(i), MAC: [6]byte{2, 5: byte(i)},
			Network: "guests", Interface: "eth0", Granted: clock.Instant(-i) * 1e9, Wall: time.UnixMilli(int64(1700000000000 + i)).UTC(),
			Preferred: time.Duration(i) * time.Hour, Valid: []time.Duration{wire.Infinite, time.Hour * 24}[i%2],
		})
		if i > 2 && bits < 128 {
			all[i].Via = netip.MustParseAddr("fe80::1")
		}
	}
	return all
}
