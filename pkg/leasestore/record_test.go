package leasestore

import (
	"errors"
	"math"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/wire"
)

// decoded is what becomes of bytes that are found under a sequence number.
func decoded(record []byte, seq uint64) (*Lease, uint64, error) {
	kind, _, err := openRecord(record, seq)
	if err != nil || kind != kindLease {
		return nil, 0, err
	}
	return decodeLease(record, interner{})
}

func sealed(record []byte, seq uint64) []byte {
	seal(record, seq)
	return record
}

func TestARecordIsAsLongAsItMustBe(t *testing.T) {
	if n := len(appendLease(nil, stamped(lease(1, 1)), 3)); n > 80 {
		t.Errorf("a record of a DUID-LL has %d bytes", n)
	}
	if n := len(appendForget(nil, key{})); n != 23 {
		t.Errorf("a record that removes has %d bytes", n)
	}
}

// TestARecordIsRoundedSoThatNothingEndsEarly: moments to the next millisecond, lifetimes to the next second.
func TestARecordIsRoundedSoThatNothingEndsEarly(t *testing.T) {
	for _, tt := range []struct {
		name          string
		granted, want clock.Instant
		valid, stored time.Duration
	}{
		{"a nanosecond more", clock.Instant(time.Second + 1), clock.Instant(time.Second + time.Millisecond), time.Minute + 1, 61 * time.Second},
		{"whole", clock.Instant(time.Second), clock.Instant(time.Second), time.Minute, time.Minute},
		{"before boot", -clock.Instant(time.Second + 1), -clock.Instant(time.Second), 0, 0},
		{"at boot", 0, 0, 1, time.Second},
		{"a century", farthest, farthest, wire.Infinite - 1, wire.Infinite},
		{"a century before", -farthest, -farthest, wire.Infinite, wire.Infinite},
		{"longer than the wire can say", 0, 0, math.MaxInt64, wire.Infinite},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := stamped(lease(1, 1))
			l.Granted, l.Preferred, l.Valid = tt.granted, tt.valid, tt.valid
			got, _, err := decoded(sealed(appendLease(nil, l, 1), 9), 9)
			if err != nil || got.Granted != tt.want || got.Valid != tt.stored || got.Preferred != tt.stored {
				t.Errorf("%v: granted %v, lifetimes %v %v; want %v, %v", err, got.Granted, got.Preferred, got.Valid, tt.want, tt.stored)
			}
		})
	}
}

// TestARecordOfAPrefixSaysWhereItIsRoutedTo; one of a version that did not know it says nothing of it.
func TestARecordOfAPrefixSaysWhereItIsRoutedTo(t *testing.T) {
	for _, via := range []string{"fe80::38", "2001:db8::1", ""} {
		l := stamped(lease(1, 1))
		l.Prefix, l.Delegated = netip.MustParsePrefix("2001:db8:ff00::/56"), true
		if via != "" {
			l.Via = netip.MustParseAddr(via)
		}
		got, _, err := decoded(sealed(appendLease(nil, l, 1), 9), 9)
		if err != nil || got.Via != l.Via || got.Interface != l.Interface {
			t.Errorf("%q: %+v, %v", via, got, err)
		}
	}
	l := lease(1, 1)
	for _, bad := range []string{"192.0.2.1", "fe80::1%eth0", "::ffff:192.0.2.1"} {
		if l.Via = netip.MustParseAddr(bad); !errors.Is(checkLease(l), ErrInvalid) {
			t.Errorf("%s is taken", bad)
		}
	}
}

func TestARecordThatIsNoneIsToldWhy(t *testing.T) {
	whole := func() []byte { return sealed(appendLease(nil, stamped(lease(1, 1)), 3), 9) }
	body := func(change func(b []byte) []byte) []byte {
		b := whole()
		return sealed(append(change(b[:len(b)-sumLength]), 0, 0, 0, 0), 9)
	}
	set := func(at int, v byte) []byte {
		return body(func(b []byte) []byte { b[at] = v; return b })
	}
	for _, tt := range []struct {
		name   string
		record []byte
		want   error
	}{
		{"whole", whole(), nil},
		{"empty", nil, errShort},
		{"head only", whole()[:headLength], errShort},
		{"another place", sealed(whole(), 8), errSum},
		{"a bit", append([]byte{whole()[0] ^ 1}, whole()[1:]...), errSum},
		{"a later version", set(0, 2), errVersion},
		{"unknown kind", set(1, 3), errField},
		{"removal with more in it", set(1, kindForget), errField},
		{"prefix with host bits", set(18, 64), errField},
		{"prefix of 129 bits", set(18, 129), errField},
		{"no state", set(19, 0), errField},
		{"unknown state", set(19, 5), errField},
		{"unknown flag", set(20, 4), errField},
		{"via that is not there", set(20, flagVia), errShort},
		{"something behind", body(func(b []byte) []byte { return append(b, 0) }), errField},
		{"something missing", body(func(b []byte) []byte { return b[:len(b)-1] }), errShort},
		{"a name that is longer than the record", set(len(whole())-sumLength-5, 200), errShort},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := decoded(tt.record, 9); !errors.Is(err, tt.want) {
				t.Errorf("error: %v, want %v", err, tt.want)
			}
		})
	}
	b := whole()
	for n := range b {
		if l, _, err := decoded(sealed(append(b[:max(0, n-sumLength):max(0, n-sumLength)], 0, 0, 0, 0), 9), 9); err == nil {
			t.Errorf("cut at %d: %+v", n, l)
		}
	}
}

func TestRandomLeasesComeBack(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	text := func(n int) string {
		b := make([]byte, r.IntN(n+1))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return string(b)
	}
	for range 3000 {
		var a [16]byte
		copy(a[:], text(16))
		l := &Lease{
			Delegated: true, State: State(1 + r.IntN(4)), DUID: wire.DUID(text(wire.MaxDUID)), IAID: wire.IAID(r.Uint32()),
			MAC: [6]byte([]byte(text(6) + "......")[:6]), Network: text(255), Interface: text(255),
			Granted:   clock.Instant(r.Int64N(2*int64(farthest))) - farthest,
			Wall:      time.UnixMilli(r.Int64N(2*maxWall) - maxWall).UTC(),
			Preferred: time.Duration(r.Uint32()) * time.Second, Valid: time.Duration(r.Uint32()) * time.Second,
		}
		l.Granted -= l.Granted % clock.Instant(time.Millisecond)
		l.Prefix = netip.PrefixFrom(netip.AddrFrom16(a), 1+r.IntN(128)).Masked()
		if checkLease(l) != nil {
			continue // IPv4 in IPv6
		}
		seq, boot := r.Uint64(), r.Uint64()
		record := sealed(appendLease(nil, l, boot), seq)
		got, of, err := decoded(record, seq)
		if diff := cmp.Diff(l, got, compare); diff != "" || of != boot || err != nil {
			t.Fatalf("boot %d, %d; %v (-want +got):\n%s", boot, of, err, diff)
		}
		if of, granted, err := momentOf(record); of != boot || granted != l.Granted || err != nil {
			t.Fatalf("moment: %d, %v, %v", of, granted, err)
		}
	}
}

// FuzzRecord: what decodes is written back as it was, and nothing costs more than its size. The checksum
// is made right first, else the fuzzer never gets past it.
func FuzzRecord(f *testing.F) {
	f.Add(appendLease(nil, stamped(lease(1, 1)), 3))
	f.Add(appendForget(nil, keyOf(address(1))))
	f.Add([]byte{})
	long := stamped(lease(4, 4))
	long.Granted, long.Valid, long.DUID = -5, wire.Infinite, ""
	f.Add(appendLease(nil, long, math.MaxUint64))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, _, err := openRecord(b, 9); err == nil && len(b) < headLength {
			t.Error("a short one is taken")
		}
		if len(b) >= sumLength {
			seal(b, 9)
		}
		least, before, after := uint64(math.MaxUint64), runtime.MemStats{}, runtime.MemStats{}
		var l *Lease
		var boot uint64
		var err error
		for range 3 { // the least of three: the fuzzer's own goroutines allocate too
			runtime.ReadMemStats(&before)
			l, boot, err = decoded(b, 9)
			runtime.ReadMemStats(&after)
			least = min(least, after.TotalAlloc-before.TotalAlloc)
		}
		if limit := uint64(1024 + 4*len(b)); least > limit {
			t.Errorf("%d bytes in, %d bytes of heap, limit %d", len(b), least, limit)
		}
		if err != nil || l == nil {
			return
		}
		again, of, err := decoded(sealed(appendLease(nil, l, boot), 9), 9)
		if diff := cmp.Diff(l, again, compare); diff != "" || of != boot || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	})
}
