package guest

import (
	"context"

	"github.com/v6guest/v6guest/pkg/clock"
)

// A waiter is a wait-online that has not ended.
type waiter struct {
	asked  clock.Instant
	again  clock.Instant
	usable clock.Instant // since when there is an address
	ctx    context.Context
	answer chan<- Online
}

// WaitOnline ends when decision 6 says so.
func (a *Agent) WaitOnline(ctx context.Context) (Online, error) {
	if err := a.settled(ctx); err != nil {
		return Online{}, err
	}
	answer := make(chan Online, 1)
	a.mail.post(func() {
		a.waiters = append(a.waiters, &waiter{asked: a.clock.Now(), usable: clock.Never, ctx: ctx, answer: answer})
	})
	select {
	case o := <-answer:
		return o, nil
	case <-ctx.Done():
		return Online{}, ctx.Err()
	}
}

// answerWaiters ends every wait whose end has come, and forgets those whose asker is gone.
func (a *Agent) answerWaiters(now clock.Instant) {
	kept := a.waiters[:0]
	for _, w := range a.waiters {
		f := a.onlineFacts(now, w)
		w.usable = f.usable
		o, again, done := judgeOnline(f)
		switch {
		case w.ctx.Err() != nil:
		case done:
			w.answer <- o
		default:
			w.again = again
			kept = append(kept, w)
		}
	}
	clear(a.waiters[len(kept):])
	a.waiters = kept
}
