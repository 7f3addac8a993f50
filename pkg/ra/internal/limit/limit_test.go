package limit

import (
	"net/netip"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
)

func TestReports(t *testing.T) {
	one, two := netip.MustParseAddr("fe80::1"), netip.MustParseAddr("fe80::2")
	var r Reports
	for _, tt := range []struct {
		name   string
		at     time.Duration
		reason string
		router netip.Addr
		ok     bool
		silent int
	}{
		{"the first", 0, "a", one, true, 0},
		{"again", time.Minute, "a", one, false, 0},
		{"another router", time.Minute, "a", two, true, 0},
		{"another reason", time.Minute, "b", one, true, 0},
		{"almost an hour later", time.Hour - 1, "a", one, false, 0},
		{"an hour later", time.Hour, "a", one, true, 2},
		{"again", time.Hour + 1, "a", one, false, 0},
	} {
		if ok, silent := r.Allow(clock.Instant(tt.at), tt.reason, tt.router); ok != tt.ok || silent != tt.silent {
			t.Errorf("%s: %t, %d", tt.name, ok, silent)
		}
	}
}

func TestReasonsAreBounded(t *testing.T) {
	var r Reports
	allowed := 0
	for i := range 10_000 {
		if ok, _ := r.Allow(1, "a", netip.AddrFrom16([16]byte{14: byte(i >> 8), 15: byte(i)})); ok {
			allowed++
		}
	}
	if allowed != maxReasons+1 || len(r.made) > maxReasons+1 {
		t.Errorf("%d allowed, %d kept", allowed, len(r.made))
	}
	if ok, _ := r.Allow(clock.Instant(2*time.Hour), "b", netip.Addr{}); !ok || len(r.made) != 1 {
		t.Errorf("two hours later: %t, %d kept", ok, len(r.made))
	}
}
