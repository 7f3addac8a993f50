package hosts

import (
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
