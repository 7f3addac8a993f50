package link

import (
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
)

const (
	priority = 32000
	table    = 546_000_003
)

func TestRuleIsInstalledToldAndRemoved(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{})
	r := listed(t, p.k)
	rule := Rule{Priority: priority, From: netip.MustParseAddr("2001:db8::38"), Table: table, Protocol: ProtoDHCP}
	for range 2 { // the second time it is there already
		check(t, p.k.InstallRule(t.Context(), Rule{Priority: rule.Priority, From: rule.From, Table: rule.Table}))
	}
	got := r.await("the rule", func(ev Event) bool { _, ok := ev.(RuleChanged); return ok })
	diff(t, "rule", RuleChanged{rule}, got)
	diff(t, "listed", []Rule{rule}, rules(t, p.k))
	diff(t, "first inventory", map[Rule]bool{rule: true}, listed(t, p.k).rules)
	r.compare(p.k)
	for range 2 {
		check(t, p.k.RemoveRule(t.Context(), rule))
	}
	r.await("its end", func(ev Event) bool { g, ok := ev.(RuleGone); return ok && g.Rule == rule })
	r.compare(p.k)
	diff(t, "listed", []Rule{}, rules(t, p.k))
}

func rules(t *testing.T, k *Kernel) []Rule {
	t.Helper()
	out, err := k.Rules(t.Context())
	check(t, err)
	return out
}

// What another condition or action makes another rule is not told, and does not stand in the way.
func TestOtherRulesAreNotTold(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{})
	r := listed(t, p.k)
	_, prefix, err := net.ParseCIDR("2001:db8::/64")
	check(t, err)
	_, host, err := net.ParseCIDR("2001:db8::38/128")
	check(t, err)
	for i, change := range []func(*netlink.Rule){
		func(r *netlink.Rule) { r.Src = prefix },
		func(r *netlink.Rule) { r.Src, r.Dst = host, prefix },
		func(r *netlink.Rule) { r.Src, r.Mark = host, 7 },
		func(r *netlink.Rule) { r.Src, r.IifName = host, "eth0" },
		func(r *netlink.Rule) { r.Src, r.Invert = host, true },
		func(r *netlink.Rule) { r.Src, r.SuppressPrefixlen, r.Table = host, 1, 100 }, // the library leaves it out for larger tables
	} {
		other := netlink.NewRule()
		other.Family, other.Table, other.Priority = netlink.FAMILY_V6, table, 100+i
		change(other)
		check(t, p.guest.h.RuleAdd(other))
	}
	r.mark(p)
	diff(t, "told", map[Rule]bool{}, r.rules)
	r.compare(p.k)
}

func TestTablesOfOthers(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{})
	other := netlink.NewRule()
	other.Family, other.Table, other.Priority, other.Mark = netlink.FAMILY_V6, table+1, 100, 7
	check(t, p.guest.h.RuleAdd(other))
	check(t, p.k.InstallRule(t.Context(), Rule{Priority: priority, From: numbered(1), Table: table}))
	check(t, p.k.InstallRoute(t.Context(), Route{Index: p.eth0, Dst: onLink, Table: table}))
	check(t, p.k.InstallRoute(t.Context(), Route{Index: p.eth0, Dst: onLink, Table: table + 2, Protocol: ProtoStatic}))
	got, err := p.k.TablesOfOthers(t.Context())
	check(t, err)
	for number, want := range map[int]bool{table: false, table + 1: true, table + 2: true, TableMain: true} {
		if got[number] != want {
			t.Errorf("table %d: %v, want %v (%v)", number, got[number], want, got)
		}
	}
}

// Routes of a table that is not the main one are told, and removed by that table.
func TestRoutesOfATableOfOurOwn(t *testing.T) {
	t.Parallel()
	p := newPair(t, Config{})
	r := listed(t, p.k)
	route := Route{Index: p.eth0, Dst: all, Gateway: router1, Table: table, Metric: DefaultMetric, Protocol: ProtoDHCP}
	check(t, p.k.InstallRoute(t.Context(), route))
	diff(t, "route", route, r.awaitRoute("the route", func(o Route) bool { return o.Table == table }))
	defaults, err := p.k.DefaultRoutes(t.Context(), p.eth0)
	check(t, err)
	diff(t, "default routes of the main table", []Route{}, defaults)
	check(t, p.k.RemoveRoute(t.Context(), route))
	r.awaitRouteGone("its end", func(o Route) bool { return o.Table == table })
	r.compare(p.k)
}
