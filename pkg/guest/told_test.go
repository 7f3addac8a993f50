package guest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/pkg/client"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra/listener"
	"github.com/v6guest/v6guest/pkg/sysctl"
	"github.com/v6guest/v6guest/pkg/wire"
)

// What a person is told: status, log, results.

func TestTheStatusCountsLifetimesDown(t *testing.T) {
	m := func() *fakeMachine {
		m := two()
		m.servers[2] = reserves(addr0, 10*time.Hour)
		return m
	}
	play(t, "[agent]\nstart_delay = none\n", m, func(s *stage) {
		s.wait(time.Hour)
		a := s.status("eth0").Addresses
		if len(a) != 1 || time.Duration(a[0].Valid).Round(time.Minute) != 9*time.Hour {
			s.Errorf("after an hour: %+v", a)
		}
	})
}

func TestInfiniteTimersAreLoggedAsNever(t *testing.T) {
	var log strings.Builder
	l := slog.New(slog.NewTextHandler(&log, nil))
	l.LogAttrs(t.Context(), slog.LevelInfo, "bound", readable([]slog.Attr{
		slog.Duration("t1", 30*time.Minute), slog.Duration("t2", wire.Infinite),
	})...)
	if want := "t1=30m0s t2=never"; !strings.Contains(log.String(), want) {
		t.Errorf("logged %s, want %s", log.String(), want)
	}
}

func TestTheAgentLogsThatANICWentAway(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.m.unplug(3)
		s.wait(time.Second)
		if want := `level=INFO msg="NIC is gone; its lease is kept" nic=eth1`; !strings.Contains(s.out.String(), want) {
			s.Errorf("not logged: %s", want)
		}
	})
}

func TestAnAddressThatTheKernelTookOffWithTheNICIsNobodysDoing(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.wait(3 * time.Second)
		for range 5 { // and no reason to pause
			s.m.change(2, func(n *link.NIC) { n.Up, n.Carrier = false, false })
			s.wait(10 * time.Millisecond)
			s.m.done()
			s.m.change(2, func(n *link.NIC) { n.Up, n.Carrier = true, true })
			s.wait(10 * time.Millisecond)
			s.wantDid(s.m.done(), "install "+addr0+" on eth0")
		}
		if log := s.out.String(); strings.Contains(log, "by somebody") || !strings.Contains(log, "while the NIC was down") {
			s.Errorf("the log blames somebody, or says nothing")
		}
		s.m.takeAddr(2, addr0)
		s.wait(time.Second)
		if !strings.Contains(s.out.String(), "by somebody") {
			s.Error("the log says nothing of one that was taken off by hand")
		}
	})
}

func TestTheStatusOfANICWithoutIPv6(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.m.addRoute(ipv4Default(2))
		s.wait(3 * time.Second)
		s.m.tell[3](listener.Snapshot{Heard: true, Prefixes: []listener.Prefix{{
			Prefix: netip.MustParsePrefix("2001:db8:1::/64"), OnLink: true, OnLinkUntil: 1 << 62,
		}}})
		s.wait(time.Second)
		before := s.status("eth1")
		if len(before.OnLink) != 1 || before.Sent == 0 || before.Received == 0 {
			s.Fatalf("before: %+v", before)
		}
		s.m.setSwitch("eth1", sysctl.DisableIPv6, "1")
		s.m.mu.Lock()
		s.m.flush(3)
		s.m.mu.Unlock()
		s.wait(time.Second)
		after := s.status("eth1")
		if len(after.OnLink) != 0 || after.Sent != before.Sent || after.Received != before.Received {
			s.Errorf("on-link %v, %d sent, %d received; want none, %d and %d", after.OnLink, after.Sent, after.Received, before.Sent, before.Received)
		}
	})
}

func TestTheIAIDIsWrittenInHex(t *testing.T) {
	play(t, "", two, func(s *stage) {
		b, err := json.Marshal(s.status("eth0"))
		if err != nil || !strings.Contains(string(b), `"iaid":"f0000038"`) {
			s.Errorf("status %s, %v", b, err)
		}
		if plan := s.a.plan.String(); !strings.Contains(plan, "IAID f0000038\n") {
			s.Errorf("plan %s", plan)
		}
	})
}

func TestAFailedResultHasNoLifetimes(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    LeaseResult
		want string
	}{
		{"failed", LeaseResult{NIC: "eth0", Fault: Report(errors.New("no"))}, `{"nic":"eth0","took":0.000,"fault":{"error":"no","exit":1}}`},
		{
			"deprecated",
			LeaseResult{NIC: "eth0", Preferred: new(Lifetime), Valid: new(Lifetime(time.Hour))},
			`{"nic":"eth0","preferred":0,"valid":3600,"took":0.000}`,
		},
	} {
		b, err := json.Marshal(tt.r)
		if err != nil || string(b) != tt.want {
			t.Errorf("%s: %s, %v, want %s", tt.name, b, err, tt.want)
		}
	}
}

// once does a one-shot command and gives what is logged at the level that the program has for it.
func once(t *testing.T, m *fakeMachine, nics ...string) ([]LeaseResult, string) {
	t.Helper()
	var log strings.Builder
	opts := Options{
		Config: DefaultConfig(), System: m, Clock: bubbleClock{time.Now()}, StateDir: t.TempDir(),
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	res, err := NewOnce(opts).Lease(t.Context(), LeaseRequest{NICs: nics, Timeout: Seconds(30 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	return res, log.String()
}

func TestABadNameDoesNotHoldTheOtherNICsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := two()
		m.plug(link.NIC{Index: 1, Name: "lo", Loopback: true, Up: true})
		res, _ := once(t, m, "lo", "eth0", "eth9", "../etc")
		got := make([]string, len(res))
		for i, r := range res {
			if got[i] = r.NIC + " " + r.Address.String(); r.Fault != nil {
				got[i] = r.NIC + ": " + r.Fault.Error
			}
		}
		want := []string{
			"lo: lo has no Ethernet address (MAC), so no DUID can be made for it", "eth0 " + addr0,
			"eth9: there is no NIC eth9", `../etc: "../etc" is neither the name of a NIC nor a glob nor a MAC`,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("results (-want +got):\n%s", diff)
		}
		m.done()
		// Names that none can be do not stand for all NICs.
		if res, _ = once(t, m, "../etc"); len(res) != 1 || res[0].Fault.Exit != fault.ExitUsage || m.done() != nil {
			t.Errorf("../etc alone: %+v", res)
		}
	})
}

func TestTheOneShotCommandSaysAFailureOnce(t *testing.T) {
	for _, tt := range []struct {
		name  string
		setUp func(*fakeMachine)
		exit  int
	}{
		{"in use", func(m *fakeMachine) { m.used[netip.MustParseAddr(addr0)] = true }, fault.ExitInUse},
		{"port taken", func(m *fakeMachine) { m.taken[2] = errors.New("taken") }, fault.ExitFailure},
		{"IPv6 off", func(m *fakeMachine) { m.switches["eth0"][sysctl.DisableIPv6] = "1" }, fault.ExitFailure},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := two()
				tt.setUp(m)
				res, log := once(t, m, "eth0")
				if res[0].Fault == nil || res[0].Fault.Exit != tt.exit || log != "" {
					t.Errorf("result %+v, and the log says %s", res[0].Fault, log)
				}
			})
		})
	}
}

func TestTheOneShotCommandWarnsOfNeighboursThatCannotBeReached(t *testing.T) {
	warning := "eth0: neighbours are not reachable: there is no route to the network of " + addr0 + ", and %s; `v6guest run` adds the route"
	onLink := link.Route{Index: 2, Dst: netip.MustParsePrefix("2001:db8::/64"), Protocol: link.ProtoKernel, Table: link.TableMain}
	beyond := onLink
	beyond.Gateway = netip.MustParseAddr("fe80::1")
	for _, tt := range []struct {
		name, acceptRA, forwarding, prefixes string
		routes                               []link.Route
		want                                 string
	}{
		{"no advertisements are accepted", "0", "0", "1", nil, fmt.Sprintf(warning, "accept_ra = 0")},
		{"a router does not accept them", "1", "1", "1", nil, fmt.Sprintf(warning, "accept_ra = 1")},
		{"they are accepted", "1", "0", "1", nil, ""},
		{"by a router too", "2", "1", "1", nil, ""},
		{"but not prefixes", "2", "0", "0", nil, fmt.Sprintf(warning, "accept_ra_pinfo = 0")},
		{"there is a route", "0", "0", "1", []link.Route{onLink}, ""},
		{"the route is through a router", "0", "0", "1", []link.Route{beyond}, fmt.Sprintf(warning, "accept_ra = 0")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := two()
				m.switches["eth0"][sysctl.AcceptRA], m.switches["eth0"][sysctl.Forwarding] = tt.acceptRA, tt.forwarding
				m.switches["eth0"][sysctl.AcceptRAPinfo] = tt.prefixes
				for _, r := range tt.routes {
					m.addRoute(r)
				}
				if res, _ := once(t, m, "eth0"); res[0].Warning != tt.want || res[0].Fault != nil {
					t.Errorf("warning %q, want %q (%+v)", res[0].Warning, tt.want, res[0].Fault)
				}
			})
		})
	}
}

func TestTheAgentLogsItsStartAndItsStop(t *testing.T) {
	sm := newManager(t)
	var log strings.Builder
	dir := t.TempDir()
	a, err := NewAgent(Options{
		Config: DefaultConfig(), System: two(), Clock: clock.Boottime{}, StateDir: t.TempDir(), RunDir: dir,
		Version: "1.2.3", ConfigFile: "/etc/some.conf", Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	sm.await("READY=1")
	cancel(errors.New("terminated"))
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`level=INFO msg="v6guest started" version=1.2.3 config=/etc/some.conf `, "run_dir=" + dir + "\n",
		`level=INFO msg="v6guest stopped" why=terminated`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("not logged: %s\n%s", want, log.String())
		}
	}
}

func TestANICThatIsBeingRenamedHasNoSwitchesForAMoment(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.m.mu.Lock()
		switches := s.m.switches["eth1"]
		s.m.mu.Unlock()
		s.m.change(3, func(n *link.NIC) { n.Name = "lan1" })
		s.m.mu.Lock()
		delete(s.m.switches, "lan1")
		s.m.mu.Unlock()
		s.wait(10 * time.Millisecond)
		s.m.mu.Lock()
		switches[sysctl.AcceptRA] = "1"
		s.m.switches["lan1"] = switches
		s.m.mu.Unlock()
		s.m.done()
		s.wait(time.Second)
		s.wantDid(s.m.done(), "lan1.accept_ra=0")
		if strings.Contains(s.out.String(), "level=WARN") {
			s.Error("the log warns of it")
		}
		// One that stays without them is told.
		s.m.mu.Lock()
		delete(s.m.switches, "lan1")
		s.m.mu.Unlock()
		s.m.change(3, func(n *link.NIC) { n.Name = "lan2" })
		s.m.mu.Lock()
		delete(s.m.switches, "lan2")
		s.m.mu.Unlock()
		s.wait(time.Minute)
		if n := strings.Count(s.out.String(), "cannot set the kernel's switches"); n != 1 {
			s.Errorf("told %d times", n)
		}
	})
}

// A lease may have no end: no Renew would ever mend it.
func TestALeasedAddressThatCannotBePutBackIsTriedAgain(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.m.mu.Lock()
		s.m.refuses = map[netip.Addr]error{netip.MustParseAddr(addr0): errors.New("out of memory")}
		s.m.mu.Unlock()
		s.m.takeAddr(2, addr0)
		s.wait(time.Minute)
		if lines := strings.Count(s.out.String(), "out of memory"); lines != 1 {
			s.Errorf("the error is logged %d times", lines)
		}
		s.m.mu.Lock()
		s.m.refuses = nil
		s.m.mu.Unlock()
		s.wait(5 * time.Minute)
		if !s.has(2, addr0) {
			s.Error("the address is not back")
		}
		if st := s.status("eth0"); st.Problem != "" {
			s.Errorf("problem %q", st.Problem)
		}
	})
}

func TestThatALeasedAddressCannotBePutBackIsOverWhenItIsThere(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.m.mu.Lock()
		was := s.m.addrs[2][netip.MustParseAddr(addr0)]
		s.m.refuses = map[netip.Addr]error{was.Addr: errors.New("invalid argument")}
		s.m.mu.Unlock()
		s.m.takeAddr(2, addr0)
		s.wait(time.Second)
		if st := s.status("eth0"); !strings.Contains(st.Problem, "cannot put a leased address back") {
			s.Fatalf("problem %q", st.Problem)
		}
		s.m.addAddr(was)
		s.wait(0)
		s.wantState("eth0", "bound")
		if st := s.status("eth0"); st.Problem != "" {
			s.Errorf("problem %q", st.Problem)
		}
	})
}

// The names of two NICs are swapped, as an administrator or udev does it.
func TestLinesNameTheNICAsItIsNamedNow(t *testing.T) {
	play(t, "[agent]\nnics = 06:a0:f0:00:00:38 06:a0:f0:00:00:39\ndefault_nic = 06:a0:f0:00:00:38\n", two, func(s *stage) {
		s.wait(3 * time.Second)
		for _, r := range []struct {
			index int
			name  string
		}{{2, "swap"}, {3, "eth0"}, {2, "eth1"}} {
			s.m.change(r.index, func(n *link.NIC) { n.Name = r.name })
			s.wait(time.Second)
		}
		before := s.out.Len()
		s.m.change(2, func(n *link.NIC) { n.CarrierChanges += 2 })
		s.wait(time.Minute)
		log := s.out.String()[before:]
		if !strings.Contains(log, `msg="lease confirmed" nic=eth1`) {
			s.Errorf("the client does not name the NIC as it is named now: %s", log)
		}
		for line := range strings.Lines(log) {
			if strings.Contains(line, "nic=eth0") {
				s.Errorf("of the other NIC: %s", line)
			}
		}
	})
}

// A release, or the agent's end, came between.
func TestACommandWhoseClientWasStoppedSaysWhatToDo(t *testing.T) {
	if f := Report(asFaultOf("eth0", client.ErrStopped)); f.Exit != fault.ExitFailure || !strings.Contains(f.Cure, "run it again") {
		t.Errorf("%+v", f)
	}
}
