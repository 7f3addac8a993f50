package responder

import (
	"bytes"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/responder/pool"
	"github.com/v6guest/v6guest/pkg/wire"
)

// commits are the changes that are on their way to the disk, and the answers that wait for them.
type commits struct {
	last    uint64
	waiting map[uint64]*commit
	over    []*commit // that this Step's actions tell of
	spare   []*commit // empty, to be used again

	failure  error         // of the last one; nil where it was done
	reported clock.Instant // when that was told
}

// A commit is what one Store was made for.
type commit struct {
	puts    []leasestore.Change // what the store is asked for
	changed []*pool.Binding     // whose changes they are, in the same order; none of what time has ended
	told    []Changed           // what to tell of them when they are durable
	answers []heldAnswer
	shorter []shortened

	room struct { // for one of each, which is all that most commits have
		put     [1]leasestore.Change
		changed [1]*pool.Binding
		need    [1]*pool.Binding
		told    [1]Changed
		answer  [1]heldAnswer
		lease   leasestore.Lease
	}
}

// change is the exchange's commit, which is made when it is needed first.
func (x *exchange) change() *commit {
	if x.commit == nil {
		c := spared(&x.commits.spare)
		c.puts, c.changed, c.told, c.answers = c.room.put[:0], c.room.changed[:0], c.room.told[:0], c.room.answer[:0]
		x.commit = c
		if x.needs == nil {
			x.needs = c.room.need[:0]
		}
	}
	return x.commit
}

// lease is the binding as it is now.
func (c *commit) lease(b *pool.Binding) *leasestore.Lease {
	l := &c.room.lease
	if l.Prefix.IsValid() { // taken
		l = new(leasestore.Lease)
	}
	*l = b.Lease()
	return l
}

// A shortened binding ends earlier than its client knows yet: it does so when that is on the disk, or else a client that
// was not told would go on with what another has.
type shortened struct {
	binding *pool.Binding
	granted clock.Instant
	terms   pool.Terms
}

// shorten notes that a binding must be stored with lifetimes that end earlier, and returns it so.
func (x *exchange) shorten(b *pool.Binding, terms pool.Terms) *leasestore.Lease {
	b.Leaving = false
	l := x.put(b)
	l.Granted, l.Wall, l.Preferred, l.Valid = x.now, time.Time{}, terms.Preferred, terms.Valid
	x.commit.shorter = append(x.commit.shorter, shortened{b, x.now, terms})
	return l
}

// A heldAnswer waits for all of its bindings to be durable.
type heldAnswer struct {
	send  Send
	needs []*pool.Binding
	since clock.Instant
}

// held keeps an answer. The MAC that it is for stands in the caller's memory, what it needs perhaps in the exchange's.
func (x *exchange) held(s *Send) heldAnswer {
	if len(x.needs) > 0 && &x.needs[0] == &x.oneNeed[0] {
		x.needs = slices.Clone(x.needs)
	}
	kept := *s
	kept.MAC = bytes.Clone(s.MAC)
	return heldAnswer{kept, x.needs, x.now}
}

// need notes that the answer waits for a binding that is as it was.
func (x *exchange) need(b *pool.Binding) {
	if x.needs == nil {
		x.needs = x.oneNeed[:0]
	}
	x.needs = append(x.needs, b)
}

// maxHeldAnswers is how many answers wait for one commit: a client that repeats itself meanwhile gets the
// first ones.
const maxHeldAnswers = 8

func newCommits() commits { return commits{waiting: map[uint64]*commit{}} }

// maxSpareCommits bounds what is kept for the next storm: half a megabyte.
const maxSpareCommits = 1024

// recycle takes back the commits that the last Step's actions have told of.
func (c *commits) recycle() {
	for _, b := range c.over {
		if len(c.spare) < maxSpareCommits {
			*b = commit{}
			c.spare = append(c.spare, b)
		}
	}
	clear(c.over)
	c.over = c.over[:0]
}

// stores reports whether the binding's last change is on its way, and stores it as it is now.
func (c *commits) stores(b *pool.Binding) bool {
	last := c.waiting[b.Change]
	return last != nil && !slices.ContainsFunc(last.shorter, func(s shortened) bool { return s.binding == b })
}

// underWay reports whether the change has not been told of yet.
func (c *commits) underWay(change uint64) bool { return c.waiting[change] != nil }

// put notes that a binding must be stored as it is now, and returns it so.
func (x *exchange) put(b *pool.Binding) *leasestore.Lease {
	c := x.change()
	l := c.lease(b)
	c.puts, c.changed = append(c.puts, leasestore.Put{Lease: l}), append(c.changed, b)
	x.needs = append(x.needs, b)
	return l
}

// forget notes that a binding is over as soon as that is on disk, and returns it as it was.
func (x *exchange) forget(b *pool.Binding) *leasestore.Lease {
	c := x.change()
	c.puts, c.changed = append(c.puts, leasestore.Forget{Prefix: b.Prefix()}), append(c.changed, b)
	b.Leaving = true
	return c.lease(b)
}

// finish sends the answer: at once, or when what it says is durable (RFC 9915, section 18.3.2).
func (x *exchange) finish(s *Send) {
	c := x.commit
	if c == nil {
		x.send(s)
		return
	}
	c.answers = append(c.answers, x.held(s))
	x.store(c)
}

// send sends the answer when changes that were made earlier are durable: results come in the order of the
// changes, so it waits for the last one.
func (x *exchange) send(s *Send) {
	last := uint64(0)
	for _, b := range x.needs {
		if !b.Durable {
			last = max(last, b.Change)
		}
	}
	if last == 0 {
		x.sent(s)
		return
	}
	c := x.commits.waiting[last]
	if len(c.answers) == maxHeldAnswers {
		x.drop(x.in, dropWaiting)
		return
	}
	c.answers = append(c.answers, x.held(s))
}

// store asks for changes to be made durable.
func (e *Engine) store(c *commit) {
	e.commits.last++
	e.commits.waiting[e.commits.last] = c
	e.out = append(e.out, Store{e.commits.last, c.puts})
	for _, b := range c.changed {
		b.Change, b.Durable = e.commits.last, false
	}
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
		e.commits.over = append(e.commits.over, c)
		e.reportStore(r.Err)
		if r.Err != nil {
			e.count.other["dropped: "+dropNotStored] += uint64(len(c.answers))
			e.undo(c)
			continue
		}
		e.done(c, r.ID)
		told := []*pool.Binding(nil)
		for _, a := range c.answers {
			if slices.ContainsFunc(a.needs, func(b *pool.Binding) bool { return !b.Durable }) {
				e.count.other["dropped: "+dropNotStored]++
				continue
			}
			elapse(a.send.Msg, e.now.Sub(a.since))
			e.sent(&a.send)
			if c.shorter != nil {
				told = append(told, a.needs...)
			}
		}
		e.cut(c, r.ID, told)
		for i := range c.told {
			e.changed(&c.told[i])
		}
	}
}

// done takes over what is on disk now.
func (e *Engine) done(c *commit, id uint64) {
	for i, b := range c.changed {
		_, b.Stored = c.puts[i].(leasestore.Put)
		if e.commits.underWay(b.Change) {
			continue
		}
		last := b.Change == id // else the store has told of a later change first, which it refused
		e.settle(b)
		b.Durable = last
	}
}

// undo takes back what the store did not take: nobody was told of it. A client that repeats its message finds the same
// as before.
func (e *Engine) undo(c *commit) {
	for _, b := range c.changed {
		if !e.commits.underWay(b.Change) {
			e.settle(b)
		}
	}
}

// cut ends bindings earlier, if a client was told of it; else what is on the disk is not what holds.
func (e *Engine) cut(c *commit, id uint64, told []*pool.Binding) {
	for _, s := range c.shorter {
		switch b := s.binding; {
		case b.Change != id:
		case slices.Contains(told, b):
			e.bindings.Extend(s.granted, b, s.terms)
		default:
			b.Durable = false
		}
	}
}

// settle makes a binding of which nothing is on its way to the disk what it is there.
func (e *Engine) settle(b *pool.Binding) {
	if e.bindings.At(b.Prefix()) != b {
		return
	}
	if b.Leaving = false; !b.Stored {
		e.bindings.Remove(b)
	}
}

// elapse takes off the lifetimes of an answer what it has waited: they count from when it was made. What
// is less than a second is pool.LeastGrace's.
func elapse(m *wire.Message, waited time.Duration) {
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
		attrs := []slog.Attr{slog.Any("error", err)}
		if cure := storesCure(err); cure != "" {
			attrs = append(attrs, slog.String("cure", cure))
		}
		e.out = append(e.out, Report{slog.LevelError, "bindings are not stored; clients of the pools get no answer", attrs})
	case err == nil && c.failure != nil:
		e.out = append(e.out, Report{slog.LevelInfo, "bindings are stored again", nil})
	}
	c.failure = err
}

// maxDue is how many bindings one Step ends; Deadline asks for another.
const maxDue = 256

// expire ends the bindings whose time has come.
func (e *Engine) expire() {
	c := &commit{}
	for range maxDue {
		b, over := e.bindings.Due(e.now)
		if b == nil {
			break
		}
		switch {
		case b.State() == leasestore.Declined:
			c.told = append(c.told, e.ended(b, EventFree))
		case !over:
			c := e.ended(b, EventExpired)
			e.changed(&c)
		}
		if over {
			c.puts = append(c.puts, leasestore.Forget{Prefix: b.Prefix()})
		}
	}
	if len(c.puts) > 0 {
		e.store(c)
	}
}

// revoke takes a binding from its client.
func (e *Engine) revoke(p netip.Prefix) {
	b := e.bindings.At(p)
	if b == nil {
		return
	}
	told := e.ended(b, EventReleased)
	told.Operator = true
	b.Leaving = true
	e.store(&commit{puts: []leasestore.Change{leasestore.Forget{Prefix: p}}, changed: []*pool.Binding{b}, told: []Changed{told}})
}

// changed tells of a change, which has happened.
func (e *Engine) changed(c *Changed) {
	e.count.other[eventCounts[c.Event]]++
	e.out = append(e.out, c)
}

// ended is a change that no client has made.
func (e *Engine) ended(b *pool.Binding, event string) Changed {
	l := b.Lease()
	return Changed{Event: event, Lease: &l}
}
