package guest

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/ra/listener"
	"github.com/v6guest/v6guest/pkg/sysctl"
)

// routers is what the listener tells when it hears default routers, each with its lifetime.
func (s *stage) routers(nic int, routers ...listener.Router) {
	s.m.tell[nic](listener.Snapshot{Heard: true, Routers: routers})
	s.wait(10 * time.Millisecond)
}

func (s *stage) router(addr string, lifetime time.Duration, p ra.Preference) listener.Router {
	r := listener.Router{Addr: netip.MustParseAddr(addr), Preference: p, Default: lifetime > 0}
	if lifetime > 0 {
		r.Until = s.a.clock.Now().Add(lifetime)
	}
	return r
}

// defaults are the default routes of a NIC in the main table, as ip(8) would list them.
func (s *stage) defaults(index int) (out []string) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	for _, r := range s.m.routes {
		if r.Index == index && r.Default() && r.Table == link.TableMain {
			out = append(out, r.Gateway.String())
		}
	}
	return out
}

func TestTheAgentFollowsTheRoutersWhereNobodyElseDoes(t *testing.T) {
	play(t, "[agent]\nra = agent\n", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.wantDid(s.m.done(), "eth0.accept_ra=0")
		low, high := s.router("fe80::1", 10*time.Minute, ra.Low), s.router("fe80::2", 30*time.Minute, ra.High)
		s.routers(2, low, high)
		s.wantDid(s.m.done(), "route ::/0 on eth0 via fe80::1 metric 1025 expires 10m0s", "route ::/0 on eth0 via fe80::2 metric 1023 expires 30m0s")

		s.routers(2, low, high) // the same again is no work
		s.wantNot(s.m.done(), "route")

		later := s.router("fe80::1", 30*time.Minute, ra.Medium)
		s.routers(2, later, high)
		s.wantDid(s.m.done(), "no route ::/0 on eth0", "route ::/0 on eth0 via fe80::1 metric 1024 expires 30m0s")

		s.routers(2, s.router("fe80::1", 0, ra.Medium), high) // it says that it is none any more
		if diff := cmp.Diff([]string{"fe80::2"}, s.defaults(2)); diff != "" {
			t.Errorf("after lifetime 0 (-want +got):\n%s", diff)
		}
		s.routers(2)
		if got := s.defaults(2); got != nil {
			t.Errorf("after the last router is gone: %v", got)
		}
	})
}

func TestASecondaryNICGetsNoDefaultRouteFromTheAgentEither(t *testing.T) {
	play(t, "[agent]\nra = agent\n", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.routers(3, s.router("fe80::1", time.Hour, ra.High))
		if got := s.defaults(3); got != nil {
			t.Errorf("default routes %v", got)
		}
	})
}

func TestADefaultRouteThatSomebodyDeletesIsPutBackWithPauses(t *testing.T) {
	play(t, "[agent]\nra = agent\n", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.routers(2, s.router("fe80::1", 24*time.Hour, ra.Medium))
		var back []time.Duration
		began := time.Now()
		for range 6 {
			s.m.done()
			if err := s.m.RemoveRoute(s.Context(), link.Route{Index: 2, Dst: raDefault(2).Dst, Gateway: netip.MustParseAddr("fe80::1")}); err != nil {
				t.Fatal(err)
			}
			for s.defaults(2) == nil {
				s.wait(100 * time.Millisecond)
			}
			back = append(back, time.Since(began).Round(time.Second))
		}
		want := []time.Duration{0, 0, 0, time.Second, 3 * time.Second, 7 * time.Second}
		if diff := cmp.Diff(want, back); diff != "" {
			t.Errorf("put back (-want +got):\n%s", diff)
		}
	})
}

func TestOnlyPinnedRoutersHaveARoute(t *testing.T) {
	m := func() *fakeMachine {
		m := two()
		stranger := raDefault(2) // accepted by the kernel before the agent started
		stranger.Gateway = netip.MustParseAddr("fe80::bad")
		m.addRoute(stranger)
		m.addRoute(raDefault(2))
		return m
	}
	play(t, "[nic eth0]\nrouters = fe80::1\n", m, func(s *stage) {
		s.wait(3 * time.Second)
		if v, _ := s.m.Get("eth0", sysctl.AcceptRA); v != "0" {
			t.Errorf("accept_ra = %s: the kernel would take any router", v)
		}
		if diff := cmp.Diff([]string{"fe80::1"}, s.defaults(2)); diff != "" {
			t.Errorf("before the first advertisement (-want +got):\n%s", diff)
		}
		s.routers(2, s.router("fe80::bad", time.Hour, ra.High), s.router("fe80::1", time.Hour, ra.Low))
		if diff := cmp.Diff([]string{"fe80::1", "fe80::1"}, s.defaults(2)); diff != "" { // the kernel's own, and ours by preference
			t.Errorf("after both (-want +got):\n%s", diff)
		}
	})
}

func TestTheStackInChargeDecidesWhoFollowsTheRouters(t *testing.T) {
	for _, tt := range []struct {
		mode     RAMode
		acceptRA string
	}{{RAStack, "0"}, {RAAgent, "0"}, {RAKernel, "2"}, {"", "2"}} {
		t.Run(string(tt.mode), func(t *testing.T) {
			m := func() *fakeMachine {
				m := two()
				m.stack = StackRA{Mode: tt.mode, Reason: "networkd: its mark"}
				return m
			}
			play(t, "", m, func(s *stage) {
				s.wait(3 * time.Second)
				if v, _ := s.m.Get("eth0", sysctl.AcceptRA); v != tt.acceptRA {
					t.Errorf("accept_ra = %s, want %s", v, tt.acceptRA)
				}
				s.routers(2, s.router("fe80::1", time.Hour, ra.Medium))
				if got := len(s.defaults(2)); got > 0 != (tt.mode == RAAgent) {
					t.Errorf("%d default routes", got)
				}
			})
		})
	}
}

func TestARouteOfEverlastingLifetimeHasNoEnd(t *testing.T) {
	play(t, "[agent]\nra = agent\n", two, func(s *stage) {
		s.wait(3 * time.Second)
		r := s.router("fe80::1", time.Hour, ra.Medium)
		r.Until = clock.Never
		s.m.done()
		s.routers(2, r)
		s.wantDid(s.m.done(), "route ::/0 on eth0 via fe80::1 metric 1024 expires 0s")
	})
}

// ofEarlierAgent is a default route that an agent left when it ended, until its router's lifetime ends.
func ofEarlierAgent(index int, router string) link.Route {
	r := defaultThrough(netip.MustParseAddr(router), ra.Medium)
	r.Index, r.Protocol, r.Table, r.Expires = index, link.ProtoDHCP, link.TableMain, time.Hour
	return r
}

func TestTheDefaultRoutesOfAnEarlierAgentFollowTheConfigurationOfThisOne(t *testing.T) {
	for _, tt := range []struct {
		name, conf string
		index      int
		want       []string
	}{
		{"through the default NIC, where nobody has been heard yet", "[agent]\nra = agent\n", 2, []string{"fe80::1"}},
		{"through a NIC that is secondary now", "[agent]\nra = agent\n", 3, nil},
		{"through a router that is not pinned now", "[nic eth0]\nrouters = fe80::2\n", 2, nil},
		{"where the kernel has none of its own", "[agent]\nra = kernel\n", 2, []string{"fe80::1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := func() *fakeMachine {
				m := two()
				m.addRoute(ofEarlierAgent(tt.index, "fe80::1"))
				return m
			}
			play(t, tt.conf, m, func(s *stage) {
				s.wait(3 * time.Second)
				if diff := cmp.Diff(tt.want, s.defaults(tt.index)); diff != "" {
					t.Errorf("default routes (-want +got):\n%s", diff)
				}
			})
		})
	}
	t.Run("where the kernel has its own", func(t *testing.T) {
		m := func() *fakeMachine {
			m := two()
			m.addRoute(ofEarlierAgent(2, "fe80::1"))
			m.addRoute(raDefault(2))
			return m
		}
		play(t, "[agent]\nra = kernel\n", m, func(s *stage) {
			s.wait(3 * time.Second)
			if diff := cmp.Diff([]string{raDefault(2).Gateway.String()}, s.defaults(2)); diff != "" {
				t.Errorf("default routes (-want +got):\n%s", diff)
			}
		})
	})
}

// An agent that processed advertisements itself is followed by one that leaves that to the kernel.
func TestDefaultRoutesOfAnEarlierRunMakeRoomForTheKernels(t *testing.T) {
	own := func(gateway string, metric int) link.Route {
		r := raDefault(2)
		r.Gateway, r.Protocol, r.Metric, r.Expires = netip.MustParseAddr(gateway), link.ProtoDHCP, metric, time.Hour
		return r
	}
	m := func() *fakeMachine {
		m := two()
		m.addRoute(own("fe80::1", link.DefaultMetric))
		return m
	}
	metrics := func(s *stage) (out []int) {
		s.m.mu.Lock()
		defer s.m.mu.Unlock()
		for _, r := range s.m.routes {
			if r.Default() && r.Dst.Addr().Is6() && r.Table == link.TableMain {
				out = append(out, r.Metric)
			}
		}
		return out
	}
	want := func(s *stage, what string, want ...int) {
		s.Helper()
		s.wait(time.Second)
		if diff := cmp.Diff(want, metrics(s)); diff != "" {
			s.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	play(t, "[agent]\nra = kernel\n", m, func(s *stage) {
		want(s, "nothing heard yet", parkedMetric)
		if s.m.solicits == 0 {
			s.Error("the routers were not asked")
		}
		stranger := raDefault(2)
		stranger.Gateway = netip.MustParseAddr("fe80::bad")
		s.m.addRoute(stranger)
		want(s, "the kernel has one by another router", parkedMetric, link.DefaultMetric)
		s.m.addRoute(raDefault(2))
		want(s, "the kernel has its own", link.DefaultMetric, link.DefaultMetric)
	})
	play(t, "[agent]\nra = kernel\n", m, func(s *stage) {
		want(s, "nothing heard yet", parkedMetric)
		s.routers(2, s.router("fe80::1", 0, ra.Medium))
		want(s, "the router is none any more")
	})
}
