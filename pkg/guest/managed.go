package guest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/distro"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/sysctl"
)

// A managedNIC is what the agent does on one NIC. Its trouble stays its own: an error is kept for the
// status and never ends the agent. Only the agent's goroutine touches it.
type managedNIC struct {
	a    *Agent
	plan NICPlan
	nic  link.NIC
	log  *slog.Logger
	name atomic.Pointer[string] // nic.Name, for other goroutines

	broughtUp  bool          // it was brought up, once, or was up when it appeared
	check      bool          // whether IPv6 is on has to be looked up anew
	off        string        // why IPv6 is off; "" when it is on
	offCounts  clock.Instant // from when on wait-online believes that it stays off
	onSince    clock.Instant // when it came on again
	unset      bool          // switches have to be set
	setting    backoff       // of switches that could not be set
	unsetAt    clock.Instant
	flips      backoff  // of switches that somebody else sets
	flipLines  limiter  // of the log about that
	followed   string   // the name under which switches are followed
	renaming   bool     // the NIC had no switches when they were to be set
	problems   problems // what stands in the way
	packets    packetCount
	heardLines limiter // of what routers cause

	leaser  *leaser // nil when no client runs
	again   backoff // of a client that cannot be started
	startAt clock.Instant
	foreign *foreignClient // nil when no other client has the NIC
	forced  bool           // a command asks for the client although start = on-managed-ra waits

	guard   backoff // of default routes that come back
	guardAt clock.Instant
	removed int // default routes taken off
	repairs backoff
	// withoutBlame is what to say when leased addresses are put on the NIC that nobody took off; "" where
	// somebody must have.
	withoutBlame string
	repairAt     clock.Instant
	hearing      *hearing // nil when Router Advertisements are not listened to
	solicit      bool     // the kernel is to hear the routers now
	deafness     backoff
	listenAt     clock.Instant
	onLink       onLink
	defaults     defaultRoutes
	slaac        slaac
	linkLocal    linkLocal
	source       source
	look         look
	saving       backoff // of a lease that could not be written
	saveAt       clock.Instant
	savedAt      clock.Instant // when it was tried last
}

func newManagedNIC(a *Agent, p NICPlan) *managedNIC {
	n := &managedNIC{
		a: a, nic: p.NIC, check: true, broughtUp: p.NIC.Up || a.seen.has(p.NIC), unsetAt: clock.Never,
		guardAt: clock.Never, repairAt: clock.Never, onLink: onLink{at: clock.Never}, defaults: defaultRoutes{at: clock.Never}, slaac: slaac{at: clock.Never, leftSince: clock.Never}, problems: problems{},
		linkLocal: newLinkLocal(), source: source{at: clock.Never}, look: look{at: clock.Never}, saveAt: clock.Never,
	}
	n.bear(p.NIC.Name)
	return n
}

// bear has lines of the log and of packets name the NIC so, those of its client too.
func (n *managedNIC) bear(name string) {
	n.log = n.a.log.With("nic", name)
	n.name.Store(&name)
}

// apply takes a new plan over.
func (n *managedNIC) apply(ctx context.Context, p NICPlan) {
	old := n.plan
	n.plan, n.nic = p, p.NIC
	if !slices.Equal(old.Switches, p.Switches) || old.NIC.Name != p.NIC.Name {
		n.unset = true
	}
	if old.NIC.Name != p.NIC.Name {
		n.bear(p.NIC.Name)
	}
	if n.leaser != nil && (n.leaser.duid != p.DUID || !n.leaser.key.Equal(p.NIC.Key())) {
		n.log.Info("the NIC speaks with another DUID now; the old lease is dropped", "old", n.leaser.duid, "duid", p.DUID)
		n.dropLease(ctx)
	}
	if n.hearing != nil && n.hearing.mac.String() != p.NIC.MAC.String() {
		n.stopListening() // its solicitations name the MAC: routers learn the new one from them
	}
	if !slices.Equal(old.Settings.Routers, p.Settings.Routers) {
		n.stopListening()
	}
	if n.leaser != nil && p.Settings.Lease != LeaseAgent {
		n.stopClient()
	}
	if old.Settings.Lease == LeaseAgent && p.Settings.Lease != LeaseAgent {
		n.slaac.have = nil // what is there is left to whoever leases now
		n.a.world.leasesAre(p.NIC.Index)
	}
	if p.Role == RoleSecondary && old.Role != RoleSecondary {
		n.guardAt = n.a.clock.Now() // what was accepted before stays until somebody removes it
	}
	if p.Role == RoleDefault && old.Role == RoleSecondary {
		n.solicit = true // what routers say was not taken until now
	}
	n.check = true
}

// changed takes in that the NIC itself has changed.
func (n *managedNIC) changed(before link.NIC, ev link.NICChanged) {
	n.nic = ev.NIC
	n.check = true
	if ev.NotifyPeers {
		n.linkChanged("the kernel announced the NIC anew, as after a live migration")
	}
	if before.Up != ev.NIC.Up || before.Carrier != ev.NIC.Carrier {
		n.heardLines = limiter{} // it may be another link, and what is said of it is news
	}
	if before.Carrier != ev.NIC.Carrier {
		n.slaac.linkIsAnother()
	}
	n.unset = n.unset || before.MTU != ev.NIC.MTU // that of IPv6 is the NIC's again
	if (before.MTU < minMTU) != (ev.NIC.MTU < minMTU) {
		n.ipv6IsAnother()
	}
	if before.Up != ev.NIC.Up {
		n.a.askStackAgain() // whoever set it up may be in charge of it
		if before.Up {
			n.withoutBlame = "a leased address is put back: the kernel took it off while the NIC was down"
		}
		n.unset = true // the kernel keeps switches, but who set the NIC up may have set them too
		n.startAt, n.listenAt = 0, 0
		if ev.NIC.Up {
			n.repairAt = n.a.clock.Now()
		}
	}
}

// ipv6IsAnother takes in that the kernel takes IPv6 off the NIC, or makes it anew there: with addresses and
// routes go the switches, and those of the new one are as any NIC's are at first. Nothing else may tell of it,
// where both come before anybody looks.
func (n *managedNIC) ipv6IsAnother() {
	n.unset = true
	n.onLink, n.defaults = onLink{at: clock.Never}, defaultRoutes{at: clock.Never}
	n.withoutBlame = "a leased address is put back: the kernel took it off while the MTU was too small for IPv6"
	n.repairAt = n.a.clock.Now()
}

// gone takes in that the NIC is away: its lease is kept for when it comes back.
func (n *managedNIC) gone() {
	n.stopClient()
	n.stopListening()
	saved := n.a.savedSwitches()
	saved.forget(n.nic.Index)
	n.problem(keepingSwitches, saved.keep())
	n.a.rememberUnkept(saved)
	n.a.written.Forget(n.followed)
}

// close ends what runs on the NIC and leaves its addresses.
func (n *managedNIC) close(context.Context) {
	n.stopClient()
	n.stopListening()
	n.a.written.Forget(n.followed)
}

// tend does what is due on the NIC. It is called after each event and looks at what there is, so that
// it does not matter in which order things happened.
func (n *managedNIC) tend(ctx context.Context, now clock.Instant) {
	n.checkIPv6(ctx, now)
	if n.off == "" {
		n.setSwitches(now) // before the NIC is up: its first moment is when routers are asked
	}
	n.bringUp(ctx)
	if n.off != "" {
		n.stopClient()
		n.stopListening()
		n.onLink, n.defaults = onLink{at: clock.Never}, defaultRoutes{at: clock.Never} // the kernel has dropped the routes with the addresses
		if !n.a.passive {
			n.tendSource(ctx, now)
		}
		return
	}
	n.awaitLook(now)
	if !n.a.passive || n.forced { // the one-shot's client begins with the command
		n.tendLinkLocal(ctx, now)
		n.yieldLease(ctx)
		n.startClient(ctx, now)
		n.tellClient()
		n.saveLease(now)
	}
	if n.foreign.doesRA() {
		n.stopListening()
		return
	}
	if !n.a.passive {
		n.guardRoutes(ctx, now)
		n.listen(ctx, now)
		n.tellHearing()
		n.solicitNow()
		n.tendOnLink(ctx, now)
		n.tendDefaults(ctx, now)
	}
	n.repair(ctx, now)
	if !n.a.passive {
		n.tendSLAAC(ctx, now)
		n.tendSource(ctx, now)
	}
	n.dropAutoconf(ctx)
}

// deadline is when tend is needed if nothing happens on the NIC.
func (n *managedNIC) deadline() clock.Instant {
	at := clock.Never
	if n.off != "" {
		return at
	}
	at = min(n.unsetAt, n.linkLocal.at, n.linkLocal.noteAt, n.look.at, n.saveAt)
	if n.wantsClient() && n.leaser == nil && n.startAt > 0 {
		at = min(at, n.startAt)
	}
	if n.foreign.doesRA() {
		return at // the rest is left alone until it is gone: to wake up for it would be to turn in circles
	}
	at = min(at, n.guardAt, n.repairAt, n.onLink.at, n.defaults.at, n.slaac.at, n.source.at)
	if n.hearing == nil && n.nic.Up && n.listenAt > 0 && !n.a.passive {
		at = min(at, n.listenAt)
	}
	return at
}

// minMTU is the least that IPv6 needs of a link, in bytes (RFC 8200, section 5): below, the kernel takes
// IPv6 off the NIC.
const minMTU = 1280

// checkIPv6 finds out whether IPv6 is on, when something happened that may have to do with it.
func (n *managedNIC) checkIPv6(ctx context.Context, now clock.Instant) {
	if !n.check {
		return
	}
	n.check = false
	was, counts := n.off, now
	v, err := n.a.sys.Get(n.nic.Name, sysctl.DisableIPv6)
	switch {
	case errors.Is(err, sysctl.ErrNoIPv6):
		n.off = "IPv6 is off in this kernel"
	case n.nic.MTU < minMTU: // the switches may still be there when the kernel tells of the MTU
		n.off = fmt.Sprintf("the kernel has no IPv6 on %s (its MTU is %d, IPv6 needs %d)", n.nic.Name, n.nic.MTU, minMTU)
	case err == nil && v != "0":
		n.off = fmt.Sprintf("IPv6 is disabled on %s (net.ipv6.conf.%s.disable_ipv6 = %s)", n.nic.Name, n.nic.Name, v)
		if n.off != was && n.a.sys.InCharge(n.nic).Stack == distro.NetworkManager {
			counts = now.Add(silence) // it switches IPv6 off while it takes the NIC over
		}
	default: // what cannot be read (a NIC that is being renamed has no switches for a moment) does not stand in the way
		n.off = ""
	}
	if n.off != was {
		n.unset = true
		n.offCounts = counts
		if n.off != "" {
			n.log.Log(ctx, n.a.trouble(), "nothing can be done on this NIC", "why", n.off)
		} else {
			n.onSince = now
			n.log.Info("IPv6 is on again")
		}
	}
}

// offCure is what a person can do when IPv6 is off.
func (n *managedNIC) offCure() string {
	_, err := n.a.sys.Get(n.nic.Name, sysctl.DisableIPv6)
	if err == nil {
		return fmt.Sprintf("sysctl -w net.ipv6.conf.%s.disable_ipv6=0", n.nic.Name)
	}
	return Report(err).Cure
}

// bringUp brings the NIC up once, when it appears: one that somebody sets down stays down.
func (n *managedNIC) bringUp(ctx context.Context) {
	if n.nic.Up {
		n.broughtUp = true
	}
	if n.broughtUp || n.a.passive {
		return
	}
	n.broughtUp = true
	err := n.a.sys.SetUp(ctx, n.nic.Index)
	n.problem("bring the NIC up", err)
	if err == nil {
		n.log.Info("brought up")
	}
}

// renamePause is how long a NIC that is being renamed, or has just come, may be without switches.
const renamePause = 100 * time.Millisecond

// setSwitches sets the kernel's switches and lets the kernel confirm each. What fails is tried again:
// a NIC that is being renamed has none for a moment.
func (n *managedNIC) setSwitches(now clock.Instant) {
	if !n.unset && now.Before(n.unsetAt) {
		return
	}
	n.unset, n.unsetAt = false, clock.Never
	n.followSwitches() // first, so that no change comes between
	saved := n.a.savedSwitches()
	noting, err := saved.set(n.a.sys, n.nic, n.wantSwitches())
	n.a.rememberUnkept(saved)
	n.problem(keepingSwitches, noting)
	if errors.Is(err, sysctl.ErrNoNIC) && !n.renaming {
		n.renaming = true // for a moment, it seems
		n.unsetAt = now.Add(renamePause)
		return
	}
	if err == nil {
		n.renaming = false
	}
	if err != nil || noting != nil {
		n.setting.done(now)
		n.unsetAt = max(n.setting.at(now), now.Add(shortestPause))
	}
	n.problem("set the kernel's switches", err)
}

// wantMTU is the least MTU that a default router announces, where no kernel takes that from them: on a link that
// carries less than the NIC believes, larger packets are lost without a word. Who is no default router could
// make them small.
func (n *managedNIC) wantMTU() []sysctl.Setting {
	if n.plan.Role != RoleDefault || n.plan.RA != RAAgent || n.hearing == nil {
		return nil
	}
	mtu := n.nic.MTU + 1
	for _, r := range n.hearing.heard.Routers {
		if r.Default && r.MTU >= minMTU {
			mtu = min(mtu, int(r.MTU))
		}
	}
	if mtu > n.nic.MTU {
		return nil
	}
	return []sysctl.Setting{{Switch: sysctl.MTU, Value: strconv.Itoa(mtu)}}
}

const keepingSwitches = "keep in mind what the kernel's switches were"

// savedSwitches are what the switches were; the one-shot command keeps nothing.
func (a *Agent) savedSwitches() *savedSwitches {
	note, ok := newRunNote(a.opts.RunDir, a.bootID)
	saved := switchesOf(note, ok && !a.passive, a.opts.RunDir)
	for _, o := range a.unkept {
		saved.add(o)
	}
	return saved
}

// rememberUnkept remembers what could not be written: by now the kernel knows only what was set.
func (a *Agent) rememberUnkept(s *savedSwitches) {
	a.unkept = nil
	if s.dirty && s.file != "" {
		a.unkept = s.state.Switches
	}
}

// wantSwitches are the switches that are to be set. The one-shot command sets only those without which
// an optimistic address is an ordinary one.
func (n *managedNIC) wantSwitches() []sysctl.Setting {
	if !n.a.passive {
		return slices.Concat(n.plan.Switches, n.wantMTU())
	}
	var out []sysctl.Setting
	for _, s := range n.plan.Switches {
		if s.Switch == sysctl.OptimisticDAD || s.Switch == sysctl.UseOptimistic {
			out = append(out, s)
		}
	}
	return out
}

// problems are what stands in the way on a NIC, by what was tried.
type problems map[string]error

// problem notes how an attempt ended, and logs what is new.
func (n *managedNIC) problem(what string, err error) {
	old := n.problems[what]
	switch {
	case err == nil:
		delete(n.problems, what)
		return
	case old == nil || old.Error() != err.Error():
		n.log.Log(context.Background(), n.a.trouble(), "cannot "+what, "error", err)
	}
	n.problems[what] = err
}

// worst is the first problem by name, nil when there is none.
func (p problems) worst() (string, error) {
	what := ""
	for k := range p {
		if what == "" || k < what {
			what = k
		}
	}
	return what, p[what]
}
