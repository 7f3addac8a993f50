package wire

import (
	"bytes"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// heap returns how many bytes f allocates: the least of three runs, since the fuzzer's own goroutines
// allocate too.
func heap(f func()) uint64 {
	var before, after runtime.MemStats
	least := uint64(math.MaxUint64)
	for range 3 {
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

// heapLimit bounds what a datagram of n bytes may cost.
func heapLimit(n int) uint64 { return uint64(4096 + 32*n) }

func FuzzDecode(f *testing.F) {
	for _, b := range packets(f) {
		f.Add(b)
	}
	for _, tt := range golden {
		f.Add(packet(f, tt.bytes))
	}
	f.Add(solicitWith(hostileList(1400)))
	f.Add(solicitWith(honestList(1400)))
	for _, b := range worstCases(1400) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := heap(func() { _, _, _ = DecodeRelayed(b) }); got > heapLimit(len(b)) {
			t.Errorf("%d bytes in, %d bytes of heap, limit %d", len(b), got, heapLimit(len(b)))
		}
		m, relays, err := DecodeRelayed(b)
		if err != nil {
			if reason := DiscardError(""); !errors.As(err, &reason) {
				t.Fatalf("an error without reason: %v", err)
			}
			return
		}
		if s := m.String(); strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) || len(s) > maxLine+1000 {
			t.Errorf("String: %q", s)
		}
		_, _ = m.CheckForClient(), m.CheckForServer()
		encoded, err := m.Encode()
		if err != nil {
			// What was read can be written, unless it grows beyond a datagram.
			if !errors.Is(err, ErrTooLong) || len(b) < MaxMessage/4 {
				t.Fatalf("what was read cannot be written: %v", err)
			}
			return
		}
		again, err := Decode(encoded)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%x", err, encoded)
		}
		if diff := cmp.Diff(normal(m), again, compare); diff != "" {
			t.Errorf("round trip (-first +second):\n%s", diff)
		}
		if twice, err := again.Encode(); err != nil || !bytes.Equal(encoded, twice) {
			t.Errorf("encoded %x, then %x, %v", encoded, twice, err)
		}
		if _, err := EncodeRelayReply(relays, again); err != nil && !errors.Is(err, ErrTooLong) {
			t.Errorf("relay reply: %v", err)
		}
	})
}

// normal is what of m is written.
func normal(m *Message) *Message {
	n := *m
	n.Flaws, n.Truncated = nil, false
	if !IsClientMessage(n.Type) {
		n.Elapsed = 0
	}
	return &n
}

// worstCases are the packets that cost most in proportion to their size.
func worstCases(size int) map[string][]byte {
	fill := func(unit []byte) []byte {
		b := []byte{7, 0x1a, 0x2b, 0x3c}
		for len(b)+len(unit) <= size {
			b = append(b, unit...)
		}
		return b
	}
	ia := func(inner []byte) []byte {
		n := (size - 20) / len(inner) * len(inner)
		b := append([]byte{7, 0x1a, 0x2b, 0x3c, 0, 3, byte((n + 12) >> 8), byte(n + 12)}, make([]byte, 12)...)
		return append(b, bytes.Repeat(inner, n/len(inner))...)
	}
	address := append([]byte{0, 5, 0, 30}, make([]byte, 24)...)
	address = append(address, 0, 13, 0, 2, 0, 1)
	relay := append([]byte{12, 0}, make([]byte, 32)...)
	for len(relay)+8 <= size {
		relay = append(relay, 0xfd, 0xe8, 0, 0)
	}
	return map[string][]byte{
		"empty unknown options":    fill([]byte{0xfd, 0xe8, 0, 0}),
		"unknown options":          fill([]byte{0xfd, 0xe8, 0, 1, 'x'}),
		"empty IA_NAs":             fill([]byte{0, 3, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}),
		"IA_NAs with a status":     fill([]byte{0, 3, 0, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 13, 0, 2, 0, 1}),
		"addresses with a status":  ia(address),
		"repeated options":         fill([]byte{0, 7, 0, 0}),
		"NTP servers":              fill(append([]byte{0, 56, 0, 20, 0, 1, 0, 16}, make([]byte, 16)...)),
		"NTP options without use":  fill([]byte{0, 56, 0, 4, 0, 9, 0, 0}),
		"options of a relay agent": append(relay, 0, 9, 0, 4, 1, 0, 0, 0),
		"names":                    solicitWith(honestList(size - 30)),
		"hostile names":            solicitWith(hostileList(size - 30)),
	}
}

// TestCostIsLinear is S-23-02, S-10-02 and the bound of the fuzz target for datagrams of every size.
func TestCostIsLinear(t *testing.T) {
	for _, size := range []int{1400, 16000, 65000} {
		for name, b := range worstCases(size) {
			if got := heap(func() { _, _, _ = DecodeRelayed(b) }); got > heapLimit(len(b)) {
				t.Errorf("%s: %d bytes in, %d bytes of heap, limit %d", name, len(b), got, heapLimit(len(b)))
			}
		}
	}
}

func FuzzParseDUID(f *testing.F) {
	for _, s := range []string{
		"00:03:00:01:06:a0:f0:00:00:38", "0:3:0:1:6:a0:f0:0:0:38", "00-03-00-01-06-A0-F0-00-00-38",
		"0003000106a0f0000038", "0x0003", "id:00:03", "06a0.f000.0038", `"\000\003\000\001"`, "00 03 00", "vm", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDUID(s)
		if err != nil {
			if d != "" || !errors.Is(err, ErrDUIDSyntax) || len(err.Error()) > 600 {
				t.Fatalf("%q, %v", string(d), err)
			}
			return
		}
		if again, err := ParseDUID(d.String()); err != nil || again != d || !d.Valid() {
			t.Errorf("%q is %s, which is read as %s, %v", s, d, again, err)
		}
	})
}
