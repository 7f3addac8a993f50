package guest

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/fault"
)

func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

func TestWhenWaitOnlineEnds(t *testing.T) {
	const s = clock.Instant(time.Second)
	base := onlineFacts{usable: clock.Never, now: 105 * s, started: 100 * s, asked: 102 * s, wait: 90 * time.Second, nic: "eth0", lacks: "no address yet"}
	with := func(change func(*onlineFacts)) onlineFacts {
		f := base
		change(&f)
		return f
	}
	for _, tt := range []struct {
		name  string
		facts onlineFacts
		exit  int
		done  bool
		again clock.Instant
	}{
		{"nothing yet", base, 0, false, 115 * s},
		{"a router was heard", with(func(f *onlineFacts) { f.heard = true }), 0, false, 192 * s},
		{"an address", with(func(f *onlineFacts) { f.address = netip.MustParseAddr("2001:db8::1") }), fault.ExitDone, true, clock.Never},
		{"an address, and the default route is missing", with(func(f *onlineFacts) {
			f.address, f.heard, f.missing, f.usable = netip.MustParseAddr("2001:db8::1"), true, true, 104*s
		}), 0, false, 119 * s},
		{"nobody makes the default route", with(func(f *onlineFacts) {
			f.address, f.heard, f.missing, f.usable, f.now = netip.MustParseAddr("2001:db8::1"), true, true, 104*s, 119*s
		}), fault.ExitDone, true, clock.Never},
		{"the wait is over before the default route is there", with(func(f *onlineFacts) {
			f.address, f.heard, f.missing, f.usable, f.now = netip.MustParseAddr("2001:db8::1"), true, true, 190*s, 192*s
		}), fault.ExitDone, true, clock.Never},
		{"IPv6 is off", with(func(f *onlineFacts) { f.off = "IPv6 is off" }), fault.ExitDone, true, clock.Never},
		{"IPv6 is off, perhaps for a moment", with(func(f *onlineFacts) { f.off, f.counts = "IPv6 is off", 118*s }), 0, false, 118 * s},
		{"likewise, after silence", with(func(f *onlineFacts) { f.off, f.counts, f.now = "IPv6 is off", 118*s, 116*s }), 0, false, 118 * s},
		{"it stays off", with(func(f *onlineFacts) { f.off, f.counts, f.now = "IPv6 is off", 118*s, 118*s }), fault.ExitDone, true, clock.Never},
		{"15 s of silence", with(func(f *onlineFacts) { f.now = 115 * s }), fault.ExitNoServer, true, clock.Never},
		{"silence, but a server was heard", with(func(f *onlineFacts) { f.now, f.heard = 115*s, true }), 0, false, 192 * s},
		{"the wait is over", with(func(f *onlineFacts) { f.now, f.heard = 192*s, true }), fault.ExitNoServer, true, clock.Never},
		{"a wait shorter than the silence", with(func(f *onlineFacts) { f.wait = 3 * time.Second }), fault.ExitNoServer, true, clock.Never},
		{"no NIC at all", with(func(f *onlineFacts) { f.nic, f.now = "", 115*s }), fault.ExitNoServer, true, clock.Never},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, again, done := judgeOnline(tt.facts)
			if done != tt.done || o.Exit != tt.exit || again != tt.again {
				t.Errorf("done %t, exit %d, again %s (%s)", done, o.Exit, again, o.Reason)
			}
		})
	}
}

func TestABackoffForgetsAfterAQuietTime(t *testing.T) {
	var b backoff
	now := clock.Instant(0)
	var pauses []time.Duration
	for range 12 {
		at := max(now, b.at(now))
		pauses = append(pauses, at.Sub(now))
		now = at
		b.done(now)
	}
	s := time.Second
	want := []time.Duration{0, 0, 0, s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 64 * s, 128 * s, 256 * s}
	if diff := cmp.Diff(want, pauses); diff != "" {
		t.Errorf("pauses (-want +got):\n%s", diff)
	}
	now = now.Add(longestPause + repairWindow + s)
	if got := b.at(now); got.Sub(now) != 0 {
		t.Errorf("after a quiet time: %s", got.Sub(now))
	}
}

func TestLinesThatPacketsCauseAreBounded(t *testing.T) {
	var l limiter
	lines := 0
	for i := range 100_000 {
		if ok, _ := l.allow(clock.Instant(i), string(rune('a'+i%1000))); ok {
			lines++
		}
	}
	if lines > maxReasons+1 || len(l.reasons) > maxReasons+1 {
		t.Errorf("%d lines, %d reasons", lines, len(l.reasons))
	}
	if ok, silent := l.allow(clock.Instant(2*time.Hour), "a"); !ok || silent != 99 {
		t.Errorf("an hour later: %t, %d", ok, silent)
	}
}
