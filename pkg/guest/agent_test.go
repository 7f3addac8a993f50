package guest

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/client"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/distro"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/ra/listener"
	"github.com/v6guest/v6guest/pkg/sysctl"
	"github.com/v6guest/v6guest/pkg/wire"
)

const (
	mac0, mac1 = "06:a0:f0:00:00:38", "06:a0:f0:00:00:39"
	addr0      = "2001:db8::38"
	addr1      = "2001:db8:1::39"
)

// two is a machine with two NICs, each with its server.
func two() *fakeMachine {
	m := newFakeMachine(virtio(2, "eth0", mac0, "0000:00:03.0"), virtio(3, "eth1", mac1, "0000:00:04.0"))
	m.servers[2], m.servers[3] = reserves(addr0, wire.Infinite), reserves(addr1, wire.Infinite)
	return m
}

// raDefault is the default route that an accepted advertisement leaves on a NIC.
func raDefault(index int) link.Route {
	return link.Route{
		Index: index, Dst: netip.MustParsePrefix("::/0"), Gateway: netip.MustParseAddr("fe80::1"),
		Metric: 1024, Protocol: link.ProtoRA, Table: link.TableMain,
	}
}

func ipv4Default(index int) link.Route {
	return link.Route{Index: index, Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("192.0.2.1"), Protocol: link.ProtoBoot, Table: link.TableMain}
}

func autoconf(index int, addr string) link.Addr {
	return link.Addr{Index: index, Addr: netip.MustParseAddr(addr), Bits: 64, Origin: link.OriginRA, Valid: time.Hour, Preferred: time.Hour}
}

func TestBothNICsGetTheirAddressAndOneKeepsTheDefaultRoute(t *testing.T) {
	m := func() *fakeMachine {
		m := two()
		m.addRoute(raDefault(2))
		m.addRoute(raDefault(3))
		m.addAddr(autoconf(3, "2001:db8:1::4a0"))
		return m
	}
	play(t, "", m, func(s *stage) {
		log := s.m.done()
		s.wantDid(log, "eth0.autoconf=0", "eth0.accept_ra=2", "eth1.autoconf=0", "eth1.accept_ra=0", "no route ::/0 on eth1")
		s.wantNot(log, "no route ::/0 on eth0")
		s.wantNot(log, "remove 2001:db8:1::4a0") // not before the leased one is usable
		s.wait(3 * time.Second)
		log = s.m.done()
		s.wantDid(log, "install "+addr0+" on eth0", "install "+addr1+" on eth1", "remove 2001:db8:1::4a0 from eth1")
		s.wantState("eth0", "bound")
		s.wantState("eth1", "bound")
		st, err := s.a.Status(s.Context())
		if err != nil || !st.Online || st.DefaultNIC != "eth0" || st.Summary != "eth0 "+addr0+", eth1 "+addr1 {
			s.Errorf("status %+v, %v", st, err)
		}
	})
}

func TestAnIdleAgentSleeps(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.wait(2 * time.Minute)
		if err := s.a.do(s.Context(), func() {
			if d := s.a.deadline(); d != clock.Never {
				s.Errorf("the agent would wake up at %s", d)
			}
		}); err != nil {
			s.Fatal(err)
		}
	})
}

func TestADefaultRouteThatComesBackIsRemovedWithGrowingPauses(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.m.done()
		var gone []time.Duration
		began := time.Now()
		for range 8 {
			s.m.setSwitch("eth1", sysctl.AcceptRA, "1")
			s.m.addRoute(raDefault(3))
			for !slices.Contains(s.m.done(), "no route ::/0 on eth1") {
				s.wait(100 * time.Millisecond)
			}
			gone = append(gone, time.Since(began).Round(time.Second))
			if v, _ := s.m.Get("eth1", sysctl.AcceptRA); v != "0" {
				s.Errorf("accept_ra = %s after the removal", v)
			}
		}
		secs := func(n ...int) (d []time.Duration) {
			for _, n := range n {
				d = append(d, time.Duration(n)*time.Second)
			}
			return d
		}
		if diff := cmp.Diff(secs(0, 0, 0, 1, 3, 7, 15, 31), gone); diff != "" {
			s.Errorf("removals (-want +got):\n%s", diff)
		}
		if got := s.status("eth1").Removed; got != 8 {
			s.Errorf("status counts %d removals", got)
		}
	})
}

func TestADefaultRouteMadeByHandStays(t *testing.T) {
	play(t, "", two, func(s *stage) {
		r := raDefault(3)
		r.Protocol = link.ProtoBoot
		s.m.addRoute(r)
		s.wait(3 * time.Second)
		s.wantNot(s.m.done(), "no route")
	})
}

func TestTheFirstIPv4DefaultRouteSettlesTheDefaultNIC(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.m.done()
		s.m.addRoute(ipv4Default(3))
		s.wait(time.Second)
		s.wantDid(s.m.done(), "eth0.accept_ra=0", "eth1.accept_ra=2")
		if got, err := Remembered(s.state); err != nil || got.String() != mac1 {
			s.Errorf("remembered %s, %v", got, err)
		}
		// A later one elsewhere is reported, not followed.
		_ = s.m.RemoveRoute(s.Context(), ipv4Default(3))
		s.m.addRoute(ipv4Default(2))
		s.wait(time.Second)
		s.wantNot(s.m.done(), "accept_ra")
		st, err := s.a.Status(s.Context())
		if err != nil || st.DefaultNIC != "eth1" || len(st.Notes) != 1 {
			s.Errorf("status %+v, %v", st, err)
		}
	})
}

func TestTheChoiceByBusIsRememberedWhenTheWaitIsOver(t *testing.T) {
	play(t, "[agent]\nwait = 10s\n", two, func(s *stage) {
		s.wait(9 * time.Second)
		if got, _ := Remembered(s.state); got != nil {
			s.Errorf("remembered %s already", got)
		}
		s.wait(2 * time.Second)
		if got, _ := Remembered(s.state); got.String() != mac0 {
			s.Errorf("remembered %s", got)
		}
		s.m.addRoute(ipv4Default(3))
		s.m.done()
		s.wait(time.Second)
		s.wantNot(s.m.done(), "accept_ra")
	})
}

func TestANICThatGoesAwayAndComesBackKeepsItsRoleAndAddress(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.m.addRoute(ipv4Default(2))
		s.wait(3 * time.Second)
		s.m.unplug(2)
		s.m.done()
		s.wait(5 * time.Second)
		s.wantNot(s.m.done(), "eth1") // nobody takes the role over for so short a time
		s.m.mu.Lock()
		s.m.servers[7] = s.m.servers[2]
		s.m.mu.Unlock()
		n := virtio(7, "eth0", mac0, "0000:00:03.0")
		n.Up, n.Carrier = false, false
		s.m.plug(n)
		s.wait(3 * time.Second)
		s.wantDid(s.m.done(), "up eth0", "eth0.accept_ra=2", "install "+addr0+" on eth0")
		s.wantState("eth0", "bound")
		if !slices.Contains(s.m.heard, dhcpv6.MessageTypeConfirm) {
			s.Errorf("the saved lease was not confirmed: %v", s.m.heard)
		}
	})
}

func TestANICSetDownByHandStaysDown(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.m.done()
		s.m.change(2, func(n *link.NIC) { n.Up, n.Carrier = false, false })
		s.wait(time.Minute)
		s.wantNot(s.m.done(), "eth0")
		res, err := s.a.Lease(s.Context(), LeaseRequest{NICs: []string{"eth0"}, Timeout: Seconds(time.Second)})
		if err != nil || res[0].Fault == nil || res[0].Fault.Error != "eth0 is down" || res[0].Fault.Cure != "ip link set eth0 up" {
			s.Errorf("lease on it: %+v, %v", res, err)
		}
		// So it is for an agent that is started after this one.
		s.stop()
		s.start(DefaultConfig())
		s.wait(time.Minute)
		s.wantNot(s.m.done(), "up eth0")
		// Set up again, its address is back: the kernel drops addresses with the NIC.
		s.m.change(2, func(n *link.NIC) { n.Up, n.Carrier = true, true })
		s.wait(3 * time.Second)
		s.wantDid(s.m.done(), "install "+addr0+" on eth0")
		s.wantState("eth0", "bound")
	})
}

func TestAChangedMACDropsTheOldLease(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.m.addRoute(ipv4Default(2))
		s.wait(3 * time.Second)
		s.m.mu.Lock()
		s.m.servers[2] = reserves("2001:db8::99", wire.Infinite)
		s.m.mu.Unlock()
		s.m.done()
		s.m.change(2, func(n *link.NIC) { n.MAC = mac("06:a0:f0:00:00:99") })
		s.wait(3 * time.Second)
		log := s.m.done()
		s.wantDid(log, "remove "+addr0+" from eth0", "install 2001:db8::99 on eth0")
		s.wantNot(log, "accept_ra") // the role goes with the NIC
		if got := s.status("eth0"); got.DUID != "00:03:00:01:06:a0:f0:00:00:99" || got.Role != RoleDefault {
			s.Errorf("DUID %s, role %s", got.DUID, got.Role)
		}
		if got, _ := Remembered(s.state); got.String() != "06:a0:f0:00:00:99" {
			s.Errorf("remembered %s", got)
		}
		if _, err := os.Stat(client.LeasePath(s.state, link.Key{MAC: mac(mac0)})); !errors.Is(err, os.ErrNotExist) {
			s.Errorf("the old lease: %v", err)
		}
	})
}

func TestARenamedNICKeepsItsLeaseAndItsSection(t *testing.T) {
	play(t, "[nic eth1]\nsecondary_ra = no-default-route\n", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.m.done()
		heard := len(s.m.heard)
		s.m.change(3, func(n *link.NIC) { n.Name = "lan1" })
		s.wait(3 * time.Second)
		s.wantNot(s.m.done(), addr1)
		s.wantState("lan1", "bound")
		if got := s.status("lan1").Switches; got["accept_ra_defrtr"] != "0" {
			s.Errorf("switches %v", got)
		}
		if len(s.m.heard) != heard {
			s.Errorf("it spoke: %v", s.m.heard[heard:])
		}
	})
}

func TestAnotherAgentAdoptsWhatAKilledOneLeft(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.stop() // leaves what a kill leaves: addresses, lease files
		s.m.done()
		s.m.heard = nil
		s.start(DefaultConfig())
		s.wait(5 * time.Second)
		log := s.m.done()
		s.wantNot(log, "remove")
		s.wantNot(log, "install")
		s.wantDid(log, "refresh "+addr0+" on eth0", "refresh "+addr1+" on eth1")
		s.wantState("eth0", "bound")
		if s.m.heard[0] != dhcpv6.MessageTypeConfirm {
			s.Errorf("heard %v", s.m.heard)
		}
	})
}

func TestAnAddressInUseIsDeclined(t *testing.T) {
	m := func() *fakeMachine {
		m := two()
		m.used[netip.MustParseAddr(addr0)] = true
		return m
	}
	play(t, "", m, func(s *stage) {
		res, err := s.a.Lease(s.Context(), LeaseRequest{NICs: []string{"eth0"}, Timeout: Seconds(time.Minute)})
		if err != nil || len(res) != 1 || res[0].Fault == nil || res[0].Fault.Exit != fault.ExitInUse {
			s.Errorf("lease: %+v, %v", res, err)
		}
		s.wantDid(s.m.done(), "remove "+addr0+" from eth0")
		if !slices.Contains(s.m.heard, dhcpv6.MessageTypeDecline) {
			s.Errorf("heard %v", s.m.heard)
		}
		s.wantState("eth1", "bound") // the other NIC is not held up
	})
}

func TestALeasedAddressThatSomebodyTakesOffIsPutBack(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.m.done()
		for range 5 {
			s.m.takeAddr(2, addr0)
			s.wait(20 * time.Second)
			s.wantDid(s.m.done(), "install "+addr0+" on eth0")
		}
		s.wantState("eth0", "bound")
	})
}

func TestACarrierThatWasAwayForAMomentIsNoticed(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.m.mu.Lock()
		s.m.heard = nil
		s.m.servers[2] = reserves("2001:db8::99", wire.Infinite)
		s.m.mu.Unlock()
		s.m.done()
		// Both changes wait when the agent looks.
		s.m.change(2, func(n *link.NIC) { n.Carrier, n.CarrierChanges = false, 1 })
		s.m.change(2, func(n *link.NIC) { n.Carrier, n.CarrierChanges = true, 2 })
		s.wait(10 * time.Second)
		s.wantDid(s.m.done(), "install 2001:db8::99 on eth0", "remove "+addr0+" from eth0")
		if s.m.heard[0] != dhcpv6.MessageTypeConfirm {
			s.Errorf("heard %v", s.m.heard)
		}
	})
}

func TestIPv6OffIsAStateAndComesToAnEnd(t *testing.T) {
	m := func() *fakeMachine {
		m := two()
		m.switches["eth0"][sysctl.DisableIPv6] = "1"
		m.flush(2)
		return m
	}
	play(t, "", m, func(s *stage) {
		s.wait(3 * time.Second)
		st := s.status("eth0")
		if st.State != "waiting: IPv6 is off" || st.Cure != "sysctl -w net.ipv6.conf.eth0.disable_ipv6=0" {
			s.Errorf("state %q, problem %q, cure %q", st.State, st.Problem, st.Cure)
		}
		s.wantState("eth1", "bound")
		o, err := s.a.WaitOnline(s.Context())
		if err != nil || !o.Off || o.Exit != fault.ExitDone {
			s.Errorf("wait-online: %+v, %v", o, err)
		}
		s.m.setSwitch("eth0", sysctl.DisableIPv6, "0")
		s.m.mu.Lock()
		s.m.addLinkLocal(s.m.nics[2])
		s.m.mu.Unlock()
		s.wait(3 * time.Second)
		s.wantState("eth0", "bound")
		// And off again: the kernel drops every address.
		s.m.setSwitch("eth0", sysctl.DisableIPv6, "1")
		s.m.mu.Lock()
		s.m.flush(2)
		s.m.mu.Unlock()
		s.m.done()
		s.wait(time.Hour)
		s.wantState("eth0", "waiting: IPv6 is off")
		s.wantNot(s.m.done(), "install")
	})
}

// waitOnline asks for the end of the wait, and tells it when it comes.
func (s *stage) waitOnline() <-chan Online {
	answer := make(chan Online, 1)
	go func() {
		o, err := s.a.WaitOnline(s.Context())
		if err != nil {
			s.Error(err)
		}
		answer <- o
	}()
	return answer
}

// TestWaitOnlineWaitsForTheDefaultRouteOfARouterThatWasHeard: where a stack processes Router Advertisements it comes a moment
// after the address, or never.
func TestWaitOnlineWaitsForTheDefaultRouteOfARouterThatWasHeard(t *testing.T) {
	for name, comes := range map[string]bool{"it comes": true, "it never comes": false} {
		t.Run(name, func(t *testing.T) {
			play(t, "", two, func(s *stage) {
				s.routers(2, s.router("fe80::1", time.Hour, ra.Medium))
				answer := s.waitOnline()
				s.wait(5 * time.Second)
				s.wantState("eth0", "bound")
				select {
				case o := <-answer:
					s.Fatalf("it ended before there was a default route: %+v", o)
				default:
				}
				if comes {
					s.m.addRoute(link.Route{Dst: netip.MustParsePrefix("::/0"), Index: 2, Gateway: netip.MustParseAddr("fe80::1"), Table: link.TableMain, Protocol: link.ProtoRA})
				} else {
					s.wait(unrouted)
				}
				s.wait(time.Second)
				o := <-answer
				if !o.Online || o.Exit != fault.ExitDone || strings.Contains(o.Reason, "no default route") == comes {
					s.Errorf("wait-online: %+v", o)
				}
			})
		})
	}
}

// NetworkManager switches IPv6 off while it takes a NIC over, and on again.
func TestWaitOnlineBelievesNetworkManagerNotAtOnceThatIPv6IsOff(t *testing.T) {
	m := func() *fakeMachine {
		m := two()
		m.inCharge = distro.Finding{Stack: distro.NetworkManager}
		m.switches["eth0"][sysctl.DisableIPv6] = "1"
		m.flush(2)
		return m
	}
	t.Run("on again", func(t *testing.T) {
		play(t, "", m, func(s *stage) {
			answer := s.waitOnline()
			s.wait(10 * time.Second)
			s.m.setSwitch("eth0", sysctl.DisableIPv6, "0")
			s.m.mu.Lock()
			s.m.addLinkLocal(s.m.nics[2])
			s.m.mu.Unlock()
			s.wait(time.Minute)
			if o := <-answer; !o.Online || o.Address.String() != addr0 {
				s.Errorf("wait-online: %+v", o)
			}
		})
	})
	t.Run("off for good", func(t *testing.T) {
		play(t, "", m, func(s *stage) {
			answer := s.waitOnline()
			s.wait(20 * time.Second)
			if o := <-answer; !o.Off || o.Exit != fault.ExitDone {
				s.Errorf("wait-online: %+v", o)
			}
		})
	})
}

func TestABrokenNICDoesNotStopTheOthers(t *testing.T) {
	taken := errors.New("port 546 is taken by dhclient (pid 4711)")
	m := func() *fakeMachine {
		m := two()
		m.taken[2] = taken
		return m
	}
	play(t, "", m, func(s *stage) {
		s.wait(3 * time.Second)
		s.wantState("eth1", "bound")
		if st := s.status("eth0"); !strings.Contains(st.Problem, taken.Error()) {
			s.Errorf("problem %q", st.Problem)
		}
		if n := strings.Count(s.out.String(), "cannot start the DHCPv6 client"); n != 1 {
			s.Errorf("logged %d times", n)
		}
		s.m.mu.Lock()
		delete(s.m.taken, 2)
		s.m.mu.Unlock()
		s.wait(time.Minute) // it is tried again
		s.wantState("eth0", "bound")
		if st := s.status("eth0"); st.Problem != "" {
			s.Errorf("problem %q", st.Problem)
		}
	})
}

// C-18-02
func TestStartOnManagedRAWaitsForTheFlag(t *testing.T) {
	play(t, "[agent]\nstart = on-managed-ra\n", two, func(s *stage) {
		s.wait(time.Minute)
		if len(s.m.heard) != 0 {
			s.Errorf("heard %v", s.m.heard)
		}
		say := func(managed bool) {
			s.m.tell[2](listener.Snapshot{Heard: true, Managed: managed})
		}
		say(false)
		s.wait(time.Minute)
		s.wantState("eth0", "waiting: no router says that addresses are managed (start = on-managed-ra)")
		say(true)
		s.wait(3 * time.Second)
		s.wantState("eth0", "bound")
		// A command does not wait for a router.
		res, err := s.a.Lease(s.Context(), LeaseRequest{NICs: []string{"eth1"}, Timeout: Seconds(time.Minute)})
		if err != nil || res[0].Fault != nil || res[0].Address.String() != addr1 {
			s.Errorf("lease: %+v, %v", res, err)
		}
	})
}

func TestLeaseDistroSetsTheSwitchesAndLeavesLeasingAlone(t *testing.T) {
	play(t, "[nic eth1]\nlease = distro\n", two, func(s *stage) {
		s.wait(3 * time.Second)
		log := s.m.done()
		s.wantDid(log, "eth1.accept_ra=0")
		s.wantNot(log, "eth1.autoconf")
		s.wantNot(log, addr1)
		s.m.addAddr(link.Addr{Index: 3, Addr: netip.MustParseAddr(addr1), Bits: 128, Permanent: true, Valid: wire.Infinite})
		s.wait(time.Second)
		s.wantState("eth1", "address by others")
		res, err := s.a.Lease(s.Context(), LeaseRequest{NICs: []string{"eth1"}, Timeout: Seconds(time.Minute)})
		if err != nil || res[0].Fault == nil || res[0].Fault.Exit != fault.ExitUsage {
			s.Errorf("lease: %+v, %v", res, err)
		}
	})
}

// C-18.2.10-05: what a server says in a status is told, without its control characters.
func TestCommandsEndWithTheRightCode(t *testing.T) {
	for _, tt := range []struct {
		name    string
		machine func(*fakeMachine)
		nic     string
		exit    int
	}{
		{"no server", func(m *fakeMachine) { delete(m.servers, 2) }, "eth0", fault.ExitNoServer},
		{"server refuses", func(m *fakeMachine) {
			m.servers[2] = func(q *wire.Message) *wire.Message {
				r := reserves(addr0, wire.Infinite)(q)
				r.RapidCommit, r.Type, r.Status, r.IANAs = false, dhcpv6.MessageTypeAdvertise, &wire.Status{Code: 2, Text: "no\x1b[2J"}, nil
				return r
			}
		}, "eth0", fault.ExitRefused},
		{"no carrier", func(m *fakeMachine) { m.change(2, func(n *link.NIC) { n.Carrier = false }) }, "eth0", fault.ExitFailure},
		{"not permitted", func(m *fakeMachine) { m.taken[2] = os.ErrPermission }, "eth0", fault.ExitNotPermitted},
		{"no such NIC", func(*fakeMachine) {}, "eth9", fault.ExitUsage},
		{"loopback", func(m *fakeMachine) { m.plug(link.NIC{Index: 1, Name: "lo", Loopback: true, Up: true}) }, "lo", fault.ExitUsage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := func() *fakeMachine {
				m := two()
				tt.machine(m)
				return m
			}
			play(t, "[agent]\nstart_delay = none\n", m, func(s *stage) {
				res, err := s.a.Lease(s.Context(), LeaseRequest{NICs: []string{tt.nic}, Timeout: Seconds(10 * time.Second)})
				if err == nil && res[0].Fault != nil {
					err = res[0].Fault.Fault()
				}
				if fault.ExitCode(err) != tt.exit {
					s.Errorf("exit %d, want %d: %v", fault.ExitCode(err), tt.exit, err)
				}
				if err != nil && (strings.ContainsAny(err.Error(), "\x1b\n") || Report(err).Cure == "") {
					s.Errorf("message %q, cure %q", err, Report(err).Cure)
				}
			})
		})
	}
}

func TestReleaseOnStop(t *testing.T) {
	play(t, "[nic eth0]\nrelease_on_stop = yes\n", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.m.done()
		s.stop()
		log := s.m.done()
		s.wantDid(log, "remove "+addr0+" from eth0")
		s.wantNot(log, addr1)
	})
}

func TestARestartReleasesNothing(t *testing.T) {
	play(t, "[agent]\nrelease_on_stop = yes\n", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.m.done()
		s.why = ErrRestart
		s.stop()
		s.wantNot(s.m.done(), "remove")
	})
}

func TestTheOneShotCommandNeedsNoAgentAndTouchesOnlyAddresses(t *testing.T) {
	state := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m := two()
		m.change(3, func(n *link.NIC) { n.Up = false })
		opts := Options{Config: DefaultConfig(), System: m, Clock: bubbleClock{time.Now()}, StateDir: state, Log: testLog(t)}
		m.done()
		one := NewOnce(opts)
		res, err := one.Lease(t.Context(), LeaseRequest{NICs: []string{"eth0"}, Timeout: Seconds(30 * time.Second)})
		if err != nil || res[0].Fault != nil || res[0].Address.String() != addr0 || res[0].From != serverAddr {
			t.Fatalf("lease: %+v, %v", res, err)
		}
		if diff := cmp.Diff([]string{"install " + addr0 + " on eth0"}, m.done()); diff != "" {
			t.Errorf("done (-want +got):\n%s", diff)
		}
		res, err = one.Release(t.Context(), LeaseRequest{NICs: []string{"eth0"}, Timeout: Seconds(30 * time.Second)})
		if err != nil || res[0].Fault != nil || res[0].Was.String() != addr0 {
			t.Fatalf("release: %+v, %v", res, err)
		}
		if m.addrs[2][netip.MustParseAddr(addr0)].Addr.IsValid() || !slices.Contains(m.heard, dhcpv6.MessageTypeRelease) {
			t.Errorf("after the release: %v, heard %v", m.addrs[2], m.heard)
		}
	})
}

// C-11-05
func TestTheOneShotCommandSpeaksWithTheDUIDOfTheAgent(t *testing.T) {
	state := t.TempDir()
	for _, tt := range []struct{ name, config, want string }{
		{"duid = nic", "", "00:03:00:01:" + mac1},
		{"duid = host", "[agent]\nduid = host\n", "00:03:00:01:" + mac0},
		{"a DUID of the NIC's own", "[nic eth1]\nduid = 00:02:00:00:00:01:aa\n", "00:02:00:00:00:01:aa"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := parse(t, tt.config)
			synctest.Test(t, func(t *testing.T) {
				m := two()
				var spoke wire.DUID
				m.servers[3] = func(q *wire.Message) *wire.Message {
					spoke = q.ClientID
					return reserves(addr1, wire.Infinite)(q)
				}
				opts := Options{Config: cfg, System: m, Clock: bubbleClock{time.Now()}, StateDir: state, Log: testLog(t)}
				res, err := NewOnce(opts).Lease(t.Context(), LeaseRequest{NICs: []string{"eth1"}, Timeout: Seconds(30 * time.Second)})
				if err != nil || res[0].Fault != nil || spoke.String() != tt.want {
					t.Errorf("spoke as %s, want %s: %+v, %v", spoke, tt.want, res, err)
				}
			})
		})
	}
}

func TestACommandEndsWithItsAsker(t *testing.T) {
	m := func() *fakeMachine {
		m := two()
		delete(m.servers, 2)
		return m
	}
	play(t, "", m, func(s *stage) {
		ctx, cancel := context.WithCancel(s.Context())
		time.AfterFunc(time.Second, cancel)
		began := time.Now()
		if _, err := s.a.Lease(ctx, LeaseRequest{NICs: []string{"eth0"}, Timeout: Seconds(time.Hour)}); err != nil {
			s.Error(err)
		}
		if d := time.Since(began); d != time.Second {
			s.Errorf("it took %s", d)
		}
	})
}
