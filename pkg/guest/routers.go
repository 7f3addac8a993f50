package guest

import (
	"context"
	"net/netip"

	"github.com/v6guest/v6guest/pkg/clock"
)

// routers is what the Router Advertisements on a NIC say now.
type routers struct {
	list []router
}

// A router is one whose advertisement was valid (RFC 4861, section 6.1.2).
type router struct {
	addr           netip.Addr
	until          clock.Instant // of its default route
	managed, other bool
	prefixes       []netip.Prefix
}

// A listener hears the Router Advertisements of a NIC.
type listener struct {
	stop  context.CancelFunc
	done  chan struct{}
	heard *routers // nil before the first advertisement
}

// listen starts to listen on a NIC that can hear.
func (n *managedNIC) listen(ctx context.Context) {
	if n.listening != nil || !n.nic.Up {
		return
	}
	ctx, stop := context.WithCancel(ctx)
	l := &listener{stop: stop, done: make(chan struct{})}
	n.listening = l
	nic, mail := n.nic, n.a.mail
	go func() {
		err := n.a.sys.Routers(ctx, nic, func(r routers) { mail.post(func() { n.hear(l, r) }) })
		close(l.done)
		mail.post(func() { n.deaf(l, err) })
	}()
}

// hear takes in what routers say now.
func (n *managedNIC) hear(l *listener, r routers) {
	if n.listening != l {
		return
	}
	l.heard = &r
	var addrs []netip.Addr
	for _, x := range r.list {
		addrs = append(addrs, x.addr)
	}
	n.a.world.heard(n.nic.Index, addrs)
}

// deaf takes in that the listener has ended by itself.
func (n *managedNIC) deaf(l *listener, err error) {
	if n.listening != l || err == nil {
		return
	}
	n.problem("listen to Router Advertisements", err)
}

func (n *managedNIC) stopListening() {
	if n.listening == nil {
		return
	}
	n.listening.stop()
	<-n.listening.done
	n.listening = nil
}

func (n *managedNIC) heardRouter() bool { return n.listening != nil && n.listening.heard != nil }

// heardManaged says whether a router says that addresses are managed (M flag).
func (n *managedNIC) heardManaged() bool {
	if !n.heardRouter() {
		return false
	}
	for _, r := range n.listening.heard.list {
		if r.managed {
			return true
		}
	}
	return false
}

func (n *managedNIC) routerStatus(now clock.Instant) []RouterStatus {
	if !n.heardRouter() {
		return nil
	}
	var out []RouterStatus
	for _, r := range n.listening.heard.list {
		out = append(out, RouterStatus{Addr: r.addr, Lifetime: until(r.until, now), Managed: r.managed, Other: r.other, Prefixes: r.prefixes})
	}
	return out
}
