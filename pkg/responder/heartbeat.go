package responder

import (
	"fmt"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
)

// A heartbeat says from the server's own loop that it goes round: one that another goroutine made would
// prove nothing.
type heartbeat struct {
	timer clock.Timer
	clock clock.Clock
	every time.Duration
	alive func()
}

// newHeartbeat makes one, which is silent where nobody listens.
func newHeartbeat(opts Options) (*heartbeat, error) {
	timer, err := opts.Clock.NewTimer()
	if err != nil {
		return nil, fmt.Errorf("heartbeat: %w", err)
	}
	h := &heartbeat{timer, opts.Clock, opts.AliveEvery, opts.Alive}
	if h.every > 0 {
		return h, h.timer.Set(h.clock.Now())
	}
	return h, nil
}

// beat tells, and sets the time of the next.
func (h *heartbeat) beat() error {
	h.alive()
	return h.timer.Set(h.clock.Now().Add(h.every))
}
