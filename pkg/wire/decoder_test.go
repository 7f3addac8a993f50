package wire

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzDecoder proves that a Decoder reads what Decode reads, whatever it has read before.
func FuzzDecoder(f *testing.F) {
	all := packets(f)
	for _, b := range all {
		f.Add(b, all["dhclient-solicit"])
		f.Add(all["dnsmasq-advertise"], b)
	}
	for _, b := range worstCases(1400) {
		f.Add(b, all["dnsmasq-advertise"])
	}
	f.Fuzz(func(t *testing.T, before, b []byte) {
		var d Decoder
		_, _ = d.Decode(before)
		got, err := d.Decode(b)
		want, wantErr := Decode(b)
		if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
			t.Fatalf("%v, want %v", err, wantErr)
		}
		if diff := cmp.Diff(want, got, compare); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestADecoderAllocatesOnlyTheClientIdentifier(t *testing.T) {
	var d Decoder
	b := packets(t)["dhclient-solicit"]
	if n := testing.AllocsPerRun(100, func() { _, _ = d.Decode(b) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecoder(b *testing.B) {
	var d Decoder
	p := packets(b)["dhclient-solicit"]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode(p); err != nil {
			b.Fatal(err)
		}
	}
}
