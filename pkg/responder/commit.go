package responder

import (
	"bytes"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/responder/hosts"
	"github.com/v6guest/v6guest/pkg/responder/pool"
	"github.com/v6guest/v6guest/pkg/wire"
)

// commits are the changes that are on their way to the disk, and the answers that wait for them.
type commits struct {
	last    uint64
	waiting map[uint64]*commit

	failure  error         // of the last one; nil where it was done
	reported clock.Instant // when that was told
}

// A commit is what one Store was made for.
type commit struct {
	changed []*pool.Binding
	answers []heldAnswer
	changes []Action // Changed, each
}

// A heldAnswer waits for all of its bindings to be durable.
type heldAnswer struct {
	send  Send
	needs []*pool.Binding
	since clock.Instant
}

// held keeps an answer. The MAC that it is for stands in the caller's memory.
func (x *exchange) held(s Send) heldAnswer {
	s.MAC = bytes.Clone(s.MAC)
	return heldAnswer{s, x.needs, x.now}
}

// maxHeldAnswers is how many answers wait for one commit: a client that repeats itself meanwhile gets the
// first ones.
const maxHeldAnswers = 8

func newCommits() commits { return commits{waiting: map[uint64]*commit{}} }

// underWay reports whether the change has not been told of yet.
func (c *commits) underWay(change uint64) bool { return c.waiting[change] != nil }

// put notes that a binding must be stored as it is now.
func (x *exchange) put(b *pool.Binding) {
	l := b.Lease()
	x.changes = append(x.changes, leasestore.Put{Lease: &l})
	x.changed, x.needs = append(x.changed, b), append(x.needs, b)
}

// forget notes that a binding is over.
func (x *exchange) forget(b *pool.Binding) {
	x.changes = append(x.changes, leasestore.Forget{Prefix: b.Prefix()})
}

// finish sends the answer: at once, or when what it says is durable (RFC 9915, section 18.3.2).
func (x *exchange) finish(s Send) {
	if len(x.changes) == 0 {
		x.send(s)
		return
	}
	id := x.store(x.changes, &commit{changed: x.changed, answers: []heldAnswer{x.held(s)}, changes: x.made})
	for _, b := range x.changed {
		b.Change, b.Durable = id, false
	}
}

// send sends the answer when changes that were made earlier are durable: results come in the order of the
// changes, so it waits for the last one.
func (x *exchange) send(s Send) {
	last := uint64(0)
	for _, b := range x.needs {
		if !b.Durable {
			last = max(last, b.Change)
		}
	}
	c := x.commits.waiting[last]
	switch {
	case last == 0:
		x.sent(s)
	case len(c.answers) < maxHeldAnswers:
		c.answers = append(c.answers, x.held(s))
	default:
		x.drop(x.in, dropWaiting)
	}
}

// store asks for changes to be made durable.
func (e *Engine) store(changes []leasestore.Change, c *commit) (id uint64) {
	e.commits.last++
	e.commits.waiting[e.commits.last] = c
	e.out = append(e.out, Store{e.commits.last, changes})
	return e.commits.last
}

// stored sends what has waited.
func (e *Engine) stored(results []leasestore.Result) {
	for i := range results {
		r := &results[i]
		c := e.commits.waiting[r.ID]
		if c == nil {
			continue
		}
		delete(e.commits.waiting, r.ID)
		e.reportStore(r.Err)
		if r.Err != nil {
			e.count.other["dropped: "+dropNotStored] += uint64(len(c.answers))
			continue
		}
		for _, b := range c.changed {
			b.Durable = b.Durable || b.Change == r.ID
		}
		for _, a := range c.answers {
			if slices.ContainsFunc(a.needs, func(b *pool.Binding) bool { return !b.Durable }) {
				e.count.other["dropped: "+dropNotStored]++
				continue
			}
			shorten(a.send.Msg, e.now.Sub(a.since))
			e.sent(a.send)
		}
		e.out = append(e.out, c.changes...)
	}
}

// shorten takes off the lifetimes of an answer what it has waited: they count from when it was made. What
// is less than a second is pool.LeastGrace's.
func shorten(m *wire.Message, waited time.Duration) {
	waited = waited.Truncate(time.Second)
	if waited == 0 {
		return
	}
	less := func(d *time.Duration) {
		if *d < wire.Infinite {
			*d = max(0, *d-waited)
		}
	}
	for i := range m.IANAs {
		for j := range m.IANAs[i].Addresses {
			a := &m.IANAs[i].Addresses[j]
			less(&a.Preferred)
			less(&a.Valid)
		}
	}
	for i := range m.IAPDs {
		for j := range m.IAPDs[i].Prefixes {
			p := &m.IAPDs[i].Prefixes[j]
			less(&p.Preferred)
			less(&p.Valid)
		}
	}
}

// storeReportEvery is how often the log is told that the store fails.
const storeReportEvery = time.Minute

// reportStore tells when the store begins to fail, while it does, and when it works again.
func (e *Engine) reportStore(err error) {
	c := &e.commits
	switch {
	case err != nil && (c.failure == nil || e.now.Sub(c.reported) >= storeReportEvery):
		c.reported = e.now
		e.out = append(e.out, Report{slog.LevelError, "bindings are not stored; clients of the pools get no answer", []slog.Attr{slog.Any("error", err)}})
	case err == nil && c.failure != nil:
		e.out = append(e.out, Report{slog.LevelInfo, "bindings are stored again", nil})
	}
	c.failure = err
}

// maxDue is how many bindings one Step ends; Deadline asks for another.
const maxDue = 256

// expire ends the bindings whose time has come.
func (e *Engine) expire() {
	var changes []leasestore.Change
	c := &commit{}
	for range maxDue {
		b, over := e.bindings.Due(e.now)
		if b == nil {
			break
		}
		switch {
		case b.State() == leasestore.Declined:
			c.changes = append(c.changes, e.change(b, EventFree))
		case !over:
			e.out = append(e.out, e.change(b, EventExpired))
		}
		if over {
			changes = append(changes, leasestore.Forget{Prefix: b.Prefix()})
		}
	}
	if len(changes) > 0 {
		e.store(changes, c)
	}
}

// revoke takes a binding from its client.
func (e *Engine) revoke(p netip.Prefix) {
	b := e.bindings.At(p)
	if b == nil {
		return
	}
	e.bindings.Remove(b)
	made := e.change(b, EventReleased)
	made.Report.Attrs = append(made.Report.Attrs, slog.String("by", "the operator"))
	e.store([]leasestore.Change{leasestore.Forget{Prefix: b.Prefix()}}, &commit{changes: []Action{made}})
}

// The events of a binding.
const (
	EventLeased   = "leased"
	EventReleased = "released"
	EventDeclined = "declined"
	EventExpired  = "expired" // and kept back for the pool's grace
	EventFree     = "free"    // given out again, after it was declined
)

// eventLines are the log's.
var eventLines = map[string]string{
	EventLeased: "address leased", EventReleased: "lease released", EventDeclined: "address declined",
	EventExpired: "lease expired", EventFree: "declined address is free again",
}

// prefixLines are the log's for delegated prefixes.
var prefixLines = map[string]string{
	EventLeased: "prefix delegated", EventReleased: "prefix released", EventExpired: "prefix expired",
}

// leased, released and declined tell of a change when it is durable.
func (x *exchange) leased(b *pool.Binding) {
	x.changeBy(b, EventLeased, slog.LevelInfo, slog.Duration("valid", b.Terms().Valid))
}

func (x *exchange) released(b *pool.Binding) { x.changeBy(b, EventReleased, slog.LevelInfo) }

func (x *exchange) declined(b *pool.Binding) {
	x.changeBy(b, EventDeclined, slog.LevelWarn, slog.String("reason", "another node uses it"), slog.Duration("set_aside", b.Terms().Valid))
}

// changeBy tells of a change that a client has made, change of one that time has.
func (x *exchange) changeBy(b *pool.Binding, event string, level slog.Level, more ...slog.Attr) {
	c := x.change(b, event)
	r := &c.Report
	r.Level = level
	if len(x.in.Relays) > 0 {
		r.Attrs = append(r.Attrs, slog.Any("relay", x.in.From.Addr()))
	}
	if x.host != nil && x.host.Name != "" {
		r.Attrs = append(r.Attrs, slog.String("name", x.host.Name))
	}
	r.Attrs = append(r.Attrs, more...)
	x.made = append(x.made, c)
}

func (e *Engine) change(b *pool.Binding, event string) Changed {
	e.count.other["lease "+event]++
	l := b.Lease()
	line, what := eventLines[event], slog.Any("address", l.Prefix.Addr())
	if l.Delegated {
		line, what = prefixLines[event], slog.Any("prefix", l.Prefix)
	}
	const most = 10 // what changeBy adds included
	attrs := append(
		make([]slog.Attr, 0, most),
		what, slog.String("mac", hosts.MAC(l.MAC).String()), slog.Any("duid", l.DUID),
		slog.String("iaid", l.IAID.String()), slog.String("network", l.Network), slog.String("interface", l.Interface),
	)
	if l.Via.IsValid() {
		attrs = append(attrs, slog.Any("via", l.Via))
	}
	return Changed{event, l, Report{slog.LevelInfo, line, attrs}}
}
