package guest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/v6guest/v6guest/pkg/client"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/sysctl"
	"github.com/v6guest/v6guest/pkg/wire"
)

// global is a global address on the NIC that can be used, the zero Addr when there is none: a leased
// one before others, and none that is deprecated while another is not.
func (n *managedNIC) global() netip.Addr {
	var best netip.Addr
	rank := 0
	for _, a := range n.a.world.addresses(n.nic.Index) {
		if !a.Addr.IsGlobalUnicast() || !a.Usable() {
			continue
		}
		r := 1
		if !a.Deprecated {
			r += 2
		}
		if n.leased(a.Addr) {
			r++
		}
		if r > rank {
			best, rank = a.Addr, r
		}
	}
	return best
}

func (n *managedNIC) leased(addr netip.Addr) bool {
	if n.leaser == nil {
		return false
	}
	_, ok := n.leaser.host.leased()[addr]
	return ok
}

// lacks says in a few words what keeps the NIC from having an address.
func (n *managedNIC) lacks() string {
	switch {
	case n.off != "":
		return "IPv6 is off"
	case !n.nic.Up:
		return "the NIC is down"
	case !n.nic.Carrier:
		return "no carrier"
	case n.foreign != nil:
		return n.foreign.lacks()
	case n.look.awaited.Load():
		return unlooked
	case n.problems[startingClient] != nil:
		return "the DHCPv6 client cannot start"
	case n.plan.Settings.Lease == LeaseDistro:
		return "the distribution's client has leased nothing yet"
	case n.leaser == nil:
		return "no router says that addresses are managed (start = on-managed-ra)"
	case !n.leaser.linkLocal.IsValid():
		return "no usable link-local address yet"
	case !n.leaser.heard.Load():
		return "no DHCPv6 server has answered yet"
	}
	return "no address yet"
}

// summary is what is and what is missing, in one line: the service manager's status text.
func (a *Agent) summary() string {
	var parts []string
	for _, p := range a.plan.NICs {
		n := a.nics[p.NIC.Index]
		if n == nil {
			continue
		}
		if addr := n.global(); addr.IsValid() {
			parts = append(parts, fmt.Sprintf("%s %s", n.nic.Name, addr))
		} else {
			parts = append(parts, fmt.Sprintf("%s: %s", n.nic.Name, n.lacks()))
		}
	}
	for _, m := range a.plan.Missing {
		parts = append(parts, fmt.Sprintf("%s is not there", m))
	}
	if parts == nil {
		return "no NIC to look after"
	}
	return strings.Join(parts, ", ")
}

// onlineFacts is what a wait-online rests on.
func (a *Agent) onlineFacts(now clock.Instant, w *waiter) onlineFacts {
	f := onlineFacts{now: now, started: a.started, asked: w.asked, usable: clock.Never, wait: a.cfg.Wait, lacks: "no default NIC"}
	n := a.nics[a.plan.Default]
	if n == nil {
		return f
	}
	f.nic, f.off, f.counts, f.address, f.lacks = n.nic.Name, n.off, n.offCounts, n.global(), n.lacks()
	f.started = max(f.started, n.onSince)
	f.heard = n.heardRouter() || n.leaser != nil && n.leaser.heard.Load()
	if f.address.IsValid() {
		f.usable = min(now, w.usable)
		f.missing = n.offersDefault(now) && len(a.world.ipv6Defaults(n.nic.Index)) == 0
	}
	return f
}

// Status is the state of everything, now. What a client says of itself is asked for outside of the
// agent's goroutine, which waits for no client.
func (a *Agent) Status(ctx context.Context) (Status, error) {
	if err := a.settled(ctx); err != nil {
		return Status{}, err
	}
	var s Status
	leasers := map[int]*leaser{}
	err := a.do(ctx, func() {
		s = a.status()
		for i, n := range s.NICs {
			if m := a.nics[n.Index]; m != nil && m.leaser != nil {
				leasers[i] = m.leaser
			}
		}
	})
	if err != nil {
		return Status{}, err
	}
	if err := a.lifetimes(ctx, s.NICs); err != nil {
		return Status{}, err
	}
	for i, l := range leasers {
		snap, err := l.runner.Snapshot(ctx)
		if errors.Is(err, client.ErrStopped) {
			continue
		}
		if err != nil {
			return Status{}, err
		}
		s.NICs[i].fill(snap, l.host, a.clock.Now())
	}
	return s, nil
}

// lifetimes reads what is left of the addresses' lifetimes: the kernel tells only changes.
func (a *Agent) lifetimes(ctx context.Context, nics []NICStatus) error {
	there, err := a.sys.Addrs(ctx, 0)
	if err != nil {
		return err
	}
	for _, n := range nics {
		for i := range n.Addresses {
			for _, x := range there {
				if x.Index == n.Index && x.Addr == n.Addresses[i].Prefix.Addr() {
					n.Addresses[i].Valid = Lifetime(x.Valid)
				}
			}
		}
	}
	return nil
}

func (a *Agent) status() Status {
	now := a.clock.Now()
	s := Status{
		Version: a.opts.Version, PID: os.Getpid(), Uptime: Seconds(now.Sub(a.started)), Summary: a.summary(),
		DefaultReason: a.plan.Reason, Provisional: a.plan.Provisional, Notes: a.plan.Notes, Resolver: a.resolverStatus(),
	}
	if n := a.nics[a.plan.Default]; n != nil {
		s.DefaultNIC, s.Online = n.nic.Name, n.global().IsValid()
	}
	for _, m := range a.plan.Missing {
		s.Missing = append(s.Missing, m.String())
	}
	for _, p := range a.plan.NICs {
		if n := a.nics[p.NIC.Index]; n != nil {
			s.NICs = append(s.NICs, n.status(now))
			continue
		}
		s.NICs = append(s.NICs, NICStatus{
			Name: p.NIC.Name, Index: p.NIC.Index, MAC: p.NIC.MAC.String(), Reason: p.Reason,
			Up: p.NIC.Up, Carrier: p.NIC.Carrier, State: "left alone",
		})
	}
	return s
}

// status is the NIC's part, without what its client says.
func (n *managedNIC) status(now clock.Instant) NICStatus {
	s := NICStatus{
		Name: n.nic.Name, Index: n.nic.Index, MAC: n.nic.MAC.String(), Managed: true, Role: n.plan.Role,
		Reason: n.plan.Reason, Lease: string(n.plan.Settings.Lease), DUID: n.plan.DUID.String(), IAID: n.plan.IAID.String(),
		Up: n.nic.Up, Carrier: n.nic.Carrier, Removed: n.removed, Switches: n.switches(), OnLink: n.onLink.prefixes(), Refused: n.refusedPrefixes(),
		Routers: n.routerStatus(now), Source: n.sourceStatus(), Sent: n.packets.sent.Load(), Received: n.packets.received.Load(),
	}
	dns := n.linkDNS()
	s.DNS, s.Search = dns.Servers, dns.Domains
	for _, a := range n.a.world.addresses(n.nic.Index) {
		if a.Addr.IsGlobalUnicast() {
			_, made := n.slaac.have[a.Addr]
			s.Addresses = append(s.Addresses, AddressStatus{
				Autoconfigured: made, Prefix: netip.PrefixFrom(a.Addr, a.Bits), Leased: n.leased(a.Addr), State: addressState(a), Valid: Lifetime(a.Valid),
			})
		}
	}
	for _, r := range n.a.world.ipv6Defaults(n.nic.Index) {
		s.DefaultRoutes = append(s.DefaultRoutes, r.Gateway)
	}
	s.State = "waiting: " + n.lacks()
	if n.plan.Settings.Lease == LeaseDistro && n.global().IsValid() {
		s.State = "address by others"
	}
	if what, err := n.problems.worst(); err != nil {
		s.Problem, s.Cure = fmt.Sprintf("cannot %s: %s", what, strings.ReplaceAll(err.Error(), "\n", "; ")), Report(asFaultOf(n.nic.Name, err)).Cure
	}
	if n.off != "" {
		s.Problem, s.Cure = n.off, n.offCure()
	}
	return s
}

// switches are read back from the kernel: what counts is what is in force.
func (n *managedNIC) switches() map[string]string {
	out := map[string]string{}
	for _, s := range []sysctl.Switch{
		sysctl.AcceptRA, sysctl.AcceptRADefrtr, sysctl.AcceptRAPinfo, sysctl.Autoconf, sysctl.DisableIPv6, sysctl.Forwarding, sysctl.OptimisticDAD,
	} {
		if v, err := n.a.sys.Get(n.nic.Name, s); err == nil {
			out[string(s)] = v
		}
	}
	return out
}

func addressState(a link.Addr) string {
	switch {
	case a.DADFailed:
		return "duplicate"
	case a.Optimistic:
		return "optimistic"
	case a.Tentative:
		return "tentative"
	case a.Deprecated:
		return "deprecated"
	}
	return "usable"
}

// fill adds what the client says.
func (s *NICStatus) fill(c client.Snapshot, h *host, now clock.Instant) {
	if c.State != client.StateNoLink {
		s.State = string(c.State)
	}
	if h.awaited.Load() && len(c.Addresses) > 0 {
		s.State = "waiting: " + unlooked
	}
	s.NTP = c.Settings.NTP
	if c.LastError != nil && s.Problem == "" {
		f := Report(asFaultOf(s.Name, c.LastError))
		s.Problem, s.Cure = f.Error, f.Cure
	}
	if slices.ContainsFunc(s.Addresses, func(a AddressStatus) bool { return a.Autoconfigured }) && len(c.Addresses) == 0 {
		s.State = "autoconfigured: no DHCPv6 server has leased an address"
	}
	i := slices.IndexFunc(c.Addresses, func(a client.AddressStatus) bool { return a.Installed })
	if i < 0 {
		return
	}
	a := c.Addresses[i]
	p, v := a.Lifetimes(now)
	s.Binding = &Binding{
		Address: a.Addr, Preferred: Lifetime(p), Valid: Lifetime(v), Renew: until(c.T1, now), Rebind: until(c.T2, now),
		Server: c.Server.String(), From: h.from(c.Server),
	}
}

// until is the time left to t.
func until(t, now clock.Instant) Lifetime {
	if t == clock.Never {
		return Lifetime(wire.Infinite)
	}
	return Lifetime(max(0, t.Sub(now)))
}
