package responder

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/ra/sender"
)

// An advertising is the sender of Router Advertisements on one NIC.
type advertising struct {
	runner *sender.Runner
	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended

	up     netip.Addr // the address that it sends from; the zero Addr while it is told not to
	mtu    int
	routes bool // whether the NIC forwards, as it was told
}

// sender is what the configuration says to the sender.
func (n *NetworkConfig) sender() sender.Config {
	c := sender.DefaultConfig()
	c.MaxInterval, c.MinInterval = n.RA.MaxInterval, n.RA.MinInterval
	c.Managed, c.Other = n.RA.Managed, n.RA.Other
	c.RouterLifetime, c.MTU = n.RA.RouterLifetime, n.RA.MTU
	rank := map[string]ra.Preference{"low": ra.Low, "medium": ra.Medium, "high": ra.High}
	c.Preference = rank[n.RA.RouterPreference]
	c.Prefixes = []ra.Prefix{{
		Prefix: n.Prefix, OnLink: n.RA.OnLink, Autonomous: n.RA.Autonomous, Preferred: n.RA.PrefixPreferred, Valid: n.RA.PrefixValid,
	}}
	if n.RA.DNS && len(n.DNS) > 0 {
		c.RDNSS = []ra.RDNSS{{Servers: n.DNS, Lifetime: n.RA.DNSLifetime}}
	}
	if n.RA.DNS && len(n.Search) > 0 {
		c.DNSSL = []ra.DNSSL{{Domains: n.Search, Lifetime: n.RA.DNSLifetime}}
	}
	for _, p := range n.RA.Routes {
		c.Routes = append(c.Routes, ra.Route{Prefix: p, Preference: rank[n.RA.RoutePreference], Lifetime: n.RA.RouteLifetime})
	}
	for _, p := range n.RA.PREF64 {
		c.PREF64 = append(c.PREF64, ra.PREF64{Prefix: p})
	}
	return c
}

// advertise makes the sender follow how the NIC is now.
func (p *port) advertise() error {
	if !p.network.RA.Send || p.conn == nil {
		return nil
	}
	if p.ra == nil {
		if err := p.startAdvertising(); err != nil {
			return err
		}
	}
	if p.ra == nil {
		return nil
	}
	if routes, known := p.forwards[p.nic.Index]; known && routes != p.ra.routes {
		p.ra.routes = routes
		p.ra.runner.Notify(sender.Forwarding{On: routes})
	}
	var from netip.Addr
	if p.nic.Up && p.nic.Carrier {
		from = p.local()
	}
	switch {
	case from == p.ra.up && p.nic.MTU == p.ra.mtu:
	case from.IsValid():
		p.ra.runner.Notify(sender.LinkUp{LinkLocal: from, MTU: p.nic.MTU})
	default:
		p.ra.runner.Notify(sender.LinkDown{})
	}
	p.ra.up, p.ra.mtu = from, p.nic.MTU
	return nil
}

// startAdvertising opens the socket and starts the sender.
func (p *port) startAdvertising() error {
	conn, err := ra.Open(p.nic.Name, p.nic.Index, ra.Router)
	switch {
	case errors.Is(err, unix.ENODEV):
		return nil // gone again; an event will tell
	case errors.Is(err, os.ErrPermission):
		return notPermitted(err)
	case err != nil: // IPv6 may be off there; the NIC's next event tries anew
		p.log.Warn("router advertisements are not sent", "error", err)
		return nil
	}
	var seed [32]byte
	_, _ = crand.Read(seed[:]) // never fails
	// Read, not heard: a first advertisement that is no router's would cost guests their route.
	routes := forwardsNow(p.nic.Name)
	engine, err := sender.New(sender.EngineConfig{
		Config: p.network.sender(), Rand: rand.New(rand.NewChaCha8(seed)), MAC: p.nic.MAC, Forwarding: routes,
	})
	if err != nil {
		return errors.Join(fmt.Errorf("network %s: %w", p.network.Name, err), conn.Close())
	}
	runner, err := sender.NewRunner(sender.RunnerConfig{
		Engine: engine, Conn: conn, Clock: p.opts.Clock, Host: raHost{p.log}, Trace: p.traceRA(p.network.Interface),
	})
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	a := &advertising{runner: runner, cancel: cancel, done: make(chan struct{}), routes: routes}
	p.ra = a
	p.spawn(func() {
		err := runner.Run(ctx)
		close(a.done)
		if err != nil {
			p.log.Warn("router advertisements have ended", "error", err)
		}
		p.tell(func() {
			if p.ra == a { // by itself: the next event of the NIC starts it anew
				p.ra = nil
			}
		})
	})
	return nil
}

// cease ends the sender. At a final stop guests are told that this router is none any more, which can
// take three seconds; wait awaits the end.
func (p *port) cease(final bool) (wait func()) {
	if p.ra == nil {
		return func() {}
	}
	a := p.ra
	p.ra = nil
	if final {
		a.runner.Notify(sender.Stop{Final: true})
	} else {
		a.cancel()
	}
	return func() {
		<-a.done
		a.cancel()
	}
}

// traceRA shows a NIC's advertisements and solicitations, if that was asked for. It is called by the sender,
// which may not look at what a reload changes.
func (p *port) traceRA(iface string) func(ra.TracedPacket) {
	return func(t ra.TracedPacket) {
		switch {
		case !p.traces():
		case t.Sent:
			p.traced(iface, fmt.Sprintf("> %s: %s", t.To, t.Packet))
		default:
			p.traced(iface, fmt.Sprintf("< %s: %s", t.Packet.From, t.Packet))
		}
	}
}

// A raHost takes in what the sender reports.
type raHost struct{ log *slog.Logger }

// Report writes it to the log.
func (h raHost) Report(r sender.Report) {
	h.log.LogAttrs(context.Background(), r.Level, r.Message, r.Attrs...)
}
