package leasestore

import "time"

// enough is how many changes are written at once, whatever Options.Pace says.
const enough = 64

// A pace keeps a distance from one moment to the next.
type pace struct {
	distance time.Duration
	last     time.Time
	timer    *time.Timer // tells when what was early is not so any more
}

func newPace(distance time.Duration) *pace {
	timer := time.NewTimer(distance) //nolint:forbidigo // while the machine is suspended, so are its requests
	timer.Stop()
	return &pace{distance: distance, timer: timer}
}

// early reports whether it is too early for the next moment, of which the timer tells then. Else it is now.
func (p *pace) early() bool {
	if p.distance == 0 {
		return false
	}
	now := time.Now()
	if left := p.distance - now.Sub(p.last); left > 0 {
		p.timer.Reset(left)
		return true
	}
	p.last = now
	return false
}
