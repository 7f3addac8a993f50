package guest

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/ra/listener"
	"github.com/v6guest/v6guest/pkg/sysctl"
)

// A settingHook are switches on which each setting is looked at first, and perhaps refused.
type settingHook struct {
	*fakeMachine
	before func(sysctl.Setting) error
}

func (h settingHook) Set(nic string, s sysctl.Setting) error {
	if err := h.before(s); err != nil {
		return err
	}
	return h.fakeMachine.Set(nic, s)
}

// A kill between the two would lose them otherwise.
func TestWhatSwitchesWereIsNotedBeforeTheyAreSet(t *testing.T) {
	runDir := t.TempDir()
	if _, ok := thisBoot(runDir); !ok {
		t.Skip("this boot has no name")
	}
	want := []savedSwitch{{2, sysctl.AcceptRA, "1"}, {2, sysctl.Autoconf, "1"}}
	refused := errors.New("read-only file system")
	sys := settingHook{two(), func(s sysctl.Setting) error {
		if got := loadSwitches(runDir).state.Switches; !slices.Equal(got, want) {
			t.Errorf("before %s is set, %v are noted, want %v", s.Switch, got, want)
		}
		if s.Switch == sysctl.Autoconf {
			return refused
		}
		return nil
	}}
	noting, setting := loadSwitches(runDir).set(sys, link.NIC{Index: 2, Name: "eth0"},
		[]sysctl.Setting{{Switch: sysctl.AcceptRA, Value: "2"}, {Switch: sysctl.Autoconf, Value: "0"}, {Switch: sysctl.DisableIPv6, Value: "0"}})
	if noting != nil || !errors.Is(setting, refused) {
		t.Errorf("noting: %v, setting: %v", noting, setting)
	}
	if got := loadSwitches(runDir).state.Switches; !slices.Equal(got, want[:1]) {
		t.Errorf("noted %v, want %v alone: the other one was not set", got, want[:1])
	}
}

func TestWhatCouldNotBeNotedIsNotedAtTheStopAtLast(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.stop()
		file := filepath.Join(s.state, "switches.json")
		if err := errors.Join(os.RemoveAll(file), os.MkdirAll(filepath.Join(file, "full"), 0o700)); err != nil {
			s.Fatal(err)
		}
		s.m.setSwitch("eth1", sysctl.AcceptRA, "1")
		s.start(DefaultConfig())
		if err := os.RemoveAll(file); err != nil {
			s.Fatal(err)
		}
		s.stop()
		if got := loadSwitches(s.state).state.Switches; !slices.Equal(got, []savedSwitch{{3, sysctl.AcceptRA, "1"}}) {
			s.Errorf("noted: %v", got)
		}
	})
}

func TestWhatCannotBeNotedIsTriedAgainAndNotLost(t *testing.T) {
	play(t, "", private, func(s *stage) {
		s.stop()
		files := []string{filepath.Join(s.state, "switches.json"), filepath.Join(s.state, "link-locals.json")}
		for _, f := range files { // a folder that is not empty is not replaced by a file
			if err := errors.Join(os.RemoveAll(f), os.MkdirAll(filepath.Join(f, "full"), 0o700)); err != nil {
				s.Fatal(err)
			}
		}
		for _, sw := range []sysctl.Switch{sysctl.AcceptRA, sysctl.AcceptRAPinfo, sysctl.Autoconf} {
			s.m.setSwitch("eth1", sw, "1")
		}
		s.m.takeAddr(2, ll0)
		s.start(DefaultConfig())
		s.wait(5 * time.Second)
		s.m.change(3, func(n *link.NIC) { n.Up, n.Carrier = false, false }) // the switches are looked at anew, and are as they should be
		s.wait(time.Second)
		s.m.change(3, func(n *link.NIC) { n.Up, n.Carrier = true, true })
		s.wait(20 * time.Second)
		if n := strings.Count(s.out.String(), "cannot "+notingLinkLocal); n != 1 {
			s.Errorf("told %d times", n)
		}
		for _, nic := range []string{"eth0", "eth1"} {
			if got := s.status(nic).Problem; !strings.Contains(got, "cannot keep in mind") {
				s.Errorf("%s: problem %q", nic, got)
			}
		}
		for _, f := range files {
			if err := os.RemoveAll(f); err != nil {
				s.Fatal(err)
			}
		}
		s.wait(5 * time.Minute)
		for _, nic := range []string{"eth0", "eth1"} {
			if got := s.status(nic).Problem; got != "" {
				s.Errorf("%s: problem %q", nic, got)
			}
		}
		noted := loadSwitches(s.state).state.Switches
		for _, want := range []savedSwitch{{3, sysctl.AcceptRA, "1"}, {3, sysctl.Autoconf, "1"}} {
			if !slices.Contains(noted, want) {
				s.Errorf("%v is not among %v", want, noted)
			}
		}
		note, ok := thisBoot(s.state)
		if got := loadAdded(note, ok, s.state).of(2); got.String() != ll0 {
			s.Errorf("link-local address that is noted as added: %s", got)
		}
	})
}

// The kernel takes IPv6 off a NIC whose MTU is too small for it. The switches that it makes later are those of
// a new NIC, and it does not tell of them.
func TestSwitchesAreSetAnewAfterAnMTUTooSmallForIPv6(t *testing.T) {
	for _, between := range []time.Duration{0, time.Second} {
		play(t, "[agent]\nra = agent\n", two, func(s *stage) {
			s.wait(3 * time.Second)
			s.announce(3, net1)
			s.m.done()
			for _, index := range []int{2, 3} {
				s.m.change(index, func(n *link.NIC) { n.MTU = 1000 })
			}
			if between > 0 {
				s.wait(between)
				s.wantNot(s.m.done(), "install")
			}
			for _, index := range []int{2, 3} {
				s.m.change(index, func(n *link.NIC) { n.MTU = 1500 })
			}
			s.wait(2 * time.Second)
			s.announce(3, net1)
			s.wantDid(s.m.done(), "eth0.accept_ra=0", "eth0.autoconf=0", "eth1.accept_ra=0", "install "+addr0+" on eth0", "install "+addr1+" on eth1",
				"route "+net1+" on eth1")
			if log := s.out.String(); strings.Contains(log, "by somebody") || strings.Contains(log, "again and again") {
				s.Errorf("somebody is blamed for it:\n%s", log)
			}
		})
	}
}

// Nobody else does so where v6guest processes advertisements itself.
func TestTheMTUThatRoutersAnnounceIsTheNICs(t *testing.T) {
	m := func() *fakeMachine {
		m := two()
		m.switches["eth0"][sysctl.MTU], m.switches["eth1"][sysctl.MTU] = "1500", "1500"
		return m
	}
	mtu := func(s *stage, nic string) string {
		s.wait(time.Second)
		s.m.mu.Lock()
		defer s.m.mu.Unlock()
		return s.m.switches[nic][sysctl.MTU]
	}
	play(t, "[agent]\nra = agent\n", m, func(s *stage) {
		s.wait(3 * time.Second)
		for _, said := range []uint32{1450, 1400, 9000} {
			for nic := range s.m.tell {
				stranger, router := s.router("fe80::bad", 0, ra.Medium), s.router("fe80::1", time.Hour, ra.Medium)
				stranger.MTU, router.MTU = 1280, said
				s.m.tell[nic](listener.Snapshot{Heard: true, Routers: []listener.Router{stranger, router}})
			}
			want := strconv.Itoa(int(said))
			if said > 1500 {
				want = "1400" // as it was
			}
			if got := mtu(s, "eth0"); got != want {
				s.Errorf("MTU %s after %d was announced", got, said)
			}
		}
		if got := mtu(s, "eth1"); got != "1500" {
			s.Errorf("a secondary NIC's MTU is %s", got)
		}
	})
	play(t, "[agent]\nra = kernel\n", m, func(s *stage) {
		s.wait(3 * time.Second)
		router := s.router("fe80::1", time.Hour, ra.Medium)
		router.MTU = 1450
		s.m.tell[2](listener.Snapshot{Heard: true, Routers: []listener.Router{router}})
		if got := mtu(s, "eth0"); got != "1500" {
			s.Errorf("what is the kernel's to do was done: %s", got)
		}
	})
}
