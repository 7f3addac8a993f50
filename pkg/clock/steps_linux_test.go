package clock

import (
	"context"
	"testing"
	"time"
)

func TestStepsEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	steps, err := Steps(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	for range steps { // whoever sets this machine's clock now is no mistake
	}
}

func TestOffsetsAreThoseOfTheClocks(t *testing.T) {
	o, now := ReadOffsets(), time.Now()
	boot := now.Add(-time.Duration(Boottime{}.Now()))
	if d := boot.Sub(time.Unix(0, int64(o.Wall))); d < -time.Minute || d > time.Minute {
		t.Errorf("the wall clock is off by %s", d)
	}
	if o.Suspended < 0 {
		t.Errorf("suspended for %s", o.Suspended)
	}
}
