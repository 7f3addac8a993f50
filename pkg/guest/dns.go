package guest

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/v6guest/v6guest/pkg/client"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/distro"
	"github.com/v6guest/v6guest/pkg/plainfile"
	"github.com/v6guest/v6guest/pkg/resolver"
)

// A Resolver is what looks after name resolution; *resolver.System is one.
type Resolver interface {
	// Hand hands over what the links say, in the place of what was handed over before.
	Hand(ctx context.Context, links []resolver.Link) (resolver.Choice, error)
	// Stale says whether it is to be handed over anew.
	Stale(last resolver.Choice) bool
}

// Names tells of who looks after name resolution.
type Names interface {
	// Resolver is that of this system; the record of what it is told lies in stateDir.
	Resolver(stateDir, boot string) Resolver
	// ResolverChanges calls changed when another may look after it now, until ctx ends.
	ResolverChanges(ctx context.Context, changed func()) error
	// TellsResolved says whether a network stack tells systemd-resolved of the NIC.
	TellsResolved(index int) bool
}

// dnsGrace is how long what an earlier agent has handed over stays while nobody has said anything yet.
const dnsGrace = 10 * time.Second

// handTimeout bounds one handing over: resolvconf runs scripts of others.
const handTimeout = 30 * time.Second

// dns is what is handed to the resolver.
type dns struct {
	resolver Resolver
	handed   []resolver.Link // as it was tried last
	tried    bool
	dirty    bool          // somebody else may look after it now
	busy     chan struct{} // closed at the end of the one that runs; nil when none does
	choice   resolver.Choice
	err      error
	pause    backoff
	lines    limiter // of what networks cause
	at       clock.Instant
}

// beginDNS begins to follow who looks after name resolution.
func (a *Agent) beginDNS(ctx context.Context) {
	a.dns = dns{resolver: a.sys.Resolver(a.opts.StateDir, a.bootID), at: clock.Never}
	go func() {
		err := a.sys.ResolverChanges(ctx, func() { a.mail.post(func() { a.dns.dirty = true }) })
		if err != nil {
			a.log.Warn("that another program looks after DNS is not noticed", "error", err)
		}
	}()
}

// tendDNS hands over what networks say of DNS now, when that is news. It waits for no program.
func (a *Agent) tendDNS(ctx context.Context, now clock.Instant) {
	d := &a.dns
	d.at = clock.Never
	if a.passive || d.busy != nil {
		return
	}
	want := a.wantDNS()
	if d.dirty && d.tried {
		d.tried = !d.resolver.Stale(d.choice)
	}
	d.dirty = false
	if d.tried && d.err == nil && slices.EqualFunc(want, d.handed, resolver.Link.Equal) {
		return
	}
	if len(want) == 0 && len(d.handed) == 0 && now.Before(a.started.Add(dnsGrace)) {
		d.at = a.started.Add(dnsGrace)
		return
	}
	if at := d.pause.at(now); now.Before(at) {
		d.at = at
		return
	}
	d.pause.done(now)
	d.busy = make(chan struct{})
	go func() {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), handTimeout)
		defer cancel()
		choice, err := d.resolver.Hand(bounded, want)
		close(d.busy)
		a.mail.post(func() { a.handedDNS(want, choice, err) })
	}()
}

// handedDNS takes in how it ended.
func (a *Agent) handedDNS(links []resolver.Link, choice resolver.Choice, err error) {
	d := &a.dns
	news := !d.tried || choice != d.choice || !slices.EqualFunc(links, d.handed, resolver.Link.Equal)
	d.busy, d.tried, d.handed, d.choice = nil, true, links, choice
	before := d.err
	d.err = err
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		a.log.Warn("cannot hand DNS servers over", "to", choice.To, "error", err, "why", choice.Why)
	case err != nil, !news:
	case len(links) == 0:
		a.dnsLine("no network says anything of DNS servers", "to", choice.To)
	case choice.To == resolver.ToNobody:
		a.dnsLine("DNS servers are not handed over", "servers", serversOf(links), "why", choice.Why)
	default:
		a.dnsLine("DNS servers handed over", "to", choice.To, "servers", serversOf(links), "why", choice.Why)
	}
}

// dnsLine logs what came of what networks say, once an hour for each message and thing: routers say it, and so
// anybody on the link.
func (a *Agent) dnsLine(message string, args ...any) {
	if ok, silent := a.dns.lines.allow(a.clock.Now(), fmt.Sprint(message, args)); ok {
		if silent > 0 {
			args = append(args, "more", silent)
		}
		a.log.Info(message, args...)
	}
}

func serversOf(links []resolver.Link) (out []string) {
	for _, l := range links {
		for _, s := range l.Servers {
			out = append(out, s.String())
		}
	}
	return out
}

// endDNS takes everything back: the agent ends.
func (a *Agent) endDNS(ctx context.Context) {
	d := &a.dns
	if a.passive || d.resolver == nil {
		return
	}
	if d.busy != nil {
		<-d.busy
	}
	bounded, cancel := context.WithTimeout(ctx, handTimeout)
	defer cancel()
	if _, err := d.resolver.Hand(bounded, nil); err != nil {
		a.log.Warn("cannot take DNS servers back", "error", err)
	}
}

// wantDNS is what is to be handed over: the default NIC's first.
func (a *Agent) wantDNS() []resolver.Link {
	var out []resolver.Link
	for _, p := range a.plan.NICs {
		n := a.nics[p.NIC.Index]
		if n == nil || !n.plan.Settings.DNS {
			continue
		}
		l := n.linkDNS()
		if len(l.Servers)+len(l.Domains) == 0 {
			continue
		}
		l.Managed = a.sys.TellsResolved(n.nic.Index)
		if n.plan.Role == RoleDefault {
			out = slices.Insert(out, 0, l)
		} else {
			out = append(out, l)
		}
	}
	return out
}

// linkDNS is what the network of the NIC says: DHCPv6 first, then the routers (RFC 8106, section 5.3.1).
// Routers count on the default NIC only, where v6guest leases and no stack takes it from them itself.
func (n *managedNIC) linkDNS() resolver.Link {
	l := resolver.Link{NIC: n.nic.Name}
	if n.off != "" || n.plan.Settings.Lease != LeaseAgent {
		return l
	}
	if n.leaser != nil {
		s := n.leaser.host.settings()
		l.Servers, l.Domains = slices.Clone(s.DNS), slices.Clone(s.Search)
	}
	if n.hearing != nil && n.plan.Role == RoleDefault && n.plan.RA != RAStack {
		for _, s := range n.hearing.heard.DNS {
			l.Servers = append(l.Servers, s.Addr)
		}
		for _, s := range n.hearing.heard.Search {
			l.Domains = append(l.Domains, s.Name)
		}
	}
	return l.Clean()
}

// settings are what the server says beside addresses.
func (h *host) settings() client.Settings {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.said
}

// A ResolverStatus says to whom DNS servers were handed.
type ResolverStatus struct {
	To      string `json:"to,omitempty"` // "" for nobody
	Reason  string `json:"reason"`
	Problem string `json:"problem,omitempty"`
}

func (a *Agent) resolverStatus() *ResolverStatus {
	d := &a.dns
	if !d.tried || len(d.handed) == 0 {
		return nil
	}
	s := &ResolverStatus{To: string(d.choice.To), Reason: d.choice.Why}
	if d.err != nil {
		s.Problem = strings.ReplaceAll(d.err.Error(), "\n", "; ")
	}
	return s
}

// RestoreDNS takes back what an agent handed over and did not take back itself. Root is the system's root
// folder, stateDir the state folder in it.
func RestoreDNS(ctx context.Context, root, stateDir string) error {
	boot, err := clock.BootID(clock.BootIDFile)
	if err != nil {
		boot = "" // what lies below /run stays then, until the next boot
	}
	if root != "" && filepath.Clean(root) != "/" { // an image does not run: its files alone count
		boot = ""
		if stateDir, err = plainfile.Inside(root, stateDir); err != nil {
			return err
		}
	}
	bounded, cancel := context.WithTimeout(ctx, handTimeout)
	defer cancel()
	s := &resolver.System{Root: root, StateDir: stateDir, Boot: boot, Run: command}
	return s.Restore(bounded)
}

// Resolver is this system's.
func (machine) Resolver(stateDir, boot string) Resolver {
	return &resolver.System{StateDir: stateDir, Boot: boot, Run: command}
}

// ResolverChanges watches the files.
func (machine) ResolverChanges(ctx context.Context, changed func()) error {
	return resolver.Watch(ctx, changed)
}

// TellsResolved asks networkd's and NetworkManager's own files.
func (machine) TellsResolved(index int) bool {
	return distro.ManagedNow(distro.NewTree(plainfile.Folder("/")), index)
}
