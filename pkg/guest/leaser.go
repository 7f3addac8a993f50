package guest

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/v6guest/v6guest/pkg/client"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/wire"
)

// A leaser is the DHCPv6 client that runs on a NIC, as the agent's goroutine sees it.
type leaser struct {
	runner *client.Runner
	host   *host
	stop   context.CancelFunc
	done   chan struct{}

	duid   wire.DUID
	key    link.Key
	beside int // the process that has the port for all NICs, beside which the client works; 0 for none

	carrier   bool   // as the client was told last
	changes   uint32 // of the carrier until then
	linkLocal netip.Addr
	heard     *atomic.Bool // any server
}

// wantsClient says whether v6guest is to be the client on the NIC now. Where it waits for another client it
// was to be: routers may not be listened to meanwhile.
func (n *managedNIC) wantsClient() bool {
	if n.plan.Settings.Lease != LeaseAgent || !n.nic.Up {
		return false
	}
	return n.plan.Settings.Start == StartNow || n.forced || n.a.passive || n.foreign != nil || n.heardManaged()
}

// startClient starts the client, if there is to be one and none runs. One that cannot start (its port
// is taken) is tried again with growing pauses, and as soon as the NIC changes.
func (n *managedNIC) startClient(ctx context.Context, now clock.Instant) {
	if n.leaser != nil || !n.wantsClient() || now.Before(n.startAt) {
		return
	}
	l, err := n.newLeaser(ctx, now)
	taken, isTaken := errors.AsType[*client.PortTakenError](err)
	if isTaken && !n.a.passive && !n.foreign.is(taken) {
		n.meetForeign(ctx, taken)
		l, err = n.newLeaser(ctx, now) // it may have gone before the watch for that began
		taken, isTaken = errors.AsType[*client.PortTakenError](err)
	}
	if isTaken && !n.a.passive {
		n.waitForForeign(taken)
	} else {
		n.problem(startingClient, err)
	}
	if err != nil {
		n.again.done(now)
		n.startAt = max(n.again.at(now), now.Add(shortestPause))
		return
	}
	n.leaser = l
	n.foreignGone(now)
	if l.beside != 0 {
		n.watchManager(l)
	}
}

// watchManager has the port be the client's own when the program has ended that has it for all NICs. The client
// begins with a Confirm then.
func (n *managedNIC) watchManager(l *leaser) {
	ended, err := n.a.sys.Ended(l.host.ctx, l.beside)
	if err != nil {
		n.log.Debug("the end of the program that has port 546 for all NICs is not noticed", "error", err)
		return
	}
	go func() {
		<-ended
		n.a.mail.post(func() {
			if n.leaser == l {
				n.log.Info("the program that had port 546 for all NICs has ended", "pid", l.beside)
				n.stopClient()
				n.startAt = 0
			}
		})
	}()
}

const startingClient = "start the DHCPv6 client"

// newLeaser makes the client and starts it.
func (n *managedNIC) newLeaser(ctx context.Context, now clock.Instant) (*leaser, error) {
	a, index := n.a, n.nic.Index
	settings := n.plan.Settings // the client's own: the plan is made anew while it runs
	engine, err := client.NewEngine(client.Config{
		DUID: n.plan.DUID, IAID: n.plan.IAID, Rand: client.NewRand(),
		NoStartDelay: n.plan.Settings.NoStartDelay || a.passive,
		AcceptServer: settings.acceptsServer,
		Refuse:       func(addr netip.Addr) string { return a.world.refuse(addr, index) },
	})
	if err != nil {
		return nil, err
	}
	conn, beside, err := n.openPort(ctx)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	l := &leaser{beside: beside, stop: stop, done: make(chan struct{}), duid: n.plan.DUID, key: n.nic.Key(), heard: new(atomic.Bool)}
	l.host = newHost(ctx, n, l)
	l.runner, err = client.NewRunner(client.RunnerConfig{Engine: engine, Conn: conn, Clock: a.clock, Host: l.host, Trace: l.host.trace})
	if err != nil {
		stop()
		return nil, errors.Join(err, conn.Close())
	}
	saved := n.savedLease(now)
	go func() {
		err := l.runner.Run(ctx, saved)
		close(l.done)
		a.mail.post(func() { n.clientEnded(l, err) })
	}()
	return l, nil
}

// openPort opens the client's port, beside a program that has it for all NICs and leases on others only.
// The one-shot command, which is to be quick, looks for one only where the port is taken.
func (n *managedNIC) openPort(ctx context.Context) (conn client.Conn, manager int, err error) {
	sys := n.a.sys
	shares := false
	if !n.a.passive {
		manager, shares = sys.SharesPort(n.nic)
	}
	conn, err = sys.DHCP(ctx, n.nic, shares)
	if _, taken := errors.AsType[*client.PortTakenError](err); taken && n.a.passive {
		if _, shares = sys.SharesPort(n.nic); shares {
			conn, err = sys.DHCP(ctx, n.nic, true)
		}
	}
	if !shares {
		manager = 0
	}
	return conn, manager, err
}

// savedLease is the lease of an earlier life, nil when there is none that can be read.
func (n *managedNIC) savedLease(now clock.Instant) *client.Lease {
	l, err := client.LoadLease(n.a.opts.StateDir, n.nic.Key(), n.a.boot(now))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		n.log.Warn("saved lease not used", "error", err)
	}
	return l
}

// boot is the present moment on the clocks that lease files know.
func (a *Agent) boot(now clock.Instant) client.Boot {
	return client.Boot{ID: a.bootID, Now: now, Wall: time.Now()}
}

// clientEnded takes in that the client has ended by itself: its socket failed.
func (n *managedNIC) clientEnded(l *leaser, err error) {
	if n.leaser != l || err == nil {
		return
	}
	l.stop() // frees what its context holds
	n.leaser = nil
	now := n.a.clock.Now()
	n.problem(startingClient, err)
	n.again.done(now)
	n.startAt = max(n.again.at(now), now.Add(shortestPause))
}

// stopClient ends the client and waits for it; its address stays on the NIC and its lease in the file.
func (n *managedNIC) stopClient() {
	n.foreignGone(n.a.clock.Now())
	if n.leaser == nil {
		return
	}
	n.leaser.stop()
	<-n.leaser.done // the client waits for nobody: what it tells the agent lies in the mailbox
	n.leaser = nil
}

// dropLease ends the client and forgets what it leased: the identity that leased it is no more.
func (n *managedNIC) dropLease(ctx context.Context) {
	l := n.leaser
	n.stopClient()
	for addr := range l.host.takeAll() {
		n.takeOff(ctx, addr, "remove the address of the old lease")
	}
	n.problem("forget the old lease", client.ForgetLease(n.a.opts.StateDir, l.key))
}

// tellClient tells the client what the link is like, where that has changed.
func (n *managedNIC) tellClient() {
	l := n.leaser
	if l == nil {
		return
	}
	if ll := n.speakFrom(l.linkLocal); ll != l.linkLocal {
		l.linkLocal = ll
		l.runner.SetLinkLocal(ll)
	}
	switch c := n.nic.Up && n.nic.Carrier; {
	case c != l.carrier:
		l.carrier = c
		l.runner.SetCarrier(c)
	case c && l.changes != n.nic.CarrierChanges: // it went and came back before anybody looked
		l.runner.Notify(client.LinkChanged{Why: "the carrier was away"})
		n.solicit = true
	}
	l.changes = n.nic.CarrierChanges
}

// addrChanged takes in an address: the outcome of duplicate address detection goes to the client.
func (n *managedNIC) addrChanged(addr link.Addr) {
	if addr.Addr.IsLinkLocalUnicast() {
		n.check = n.check || n.off != ""
		return
	}
	n.madeAddrFailed(addr)
	if n.leaser == nil {
		return
	}
	if _, ours := n.leaser.host.leased()[addr.Addr]; ours {
		n.leaser.tellDAD(addr)
	}
}

// tellDAD tells the client how duplicate address detection ended, if it has ended.
func (l *leaser) tellDAD(a link.Addr) {
	switch {
	case a.DADFailed:
		l.runner.Notify(client.AddressDuplicate{Addr: a.Addr})
	case a.Usable():
		l.runner.Notify(client.AddressUsable{Addr: a.Addr})
	}
}

// addrGone takes in that an address is gone: a leased one that nobody took off here is a duplicate, or
// is put back.
func (n *managedNIC) addrGone(addr link.Addr) {
	n.check = true // that is how IPv6 being switched off shows
	n.linkLocalGone(addr.Addr)
	n.madeAddrGone(addr)
	if n.leaser == nil {
		return
	}
	if _, ours := n.leaser.host.leased()[addr.Addr]; !ours {
		return
	}
	if addr.DADFailed {
		n.leaser.tellDAD(addr)
		return
	}
	n.repairAt = min(n.repairAt, n.repairs.at(n.a.clock.Now()))
}

// isUp asks the kernel whether the NIC is up, where events say so: that a NIC goes down may be told only
// after the addresses that it loses with that, and nobody is to be blamed for those.
func (n *managedNIC) isUp(ctx context.Context) bool {
	if !n.nic.Up {
		return false
	}
	now, err := n.a.sys.NICByIndex(ctx, n.nic.Index)
	return err != nil || now.Up // what cannot be asked is as events say
}

const puttingBack = "put a leased address back"

// repair puts back leased addresses that somebody took off.
func (n *managedNIC) repair(ctx context.Context, now clock.Instant) {
	if now.Before(n.repairAt) && n.problems[puttingBack] == nil {
		return
	}
	missing := n.missing(now)
	if len(missing) == 0 {
		n.problem(puttingBack, nil) // somebody else, the client perhaps, has put it there since
	}
	if now.Before(n.repairAt) {
		return
	}
	n.repairAt = clock.Never
	if n.leaser == nil || n.look.awaited.Load() || !n.isUp(ctx) {
		return // the next event that the NIC is up, or the end of the wait for NetworkManager, begins anew
	}
	why := n.withoutBlame
	n.withoutBlame = ""
	var errs []error
	for _, lease := range missing {
		err := n.leaser.host.put(ctx, lease)
		errs = append(errs, err)
		if err == nil && why != "" {
			n.log.Info(why, "address", lease.Addr)
			continue
		}
		pause := n.repairs.pause
		n.repaired(&n.repairs, now, "leased address")
		if err != nil { // it may pass: nothing else would come of it for the rest of a lease, which may have no end
			n.repairAt = max(n.repairs.at(now), now.Add(shortestPause))
		} else {
			n.log.Warn("a leased address was taken off by somebody and is put back", "address", lease.Addr, "pause", pause)
		}
	}
	n.problem(puttingBack, errors.Join(errs...))
}

// missing are the leased addresses that are not on the NIC although their time is not over, by their values.
func (n *managedNIC) missing(now clock.Instant) (out []client.Address) {
	if n.leaser == nil {
		return nil
	}
	for addr, lease := range n.leaser.host.leased() {
		_, valid := lease.Lifetimes(now)
		if _, there := n.a.world.addrs[n.nic.Index][addr]; !there && valid >= time.Second {
			out = append(out, lease)
		}
	}
	slices.SortFunc(out, func(a, b client.Address) int { return a.Addr.Compare(b.Addr) })
	return out
}
