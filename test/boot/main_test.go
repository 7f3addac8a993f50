package boot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/peer"
	"github.com/v6guest/v6guest/test/roots"
)

var binDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "v6guest-boot-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binDir = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// making is how long what guests are made of may take to make, which the first test that needs it waits for.
const making = 30 * time.Minute

// build makes the programs of this tree, and the hand, static.
var build = sync.OnceValue(func() error {
	ctx, cancel := context.WithTimeout(context.Background(), making)
	defer cancel()
	for _, what := range []string{"./cmd/v6guest", "./cmd/v6responder", "./test/boot/hand"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-tags", "urfave_cli_no_docs", "-trimpath", "-buildvcs=false", "-o", binDir+"/", what)
		cmd.Dir = filepath.Join("..", "..")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		cmd.WaitDelay = time.Minute
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build %s: %w\n%s", what, err, out)
		}
	}
	return nil
})

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// need skips what cannot be on this machine, and returns the folder of the root. An emulated machine keeps
// one core busy, so that several tests run beside each other, as many as -parallel says.
func need(t *testing.T, s roots.Spec) string {
	t.Helper()
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: run it by make test-boot as root")
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); errors.Is(err, exec.ErrNotFound) {
		t.Skip("needs qemu-system-x86: run it by make test-boot")
	}
	dir, err := roots.Get(within(t, making), s, t.Output())
	check(t, err)
	check(t, build())
	return dir
}

// networks are two shared networks as a cloud has them: v6responder for IPv6, and dnsmasq for IPv4, whose
// default route is on the one with that index.
func networks(ctx context.Context, t *testing.T, way int) *cloud.Cloud {
	t.Helper()
	c := networks4(ctx, t, way)
	check(t, c.Serve(ctx, peer.V6responder))
	return c
}

// networks4 are they without anybody who serves IPv6.
func networks4(ctx context.Context, t *testing.T, way int) *cloud.Cloud {
	t.Helper()
	peers, err := roots.Get(ctx, roots.Peers, t.Output())
	check(t, err)
	c, err := cloud.New(ctx, cloud.Options{Root: peers, Bin: binDir, Networks: 2, Output: t.Output()})
	check(t, err)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	for i, n := range c.Nets {
		check(t, n.Router.AddAddress("eth0", fmt.Sprintf("10.0.%d.1/24", i)))
		args := []string{
			"dnsmasq", "--keep-in-foreground", "--log-facility=-", "--port=0", "--interface=eth0", "--bind-interfaces", "--conf-file=/dev/null",
			"--dhcp-leasefile=/run/v4.leases", fmt.Sprintf("--dhcp-range=10.0.%d.10,10.0.%d.20,1h", i, i),
		}
		if i != way {
			args = append(args, "--dhcp-option=3") // no default route
		}
		p, err := n.Router.Start(args...)
		check(t, err)
		_, err = p.AwaitLine(ctx, 0, "DHCP, IP range")
		check(t, err)
	}
	return c
}

// Whether v6guest's units start at boot.
const (
	enabled  = true
	disabled = false
)

// withPackage installs v6guest's package, enabled or not.
func withPackage(ctx context.Context, enable bool) func(tree string) error {
	return func(tree string) error {
		dir, err := thisVersion()
		if err != nil {
			return err
		}
		if err := install(ctx, tree, debFile(dir, "v6guest", version)); err != nil || enable {
			return err
		}
		return inside(ctx, tree, "systemctl", "disable", "v6guest-configure.service", "v6guest.service", "v6guest-wait-online.service")
	}
}

// asItComes leaves a root as its distribution made it.
func asItComes(string) error { return nil }

// labFiles are what makes a guest one of the lab's: its hand, and no questions at its first boot.
func labFiles(t *testing.T) []file {
	t.Helper()
	hand, err := program("/usr/local/sbin/hand", filepath.Join(binDir, "hand"))
	check(t, err)
	return []file{
		hand,
		text("/etc/systemd/system/hand.service", `[Unit]
DefaultDependencies=no
Requires=dev-virtio\x2dports-hand.device
After=dev-virtio\x2dports-hand.device
[Service]
ExecStart=/usr/local/sbin/hand
`),
		link("/etc/systemd/system/sysinit.target.wants/hand.service", "/etc/systemd/system/hand.service"),
		text("/etc/systemd/system/watch.service", `[Unit]
DefaultDependencies=no
Before=v6guest-configure.service network-pre.target
[Service]
ExecStart=ip -o monitor address
StandardOutput=file:`+watchFile+"\n"),
		link("/etc/systemd/system/sysinit.target.wants/watch.service", "/etc/systemd/system/watch.service"),
		// Emulated, on a machine that has much else to do, it is so slow that udev may need minutes.
		text("/etc/systemd/system.conf.d/lab.conf", "[Manager]\nDefaultDeviceTimeoutSec=20min\nDefaultTimeoutStartSec=20min\n"),
		text("/etc/fstab", "/dev/vda / ext4 defaults 0 1\n"),
		text("/etc/hostname", "guest\n"),
		// An image without one would have every unit enabled or not by preset, which is no stack's default.
		text("/etc/machine-id", "6a3bb2f1c0d94e5f8a7b6c5d4e3f2a1b\n"),
		text("/etc/resolv.conf", ""),
	}
}

// watchFile has a line for each change of an address since early in the boot.
const watchFile = "/run/watch"

// A machine is a booted guest with what its tests ask of it.
type machine struct {
	*vm
	t          *testing.T
	ctx        context.Context
	cloud      *cloud.Cloud
	root, disk string
	nics       []nic    // in the order of their names
	words      []string // on the kernel's command line, beside the lab's
	snapshots  bool     // it can be reverted to one, and cannot be rebooted
}

// diskOf makes the disk of one of the lab's machines: a root as prepare leaves it, and files.
func diskOf(ctx context.Context, t *testing.T, root string, prepare func(tree string) error, files ...[]file) string {
	t.Helper()
	disk, err := makeDisk(ctx, root, t.TempDir(), prepare, append(labFiles(t), slices.Concat(files...)...))
	check(t, err)
	return disk
}

// bootCase boots a case's guest on networks of its own.
func bootCase(t *testing.T, tt guestCase, enable bool) *machine {
	t.Helper()
	return bootOn(t, tt, enable, networks, 20*time.Minute)
}

// bootOn is bootCase on such networks, for a test that takes so long at most.
func bootOn(t *testing.T, tt guestCase, enable bool, networks func(context.Context, *testing.T, int) *cloud.Cloud, most time.Duration) *machine {
	t.Helper()
	root := need(t, tt.spec)
	ctx := within(t, most)
	c := networks(ctx, t, tt.way)
	return start(ctx, t, c, root, diskOf(ctx, t, root, withPackage(ctx, enable), tt.files))
}

// start boots a guest from a disk and waits until its boot is done.
func start(ctx context.Context, t *testing.T, c *cloud.Cloud, root, disk string) *machine {
	t.Helper()
	g := &machine{t: t, ctx: ctx, cloud: c, root: root, disk: disk, nics: guestNICs(c)}
	g.boots()
	return g
}

// guestNICs are the guest's: one in each network.
func guestNICs(c *cloud.Cloud) []nic {
	var nics []nic
	for _, n := range c.Nets {
		nics = append(nics, nic{net: n, mac: n.Reserved.MAC})
	}
	return nics
}

// boots boots the machine for the first time; it is gone when the test ends.
func (g *machine) boots() {
	t := g.t
	t.Helper()
	t.Cleanup(func() {
		if g.vm == nil {
			return
		}
		if t.Failed() {
			t.Logf("console:\n%s", g.console())
			g.tell()
		}
		if err := g.cut(); err != nil {
			t.Error(err)
		}
	})
	g.boot()
}

// tell logs what v6guest said in the guest, and how its NICs are, if the guest still answers.
func (g *machine) tell() {
	ctx, cancel := context.WithTimeout(context.Background(), grace+time.Minute)
	defer cancel()
	const what = "v6guest status; ip -6 addr; ip -6 route; ip nexthop; journalctl -b --no-pager -o short-monotonic -u 'v6guest*' | tail -n 80"
	a, err := g.run(ctx, "sh", "-c", what)
	g.t.Logf("the guest: %v\n%s%s", err, a.Stdout, a.Stderr)
}

// boot starts the machine from its disk and waits until its boot is done.
func (g *machine) boot() {
	g.t.Helper()
	m, err := boot(g.ctx, g.t.Logf, g.nics, g.root, g.disk, g.snapshots, g.words...)
	check(g.t, err)
	g.vm = m
	g.say("systemctl", "is-system-running", "--wait")
}

// reboot shuts the machine down in order and boots it again, as a stop and a start by the cloud do.
func (g *machine) reboot() {
	g.t.Helper()
	g.do("systemctl", "poweroff", "--no-block")
	check(g.t, g.off(g.ctx))
	g.boot()
}

// say runs a program in the guest and returns what it printed, whatever its exit code.
func (g *machine) say(argv ...string) string {
	g.t.Helper()
	a, err := g.run(g.ctx, argv...)
	check(g.t, err)
	return strings.TrimSpace(string(a.Stdout) + string(a.Stderr))
}

// do runs a program in the guest, which must succeed, and returns what it printed.
func (g *machine) do(argv ...string) string {
	g.t.Helper()
	a, err := g.run(g.ctx, argv...)
	check(g.t, err)
	if a.Code != 0 {
		g.t.Errorf("%s ends with %d: %s%s", strings.Join(argv, " "), a.Code, a.Stdout, a.Stderr)
	}
	return string(a.Stdout)
}

// await waits until a shell's test succeeds in the guest, which is tried at each change of its addresses
// and routes.
func (g *machine) await(what, test string) {
	g.t.Helper()
	ctx, cancel := context.WithTimeoutCause(g.ctx, 5*time.Minute+grace, errors.New("the machine does not answer"))
	defer cancel()
	if _, err := g.until(ctx, "sh", "-c", test); err != nil {
		g.t.Fatalf("no %s: %v", what, err)
	}
}

// logs waits until a unit has logged a text in this boot.
func (g *machine) logs(unit, text string) {
	g.t.Helper()
	g.do("timeout", "300", "bash", "-c", "grep -qm1 -e '"+text+"' <(exec journalctl -b -f -n all -u "+unit+" 2>/dev/null)")
}

// has wants a text in what a program prints.
func (g *machine) has(want string, argv ...string) {
	g.t.Helper()
	if got := g.say(argv...); !strings.Contains(got, want) {
		g.t.Errorf("%s says %q, want %q in it", strings.Join(argv, " "), got, want)
	}
}

// reaches wants an answer from an address. A slow one, to a ping that others have followed, is one too.
func (g *machine) reaches(addr string) {
	g.t.Helper()
	g.do("ping", "-c", "1", "-w", "60", addr)
}

// hasNot wants it not.
func (g *machine) hasNot(want string, argv ...string) {
	g.t.Helper()
	if got := g.say(argv...); strings.Contains(got, want) {
		g.t.Errorf("%s says %q, which must not have %q in it", strings.Join(argv, " "), got, want)
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), d, fmt.Errorf("not within %v", d))
	t.Cleanup(cancel)
	return ctx
}
