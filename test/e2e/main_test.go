package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/v6guest/v6guest/pkg/wire"
	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
	"github.com/v6guest/v6guest/test/roots"
)

// TestMain holds the tests to their word that they leave the host as it is: its units, ports,
// addresses, packages, resolv.conf and the rest of /etc.
func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAIL: the tests changed the machine that they ran on:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "v6guest-e2e-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	binDir = dir
	before, err := snapshotHost()
	if err != nil {
		return 1, err
	}
	code = m.Run()
	after, err := snapshotHost()
	if err != nil {
		return 1, err
	}
	if diff := cmp.Diff(before, after); diff != "" {
		return 1, fmt.Errorf("(-before +after)\n%s", diff)
	}
	return code, nil
}

// binDir is where the programs under test are built, once, when the first test asks for them.
var binDir string

var buildPrograms = sync.OnceValue(func() error {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", binDir, "./cmd/v6guest", "./cmd/v6responder")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
})

// programs returns the folder with v6guest and v6responder: $V6GUEST_BIN, else built now.
func programs(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("V6GUEST_BIN"); dir != "" {
		return dir
	}
	check(t, buildPrograms())
	return binDir
}

// root returns the folder of a root, made now where the cache lacks it.
func root(t *testing.T, s roots.Spec) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: run it by make test as root")
	}
	dir, err := roots.Get(t.Context(), s, t.Output())
	check(t, err)
	return dir
}

// within bounds what a test waits for; an event ends each wait, long before.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), d, fmt.Errorf("not within %v", d))
	t.Cleanup(cancel)
	return ctx
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newCloud makes networks for a test, with routers and neighbours but no server yet.
func newCloud(ctx context.Context, t *testing.T, networks int) *cloud.Cloud {
	t.Helper()
	c, err := cloud.New(ctx, cloud.Options{Root: root(t, roots.Peers), Bin: programs(t), Networks: networks, Output: t.Output()})
	check(t, err)
	closeAfter(t, c)
	return c
}

// closeAfter ends the cloud with the test, and keeps what was on the wire when that failed.
func closeAfter(t *testing.T, c *cloud.Cloud) {
	t.Helper()
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			saveCaptures(t, c)
		}
	})
}

// served is newCloud with a server of one kind on each network, and the guest on, with no NIC up.
func served(ctx context.Context, t *testing.T, kind peer.Kind, networks int) *cloud.Cloud {
	t.Helper()
	c := newCloud(ctx, t, networks)
	check(t, c.Serve(ctx, kind))
	check(t, c.StartGuest())
	return c
}

// saveCaptures writes what was on the wire into the folder that the test leaves.
func saveCaptures(t *testing.T, c *cloud.Cloud) {
	t.Helper()
	for _, n := range c.Nets {
		f, err := os.Create(filepath.Join(t.ArtifactDir(), n.Segment.Name+".pcap"))
		check(t, err)
		check(t, errors.Join(n.Segment.Capture.WritePcap(f), f.Close()))
		t.Logf("capture: %s\n%s", f.Name(), summary(n.Segment.Capture.Packets()))
	}
}

// summary is packets on a line each, for the log of a test that failed.
func summary(packets []lab.Packet) string {
	var b strings.Builder
	for _, p := range packets[:min(len(packets), 300)] {
		what := fmt.Sprintf("ICMPv6 type %d", p.ICMP)
		switch {
		case p.DstPort == 546 || p.DstPort == 547:
			what = "unreadable DHCPv6"
			if m, err := wire.Decode(p.Payload); err == nil {
				what = m.String()
			}
		case p.DstPort != 0:
			what = fmt.Sprintf("UDP to port %d", p.DstPort)
		}
		fmt.Fprintf(&b, "%s %s %s > %s: %s\n", p.At.Format("15:04:05.000"), p.From, p.Src, p.Dst, what)
	}
	return b.String()
}

// usable waits until the guest has an address on a NIC, ready for use.
func usable(ctx context.Context, t *testing.T, c *cloud.Cloud, nic string, addr fmt.Stringer) lab.State {
	t.Helper()
	s, err := c.Guest.Await(ctx, fmt.Sprintf("%s on %s", addr, nic), func(s lab.State) bool {
		for _, a := range s.Addrs {
			if a.NIC == nic && a.Usable() && a.Prefix.Addr().String() == addr.String() {
				return true
			}
		}
		return false
	})
	check(t, err)
	return s
}

// ping asks for an answer from an address and fails the test when none comes.
func ping(ctx context.Context, t *testing.T, m *lab.Machine, to fmt.Stringer) {
	t.Helper()
	r, err := m.Run(ctx, "ping", "-n", "-c1", "-w10", to.String())
	check(t, err)
	if r.Code != 0 {
		t.Errorf("%s cannot reach %s:\n%s%s", m.Name, to, r.Stdout, r.Stderr)
	}
}
