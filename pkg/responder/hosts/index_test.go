package hosts_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/pkg/responder/hosts"
	"github.com/v6guest/v6guest/pkg/wire"
)

// BenchmarkFind finds what a message of one host after the other needs to know, at random among ever more: memory
// that no cache holds is what it costs.
func BenchmarkFind(b *testing.B) {
	prefix := netip.MustParsePrefix("2001:db8::/64")
	for _, n := range []int{1000, 10_000, 100_000, 1_000_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			list, _ := hosts.Parse("f", million(n))
			r := hosts.Reservations{File: hosts.Build(list), Added: hosts.NewSet()}
			random := rand.New(rand.NewPCG(1, 2))
			var room [1]netip.Addr
			for b.Loop() {
				i := random.Uint32N(uint32(n))
				found := r.Find(hosts.MAC{0x06, 0xa0, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}, "")
				h := found.Next()
				if h == nil || h.Ignore || len(h.Tags()) > 0 || h.Lifetime == 0 {
					b.Fatal("not found")
				}
				if addrs := h.AppendWithin(room[:0], prefix); len(addrs) != 1 || !r.Owns(h, addrs[0]) {
					b.Fatal("no address")
				}
			}
		})
	}
}

// someLines are lines of few MACs, DUIDs, networks and interface identifiers, so that many speak of the same.
func someLines(random *rand.Rand, count int) string {
	var b strings.Builder
	for range count {
		for range 1 + random.IntN(2) {
			if random.IntN(4) == 0 {
				fmt.Fprintf(&b, "id:00:04:aa:%02x,", random.IntN(4))
			} else {
				fmt.Fprintf(&b, "06:a0:f0:00:00:%02x,", 1+random.IntN(40))
			}
		}
		for range random.IntN(3) {
			if random.IntN(8) == 0 {
				fmt.Fprintf(&b, "[::%x],", 1+random.IntN(60))
			} else {
				fmt.Fprintf(&b, "[2001:db8:%x::%x],", random.IntN(3), 1+random.IntN(60))
			}
		}
		if random.IntN(3) == 0 {
			fmt.Fprintf(&b, "set:t%d,", random.IntN(3))
		}
		b.WriteString("1h\n")
	}
	return b.String()
}

// TestIndexFindsWhatALookThroughAllLinesFinds, in the same order, and the same owner of each address.
func TestIndexFindsWhatALookThroughAllLinesFinds(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		var lists [][]hosts.Host
		var all []*hosts.Host // the strongest first
		for i := range random.IntN(4) {
			list, problems := hosts.Parse("f"+strconv.Itoa(i), someLines(random, random.IntN(30)))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			lists = append(lists, list)
			for i := range list {
				all = append(all, &list[i])
			}
		}
		slices.Reverse(all)
		x := hosts.Build(lists...)
		if x.Len() != len(all) {
			t.Fatalf("%d hosts, want %d", x.Len(), len(all))
		}
		r := hosts.Reservations{File: x, Added: hosts.NewSet()}
		where := func(all []*hosts.Host, which func(*hosts.Host) bool) (out []string) {
			for _, h := range all {
				if which(h) {
					out = append(out, h.Where())
				}
			}
			return slices.Compact(out) // a line may name a client twice
		}
		for n := range byte(42) {
			mac := hosts.MAC{6, 0xa0, 0xf0, 0, 0, n}
			want := where(all, func(h *hosts.Host) bool { return slices.Contains(h.MACs(), mac) })
			got := where(slices.Collect(r.Of(mac, "")), func(*hosts.Host) bool { return true })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d: lines of %s (-want +got):\n%s", seed, mac, diff)
			}
			duid := wire.DUID([]byte{0, 4, 0xaa, n})
			want = where(all, func(h *hosts.Host) bool { return slices.Contains(h.DUIDs(), duid) })
			got = where(slices.Collect(x.ByDUID(duid)), func(*hosts.Host) bool { return true })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d: lines of %s (-want +got):\n%s", seed, duid, diff)
			}
		}
		for net := range 3 {
			prefix := netip.MustParsePrefix(fmt.Sprintf("2001:db8:%x::/64", net))
			for id := range 62 {
				a := netip.MustParseAddr(fmt.Sprintf("2001:db8:%x::%x", net, id))
				var owner *hosts.Host
				for _, h := range all {
					has := slices.Contains(h.Within(prefix), a)
					if owner == nil && has {
						owner = h
					}
					if has && r.Owns(h, a) != (h == owner) {
						t.Fatalf("seed %d: Owns(%s, %s) = %t", seed, h.Where(), a, h != owner)
					}
				}
				if got := x.Owner(a); got != owner {
					t.Fatalf("seed %d: %s is %v's, want %v's", seed, a, got, owner)
				}
			}
		}
	}
}

// TestOneMACInManyLinesIsNoTrouble: neither to build nor to look through.
func TestOneMACInManyLinesIsNoTrouble(t *testing.T) {
	const lines = 200_000
	list, _ := hosts.Parse("f", strings.Repeat("06:a0:f0:00:00:38,[2001:db8::38]\n", lines))
	count := 0
	for h := range hosts.Build(list).ByMAC(mac38) {
		if count++; h.Line != lines+1-count {
			t.Fatalf("line %d is the number %d", h.Line, count)
		}
	}
	if count != lines {
		t.Errorf("%d lines", count)
	}
}

// TestAHostWithOneMoreAddressLeavesTheOldOneAsItWas, since hosts share memory.
func TestAHostWithOneMoreAddressLeavesTheOldOneAsItWas(t *testing.T) {
	list, _ := hosts.Parse("f", "06:a0:f0:00:00:38,vm,set:a\n")
	before := openly(list)
	h := &list[0]
	for n := range 3 {
		with := h.With(netip.AddrFrom16([16]byte{0x20, 1, 15: byte(n)}))
		if len(with.Addrs()) != n+1 || with.Addrs()[n].As16()[15] != byte(n) || with.MACs()[0] != mac38 || !with.Tagged("a") {
			t.Errorf("with %d more: %+v", n+1, openly([]hosts.Host{*with}))
		}
		h = with
	}
	if diff := cmp.Diff(before, openly(list)); diff != "" {
		t.Errorf("the old one (-before +after):\n%s", diff)
	}
}
