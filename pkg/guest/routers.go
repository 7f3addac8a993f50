package guest

import (
	"context"
	"net"
	"net/netip"
	"slices"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/ra/listener"
)

// A hearing is the listener to the Router Advertisements of a NIC, as the agent's goroutine sees it.
type hearing struct {
	n      *managedNIC // the agent's: only to be named in work for the mailbox
	hearer Hearer
	stop   context.CancelFunc
	done   chan struct{}
	mac    net.HardwareAddr // that its solicitations name

	heard     listener.Snapshot // what routers say now
	linkLocal netip.Addr        // as the listener was told last
	addresses []netip.Addr
}

const listening = "listen to Router Advertisements"

// listen starts to listen on the NIC, once it is up; one that fails is tried again as a client is.
func (n *managedNIC) listen(ctx context.Context, now clock.Instant) {
	if n.hearing != nil || !n.nic.Up || now.Before(n.listenAt) {
		return
	}
	h := &hearing{n: n, done: make(chan struct{}), mac: n.nic.MAC}
	mail := n.a.mail
	var trace func(ra.TracedPacket)
	if show := n.a.opts.Trace; show != nil {
		trace = func(p ra.TracedPacket) { show(RouterLine(*n.name.Load(), p)) }
	}
	settings := n.plan.Settings // what holds now: other pins need another listener
	hearer, err := n.a.sys.Routers(n.nic, n.a.clock, h, settings.acceptsRouter, trace)
	if err != nil {
		n.deaf(now, err)
		return
	}
	n.problem(listening, nil)
	n.hearing, h.hearer = h, hearer
	ctx, h.stop = context.WithCancel(ctx)
	go func() {
		err := hearer.Run(ctx)
		close(h.done)
		mail.post(func() {
			if n.hearing == h && err != nil {
				h.stop() // frees what its context holds
				n.hearing = nil
				n.deaf(n.a.clock.Now(), err)
			}
		})
	}()
}

// Changed takes in what routers say now, from the listener's goroutine.
func (h *hearing) Changed(s listener.Snapshot) {
	h.n.a.mail.post(func() { h.n.hear(h, s) })
}

// Report logs, from the listener's goroutine; what packets cause is bounded there.
func (h *hearing) Report(r listener.Report) {
	h.n.a.mail.post(func() { h.n.log.LogAttrs(context.Background(), r.Level, r.Message, r.Attrs...) })
}

// deaf notes why the NIC cannot be listened on, and when that is tried again.
func (n *managedNIC) deaf(now clock.Instant, err error) {
	n.problem(listening, err)
	n.deafness.done(now)
	n.listenAt = max(n.deafness.at(now), now.Add(shortestPause))
}

// tellHearing tells the listener what the NIC is like, where that has changed.
func (n *managedNIC) tellHearing() {
	h := n.hearing
	if h == nil {
		return
	}
	var ll netip.Addr
	if n.nic.Up && n.nic.Carrier {
		ll = n.speakFrom(h.linkLocal)
	}
	if ll != h.linkLocal {
		h.linkLocal = ll
		if ll.IsValid() {
			// The random delay is over: duplicate address detection began with one.
			h.hearer.Notify(listener.LinkUp{LinkLocal: ll, NoDelay: true})
		} else {
			h.hearer.Notify(listener.LinkDown{})
		}
	}
	if own := n.ownAddresses(); !slices.Equal(own, h.addresses) {
		h.addresses = own
		h.hearer.Notify(listener.Addresses{Held: own})
	}
}

// solicitNow asks the routers to speak, once the switches let the kernel hear them: it solicits only
// when a NIC is set up.
func (n *managedNIC) solicitNow() {
	if n.solicit && n.hearing != nil {
		n.solicit = false
		n.hearing.hearer.Notify(listener.SolicitNow{})
	}
}

// hear takes in what routers say now.
func (n *managedNIC) hear(h *hearing, s listener.Snapshot) {
	if n.hearing != h {
		return
	}
	before := n.wantMTU()
	h.heard = s
	n.unset = n.unset || !slices.Equal(n.wantMTU(), before)
	n.a.world.heard(n.nic.Index, s)
}

func (n *managedNIC) stopListening() {
	if n.hearing == nil {
		return
	}
	n.hearing.stop()
	<-n.hearing.done
	n.hearing = nil
	n.a.world.heard(n.nic.Index, listener.Snapshot{})
}

// heardRouter says whether there is a router.
func (n *managedNIC) heardRouter() bool { return n.hearing != nil && n.hearing.heard.Heard }

// mayBeDefault says whether a router offers to be the default one now, and its word counts.
func (n *managedNIC) mayBeDefault(r listener.Router, now clock.Instant) bool {
	return r.Default && now.Before(r.Until) && n.plan.Settings.acceptsRouter(r.Addr)
}

// offersDefault says whether there is such a router.
func (n *managedNIC) offersDefault(now clock.Instant) bool {
	return n.hearing != nil && slices.ContainsFunc(n.hearing.heard.Routers, func(r listener.Router) bool { return n.mayBeDefault(r, now) })
}

// heardManaged says whether any router says that addresses are managed (M flag): to ask a server does no harm.
func (n *managedNIC) heardManaged() bool { return n.hearing != nil && n.hearing.heard.Managed }

// ownAddresses are the global addresses that the NIC has to keep: leased ones, and what others than
// the kernel's autoconfiguration have put there.
func (n *managedNIC) ownAddresses() []netip.Addr {
	var own []netip.Addr
	for _, a := range n.a.world.addresses(n.nic.Index) {
		if a.Addr.IsGlobalUnicast() && !a.DADFailed && (!a.Autoconf() || n.leased(a.Addr)) {
			own = append(own, a.Addr)
		}
	}
	return own
}

// managed says whether addresses are managed by the word of a router that is one: a default router, or one that
// announces a prefix.
func (h *hearing) managed() bool {
	return slices.ContainsFunc(h.heard.Routers, func(r listener.Router) bool {
		return r.Managed && (r.Default || len(r.Prefixes) > 0)
	})
}

func (n *managedNIC) routerStatus(now clock.Instant) []RouterStatus {
	if n.hearing == nil {
		return nil
	}
	var out []RouterStatus
	for _, r := range n.hearing.heard.Routers {
		s := RouterStatus{Addr: r.Addr, Managed: r.Managed, Other: r.Other, Prefixes: r.Prefixes}
		if r.Default {
			s.Lifetime = until(r.Until, now)
		}
		out = append(out, s)
	}
	return out
}

// onLinkRoutes are the routes to prefixes that are on the NIC's link. They are sorted out of all routes once
// for each change of the world: with many NICs that is most of the work.
func (w *world) onLinkRoutes(index int) []link.Route {
	if w.onLink == nil || w.onLinkVersion != w.version {
		w.onLink, w.onLinkVersion = map[int][]link.Route{}, w.version
		for _, r := range w.routes {
			if !r.Default() && r.OnLink() && r.Dst.Addr().Is6() && r.Table == link.TableMain {
				w.onLink[r.Index] = append(w.onLink[r.Index], r)
			}
		}
		for _, routes := range w.onLink {
			slices.SortFunc(routes, func(a, b link.Route) int { return a.Dst.Addr().Compare(b.Dst.Addr()) })
		}
	}
	return w.onLink[index]
}
