package ra

import (
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// FuzzRead: no packet makes reading panic or cost more than its size is worth, and what was read can
// be written and says the same when it is read again.
func FuzzRead(f *testing.F) {
	captures, err := filepath.Glob("testdata/captures/*.bin")
	if err != nil || len(captures) < 3 {
		f.Fatalf("%d captures, %v", len(captures), err)
	}
	for _, file := range captures {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(advertisement(optionMAC, optionPrefix1, optionMTU1400, optionUnknown, dnssl("\x03lab\x07example\x00\x01a\x00\x00\x00")))
	f.Add(advertisement(option(25, append(make([]byte, 6), addrBytes("2001:db8::53")...)...), option(24, 0, 0, 0, 0, 0, 9)))
	f.Add(advertisement(option(38, append([]byte{7, 8}, addrBytes("64:ff9b::")[:12]...)...)))
	f.Fuzz(func(t *testing.T, b []byte) {
		least, before, after := uint64(math.MaxUint64), runtime.MemStats{}, runtime.MemStats{}
		var a *Advertisement
		for range 3 { // the least of three: the fuzzer's own goroutines allocate too
			runtime.ReadMemStats(&before)
			_, _ = packet(b).Solicitation()
			a, _ = packet(b).Advertisement()
			runtime.ReadMemStats(&after)
			least = min(least, after.TotalAlloc-before.TotalAlloc)
		}
		if limit := uint64(4096 + 32*len(b)); least > limit {
			t.Errorf("%d bytes in, %d bytes of heap, limit %d", len(b), least, limit)
		}
		if a != nil {
			rewrite(t, a)
		}
	})
}

func rewrite(t *testing.T, a *Advertisement) {
	t.Helper()
	packets, err := a.Marshal(math.MaxUint16)
	if err != nil {
		t.Fatalf("%+v cannot be written: %v", a, err)
	}
	again, err := packet(packets[0]).Advertisement()
	if err != nil || len(packets) == 1 && len(again.Flaws) > 0 {
		t.Fatalf("%+v cannot be read again: %v, %v", a, err, again)
	}
	if len(packets) == 1 && !slices.Equal(domainsOf(a), domainsOf(again)) || again.HopLimit != a.HopLimit || again.RouterLifetime != a.RouterLifetime {
		t.Errorf("written %+v\nread %+v", a, again)
	}
	for _, r := range again.RDNSS {
		if slices.ContainsFunc(r.Servers, func(s netip.Addr) bool { return s.IsMulticast() || s.Zone() != "" }) {
			t.Errorf("servers %v", r.Servers)
		}
	}
}

func domainsOf(a *Advertisement) (all []string) {
	for _, d := range a.DNSSL {
		all = append(all, d.Domains...)
		for _, name := range d.Domains {
			if CheckName(name) != nil {
				all = append(all, "not a name")
			}
		}
	}
	return all
}

// BenchmarkRead reads what costs most: a jumbo frame of names.
func BenchmarkRead(b *testing.B) {
	var options [][]byte
	for len(options) < 4 {
		names := make([]byte, 0, 2032)
		for len(names)+2 < cap(names) {
			names = append(names, 1, 'a', 0)
		}
		options = append(options, dnssl(string(names)))
	}
	p := packet(advertisement(options...))
	b.SetBytes(int64(len(p.Data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Advertisement(); err != nil {
			b.Fatal(err)
		}
	}
}
