package client

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/wire"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A testNet is a guest's and a router's network namespace, joined by a veth pair, for a test that runs
// on one thread: a subtest would run on another, in the machine's own namespace.
type testNet struct {
	t             *testing.T
	guest, router int // file descriptors of the namespaces
	nic, peer     *net.Interface
}

// newTestNet makes both; the calling thread is in the guest's and ends with the test.
func newTestNet(t *testing.T) *testNet {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root for network namespaces")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
	n := &testNet{t: t}
	n.router, n.guest = newNamespace(t), newNamespace(t)
	n.ip("link", "add", "v6ca", "type", "veth", "peer", "name", "v6cb")
	link, err := netlink.LinkByName("v6cb")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetNsFd(link, n.router); err != nil {
		t.Fatal(err)
	}
	n.ip("link", "set", "v6ca", "addrgenmode", "none")
	n.ip("link", "set", "v6ca", "up")
	n.ip("addr", "add", "fe80::a/64", "dev", "v6ca", "nodad")
	n.ip("addr", "add", "2001:db8::38/128", "dev", "v6ca", "nodad")
	n.nic = n.lookup("v6ca")
	n.enter(n.router)
	n.ip("link", "set", "v6cb", "addrgenmode", "none")
	n.ip("link", "set", "v6cb", "up")
	n.ip("addr", "add", "fe80::b/64", "dev", "v6cb", "nodad")
	n.ip("route", "add", "2001:db8::/64", "dev", "v6cb")
	n.peer = n.lookup("v6cb")
	n.await("v6cb")
	n.enter(n.guest)
	n.await("v6ca")
	return n
}

// await waits until a NIC of the thread's namespace sends: what is sent before that is lost.
func (n *testNet) await(name string) {
	n.t.Helper()
	updates, done := make(chan netlink.LinkUpdate), make(chan struct{})
	if err := netlink.LinkSubscribeWithOptions(updates, done, netlink.LinkSubscribeOptions{ListExisting: true}); err != nil {
		n.t.Fatal(err)
	}
	found := false
	for deadline := time.After(10 * time.Second); !found; {
		select {
		case u := <-updates:
			found = u.Attrs().Name == name && u.Attrs().OperState == netlink.OperUp
		case <-deadline:
			n.t.Fatalf("%s does not come up", name)
		}
	}
	close(done)
	for range updates { // until the subscription has ended
	}
}

// newNamespace moves the thread into a new network namespace.
func newNamespace(t *testing.T) int {
	t.Helper()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("network namespace: %v", err)
	}
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func (n *testNet) enter(fd int) {
	n.t.Helper()
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		n.t.Fatal(err)
	}
}

func (n *testNet) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		n.t.Fatalf("ip %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (n *testNet) lookup(name string) *net.Interface {
	n.t.Helper()
	nic, err := net.InterfaceByName(name)
	if err != nil {
		n.t.Fatal(err)
	}
	return nic
}

// listen opens the client's socket.
func (n *testNet) listen() Conn {
	n.t.Helper()
	conn, err := Listen(n.t.Context(), n.nic.Name, n.nic.Index)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { conn.Close() })
	return conn
}

// server opens a server's socket: port 547, in the group ff02::1:2.
func (n *testNet) server() *net.UDPConn {
	n.t.Helper()
	n.enter(n.router)
	defer n.enter(n.guest)
	c, err := net.ListenMulticastUDP("udp6", n.peer, &net.UDPAddr{IP: net.ParseIP("ff02::1:2"), Port: 547})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		n.t.Fatal(err)
	}
	return c
}

// sendFrom sends a datagram from the router's side, from an ephemeral port.
func (n *testNet) sendFrom(to string, size int) {
	n.t.Helper()
	n.enter(n.router)
	defer n.enter(n.guest)
	local := &net.UDPAddr{IP: net.ParseIP("fe80::b"), Zone: "v6cb"}
	c, err := net.ListenUDP("udp6", local)
	if err != nil {
		n.t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.WriteTo(make([]byte, size), &net.UDPAddr{IP: net.ParseIP(to), Port: 546, Zone: "v6cb"}); err != nil {
		n.t.Fatal(err)
	}
}

// readOne reads a datagram, and fails if none comes.
func readOne(t *testing.T, conn Conn) Datagram {
	t.Helper()
	type result struct {
		d   Datagram
		err error
	}
	got := make(chan result, 1)
	go func() { d, err := conn.Read(make([]byte, 1<<16)); got <- result{d, err} }()
	select {
	case r := <-got:
		if r.err != nil {
			t.Fatal(r.err)
		}
		return r.d
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came")
		return Datagram{}
	}
}

// C-7.1-01 C-7.2-02 C-7.2-03 C-5-01
func TestMessagesLeaveFromTheLinkLocalAddressAndPort546(t *testing.T) {
	n := newTestNet(t)
	server, conn := n.server(), n.listen()
	m := &wire.Message{Type: solicit, ClientID: testDUID}
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Write(b, ip("fe80::a")); err != nil {
		t.Fatal(err)
	}
	got, from, err := server.ReadFromUDPAddrPort(make([]byte, 2000))
	if err != nil {
		t.Fatal(err)
	}
	if from.Addr().WithZone("") != ip("fe80::a") || from.Port() != 546 || got != len(b) {
		t.Errorf("%d bytes from %s", got, from)
	}
}

// C-7.2-01 C-7.2-04, and a Reconfigure sent to a leased address is heard too.
func TestWhatComesToPort546IsHeard(t *testing.T) {
	n := newTestNet(t)
	conn := n.listen()
	for to, size := range map[string]int{"fe80::a": 1900, "2001:db8::38": 40, "ff02::1": 7} {
		n.sendFrom(to, size)
		want := Datagram{Len: size, From: ip("fe80::b"), To: ip(to)}
		if got := readOne(t, conn); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

func TestCloseEndsARead(t *testing.T) {
	conn := newTestNet(t).listen()
	ended := make(chan error, 1)
	go func() { _, err := conn.Read(make([]byte, 100)); ended <- err }()
	conn.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// Two NICs of one guest each have a client; a second client on one NIC is refused.
func TestOneClientEachNIC(t *testing.T) {
	n := newTestNet(t)
	n.listen()
	n.ip("link", "add", "v6cc", "type", "veth", "peer", "name", "v6cd")
	second := n.lookup("v6cc")
	other, err := Listen(t.Context(), second.Name, second.Index)
	if err != nil {
		t.Fatal(err)
	}
	other.Close()
	_, err = Listen(t.Context(), n.nic.Name, n.nic.Index)
	if e, ok := errors.AsType[*PortTakenError](err); !ok || e.Holder.PID != 0 {
		t.Errorf("%v", err)
	}
}

// holderEnv makes the test binary stand in for another DHCPv6 client.
const holderEnv = "V6GUEST_TEST_HOLD_PORT"

func TestMain(m *testing.M) {
	if os.Getenv(holderEnv) != "" {
		holdPort()
		return
	}
	m.Run()
}

// holdPort takes port 546 and holds it until its standard input ends.
func holdPort() {
	if _, err := net.ListenPacket("udp6", "[::]:546"); err != nil {
		os.Stdout.WriteString(err.Error() + "\n")
		return
	}
	os.Stdout.WriteString("held\n")
	os.Stdin.Read(make([]byte, 1))
}

func TestPortTaken(t *testing.T) {
	n := newTestNet(t)
	holder := exec.Command(os.Args[0])
	holder.Env = append(os.Environ(), holderEnv+"=1")
	in, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); holder.Wait() }()
	said := make([]byte, 200)
	if got, err := out.Read(said); err != nil || string(said[:got]) != "held\n" {
		t.Fatalf("holder: %q, %v", said[:got], err)
	}
	_, err = Listen(t.Context(), n.nic.Name, n.nic.Index)
	e, ok := errors.AsType[*PortTakenError](err)
	if !ok || !errors.Is(err, unix.EADDRINUSE) {
		t.Fatalf("%v", err)
	}
	if e.Holder.PID != holder.Process.Pid || e.Holder.Name == "" {
		t.Errorf("holder %+v, want pid %d", e.Holder, holder.Process.Pid)
	}
	if !strings.Contains(err.Error(), "address already in use by") || !strings.Contains(e.Cure(), "stop the other DHCPv6 client") {
		t.Errorf("%v; %s", err, e.Cure())
	}
}

func TestListenOnNoNIC(t *testing.T) {
	newTestNet(t)
	if _, err := Listen(t.Context(), "nosuch0", 99); err == nil || !strings.Contains(err.Error(), "nosuch0") {
		t.Errorf("%v", err)
	}
}

// The whole client on a real link with a real clock, against a server of two messages.
func TestRunnerOnARealLink(t *testing.T) {
	n := newTestNet(t)
	server, conn := n.server(), n.listen()
	s := newSim(t, 1)
	srv := s.server("A", addr38)
	srv.rapid = true
	go func() {
		buf := make([]byte, 1<<16)
		for {
			size, from, err := server.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			m, err := wire.Decode(buf[:size])
			if err != nil {
				continue
			}
			if answer := srv.answer(m); answer != nil {
				b, _ := answer.Encode()
				server.WriteToUDPAddrPort(b, from)
			}
		}
	}()
	engine, err := NewEngine(Config{DUID: testDUID, IAID: testIAID, Rand: NewRand(), NoStartDelay: true})
	if err != nil {
		t.Fatal(err)
	}
	host := &fakeHost{}
	r, err := NewRunner(RunnerConfig{Engine: engine, Conn: conn, Clock: clock.Boottime{}, Host: host})
	if err != nil {
		t.Fatal(err)
	}
	host.runner = r
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- r.Run(ctx, nil) }()
	r.SetCarrier(true)
	r.SetLinkLocal(ip("fe80::a"))
	deadline, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	got, err := r.Lease(deadline)
	if err != nil || got.State != StateBound || got.Addresses[0].Addr != ip(addr38) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := r.Lease(deadline); err != nil { // the re-check, and a Renew
		t.Error(err)
	}
	if _, err := r.Release(deadline); err != nil {
		t.Error(err)
	}
	stop()
	if err := <-ran; err != nil {
		t.Error(err)
	}
}
