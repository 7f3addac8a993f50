package responder

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
)

// DeclineHold is how long a declined address is given to nobody. Its client is told NoAddrsAvail
// meanwhile, so that it does not decline it again and again at full speed; then it is offered again.
const DeclineHold = 10 * time.Minute

// maxHolds bounds the addresses that are held back at one time. Only a client whose reservation it is
// can decline an address, but with computed reservations there are as many of them as MACs.
const maxHolds = 4096

// holds are the declined addresses, with the moment at which each is free again.
type holds map[netip.Addr]clock.Instant

func (h holds) held(a netip.Addr, now clock.Instant) bool {
	until, ok := h[a]
	return ok && now.Before(until)
}

// add holds an address back. Where there are too many, the one that would be free first is free now.
func (h holds) add(a netip.Addr, until, now clock.Instant) {
	if _, ok := h[a]; !ok && len(h) >= maxHolds {
		var first netip.Addr
		for b, t := range h {
			if !now.Before(t) {
				delete(h, b)
			} else if !first.IsValid() || t.Before(h[first]) {
				first = b
			}
		}
		if len(h) >= maxHolds {
			delete(h, first)
		}
	}
	h[a] = until
}

// hold holds an address back that its client declined, and tells it.
func (x *exchange) hold(a netip.Addr) {
	x.holds.add(a, x.now.Add(DeclineHold), x.now)
	attrs := []slog.Attr{slog.Any("address", a), slog.Duration("held_back", DeclineHold)}
	if x.host != nil {
		attrs = append(attrs, slog.String("name", x.host.Name), slog.String("line", x.host.Where()))
	}
	x.report(x.in, slog.LevelWarn, "address declined: another node uses it", a.String(), attrs...)
}
