package guest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/distro"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/sysctl"
)

// fakeLive notes what is done to it.
type fakeLive struct {
	log  []string
	left []link.Route
	fail string

	addrs  map[int][]link.Addr
	rules  []link.Rule
	routes []link.Route
}

func (f *fakeLive) Command(_ context.Context, argv []string) error {
	f.log = append(f.log, strings.Join(argv, " "))
	if argv[0] == f.fail {
		return errors.New("exit status 1: no such connection")
	}
	return nil
}

func (f *fakeLive) Stop(_ context.Context, name string) error {
	f.log = append(f.log, "stop "+name)
	return nil
}

func (f *fakeLive) Get(string, sysctl.Switch) (string, error) { return "1", nil }

func (f *fakeLive) Set(nic string, s sysctl.Setting) error {
	f.log = append(f.log, nic+"."+string(s.Switch)+"="+s.Value)
	return nil
}

func (f *fakeLive) RemoveRADefaultRoutes(_ context.Context, index int) ([]link.Route, error) {
	f.log = append(f.log, "clear "+strconv.Itoa(index))
	return nil, nil
}

func (f *fakeLive) Rules(context.Context) ([]link.Rule, error) { return f.rules, nil }

func (f *fakeLive) RemoveRule(_ context.Context, r link.Rule) error {
	f.log = append(f.log, "no "+r.String())
	return nil
}

func (f *fakeLive) Routes(context.Context, int) ([]link.Route, error) { return f.routes, nil }

func (f *fakeLive) RemoveRoute(_ context.Context, r link.Route) error {
	f.log = append(f.log, "no "+r.String())
	return nil
}

func (f *fakeLive) DefaultRoutes(context.Context, int) ([]link.Route, error) { return f.left, nil }

func (f *fakeLive) Addrs(_ context.Context, index int) ([]link.Addr, error) {
	return f.addrs[index], nil
}

func (f *fakeLive) RemoveAddress(_ context.Context, index int, addr netip.Addr) error {
	f.log = append(f.log, fmt.Sprintf("no %s on %d", addr, index))
	return nil
}

func livePlan() *FilePlan {
	one := NICFiles{NICPlan: NICPlan{NIC: link.NIC{Index: 2, Name: "eth0"}, Role: RoleDefault, Switches: []sysctl.Setting{{Switch: sysctl.AcceptRA, Value: "2"}}}}
	one.Files.Live = []distro.LiveStep{{Argv: []string{"netplan", "generate"}}, {StopPID: "/run/dhclient6.pid"}}
	two := NICFiles{NICPlan: NICPlan{NIC: link.NIC{Index: 3, Name: "eth1"}, Role: RoleSecondary, Switches: []sysctl.Setting{{Switch: sysctl.AcceptRA, Value: "0"}}}}
	two.Files.Live = []distro.LiveStep{
		{Argv: []string{"netplan", "generate"}}, {Argv: []string{"wicked", "ifreload", "eth1"}, CutsIPv4: true}, {Argv: []string{"never"}},
	}
	return &FilePlan{NICs: []NICFiles{one, two}}
}

func TestLiveStepsAreDoneOnceAndNeverCutIPv4(t *testing.T) {
	var f fakeLive
	steps, err := livePlan().ApplyLive(t.Context(), &f, "")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"netplan generate", "stop /run/dhclient6.pid", "eth0.accept_ra=2", "eth1.accept_ra=0", "clear 3"}
	if diff := cmp.Diff(want, f.log); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}
	if last := steps[len(steps)-1]; !last.Left || last.What != "wicked ifreload eth1" {
		t.Errorf("the step that cuts IPv4 off: %+v", last)
	}
}

func TestALiveStepThatFailsIsNamedAndTheSwitchesAreSetAllTheSame(t *testing.T) {
	f := fakeLive{fail: "netplan"}
	_, err := livePlan().ApplyLive(t.Context(), &f, "")
	if err == nil || !strings.Contains(err.Error(), "eth0: netplan generate: exit status 1: no such connection") {
		t.Errorf("error %v", err)
	}
	if want := "eth1.accept_ra=0"; !strings.Contains(strings.Join(f.log, " "), want) {
		t.Errorf("%s was not set: %v", want, f.log)
	}
}

func TestADefaultRouteThatIsLeftOnASecondaryNICIsAnError(t *testing.T) {
	f := fakeLive{left: []link.Route{{Index: 3, Dst: raDefault(3).Dst, Gateway: netip.MustParseAddr("fe80::1"), Protocol: link.ProtoRA}}}
	_, err := livePlan().ApplyLive(t.Context(), &f, "")
	if err == nil || !strings.Contains(err.Error(), "eth1 still has an IPv6 default route via fe80::1") {
		t.Errorf("error %v", err)
	}
}

func TestStopEndsTheProcessOfAFileAndWaitsForIt(t *testing.T) {
	cat, err := exec.LookPath("cat") // waits for its input for ever
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(cat)
	if err != nil {
		t.Fatal(err)
	}
	client := filepath.Join(t.TempDir(), "dhclient")
	if err := os.WriteFile(client, program, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(client)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "pid")
	if err := os.WriteFile(name, []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := (live{}).Stop(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || err.Error() != "signal: terminated" {
		t.Errorf("it ended with %v", err)
	}
	if err := (live{}).Stop(t.Context(), name); err != nil {
		t.Errorf("a process that is gone: %v", err)
	}
	if err := (live{}).Stop(t.Context(), name+".none"); err != nil {
		t.Errorf("no file: %v", err)
	}
	// A number that is another program's by now: this test itself would end.
	if err := os.WriteFile(name, []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := (live{}).Stop(t.Context(), name); err != nil {
		t.Errorf("no client's number: %v", err)
	}
	if err := os.WriteFile(name, []byte("1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := (live{}).Stop(t.Context(), name); err == nil {
		t.Error("init was to be stopped")
	}
}

// One that misses a signal hears the next; one that hears none is killed.
func TestAClientThatDoesNotListenIsEndedAllTheSame(t *testing.T) {
	for _, tt := range []struct {
		name, script, ends string
		again              time.Duration
	}{
		{"misses the first", "trap 'trap - TERM' TERM; echo; while :; do read x; done", "signal: terminated", toldAgain},
		{"hears nothing", "trap '' TERM; echo; while :; do read x; done", "signal: killed", 10 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command("sh", "-c", tt.script)
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := out.Read(make([]byte, 1)); err != nil { // the trap is set
				t.Fatal(err)
			}
			fd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			if err := endProcess(t.Context(), fd, tt.again); err != nil {
				t.Error(err)
			}
			if err := cmd.Wait(); err == nil || err.Error() != tt.ends {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

func TestACommandThatFailsTellsWhatItSaid(t *testing.T) {
	err := (live{}).Command(t.Context(), []string{"sh", "-c", "echo no such profile >&2; exit 4"})
	if err == nil || err.Error() != "exit status 4: no such profile" {
		t.Errorf("error %v", err)
	}
}

func TestRestoreLiveSetsTheSwitchesBackToWhatTheyWere(t *testing.T) {
	runDir := t.TempDir()
	for range 2 { // a second time the switches are ours already, and what they were before stays noted
		if _, err := livePlan().ApplyLive(t.Context(), &fakeLive{}, runDir); err != nil {
			t.Fatal(err)
		}
	}
	files, err := OpenFiles(t.TempDir(), "/state", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	var f fakeLive
	nics := []link.NIC{{Index: 3, Name: "lan1"}} // renamed since; eth0 is gone
	steps, err := files.RestoreLive(t.Context(), &f, nics, nil, runDir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"lan1.accept_ra=1"}, f.log); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}
	if len(steps) != 1 || steps[0].What != "net.ipv6.conf.lan1.accept_ra = 1" {
		t.Errorf("told: %+v", steps)
	}
	f.log = nil
	if _, err := files.RestoreLive(t.Context(), &f, nics, nil, runDir, nil); err != nil || len(f.log) > 0 {
		t.Errorf("a second restore: %v, %v", err, f.log)
	}
}

// What the agent has added beside the stack's own link-local addresses goes, unless the NIC has no other.
func TestLinkLocalAddressesThatWereAddedGoWithTheirRestoring(t *testing.T) {
	note, ok := thisBoot(t.TempDir())
	if !ok {
		t.Skip("this boot has no name")
	}
	runDir := t.TempDir()
	added := loadAdded(note, ok, runDir)
	mine, own, only := netip.MustParseAddr(ll0), netip.MustParseAddr(private0), netip.MustParseAddr("fe80::4a0:f0ff:fe00:39")
	for index, addr := range map[int]netip.Addr{2: mine, 3: only, 4: mine, 5: mine} {
		if err := added.set(index, addr); err != nil {
			t.Fatal(err)
		}
	}
	f := fakeLive{addrs: map[int][]link.Addr{
		2: {{Addr: own}, {Addr: mine}},
		3: {{Addr: only}, {Addr: netip.MustParseAddr(addr1)}},
		4: {{Addr: own}}, // somebody was faster
	}}
	nics := []link.NIC{{Index: 2, Name: "eth0"}, {Index: 3, Name: "eth1"}, {Index: 4, Name: "eth2"}} // the fourth is gone
	steps, err := loadAdded(note, ok, runDir).restore(t.Context(), &f, nics)
	if err != nil || len(steps) != 1 || steps[0].What != "ip -6 addr del "+ll0+" dev eth0" {
		t.Errorf("told %+v, %v", steps, err)
	}
	slices.Sort(f.log)
	if diff := cmp.Diff([]string{"no " + ll0 + " on 2", "no " + ll0 + " on 4"}, f.log); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}
	if left := loadAdded(note, ok, runDir).state.Added; len(left) != 1 || left[0] != (addedLinkLocal{3, only}) {
		t.Errorf("still noted: %v", left)
	}
}
