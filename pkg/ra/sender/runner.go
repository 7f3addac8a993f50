package sender

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/ra/internal/rim"
)

// ErrStopped says that the Runner's Run has ended.
var ErrStopped = errors.New("sender of router advertisements has stopped")

// A Host takes in what the Runner has to tell. Report is called from the goroutine of Run, one call at
// a time, and should not wait for anything slow. It may call Notify, not Snapshot.
type Host interface {
	Report(r Report)
}

// A RunnerConfig is what a Runner is made of. All but Trace is required.
type RunnerConfig struct {
	Engine *Engine // the Runner's from now on
	Conn   ra.Conn // of the role ra.Router; closed when Run ends
	Clock  clock.Clock
	Host   Host
	// Trace is called with every message that is sent or came in, from the goroutine of Run.
	Trace func(ra.TracedPacket)
}

// A Runner drives the Engine of one interface: it gives it packets and time, and does what it says.
type Runner struct {
	cfg     RunnerConfig
	loop    *rim.Loop[Event]
	failing bool // the last advertisement could not be sent
}

// NewRunner makes a runner; Run starts it.
func NewRunner(cfg RunnerConfig) (*Runner, error) {
	if cfg.Engine == nil || cfg.Conn == nil || cfg.Clock == nil || cfg.Host == nil {
		return nil, errors.New("sender runner without engine, connection, clock or host")
	}
	r := &Runner{cfg: cfg}
	r.loop = rim.New(rim.Engine[Event]{
		Step: r.step, Deadline: cfg.Engine.Deadline, Expired: Expired{},
		Received: func(p ra.Packet) Event { return Received{Packet: p} },
	}, cfg.Conn, cfg.Clock)
	return r, nil
}

// Notify hands an event to the engine: LinkUp, LinkDown, Forwarding, Reconfigure, Stop; the others are
// the Runner's own. It never waits and may be called at any time, also before Run.
func (r *Runner) Notify(ev Event) { r.loop.Notify(ev) }

// Snapshot says how things are. It fails with ErrStopped, or ctx's error.
func (r *Runner) Snapshot(ctx context.Context) (Snapshot, error) {
	var s Snapshot
	if r.loop.Call(ctx, func() { s = r.cfg.Engine.Snapshot() }) {
		return s, nil
	}
	if err := ctx.Err(); err != nil {
		return Snapshot{}, err
	}
	return Snapshot{}, ErrStopped
}

// Run advertises until Stop, a final advertisement included, or until ctx ends, which sends none:
// guests keep their routes, as over a restart. Neither is an error. It fails when the timer or the
// socket fails for good.
func (r *Runner) Run(ctx context.Context) error {
	if err := r.loop.Run(ctx); err != nil {
		return fmt.Errorf("send router advertisements: %w", err)
	}
	return nil
}

// step steps the engine and does what it says.
func (r *Runner) step(ev Event) (end bool) {
	now := r.cfg.Clock.Now()
	if received, ok := ev.(Received); ok {
		r.trace(ra.TracedPacket{At: now, Packet: received.Packet})
	}
	unsent := false
	for _, a := range r.cfg.Engine.Step(now, ev) {
		switch a := a.(type) {
		case Send:
			r.trace(ra.TracedPacket{At: now, Sent: true, Packet: ra.Packet{Data: a.Data, From: a.From, HopLimit: ra.HopLimit}, To: a.To})
			unsent = !r.sent(r.cfg.Conn.Write(a.Data, a.From, a.To)) || unsent
		case Report:
			r.cfg.Host.Report(a)
		case Stopped:
			end = true
		}
	}
	if unsent && !end {
		return r.step(Unsent{}) // once: what it sends is three seconds from the next
	}
	return end
}

// sent reports when sending begins to fail and when it works again, and whether it works.
func (r *Runner) sent(err error) bool {
	switch {
	case err != nil && !r.failing:
		r.cfg.Host.Report(Report{Level: slog.LevelWarn, Message: "cannot send advertisements", Attrs: []slog.Attr{slog.Any("error", err)}})
	case err == nil && r.failing:
		r.cfg.Host.Report(Report{Level: slog.LevelInfo, Message: "advertisements are sent again"})
	}
	r.failing = err != nil
	return err == nil
}

func (r *Runner) trace(p ra.TracedPacket) {
	if r.cfg.Trace != nil {
		r.cfg.Trace(p)
	}
}
