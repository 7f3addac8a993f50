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

// holds are the declined addresses. All are held back equally long, so that the queue is in the order in
// which they are free again.
type holds struct {
	until map[netip.Addr]clock.Instant
	queue []held
}

type held struct {
	addr  netip.Addr
	until clock.Instant
}

// left is how long the address is still held back, 0 if it is not.
func (h *holds) left(a netip.Addr, now clock.Instant) time.Duration {
	if until, ok := h.until[a]; ok && now.Before(until) {
		return until.Sub(now)
	}
	return 0
}

// add holds an address back. Where there are too many, the one that would be free first is free now.
// One that is held back already stays so as long as it was: a client that declines without end neither fills
// the queue, which would free others' addresses, nor prolongs its own wait.
func (h *holds) add(a netip.Addr, now clock.Instant) {
	if h.left(a, now) > 0 {
		return
	}
	for len(h.queue) > 0 && (len(h.queue) >= maxHolds || !now.Before(h.queue[0].until)) {
		delete(h.until, h.queue[0].addr)
		h.queue = h.queue[1:]
	}
	until := now.Add(DeclineHold)
	h.queue, h.until[a] = append(h.queue, held{a, until}), until
}

// hold holds an address back that its client declined, and tells it.
func (x *exchange) hold(a netip.Addr) {
	x.holds.add(a, x.now)
	attrs := []slog.Attr{slog.Any("address", a), slog.Duration("held_back", DeclineHold)}
	if x.host != nil {
		attrs = append(attrs, slog.String("name", x.host.Name), slog.String("line", x.host.Where()))
	}
	x.report(x.in, slog.LevelWarn, "address declined", "another node uses it", attrs...)
}
