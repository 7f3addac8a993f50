package guest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/ra/listener"
)

// table1 is the routing table of eth1.
const table1 = 546_000_003

func TestWhatLeavesByItsOwnNIC(t *testing.T) {
	const now = clock.Instant(time.Hour)
	router := func(addr string, left time.Duration) listener.Router {
		return listener.Router{Addr: netip.MustParseAddr(addr), Default: left > 0, Until: now.Add(left)}
	}
	prefix := func(s string, onLink bool) listener.Prefix {
		p := listener.Prefix{Prefix: netip.MustParsePrefix(s), OnLink: onLink}
		if onLink {
			p.OnLinkBy = []netip.Addr{netip.MustParseAddr("fe80::1")}
		}
		return p
	}
	byStranger := prefix("2001:db8:1::/64", true)
	byStranger.OnLinkBy = []netip.Addr{netip.MustParseAddr("fe80::bad")}
	reached := []netip.Prefix{netip.MustParsePrefix("2001:db8:1::/64")}
	addrs := func(words ...string) (out []netip.Addr) {
		for _, w := range words {
			out = append(out, netip.MustParseAddr(w))
		}
		return out
	}
	one := []listener.Router{router("fe80::1", time.Hour)}
	var many []netip.Addr
	for i := range 20 {
		many = append(many, netip.MustParseAddr(fmt.Sprintf("2001:db8:1::%x", i+1)))
	}
	for _, tt := range []struct {
		name string
		f    sourceFacts
		want string // addresses, routers and why
	}{
		{"the default NIC", sourceFacts{mode: SourceYes, routers: one, addrs: addrs(addr1)}, ""},
		{"no", sourceFacts{mode: SourceNo, secondary: true, routers: one, addrs: addrs(addr1)}, "source_routing = no"},
		{"no router", sourceFacts{mode: SourceYes, secondary: true, addrs: addrs(addr1)}, "source_routing = yes: no default router is heard"},
		{"a router that is none", sourceFacts{mode: SourceYes, secondary: true, routers: []listener.Router{router("fe80::1", 0)}, addrs: addrs(addr1)}, "source_routing = yes: no default router is heard"},
		{"no address", sourceFacts{mode: SourceAuto, secondary: true, routers: one}, "source_routing = auto: no address yet"},
		{
			"AWS, Azure: a router and no prefix",
			sourceFacts{mode: SourceAuto, secondary: true, routers: one, addrs: addrs(addr1)},
			addr1 + " via fe80::1: source_routing = auto: not all default routers call the address's prefix on-link, or there is no route to it",
		},
		{
			"a prefix that is not on-link",
			sourceFacts{mode: SourceAuto, secondary: true, routers: one, addrs: addrs(addr1), prefixes: []listener.Prefix{prefix("2001:db8:1::/64", false)}},
			addr1 + " via fe80::1: source_routing = auto: not all default routers call the address's prefix on-link, or there is no route to it",
		},
		{
			"an ordinary network",
			sourceFacts{mode: SourceAuto, secondary: true, routers: one, addrs: addrs(addr1), onLink: reached, prefixes: []listener.Prefix{prefix("2001:db8:1::/64", true)}},
			"source_routing = auto: all default routers call the address's prefix on-link",
		},
		{
			"an ordinary network, yes",
			sourceFacts{mode: SourceYes, secondary: true, routers: one, addrs: addrs(addr1), prefixes: []listener.Prefix{prefix("2001:db8:1::/64", true)}},
			addr1 + " via fe80::1: source_routing = yes",
		},
		{
			"a stranger's prefix changes nothing",
			sourceFacts{mode: SourceAuto, secondary: true, routers: one, addrs: addrs(addr1), prefixes: []listener.Prefix{prefix("2001:db8:bad::/64", true)}},
			addr1 + " via fe80::1: source_routing = auto: not all default routers call the address's prefix on-link, or there is no route to it",
		},
		{
			"a stranger who is no router calls it on-link",
			sourceFacts{mode: SourceAuto, secondary: true, routers: append(one, router("fe80::bad", 0)), addrs: addrs(addr1), onLink: reached, prefixes: []listener.Prefix{byStranger}},
			addr1 + " via fe80::1: source_routing = auto: not all default routers call the address's prefix on-link, or there is no route to it",
		},
		{
			"one of two routers calls it on-link",
			sourceFacts{mode: SourceAuto, secondary: true, routers: append(one, router("fe80::2", time.Hour)), addrs: addrs(addr1), onLink: reached, prefixes: []listener.Prefix{prefix("2001:db8:1::/64", true)}},
			addr1 + " via fe80::1: source_routing = auto: not all default routers call the address's prefix on-link, or there is no route to it",
		},
		{
			"the route to it was refused: another NIC has it",
			sourceFacts{mode: SourceAuto, secondary: true, routers: one, addrs: addrs(addr1), prefixes: []listener.Prefix{prefix("2001:db8:1::/64", true)}},
			addr1 + " via fe80::1: source_routing = auto: not all default routers call the address's prefix on-link, or there is no route to it",
		},
		{
			"each address by itself",
			sourceFacts{mode: SourceAuto, secondary: true, routers: one, addrs: addrs(addr1, "2001:db8:2::1"), onLink: reached, prefixes: []listener.Prefix{prefix("2001:db8:1::/64", true)}},
			"2001:db8:2::1 via fe80::1: source_routing = auto: not all default routers call the address's prefix on-link, or there is no route to it",
		},
		{"bounded", sourceFacts{mode: SourceYes, secondary: true, routers: one, addrs: many}, strings.Trim(fmt.Sprint(many[:16]), "[]") + " via fe80::1: source_routing = yes; 4 addresses are too many"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := planSource(tt.f, now)
			got := p.why
			if len(p.addrs) > 0 {
				got = fmt.Sprintf("%s via %s: %s", strings.Trim(fmt.Sprint(p.addrs), "[]"), p.routers[0].Addr, p.why)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheTableIsNobodyElses(t *testing.T) {
	if got := chooseTable(3, nil); got != table1 {
		t.Errorf("table %d", got)
	}
	others := map[int]bool{table1: true}
	if got := chooseTable(3, others); got != table1+tablesOfNICs {
		t.Errorf("table %d where the first is another's", got)
	}
	for i := range tableTries {
		others[table1+i*tablesOfNICs] = true
	}
	if got := chooseTable(3, others); got != 0 {
		t.Errorf("table %d where all are others'", got)
	}
	for table, want := range map[int]int{table1: 3, table1 + 9*tablesOfNICs: 3, link.TableMain: -1, 52: -1, sourceTables + tableTries*tablesOfNICs: -1} {
		if index, ours := ownTable(table); ours != (want >= 0) || ours && index != want {
			t.Errorf("table %d: %d, %v", table, index, ours)
		}
	}
}

// ownTables are the routes of tables that are not the main one, and the rules, as ip(8) lists them.
func (s *stage) ownTables() string {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	var out []string
	for _, r := range s.m.routes {
		if r.Table != link.TableMain {
			out = append(out, fmt.Sprintf("%s via %s metric %d", r.Dst, r.Gateway, r.Metric))
		}
	}
	for _, r := range s.m.rules {
		out = append(out, r.String())
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

func (s *stage) wantTables(what, want string) {
	s.Helper()
	if diff := cmp.Diff(want, s.ownTables()); diff != "" {
		s.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// tableOfEth1 is what eth1's table and rules are with one router.
const tableOfEth1 = "::/0 via fe80::1 metric 1024; fe80::/64 via invalid IP metric 1024; rule 32000: from " + addr1 + " lookup 546000003"

func TestAnswersLeaveByTheNICWhereItsAddressIsNotOnLink(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.wantTables("before a router is heard", "")
		s.routers(3, s.router("fe80::1", time.Hour, ra.Medium))
		s.wantTables("with a router", tableOfEth1)
		if got := s.defaults(3); got != nil {
			t.Errorf("default routes of the main table: %v", got)
		}
		st := s.status("eth1").Source
		if st == nil || st.Table != table1 || len(st.Addresses) != 1 || len(st.Routers) != 1 {
			t.Errorf("status %+v", st)
		}
		if st := s.status("eth0").Source; st != nil {
			t.Errorf("of the default NIC: %+v", st)
		}

		s.m.done()
		s.routers(3, s.router("fe80::1", time.Hour, ra.Medium))
		s.wantDid(s.m.done(), "table 546000003 route ::/0 on eth1 via fe80::1 metric 1024 expires 1h0m0s") // it lasts as long as the router

		s.routers(3, s.router("fe80::2", time.Hour, ra.High))
		s.wantTables("another router", strings.Replace(tableOfEth1, "fe80::1 metric 1024", "fe80::2 metric 1023", 1))
		s.routers(3)
		s.wantTables("no router", "")
		s.routers(3, s.router("fe80::1", time.Hour, ra.Medium))
		s.wantTables("a router again", tableOfEth1)

		s.m.change(3, func(n *link.NIC) { n.Up, n.Carrier = false, false })
		s.wait(time.Second)
		s.wantTables("set down", "")
	})
}

func TestAnOrdinaryNetworkHasNoTableOfItsOwn(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.wait(3 * time.Second)
		later := s.a.clock.Now().Add(time.Hour)
		s.m.tell[3](listener.Snapshot{
			Heard: true, Routers: []listener.Router{s.router("fe80::1", time.Hour, ra.Medium)},
			Prefixes: []listener.Prefix{{Prefix: netip.MustParsePrefix("2001:db8:1::/64"), OnLink: true, OnLinkBy: []netip.Addr{netip.MustParseAddr("fe80::1")}, OnLinkUntil: later, ValidUntil: later}},
		})
		s.wait(time.Second)
		s.wantTables("auto", "")
		if st := s.status("eth1").Source; st == nil || st.Reason != "source_routing = auto: all default routers call the address's prefix on-link" {
			t.Errorf("status %+v", st)
		}
	})
}

func TestASecondAgentTakesTheTableOver(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.routers(3, s.router("fe80::1", time.Hour, ra.Medium))
		s.stop()
		s.wantTables("the agent is stopped", tableOfEth1)
		s.m.done()
		s.start(parse(t, ""))
		s.wait(3 * time.Second)
		s.wantTables("before a router is heard again", tableOfEth1)
		s.routers(3, s.router("fe80::1", time.Hour, ra.Medium))
		s.wantTables("after", tableOfEth1)
		log := s.m.done()
		s.wantNot(log, "rule")
		s.wantNot(log, "no route")

		s.stop()
		s.start(parse(t, "[agent]\nsource_routing = no\n"))
		s.wait(3 * time.Second)
		s.wantTables("source_routing = no", "")
	})
}

func TestWhatGoesWithTheAddressAndTheNIC(t *testing.T) {
	play(t, "[agent]\nrelease_on_stop = yes\n", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.routers(3, s.router("fe80::1", time.Hour, ra.Medium))
		s.wantTables("at first", tableOfEth1)
		s.stop()
		s.wantTables("released", "")
	})
	play(t, "", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.routers(3, s.router("fe80::1", time.Hour, ra.Medium))
		s.m.unplug(3)
		s.wait(time.Second)
		s.wantTables("the NIC is gone", "")
	})
}

func TestARuleThatAStackDeletesIsPutBackWithPauses(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.routers(3, s.router("fe80::1", 24*time.Hour, ra.Medium))
		s.wantTables("at first", tableOfEth1)
		rule := link.Rule{Priority: sourcePriority, From: netip.MustParseAddr(addr1), Table: table1, Protocol: link.ProtoDHCP}
		var back []time.Duration
		began := time.Now()
		for range 6 {
			if err := s.m.RemoveRule(s.Context(), rule); err != nil {
				t.Fatal(err)
			}
			for s.ownTables() != tableOfEth1 {
				s.wait(100 * time.Millisecond)
			}
			back = append(back, time.Since(began).Round(time.Second))
		}
		want := []time.Duration{0, 0, 0, time.Second, 3 * time.Second, 7 * time.Second}
		if diff := cmp.Diff(want, back); diff != "" {
			t.Errorf("put back (-want +got):\n%s", diff)
		}
		if err := s.m.RemoveRoute(s.Context(), link.Route{Index: 3, Dst: raDefault(3).Dst, Gateway: raDefault(3).Gateway, Table: table1}); err != nil {
			t.Fatal(err)
		}
		s.wait(10 * time.Second)
		s.wantTables("a route of it", tableOfEth1)
	})
}

func TestRestoreRemovesTablesAndRules(t *testing.T) {
	f := fakeLive{
		rules: []link.Rule{
			{Priority: sourcePriority, From: netip.MustParseAddr(addr1), Table: table1, Protocol: link.ProtoDHCP},
			{Priority: 100, From: netip.MustParseAddr(addr1), Table: table1, Protocol: link.ProtoStatic},
		},
		routes: []link.Route{
			{Index: 3, Dst: raDefault(3).Dst, Table: table1, Protocol: link.ProtoDHCP},
			{Index: 3, Dst: raDefault(3).Dst, Table: table1, Protocol: link.ProtoStatic},
			{Index: 3, Dst: raDefault(3).Dst, Table: link.TableMain, Protocol: link.ProtoDHCP},
		},
	}
	gone, err := RemoveSourceRouting(t.Context(), &f)
	if err != nil || len(gone) != 1 {
		t.Errorf("removed %v, %v", gone, err)
	}
	want := []string{
		"no rule 32000: from " + addr1 + " lookup 546000003",
		"no route default through network interface 3 (protocol 16, metric 0, table 546000003)",
	}
	if diff := cmp.Diff(want, f.log); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
