package guest

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/link"
)

// A source is the routing table of a secondary NIC, with the rules that lead to it.
type source struct {
	plan   sourcePlan
	table  int // 0 until one is needed
	routes map[routeKey]sourceRoute
	rules  map[link.Rule]bool
	mend   backoff // of what others remove
	at     clock.Instant
}

const (
	sourceRouting      = "route by source address"
	removingSourceRule = "remove a rule by source address"
)

var errNoTable = errors.New("every routing table that v6guest may use is in use by others")

// tendSource makes table and rules be as planned. It compares with the kernel's state, so that what
// somebody removes comes back, with pauses.
func (n *managedNIC) tendSource(ctx context.Context, now clock.Instant) {
	s := &n.source
	s.at = clock.Never
	if n.routersUnknown() {
		return // what an earlier agent has made stays until there is something to judge it by
	}
	plan := planSource(n.sourceFacts(), now)
	n.tellSource(plan)
	s.plan = plan
	if len(plan.addrs) > 0 && s.table == 0 && !n.chooseTable(ctx, now) {
		return
	}
	routes, rules := map[routeKey]sourceRoute{}, map[link.Rule]bool{}
	if len(plan.addrs) > 0 {
		routes = plan.routes(n.nic.Index, s.table)
	}
	for _, a := range plan.addrs {
		rules[link.Rule{Priority: sourcePriority, From: a, Table: s.table, Protocol: link.ProtoDHCP}] = true
	}
	n.dropSource(ctx, routes, rules)
	if len(rules) > 0 {
		n.putSource(ctx, now, routes, rules)
	}
}

// routersUnknown says that nobody knows yet which routers the NIC has.
func (n *managedNIC) routersUnknown() bool {
	if n.plan.Role != RoleSecondary || n.plan.Settings.SourceRouting == SourceNo || n.off != "" || !n.nic.Up {
		return false
	}
	return n.hearing == nil || !n.hearing.heard.Heard && !n.hearing.heard.Silent
}

// endSource removes table and rules of a NIC whose addresses go with the agent.
func (n *managedNIC) endSource(ctx context.Context) { n.dropSource(ctx, nil, nil) }

// tellSource logs what is new in the plan.
func (n *managedNIC) tellSource(p sourcePlan) {
	switch was := n.source.plan; {
	case slices.Equal(was.addrs, p.addrs):
	case len(p.addrs) == 0:
		n.heardLine(slog.LevelInfo, "answers do not leave by this NIC for their source address any more", "why", p.why)
	default:
		n.heardLine(slog.LevelInfo, "answers from these addresses leave by this NIC", "addresses", p.addrs, "why", p.why)
	}
}

func (n *managedNIC) sourceFacts() sourceFacts {
	f := sourceFacts{mode: n.plan.Settings.SourceRouting, secondary: n.plan.Role == RoleSecondary}
	if n.off != "" || !n.nic.Up || n.hearing == nil {
		return f
	}
	for _, r := range n.hearing.heard.Routers {
		if n.plan.Settings.acceptsRouter(r.Addr) {
			f.routers = append(f.routers, r)
		}
	}
	f.prefixes, f.addrs = n.hearing.heard.Prefixes, n.ownAddresses()
	for _, r := range n.a.world.onLinkRoutes(n.nic.Index) {
		if r.Dst.Bits() < 128 && r.Dst.Addr().IsGlobalUnicast() && !slices.Contains(f.onLink, r.Dst) {
			f.onLink = append(f.onLink, r.Dst)
		}
	}
	return f
}

// chooseTable finds the NIC's table; it says whether there is one.
func (n *managedNIC) chooseTable(ctx context.Context, now clock.Instant) bool {
	s := &n.source
	if at := s.mend.at(now); n.problems[sourceRouting] != nil && now.Before(at) {
		s.at = min(s.at, at)
		return false
	}
	others, err := n.a.sys.TablesOfOthers(ctx)
	if err == nil {
		if s.table = chooseTable(n.nic.Index, others); s.table == 0 {
			err = errNoTable
		}
	}
	n.problem(sourceRouting, err)
	if err != nil {
		s.mend.done(now)
		s.at = min(s.at, max(s.mend.at(now), now.Add(shortestPause)))
	}
	return err == nil
}

// dropSource removes what is not wanted: rules first, so that nothing is led to a table without routes.
func (n *managedNIC) dropSource(ctx context.Context, routes map[routeKey]sourceRoute, rules map[link.Rule]bool) {
	s, w := &n.source, n.a.world
	for r := range w.rules {
		if index, ours := sourceTableOf(r); ours && index == n.nic.Index%tablesOfNICs && !rules[withProtocol(r)] {
			n.problem(removingSourceRule, n.a.removeRule(ctx, r))
		}
	}
	for r := range s.rules {
		if !rules[r] {
			delete(s.rules, r)
		}
	}
	for key, r := range w.routes {
		if _, ours := ownTable(r.Table); !ours || r.Index != n.nic.Index || r.Protocol != link.ProtoDHCP {
			continue
		}
		if _, wanted := routes[key]; wanted {
			continue
		}
		err := n.a.sys.RemoveRoute(ctx, r)
		n.problem("remove a route by source address", err)
		if err == nil {
			w.see(link.RouteGone{Route: r})
		}
	}
	for key := range s.routes {
		if _, wanted := routes[key]; !wanted {
			delete(s.routes, key)
		}
	}
}

// withProtocol is the rule as v6guest asks for it: an old kernel does not tell who made it.
func withProtocol(r link.Rule) link.Rule {
	r.Protocol = link.ProtoDHCP
	return r
}

// removeRule removes a rule of ours.
func (a *Agent) removeRule(ctx context.Context, r link.Rule) error {
	err := a.sys.RemoveRule(ctx, r)
	if err == nil {
		a.world.see(link.RuleGone{Rule: r}) // the kernel's own word comes later
	}
	return err
}

// putSource makes what is missing: routes first.
func (n *managedNIC) putSource(ctx context.Context, now clock.Instant, routes map[routeKey]sourceRoute, rules map[link.Rule]bool) {
	s, w := &n.source, n.a.world
	var missing []sourceRoute
	lost := n.problems[sourceRouting] != nil
	for key, r := range routes {
		_, there := w.routes[key]
		had, known := s.routes[key]
		lost = lost || known && !there
		if !there || had != r {
			missing = append(missing, r)
		}
	}
	var without []link.Rule
	for r := range rules {
		there := w.hasRule(r)
		lost = lost || s.rules[r] && !there
		if !there {
			without = append(without, r)
		}
	}
	if len(missing)+len(without) == 0 {
		n.problem(sourceRouting, nil)
		return
	}
	if lost && !n.mayMendSource(ctx, now) {
		return
	}
	failed := n.problems[sourceRouting] != nil
	err := n.installSource(ctx, now, missing, without)
	n.problem(sourceRouting, err)
	switch {
	case err != nil:
		s.at = min(s.at, max(s.mend.at(now), now.Add(shortestPause)))
	case lost && !failed:
		n.log.Warn("routing by source address was taken off by somebody and is put back", "table", s.table)
	}
}

// mayMendSource says whether what somebody removed may be put back now.
func (n *managedNIC) mayMendSource(ctx context.Context, now clock.Instant) bool {
	s := &n.source
	if at := s.mend.at(now); now.Before(at) {
		s.at = min(s.at, at)
		return false
	}
	if !n.isUp(ctx) { // the kernel took the routes, and nobody is to be blamed
		return false
	}
	n.repaired(&s.mend, now, "routing by source address")
	return true
}

// installSource makes routes and rules.
func (n *managedNIC) installSource(ctx context.Context, now clock.Instant, routes []sourceRoute, rules []link.Rule) error {
	s, w := &n.source, n.a.world
	if s.routes == nil {
		s.routes, s.rules = map[routeKey]sourceRoute{}, map[link.Rule]bool{}
	}
	// On-link ones first: the kernel wants to know the way to a router. The order is the same each time.
	slices.SortFunc(routes, func(a, b sourceRoute) int {
		return cmp.Or(-cmp.Compare(a.route.Dst.Bits(), b.route.Dst.Bits()), a.route.Dst.Addr().Compare(b.route.Dst.Addr()),
			a.route.Gateway.Compare(b.route.Gateway))
	})
	for _, r := range routes {
		route := r.route
		if r.until != clock.Never {
			route.Expires = max(r.until.Sub(now), time.Second)
		}
		if err := n.a.sys.InstallRoute(ctx, route); err != nil {
			return err
		}
		s.routes[keyOf(route)] = r
		w.see(link.RouteChanged{Route: route}) // the kernel's own word comes later
	}
	slices.SortFunc(rules, func(a, b link.Rule) int { return a.From.Compare(b.From) })
	for _, r := range rules {
		if err := n.a.sys.InstallRule(ctx, r); err != nil {
			return err
		}
		s.rules[r] = true
		w.see(link.RuleChanged{Rule: r})
	}
	return nil
}

// hasRule says whether the kernel has the rule; an old one does not tell who made it.
func (w *world) hasRule(r link.Rule) bool {
	if w.rules[r] {
		return true
	}
	r.Protocol = 0
	return w.rules[r]
}

// sweepRules removes the rules of NICs that are gone: the kernel removes their routes only.
func (a *Agent) sweepRules(ctx context.Context) {
	if a.passive {
		return
	}
	for r := range a.world.rules {
		if index, ours := sourceTableOf(r); ours && !a.world.hasNIC(index) {
			if err := a.removeRule(ctx, r); err != nil {
				a.log.Debug("cannot "+removingSourceRule, "error", err) // tried again at each event
			}
		}
	}
}

// hasNIC says whether there is a NIC to which the table of that number may belong.
func (w *world) hasNIC(number int) bool {
	for index := range w.nics {
		if index%tablesOfNICs == number {
			return true
		}
	}
	return false
}

// A SourceRemover is what RemoveSourceRouting needs of the kernel.
type SourceRemover interface {
	Rules(ctx context.Context) ([]link.Rule, error)
	RemoveRule(ctx context.Context, r link.Rule) error
	Routes(ctx context.Context, index int) ([]link.Route, error)
	RemoveRoute(ctx context.Context, r link.Route) error
}

// RemoveSourceRouting removes every rule and route that the agent has made for answers to leave by the
// NIC that they came in on, and returns the rules.
func RemoveSourceRouting(ctx context.Context, k SourceRemover) (gone []link.Rule, err error) {
	var errs []error
	rules, err := k.Rules(ctx)
	errs = append(errs, err)
	for _, r := range rules {
		if _, ours := sourceTableOf(r); ours {
			errs = append(errs, k.RemoveRule(ctx, r))
			gone = append(gone, r)
		}
	}
	routes, err := k.Routes(ctx, 0)
	errs = append(errs, err)
	for _, r := range routes {
		if _, ours := ownTable(r.Table); ours && r.Protocol == link.ProtoDHCP {
			errs = append(errs, k.RemoveRoute(ctx, r))
		}
	}
	return gone, errors.Join(errs...)
}

// A SourceStatus is what leaves by a secondary NIC because of where it comes from.
type SourceStatus struct {
	Addresses []netip.Addr `json:"addresses,omitempty"`
	Table     int          `json:"table,omitempty"`
	Routers   []netip.Addr `json:"routers,omitempty"`
	Reason    string       `json:"reason"`
}

func (n *managedNIC) sourceStatus() *SourceStatus {
	p := n.source.plan
	if p.why == "" {
		return nil
	}
	s := &SourceStatus{Addresses: p.addrs, Reason: p.why}
	if len(p.addrs) > 0 {
		s.Table = n.source.table
	}
	for _, r := range p.routers {
		s.Routers = append(s.Routers, r.Addr)
	}
	return s
}
