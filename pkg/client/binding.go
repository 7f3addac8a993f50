package client

import (
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/wire"
)

// A binding is what a server has leased to the NIC's IA_NA. A nil *binding holds nothing.
type binding struct {
	server   wire.DUID
	received clock.Instant
	t1, t2   clock.Instant
	addrs    []leased
	lease    *Lease
	unsaved  bool // a restart would not find it yet
	lost     bool // no server vouches for it: it is not taken up again
	// vouched says that a server has given, extended or confirmed it since the link may have changed.
	vouched bool
}

// leased is one address of a binding.
type leased struct {
	Address
	server    wire.DUID // that gave or extended it last
	installed bool      // an Install was given out, in this life of the engine
	usable    bool      // it passed duplicate address detection
}

// until is the moment at which a duration from the wire ends.
func until(from clock.Instant, d time.Duration) clock.Instant {
	if d >= wire.Infinite {
		return clock.Never
	}
	return from.Add(d)
}

// find returns the address of the binding, nil if it has none such.
func (b *binding) find(addr netip.Addr) *leased {
	if b == nil {
		return nil
	}
	for i := range b.addrs {
		if b.addrs[i].Addr == addr {
			return &b.addrs[i]
		}
	}
	return nil
}

// drop takes an address out of the binding.
func (b *binding) drop(addr netip.Addr) {
	b.addrs = slices.DeleteFunc(b.addrs, func(l leased) bool { return l.Addr == addr })
}

// empty reports whether the binding holds no address.
func (b *binding) empty() bool { return b == nil || len(b.addrs) == 0 }

// usable reports whether one of its addresses can be used.
func (b *binding) usable() bool {
	return b != nil && slices.ContainsFunc(b.addrs, func(l leased) bool { return l.usable })
}

// endless reports whether no timer will ever make the client speak for this binding again.
func (b *binding) endless() bool { return b.t1 == clock.Never && b.t2 == clock.Never }

// renewable lists the addresses that the server of the binding gave or extended (section 18.2.4).
func (b *binding) renewable() []netip.Addr {
	var out []netip.Addr
	for _, l := range b.addrs {
		if l.server == b.server {
			out = append(out, l.Addr)
		}
	}
	return out
}

// addresses lists the binding's addresses.
func (b *binding) addresses() []netip.Addr {
	if b == nil {
		return nil
	}
	out := make([]netip.Addr, len(b.addrs))
	for i, l := range b.addrs {
		out[i] = l.Addr
	}
	return out
}

// nextExpiry is when the next valid lifetime ends.
func (b *binding) nextExpiry() clock.Instant {
	d := clock.Never
	if b != nil {
		for _, l := range b.addrs {
			d = min(d, l.ValidUntil)
		}
	}
	return d
}

func (b *binding) status() []AddressStatus {
	if b == nil {
		return nil
	}
	out := make([]AddressStatus, len(b.addrs))
	for i, l := range b.addrs {
		out[i] = AddressStatus{Address: l.Address, Installed: l.installed, Usable: l.usable}
	}
	return out
}

// newBinding makes a binding of a Reply that was received at at.
func newBinding(r reply, at clock.Instant) *binding {
	b := &binding{}
	b.update(r, at)
	return b
}

// update takes a Reply into the binding: what it names anew is added, what it names again gets new
// lifetimes, what it leaves out stays as it was (section 18.2.10.1).
func (b *binding) update(r reply, at clock.Instant) {
	if b.server == "" || len(r.ia.Addresses) > 0 {
		b.server = r.msg.ServerID
	}
	b.received, b.lease, b.vouched = at, r.lease, true
	for _, a := range r.ia.Addresses {
		l := b.find(a.Addr)
		if l == nil {
			b.addrs = append(b.addrs, leased{Address: Address{Addr: a.Addr}})
			l = &b.addrs[len(b.addrs)-1]
		}
		l.server = r.msg.ServerID
		l.PreferredUntil, l.ValidUntil = until(at, a.Preferred), until(at, a.Valid)
	}
	t1, t2 := b.renewTimes(r.ia, at)
	if t1 < leastRenewal {
		t1, t2 = leastRenewal, max(t2, leastRenewal/5*8)
	}
	b.t1, b.t2 = until(at, t1), until(at, t2)
}

// Whoever answers decides how often the client speaks and writes its lease to the disk, so there is a
// least: an address of shorter use than leastValid, which barely outlives its duplicate address
// detection, is not taken, and a binding is not renewed sooner than after leastRenewal, whatever T1 says.
// A server that ends an address by a short lifetime is followed all the same: it lapses unrenewed.
const (
	leastValid   = 20 * time.Second
	leastRenewal = 10 * time.Second
)

// takeOver moves to b what both bindings hold, and returns what is left of old, nil if nothing.
func (b *binding) takeOver(old *binding) *binding {
	for i := range b.addrs {
		if o := old.find(b.addrs[i].Addr); o != nil {
			b.addrs[i].installed, b.addrs[i].usable = o.installed, o.usable
			old.drop(o.Addr)
		}
	}
	if old.empty() {
		return nil
	}
	return old
}

// renewTimes are T1 and T2 as the server gave them, or what the client chooses where it gave 0: half
// and four fifths of the shortest preferred lifetime (sections 14.2 and 21.4). Addresses that are
// deprecated from the start count with their valid lifetime.
func (b *binding) renewTimes(ia wire.IANA, at clock.Instant) (t1, t2 time.Duration) {
	t1, t2 = ia.T1, ia.T2
	shortest := wire.Infinite
	for _, l := range b.addrs {
		preferred, valid := l.Lifetimes(at)
		if preferred == 0 {
			preferred = valid
		}
		shortest = min(shortest, preferred)
	}
	share := func(tenths int64) time.Duration {
		if shortest >= wire.Infinite {
			return wire.Infinite
		}
		return time.Duration(int64(shortest) / 10 * tenths)
	}
	switch {
	case t1 == 0 && t2 == 0:
		t1, t2 = share(5), share(8)
	case t1 == 0:
		t1 = min(share(5), t2)
	case t2 == 0:
		t2 = max(share(8), t1)
	}
	return t1, t2
}

// expire takes off what has come to the end of its valid lifetime (section 6.2). When nothing is left,
// the binding that was to be replaced comes back; without one, discovery begins.
func (e *Engine) expire() {
	e.replaced = e.expireFrom(e.replaced)
	had := e.binding != nil
	e.binding = e.expireFrom(e.binding)
	if !had || e.binding != nil {
		return
	}
	e.report(slog.LevelWarn, "lease expired")
	e.check = false
	if e.main != nil && e.main.typ == dhcpv6.MessageTypeDecline {
		return // declineEnded goes on
	}
	e.main = nil
	e.dropEmptyBinding()
	switch {
	case e.binding != nil || !e.up:
	case e.settled():
		e.solicit(0)
	default: // a server whose leases end before they are of use must not make a loop
		e.solicit(e.pause())
	}
}

// over says whether no address of the binding is valid any more.
func (b *binding) over(now clock.Instant) bool {
	return b.nextExpiry() <= now && !slices.ContainsFunc(b.addresses(), func(a netip.Addr) bool { return b.find(a).ValidUntil > now })
}

// expireFrom removes the expired addresses of b and returns b, or nil when none is left.
func (e *Engine) expireFrom(b *binding) *binding {
	if b.nextExpiry() > e.now {
		return b
	}
	for _, addr := range b.addresses() {
		if b.find(addr).ValidUntil <= e.now {
			b.drop(addr)
			e.do(Remove{Addr: addr, Why: "its valid lifetime has ended"})
		}
	}
	if b.empty() {
		return nil
	}
	return b
}

// bind makes a Reply the NIC's new binding. What it had before stays on the NIC until an address of
// the new one is usable, and comes back if all of those turn out to be duplicates.
func (e *Engine) bind(r reply) {
	b := newBinding(r, e.now)
	old := e.superseded()
	e.binding, e.replaced = b, b.takeOver(old)
	e.main, e.check = nil, false
	e.info, e.informed, e.refreshAt = nil, false, clock.Never // what the lease brings takes its place
	e.bound(r, b.addresses())
	e.report(slog.LevelInfo, "bound", e.bindingAttrs()...)
}

// superseded is the binding that a new one replaces. Addresses of an earlier replacement that never
// became usable go at once: an older one still holds the place.
func (e *Engine) superseded() *binding {
	if e.replaced == nil {
		return e.binding
	}
	if e.binding != nil {
		for _, addr := range e.binding.addresses() {
			e.do(Remove{Addr: addr, Why: "replaced before it could be used"})
		}
	}
	return e.replaced
}

// refresh takes a Reply to Renew, Rebind or a repeated Request into the binding.
func (e *Engine) refresh(r reply) {
	b := e.binding
	ended := &binding{server: b.server, lease: b.lease, t1: clock.Never, t2: clock.Never, lost: true}
	for _, addr := range r.gone {
		if l := b.find(addr); l != nil {
			ended.addrs = append(ended.addrs, *l)
			b.drop(addr)
		}
	}
	b.update(r, e.now)
	e.replaced = b.takeOver(e.replaced)
	e.main = nil
	e.retire(ended)
	if b.empty() {
		e.binding = nil
		e.do(Forget{})
		e.configure(Settings{})
		e.report(slog.LevelWarn, "the server has ended all lifetimes", serverAttr(r.msg.ServerID))
		e.solicit(e.pause())
		return
	}
	named := make([]netip.Addr, len(r.ia.Addresses))
	for i, a := range r.ia.Addresses {
		named[i] = a.Addr
	}
	e.bound(r, named)
	e.report(slog.LevelDebug, "renewed", e.bindingAttrs()...)
}

// endedGrace is how long an address whose lifetime the server has ended may wait for the one that takes
// its place: longer than duplicate address detection takes.
const endedGrace = 10 * time.Second

// retire takes addresses off whose lifetimes the server has ended: at once (section 18.2.10.1), unless
// that would leave nothing usable while detection runs on what the same Reply gives instead.
func (e *Engine) retire(ended *binding) {
	if ended.usable() && e.replaced == nil && !e.binding.empty() && !e.binding.usable() {
		for i := range ended.addrs {
			l := &ended.addrs[i]
			l.ValidUntil = min(l.ValidUntil, e.now.Add(endedGrace))
		}
		e.replaced = ended
		return
	}
	for _, addr := range ended.addresses() {
		e.do(Remove{Addr: addr, Why: "the server has ended its lifetime"})
	}
}

// bound does what a good Reply asks for: the addresses it named are installed, the lease is to be saved.
func (e *Engine) bound(r reply, named []netip.Addr) {
	b := e.binding
	e.offers, e.lastErr = nil, nil
	e.learnKey(r.msg)
	b.lease.Reconfigure = e.keyOf(b.server)
	if e.command != nil {
		e.command.fresh = true
	}
	b.unsaved = true
	e.configure(settingsOf(r.msg))
	for _, addr := range named {
		e.install(b.find(addr))
	}
}

// bindingAttrs describe the binding.
func (e *Engine) bindingAttrs() []slog.Attr {
	b := e.binding
	left := Address{PreferredUntil: b.t1, ValidUntil: b.t2}
	t1, t2 := left.Lifetimes(e.now)
	return []slog.Attr{serverAttr(b.server), slog.Any("addresses", b.addresses()), slog.Duration("t1", t1), slog.Duration("t2", t2)}
}

// install puts an address on the NIC or refreshes it there.
func (e *Engine) install(l *leased) {
	l.installed = true
	l.Unconfirmed = e.binding != nil && !e.binding.vouched
	e.do(Install{Address: l.Address})
}

// installAll does so with all of the binding.
func (e *Engine) installAll() {
	for i := range e.binding.addrs {
		e.install(&e.binding.addrs[i])
	}
}

// configure makes s the settings that hold.
func (e *Engine) configure(s Settings) {
	if !s.Equal(e.settings) {
		e.settings = s
		e.do(Configure{Settings: s})
	}
}

func settingsOf(m *wire.Message) Settings {
	return Settings{DNS: m.DNS, Search: m.Search, NTP: m.NTP}
}

// usable takes in that an address can be used.
func (e *Engine) usable(addr netip.Addr) {
	l := e.binding.find(addr)
	if l == nil {
		if l = e.replaced.find(addr); l != nil {
			l.usable = true
		}
		return
	}
	if !l.usable {
		e.report(slog.LevelInfo, "address usable", addrAttr(addr))
		e.usableAt = e.now
	}
	l.installed, l.usable = true, true
	e.lastErr = nil
}

// settle ends what the last step has brought to its end: a replacement, and a command. The lease that
// a restart should find is the old one until the new one is usable.
func (e *Engine) settle() {
	if b := e.binding; b != nil && b.unsaved && (e.replaced == nil || b.usable()) {
		b.unsaved = false
		e.do(Save{Lease: b.lease})
	}
	if e.replaced != nil && e.binding.usable() {
		for _, addr := range e.replaced.addresses() {
			e.do(Remove{Addr: addr, Why: "replaced"})
		}
		e.replaced = nil
	}
	if e.command != nil && e.command.fresh && e.main == nil && e.replaced == nil && e.binding.usable() {
		e.finish(nil)
	}
}

// installFailed takes in that the kernel refused an address. It is tried again after pauses that grow,
// and with the next Reply: an infinite lease gets none.
func (e *Engine) installFailed(ev InstallFailed) {
	if l := e.binding.find(ev.Addr); l != nil {
		l.installed, l.usable = false, false
		e.installAt = min(e.installAt, e.now.Add(e.pause()))
	}
	e.fail(ev.Err)
	e.finish(ev.Err)
}

// reinstall tries again what the kernel refused.
func (e *Engine) reinstall() {
	e.installAt = clock.Never
	if e.binding == nil {
		return
	}
	for i := range e.binding.addrs {
		if l := &e.binding.addrs[i]; !l.installed {
			e.install(l)
		}
	}
}
