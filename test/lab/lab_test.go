package lab

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/test/roots"
)

func TestFrameIsReadAsAPacket(t *testing.T) {
	ip := make([]byte, 40)
	ip[0], ip[6], ip[7] = 0x60, unix.IPPROTO_UDP, 64
	binary.BigEndian.PutUint16(ip[4:], 8+3)
	src, dst := netip.MustParseAddr("fe80::1"), netip.MustParseAddr("ff02::1:2")
	copy(ip[8:], src.AsSlice())
	copy(ip[24:], dst.AsSlice())
	ethernet := []byte{0x33, 0x33, 0, 1, 0, 2, 6, 0, 0, 0, 0, 1, 0x86, 0xdd}
	udp := []byte{2, 0x22, 2, 0x23, 0, 11, 0, 0, 'a', 'b', 'c'}
	whole := append(append(append([]byte(nil), ethernet...), ip...), udp...)
	p, ok := parse(frame{bytes: append(whole, 0, 0, 0)}) // padding behind the packet is none of it
	if !ok || p.Src != src || p.Dst != dst || p.SrcPort != 546 || p.DstPort != 547 || string(p.Payload) != "abc" {
		t.Errorf("parse = %+v, %t", p, ok)
	}
	for n := range whole { // a frame that is cut is read as far as it goes
		parse(frame{bytes: whole[:n]})
	}
}

// machine boots one for a test that needs root.
func machine(t *testing.T) (*Lab, *Machine, string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: run it by make test as root")
	}
	root, err := roots.Get(t.Context(), roots.Peers, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	m, err := l.Boot(Config{Name: "m", Root: root, Output: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	return l, m, root
}

func run(t *testing.T, m *Machine, script string) string {
	t.Helper()
	r, err := m.Run(t.Context(), "sh", "-ec", script)
	if err != nil {
		t.Fatal(err)
	}
	if r.Code != 0 {
		t.Fatalf("%s: exit code %d: %s", script, r.Code, r.Stderr)
	}
	return strings.TrimSpace(r.Stdout)
}

func TestMachineIsAWorldOfItsOwn(t *testing.T) {
	l, m, root := machine(t)
	defer l.Close()
	if got := run(t, m, "hostname; ls /sys/class/net; ls /proc | grep -c '^[0-9]'"); !strings.HasPrefix(got, "m\nlo\n") {
		t.Errorf("host name, NICs, processes: %q", got)
	}
	run(t, m, "echo changed > /etc/resolv.conf; touch /usr/here")
	for _, name := range []string{filepath.Join(root, "usr/here"), "/usr/here"} {
		if _, err := os.Stat(name); err == nil {
			t.Errorf("the machine wrote %s", name)
		}
	}
	if err := m.WriteFile("/etc/new/file", "text\n"); err != nil {
		t.Fatal(err)
	}
	if got := run(t, m, "cat /etc/new/file"); got != "text" {
		t.Errorf("file written from outside: %q", got)
	}
	host, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	if got := run(t, m, "cat /proc/sys/kernel/random/boot_id"); got == strings.TrimSpace(string(host)) || len(got) != 36 {
		t.Errorf("boot id of the machine: %q", got)
	}
}

func TestDiskOutlivesItsMachineAndNothingElseDoes(t *testing.T) {
	l, m, root := machine(t)
	defer l.Close()
	disk, err := l.NewDisk()
	if err != nil {
		t.Fatal(err)
	}
	first, err := l.Boot(Config{Name: "first", Root: root, Disk: disk})
	if err != nil {
		t.Fatal(err)
	}
	run(t, first, "echo kept > /var/lib/kept; echo lost > /run/lost")
	p, err := first.Start("sh", "-c", "setsid sleep infinity & echo started; wait")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.AwaitLine(t.Context(), 0, "started"); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	<-p.Ended()
	if _, err := first.Run(t.Context(), "true"); err == nil {
		t.Error("a machine that is off runs programs")
	}
	second, err := l.Boot(Config{Name: "second", Root: root, Disk: disk})
	if err != nil {
		t.Fatal(err)
	}
	if got := run(t, second, "cat /var/lib/kept; ls /run"); !strings.HasPrefix(got, "kept") || strings.Contains(got, "lost") {
		t.Errorf("after the restart: %q", got)
	}
	run(t, m, "true") // the others are as they were
}

func TestSegmentCarriesAndLosesFrames(t *testing.T) {
	l, a, root := machine(t)
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := l.Segment(Config{Name: "net", Root: root})
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Boot(Config{Name: "b", Root: root})
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range []*Machine{a, b} {
		if _, err := m.Plug(s, "eth0", net.HardwareAddr{6, 0, 0, 0, 0, byte(i + 1)}); err != nil {
			t.Fatal(err)
		}
		if err := m.Up("eth0"); err != nil {
			t.Fatal(err)
		}
		if err := m.AddAddress("eth0", []string{"2001:db8::a/64", "2001:db8::b/64"}[i]); err != nil {
			t.Fatal(err)
		}
	}
	run(t, a, "ping -c1 -w10 2001:db8::b")
	echo := func(p Packet) bool { return p.ICMP == 128 }
	_, next, err := s.Capture.Await(ctx, 0, "an echo request", echo)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Lose(ctx, 100); err != nil {
		t.Fatal(err)
	}
	if r, err := a.Run(ctx, "ping", "-c1", "-W1", "2001:db8::b"); err != nil || r.Code == 0 {
		t.Errorf("ping through full loss: exit code %d, %v", r.Code, err)
	}
	if _, _, err := s.Capture.Await(ctx, next, "the lost echo request", echo); err != nil {
		t.Error(err)
	}
	if err := s.Lose(ctx, 0); err != nil {
		t.Fatal(err)
	}
	run(t, a, "ping -c1 -w10 2001:db8::b")
}
