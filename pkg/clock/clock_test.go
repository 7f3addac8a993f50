package clock_test

import (
	"math"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
)

func TestInstant(t *testing.T) {
	const at = clock.Instant(time.Minute)
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"a moment later", at.Add(time.Second), clock.Instant(61 * time.Second)},
		{"a moment earlier", at.Add(-time.Second), clock.Instant(59 * time.Second)},
		{"C-7.7-02 nothing comes after Never", clock.Never.Add(time.Hour), clock.Never},
		{"Never has no moment before it", clock.Never.Add(-time.Hour), clock.Never},
		{"a sum beyond Never is Never", at.Add(math.MaxInt64), clock.Never},
		{"how long after", at.Sub(clock.Instant(time.Second)), 59 * time.Second},
		{"how long before", clock.Instant(time.Second).Sub(at), -59 * time.Second},
		{"Never is far", clock.Never.Sub(at), time.Duration(math.MaxInt64)},
		{"before", at.Before(clock.Never), true},
		{"not before itself", at.Before(at), false},
		{"as text", at.String(), "1m0s"},
		{"Never as text", clock.Never.String(), "never"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got != tt.want {
				t.Errorf("got %v, want %v", tt.got, tt.want)
			}
		})
	}
}
