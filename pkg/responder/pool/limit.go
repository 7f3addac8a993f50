package pool

import (
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

// A use is what one MAC has of the pools.
type use struct {
	bindings uint64
	created  limiter
}

// uses are by MAC. One that has nothing, and has made nothing lately, is forgotten now and then.
type uses struct {
	by    map[hosts.MAC]use
	sweep int // how many there are when it is time
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
	return most - min(most, u.by[m].bindings)
}

// mayCreate reports whether the MAC may have a new one now.
func (u *uses) mayCreate(now clock.Instant, m hosts.MAC, most uint64) bool {
	return most == 0 || m == (hosts.MAC{}) || u.by[m].created.allows(now, 1, macBurst*most)
}

func (u *uses) add(now clock.Instant, m hosts.MAC, isNew bool) {
	if m == (hosts.MAC{}) {
		return
	}
	is := u.by[m]
	is.bindings++
	if isNew {
		is.created.pass(now, 1)
	}
	u.by[m] = is
	if len(u.by) >= max(leastSweep, u.sweep) {
		for m, is := range u.by {
			if is.bindings == 0 && clock.Instant(is.created).Before(now) {
				delete(u.by, m)
			}
		}
		u.sweep = 2 * len(u.by)
	}
}

func (u *uses) remove(now clock.Instant, m hosts.MAC) {
	if is, ok := u.by[m]; ok {
		is.bindings--
		if u.by[m] = is; is.bindings == 0 && clock.Instant(is.created).Before(now) {
			delete(u.by, m)
		}
	}
}
