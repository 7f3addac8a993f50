package pool

import (
	"maps"
	"math"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/responder/hosts"
)

// A limiter lets so many pass a second, and some seconds' worth at once. It is the moment at which all
// that has passed would have passed at the even rate.
type limiter clock.Instant

func (l limiter) allows(now clock.Instant, rate, burst uint64) bool {
	return rate == 0 || clock.Instant(l).Sub(now) < time.Duration(burst)*time.Second
}

func (l *limiter) pass(now clock.Instant, rate uint64) {
	if rate > 0 {
		*l = limiter(max(clock.Instant(*l), now).Add(time.Second / time.Duration(rate)))
	}
}

// uses are what each MAC has of the pools, and until when one that has made new bindings lately counts as
// having done so; those that do not any more are forgotten now and then.
type uses struct {
	bindings map[hosts.MAC]uint32
	created  map[hosts.MAC]limiter
	sweep    int // how many of created there are when it is time
}

func newUses() uses {
	return uses{bindings: map[hosts.MAC]uint32{}, created: map[hosts.MAC]limiter{}, sweep: leastSweep}
}

const leastSweep = 4096

// macBurst is how many new bindings a MAC may make at once for each that it may have at one time; then
// one a second.
const macBurst = 4

// room is how many more the MAC may have.
func (u *uses) room(m hosts.MAC, most uint64) uint64 {
	if most == 0 || m == (hosts.MAC{}) {
		return math.MaxUint64
	}
	return most - min(most, uint64(u.bindings[m]))
}

// mayCreate reports whether the MAC may have a new one now.
func (u *uses) mayCreate(now clock.Instant, m hosts.MAC, most uint64) bool {
	return most == 0 || m == (hosts.MAC{}) || u.created[m].allows(now, 1, macBurst*most)
}

func (u *uses) add(now clock.Instant, m hosts.MAC, counted bool) {
	if m == (hosts.MAC{}) {
		return
	}
	u.bindings[m]++
	if !counted {
		return
	}
	last := u.created[m]
	last.pass(now, 1)
	u.created[m] = last
	if len(u.created) >= u.sweep {
		maps.DeleteFunc(u.created, func(_ hosts.MAC, l limiter) bool { return clock.Instant(l).Before(now) })
		u.sweep = max(leastSweep, 2*len(u.created))
	}
}

func (u *uses) remove(m hosts.MAC) {
	if n := u.bindings[m]; n > 1 {
		u.bindings[m] = n - 1
	} else {
		delete(u.bindings, m)
	}
}
