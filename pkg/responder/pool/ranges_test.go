package pool

import (
	"encoding/binary"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/wire"
)

func TestRanges(t *testing.T) {
	for _, tt := range []struct {
		text  string
		shift int
		size  uint64
		at    uint64
		addr  string
	}{
		{"2001:db8::10-2001:db8::1f", 0, 16, 15, "2001:db8::1f"},
		{"2001:db8::10", 0, 1, 0, "2001:db8::10"},
		{"2001:db8::ffff:ffff:ffff:fffe-2001:db8:0:1::1", 0, 4, 2, "2001:db8:0:1::"},
		{"2001:db8::-2001:db8::ffff:ffff:ffff:ffff", 0, math.MaxUint64, 1 << 63, "2001:db8::8000:0:0:0"},
		{"2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 0, math.MaxUint64, 5, "2001:db8::5"},
		{"2001:db8:100::-2001:db8:1ff:ffff:ffff:ffff:ffff:ffff", 72, 65536, 257, "2001:db8:101:100::"},
		{"2001:db8:100::-2001:db8:100:0:ffff:ffff:ffff:ffff", 64, 1, 0, "2001:db8:100::"},
		{"2001:db8:100::-2001:db8:100::ffff", 8, 256, 3, "2001:db8:100::300"},
	} {
		r, err := ParseRange(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		rs := Ranges{r}
		a := rs.at(tt.at, tt.shift)
		if rs.size(tt.shift) != tt.size || a != netip.MustParseAddr(tt.addr) {
			t.Errorf("%s/%d: %d of them, number %d is %s", tt.text, tt.shift, rs.size(tt.shift), tt.at, a)
		}
		if i, ok := rs.index(a, tt.shift); !ok || i != tt.at {
			t.Errorf("%s/%d: %s is number %d, %v", tt.text, tt.shift, a, i, ok)
		}
	}
	two := Ranges{{netip.MustParseAddr("2001:db8::10"), netip.MustParseAddr("2001:db8::1f")}, {netip.MustParseAddr("2001:db8::30"), netip.MustParseAddr("2001:db8::3f")}}
	if i, ok := two.index(netip.MustParseAddr("2001:db8::31"), 0); two.Size() != 32 || !ok || i != 17 || two.at(17, 0) != netip.MustParseAddr("2001:db8::31") {
		t.Errorf("the 18th of two ranges: %d", i)
	}
	if _, ok := two.index(netip.MustParseAddr("2001:db8::20"), 0); ok {
		t.Error("between two ranges")
	}
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"2001:db8::1-2001:db8::2", "::", "-", "::1-", "2001:db8::1%eth0", "1.2.3.4-1.2.3.9", "::ffff:1.2.3.4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRange(s)
		if err != nil {
			if len(err.Error()) > 600 {
				t.Errorf("a long error: %v", err)
			}
			return
		}
		again, err := ParseRange(r.String())
		if err != nil || again != r || r.Size() == 0 || !r.Contains(r.First) || !r.Contains(r.Last) {
			t.Errorf("%q: %v, %v", s, r, err)
		}
	})
}

// TestThePoolIsUsedToItsLastAddress, in time that does not grow with what is taken.
func TestThePoolIsUsedToItsLastAddress(t *testing.T) {
	r, err := ParseRange("2001:db8::1:0-2001:db8::1:7fff")
	if err != nil {
		t.Fatal(err)
	}
	table := New()
	table.Configure([]Config{{Network: "n", Ranges: Ranges{r}, Exclude: Ranges{{r.First, r.First}}, Bits: 128}}, false, 1)
	p, judged := table.Pool("n"), 0
	judge := func(netip.Addr) Verdict { judged++; return Free }
	bound := map[netip.Addr]*Binding{}
	bind := func(i int) bool {
		c := Client{DUID: "\x00\x04" + duid(i), IAID: 1}
		a, ok := p.Choose(table, c, netip.Addr{}, judge)
		if ok {
			if bound[a] != nil {
				t.Fatalf("%s twice", a)
			}
			bound[a] = table.Bind(0, p, a, Owner{Client: c, DUID: c.DUID}, Terms{10 * time.Second, 20 * time.Second})
		}
		return ok
	}
	for i := range 0x7fff {
		if !bind(i) {
			t.Fatalf("none left after %d", i)
		}
	}
	if bind(0x8000) {
		t.Error("one more than there are")
	}
	if judged > 20*0x8000 {
		t.Errorf("%d addresses were looked at", judged)
	}
	var some []netip.Addr
	for a := range bound {
		if some = append(some, a); len(some) == 500 {
			break
		}
	}
	for i, a := range some { // any one that is free is found
		b := bound[a]
		table.Remove(b)
		delete(bound, a)
		if !bind(0x9000 + i) {
			t.Errorf("%s is not found", a)
		}
	}
}

func duid(i int) wire.DUID { return wire.DUID(binary.BigEndian.AppendUint32(nil, uint32(i))) }
