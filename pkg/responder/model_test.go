package responder

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/responder/pool"
	"github.com/v6guest/v6guest/pkg/wire"
)

// A world is clients of a server whose disk and configuration do what they like; what is held is what clients were
// told and may use.
type world struct {
	t *testing.T
	r *rand.Rand
	b *bench

	frame  bool // identity = frame
	config string
	held   map[netip.Prefix]holding
	late   []leasestore.Result // on the disk, or not, and the engine has not heard of it
	given  int

	revoked []netip.Prefix // by the operator, who knows nothing of it after kill -9
}

type holding struct {
	mac   string
	pd    bool
	id    wire.IAID
	until clock.Instant
}

// TestS_13_1_10_NothingIsTwoClientsWhateverHappens is TestS_13_1_10_NoAddressIsGivenTwice in more dimensions: several IAs
// of both kinds in one message, lifetimes and pools that change, an operator who takes leases back, results of the disk
// that come late, and errors of it though all was written.
func TestS_13_1_10_NothingIsTwoClientsWhateverHappens(t *testing.T) {
	for seed := range uint64(4) {
		w := &world{t: t, r: rand.New(rand.NewPCG(seed, 17)), held: map[netip.Prefix]holding{}, frame: seed%2 == 1}
		w.choose()
		w.b = newBench(t, w.config, "")
		w.b.slow = true
		for range 10_000 {
			w.do()
			if t.Failed() {
				return
			}
		}
		if w.given < 1000 {
			t.Errorf("only %d were given", w.given)
		}
	}
}

// choose makes another configuration.
func (w *world) choose() {
	valid := []int{120, 240, 1200, 6000}[w.r.IntN(4)]
	w.config = "[server]\nhosts = /hosts\nidentity = duid\n[network guests]\ninterface = eth1\nprefix = 2001:db8:1::/64\n" +
		fmt.Sprintf("preferred_lifetime = %d\nvalid_lifetime = %d\npool_per_mac = 4\npool_grace = 1s\npd_grace = 1s\npool_declined = 100s\n", valid/2, valid)
	if w.frame {
		w.config = strings.Replace(w.config, "duid", "frame", 1)
	}
	switch w.r.IntN(6) {
	case 0: // no pool
	case 1:
		w.config += "pool = 2001:db8:1::1008-2001:db8:1::1017\n"
	default:
		w.config += "pool = 2001:db8:1::1000-2001:db8:1::100f\n"
	}
	switch w.r.IntN(6) {
	case 0:
	case 1:
		w.config += "pd_pool = 2001:db8:8000::/57\npd_length = 61\n"
	default:
		w.config += "pd_pool = 2001:db8:8000::/56\npd_length = 60\n"
	}
}

func (w *world) do() {
	switch b := w.b; w.r.IntN(80) {
	case 0:
		w.choose()
		w.late = nil
		b.restart(w.config, "")
		for _, p := range w.revoked {
			if !slices.ContainsFunc(b.store.Leases(), func(l *leasestore.Lease) bool { return l.Prefix == p }) {
				delete(w.held, p)
			}
		}
		w.revoked = nil
		for _, l := range b.store.Leases() { // a Reply with a shorter lifetime that was never sent: its client asks again
			if h, ok := w.held[l.Prefix]; ok {
				h.until = min(h.until, l.Ends())
				w.held[l.Prefix] = h
			}
		}
	case 1:
		w.choose()
		c, err := ParseConfig("conf", []byte(w.config))
		b.check(err)
		w.see(b.begin(ConfigChanged{c.Engine(own)}))
	case 2:
		b.store.MaxQueue = w.r.IntN(4) // 0 for any number
	case 3:
		w.hear()
		w.late = b.store.Fail(errors.New("disk full"))
	case 4: // it was written, but that is not sure
		w.hear()
		w.late = b.store.Flush()
		for i := range w.late {
			w.late[i].Err = leasestore.ErrUncertain
		}
	case 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20:
		w.hear()
		if w.late = b.store.Flush(); w.r.IntN(3) > 0 {
			w.hear()
		}
	case 21, 22, 23, 24:
		w.pass(time.Duration(w.r.IntN(200)) * time.Second)
	case 25:
		if all := w.all(); len(all) > 0 {
			p := all[w.r.IntN(len(all))]
			w.revoked = append(w.revoked, p)
			w.see(b.begin(Revoke{p}))
		}
	default:
		w.say()
	}
}

// hear lets the engine hear of what the disk has done.
func (w *world) hear() {
	list := w.late
	w.late = nil
	if len(list) > 0 {
		w.see(w.b.begin(Stored{list}))
	}
	w.leftovers()
}

func (w *world) pass(d time.Duration) {
	for end := w.b.now.Add(d); ; {
		at := w.b.e.Deadline()
		if end.Before(at) {
			w.b.now = end
			return
		}
		w.b.now = max(w.b.now, at)
		w.see(w.b.begin(Expired{}))
	}
}

// say is a message of some client, with up to four IAs.
func (w *world) say() {
	r := w.r
	mac := fmt.Sprint(10 + r.IntN(12))
	kind := []string{"Solicit", "Request", "Request", "Renew", "Rebind", "Release", "Decline"}[r.IntN(7)]
	words := fmt.Sprintf("%s mac=%s", kind, mac)
	if w.frame && r.IntN(3) == 0 {
		words += fmt.Sprintf(" duid=0004%s%02d", mac, r.IntN(3))
	}
	for _, i := range r.Perm(4)[:1+r.IntN(3)] {
		id, pd := wire.IAID(1+i%2), i >= 2
		words += fmt.Sprintf(" %s=%d", []string{"ia", "pd"}[i/2], id)
		for _, p := range w.all() {
			if h := w.held[p]; h.mac == mac && h.id == id && h.pd == pd && r.IntN(4) > 0 {
				words += "," + p.String()
				if !pd {
					words = strings.TrimSuffix(words, "/128")
				}
			}
		}
		if r.IntN(3) == 0 && !pd {
			words += fmt.Sprintf(",2001:db8:1::%x", 0x1000+r.IntN(24))
		} else if r.IntN(3) == 0 && pd {
			words += fmt.Sprintf(",2001:db8:8000:%x::/60", 16*r.IntN(16))
		}
	}
	if kind != "Solicit" && kind != "Rebind" {
		words += " server=own"
	} else if kind == "Solicit" {
		words += " rapid"
	}
	ev := w.b.message(words)
	if kind == "Release" || kind == "Decline" { // from this moment on the client does not use it
		maps.DeleteFunc(w.held, func(p netip.Prefix, h holding) bool {
			switch {
			case h.mac != mac:
				return false
			case !h.pd:
				return slices.ContainsFunc(ev.Msg.IANAs, func(ia wire.IANA) bool { return ia.ID == h.id && contains(ia.Addresses, p.Addr()) })
			}
			return kind == "Release" && slices.ContainsFunc(ev.Msg.IAPDs, func(ia wire.IAPD) bool {
				return ia.ID == h.id && slices.ContainsFunc(ia.Prefixes, func(q wire.Prefix) bool { return p == q.Prefix })
			})
		})
	}
	w.see(w.b.begin(ev))
}

// see holds what is done against what is held.
func (w *world) see(actions []Action) {
	for _, a := range actions {
		if c, ok := a.(*Changed); ok && c.Operator {
			delete(w.held, c.Lease.Prefix)
		}
		s, ok := a.(*Send)
		if !ok || s.Msg.Type != dhcpv6.MessageTypeReply {
			continue
		}
		mac := s.MAC.String()[15:]
		for _, ia := range s.Msg.IANAs {
			for _, l := range ia.Addresses {
				w.told(netip.PrefixFrom(l.Addr, 128), holding{mac, false, ia.ID, w.b.now.Add(l.Valid)}, s)
			}
		}
		for _, ia := range s.Msg.IAPDs {
			for _, l := range ia.Prefixes {
				w.told(l.Prefix, holding{mac, true, ia.ID, w.b.now.Add(l.Valid)}, s)
			}
		}
	}
}

func (w *world) told(p netip.Prefix, h holding, s *Send) {
	now := w.b.now
	if h.until == now {
		if before := w.held[p]; before.mac == h.mac && before.id == h.id && before.pd == h.pd {
			delete(w.held, p)
		}
		return
	}
	w.given++
	for q, before := range w.held {
		other := before.mac != h.mac || before.id != h.id || before.pd != h.pd
		if q.Overlaps(p) && (other || p != q) && now.Before(before.until) {
			w.t.Errorf("%v: %+v gets %s, and %+v has %s", now, h, p, before, q)
		}
	}
	w.held[p] = h
	for _, l := range w.b.store.Leases() {
		if l.Prefix == p {
			if l.IAID != h.id || l.State != leasestore.Bound || l.Ends() < h.until.Add(-pool.LeastGrace) || !w.frame && l.DUID != s.Msg.ClientID {
				w.t.Errorf("%v: %+v is told of %s; on the disk: %+v", now, h, p, l)
			}
			return
		}
	}
	w.t.Errorf("%v: %+v is told of %s, which is not on the disk", now, h, p)
}

// leftovers are bindings that are neither on the disk nor on the way to it.
func (w *world) leftovers() {
	e := w.b.e
	for b := range e.bindings.All {
		if !b.Stored && !e.commits.underWay(b.Change) {
			w.t.Errorf("%v: %s of %x is in its pool, and was never stored", w.b.now, b.Prefix(), b.MAC())
		}
	}
	for p, h := range w.held {
		if !w.b.now.Before(h.until) {
			delete(w.held, p)
			continue
		}
		if e.bindings.At(p) == nil {
			w.t.Errorf("%v: %+v has %s, of which the server knows nothing", w.b.now, h, p)
		}
	}
}

// all are the held addresses and prefixes in order.
func (w *world) all() []netip.Prefix {
	return slices.SortedFunc(maps.Keys(w.held), netip.Prefix.Compare)
}
