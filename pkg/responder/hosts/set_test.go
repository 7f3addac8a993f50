package hosts

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

func TestSetFindsWhatWasPutAndForgetsWhatWasRemoved(t *testing.T) {
	parse := func(line string) *Host {
		t.Helper()
		list, problems := Parse("f", line+"\n")
		if len(list) != 1 || len(problems) != 0 {
			t.Fatal(problems)
		}
		return &list[0]
	}
	owner := func(r Reservations, a, want string) {
		t.Helper()
		name := ""
		if h := r.Owner(netip.MustParseAddr(a)); h != nil {
			name = h.Name
		}
		if name != want {
			t.Errorf("%s is %q's, want %q", a, name, want)
		}
	}
	s := NewSet()
	one := parse("06:a0:f0:00:00:01,id:00:04:aa:bb:cc:dd:ee,[2001:db8:1::1],[::11],one")
	s.Put(one)
	s.Put(parse("id:00:04:11:22:33:44:55,[2001:db8:1::2],two"))
	r := Reservations{Added: s}
	owner(r, "2001:db8:1::1", "one")
	owner(r, "2001:db8:7::11", "one")
	owner(r, "2001:db8:1::2", "two")
	for range r.Of(MAC{}, one.DUIDs()[0]) {
		r.Added = nil // found
	}
	if r.Added != nil || s.Len() != 2 || s.Get("06:a0:f0:00:00:01") != one {
		t.Error("one is not found")
	}
	file := Build([]Host{*parse("06:a0:f0:00:00:09,[2001:db8:1::1],file")})
	r = Reservations{file, s}
	owner(r, "2001:db8:1::1", "file")
	s.Put(parse("06:a0:f0:00:00:01,[2001:db8:1::3],three")) // in one's place
	owner(r, "2001:db8:7::11", "")
	owner(r, "2001:db8:1::3", "three")
	s.Remove("06:a0:f0:00:00:01")
	s.Remove(DUIDKey("\x00\x04\x11\x22\x33\x44\x55"))
	s.Remove("nobody")
	if s.Len() != 0 || len(s.byMAC)+len(s.byDUID)+len(s.byAddr) != 0 {
		t.Errorf("left: %+v", s)
	}
	if long := DUIDKey("\x00\x02" + "0123456789012345678901234567890123456789012345678901234567890123456789"); len(long) > 100 {
		t.Errorf("a key of %d bytes", len(long))
	}
}

// TestOwnsSaysOfFoundHostsWhatASearchSays, whatever files say and whatever comes and goes beside them.
func TestOwnsSaysOfFoundHostsWhatASearchSays(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 1))
		line := func() *Host {
			addr := fmt.Sprintf("2001:db8:%x::%x", random.IntN(2), 1+random.IntN(20))
			if random.Uint64()%16 < seed%3 { // never, seldom, or more often
				addr = fmt.Sprintf("::%x", 1+random.IntN(20))
			}
			list, problems := Parse("f", fmt.Sprintf("06:a0:f0:00:00:%02x,06:a0:f0:00:00:%02x,[%s]", random.IntN(20), random.IntN(20), addr))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			return &list[0]
		}
		var lines []Host
		for range random.IntN(12) {
			lines = append(lines, *line())
		}
		r := Reservations{Build(lines), NewSet()}
		for range 40 {
			if h := line(); random.IntN(3) > 0 {
				r.Added.Put(h)
			} else {
				r.Added.Remove(h.Key())
			}
			for n := range byte(20) {
				for h := range r.Of(MAC{6, 0xa0, 0xf0, 0, 0, n}, "") {
					for _, net := range []string{"2001:db8::/64", "2001:db8:1::/64"} {
						for _, a := range h.Within(netip.MustParsePrefix(net)) {
							if got, want := r.Owns(h, a), r.Owner(a) == h; got != want {
								t.Fatalf("seed %d: Owns(%v of %s) is %t", seed, a, h.MACs(), got)
							}
						}
					}
				}
			}
		}
	}
}
