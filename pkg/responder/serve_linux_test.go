package responder

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/wire"
)

// A net6 is a network namespace of the test's own with a veth pair: the server's eth1, and c0, from
// which the test sends frames with any MAC it likes.
type net6 struct {
	t    *testing.T
	fd   int // packet socket on c0
	dir  string
	log  bytes.Buffer
	mu   sync.Mutex
	seen []string // the server's trace

	alive func()        // called by the server's loop; nil for never
	clock clock.Clock   // the server's; nil for the machine's
	pace  time.Duration // of the store, if it is not 0
}

// newNet puts the test's thread, for the rest of its life, into a new network namespace.
func newNet(t *testing.T) *net6 {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("makes a network namespace, which needs root")
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	n := &net6{t: t, dir: t.TempDir()}
	n.sysctl("net/ipv6/conf/default/accept_dad", "0")
	n.plug()
	return n
}

func (n *net6) sysctl(name, value string) {
	n.t.Helper()
	if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0o644); err != nil {
		n.t.Fatal(err)
	}
}

// plug makes the cable, and a new socket on the guests' end.
func (n *net6) plug() {
	n.t.Helper()
	n.ip("link", "add", "eth1", "address", "02:00:00:00:00:01", "type", "veth", "peer", "name", "c0")
	n.ip("link", "set", "c0", "up")
	n.ip("link", "set", "eth1", "up")
	c0, err := net.InterfaceByName("c0")
	if err != nil {
		n.t.Fatal(err)
	}
	if n.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(protocolIPv6())); err != nil {
		n.t.Fatal(err)
	}
	fd := n.fd
	n.t.Cleanup(func() { unix.Close(fd) })
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20)
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10})
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocolIPv6(), Ifindex: c0.Index}); err != nil {
		n.t.Fatal(err)
	}
	n.awaitLinks("eth1", "c0")
}

// awaitLinks waits until the NICs have link-local addresses. The kernel activates a link some time after it is set up,
// by a worker of its own: until then it drops what is sent there, and a server has no address to answer from.
func (n *net6) awaitLinks(names ...string) {
	n.t.Helper()
	kernel, err := link.Open(link.Config{})
	if err != nil {
		n.t.Fatal(err)
	}
	defer kernel.Close()
	ctx, cancel := context.WithCancel(n.t.Context())
	defer cancel()
	events, err := kernel.Watch(ctx)
	if err != nil {
		n.t.Fatal(err)
	}
	missing := map[int]bool{}
	for _, name := range names {
		nic, err := net.InterfaceByName(name)
		if err != nil {
			n.t.Fatal(err)
		}
		missing[nic.Index] = true
	}
	for ev := range events.C {
		if a, ok := ev.(link.AddrChanged); ok && a.Addr.Addr.IsLinkLocalUnicast() && a.Addr.Usable() {
			delete(missing, a.Addr.Index)
		}
		if len(missing) == 0 {
			return
		}
	}
	n.t.Fatalf("no link-local address: %v", events.Err())
}

func (n *net6) ip(args ...string) string {
	n.t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput() // a child of this thread: in its namespace
	if err != nil {
		n.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// serve runs a server in the namespace until stop is called, which returns what Serve returned.
func (n *net6) serve(config, lines string) (s *Server, stop func(cause error) error) {
	n.t.Helper()
	s, done, cancel := n.start(config, lines)
	stopped := false
	stop = func(cause error) error {
		if stopped {
			return nil
		}
		stopped = true
		cancel(cause)
		return <-done
	}
	n.t.Cleanup(func() {
		if err := stop(ErrRestart); err != nil {
			n.t.Error(err)
		}
		if n.t.Failed() {
			n.t.Logf("log:\n%s", n.log.String())
		}
	})
	return s, stop
}

func (n *net6) start(config, lines string) (*Server, chan error, context.CancelCauseFunc) {
	n.t.Helper()
	n.write(lines)
	c, err := ParseConfig("conf", []byte(strings.Replace(config, "/hosts", filepath.Join(n.dir, "hosts"), 1)))
	if err != nil {
		n.t.Fatal(err)
	}
	ready, done := make(chan struct{}), make(chan error, 1)
	opts := Options{
		Config: c, StateDir: filepath.Join(n.dir, "state"), Clock: clock.Boottime{},
		Log:   slog.New(slog.NewTextHandler(&n.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Ready: func() { close(ready) },
		Trace: func(line string) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.seen = append(n.seen, line)
		},
	}
	if n.clock != nil {
		opts.Clock = n.clock
	}
	if n.alive != nil {
		opts.Alive, opts.AliveEvery = n.alive, 10*time.Millisecond
	}
	s := NewServer(opts)
	if n.pace != 0 {
		s.pace = n.pace
	}
	ns, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		n.t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() {
		runtime.LockOSThread()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- s.Serve(ctx)
	}()
	select {
	case <-ready:
	case err := <-done:
		n.t.Fatalf("serve: %v\n%s", err, n.log.String())
	}
	return s, done, cancel
}

func (n *net6) write(lines string) {
	n.t.Helper()
	if err := os.WriteFile(filepath.Join(n.dir, "hosts"), []byte(lines), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// A guest is one that sends from c0.
type guest struct {
	mac  net.HardwareAddr // of its frames
	duid wire.DUID
	addr netip.Addr // link-local
}

func newGuest(i int) guest {
	mac := net.HardwareAddr{6, 0xa0, 0xf0, byte(i >> 16), byte(i >> 8), byte(i)}
	return guest{mac, wire.LinkLayerDUID(mac), eui64(netip.MustParsePrefix("fe80::/64"), [6]byte(mac))}
}

// frame is the guest's message in an Ethernet frame to the servers' group; between its addresses and its
// type stands tag.
func (g guest) frame(t *testing.T, msg *wire.Message, tag ...byte) []byte {
	t.Helper()
	b, err := msg.Encode()
	if err != nil {
		t.Fatal(err)
	}
	out := append([]byte{0x33, 0x33, 0, 1, 0, 2}, g.mac...)
	out = append(append(out, tag...), 0x86, 0xdd)
	return appendPacket(out, datagram{
		src: netip.AddrPortFrom(g.addr, 546), dst: netip.AddrPortFrom(allServers, 547), payload: b,
	})
}

func (g guest) solicit() *wire.Message {
	return &wire.Message{
		Type: dhcpv6.MessageTypeSolicit, TransactionID: dhcpv6.TransactionID(g.mac[3:]), ClientID: g.duid,
		IANAs: []wire.IANA{{ID: 1}},
	}
}

func (n *net6) sendFrame(b []byte) {
	n.t.Helper()
	if _, err := unix.Write(n.fd, b); err != nil {
		n.t.Fatal(err)
	}
}

// heard is an answer that came back to c0.
type heard struct {
	dst, src net.HardwareAddr
	datagram
	msg *wire.Message
}

// next waits for the next DHCPv6 message on c0.
func (n *net6) next() heard {
	n.t.Helper()
	for {
		b := n.frame()
		if d, ok := parsePacket(b[14:], false); ok && d.dst.Port() == 546 {
			m, err := wire.Decode(d.payload)
			if err != nil {
				n.t.Fatal(err)
			}
			return heard{b[:6], b[6:12], d, m}
		}
	}
}

// frame waits for the next frame that the server sent.
func (n *net6) frame() []byte {
	n.t.Helper()
	b := make([]byte, 2048)
	for {
		size, from, err := unix.Recvfrom(n.fd, b, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			n.t.Fatalf("no answer: %v\nlog:\n%s", err, n.log.String())
		}
		if l, ok := from.(*unix.SockaddrLinklayer); ok && l.Pkttype != unix.PACKET_OUTGOING && size > 14 {
			return b[:size]
		}
	}
}

// lines are reservations for guests 0 to n-1.
func reservations(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "id:00:03:00:01:%s,[2001:db8:1::%x],infinite\n", newGuest(i).mac, i+0x1000)
	}
	return b.String()
}

func TestServeAnswersFrames(t *testing.T) {
	n := newNet(t)
	n.serve(plain, reservations(10))
	a, last := newGuest(1), newGuest(2)

	n.sendFrame(a.frame(t, a.solicit()))
	n.sendFrame(last.frame(t, last.solicit()))
	got := n.next()
	if got.dst.String() != a.mac.String() || got.src.String() != "02:00:00:00:00:01" {
		t.Errorf("answer from %s to %s", got.src, got.dst)
	}
	if got.datagram.src != netip.MustParseAddrPort("[fe80::ff:fe00:1]:547") || got.datagram.dst != netip.AddrPortFrom(a.addr, 546) {
		t.Errorf("S-7.2-04 answer from %s to %s", got.datagram.src, got.datagram.dst)
	}
	if ia := got.msg.IANAs[0]; len(ia.Addresses) != 1 || ia.Addresses[0].Addr != netip.MustParseAddr("2001:db8:1::1001") {
		t.Errorf("answer %v", got.msg)
	}
	if got.msg.ServerID != "\x00\x03\x00\x01\x02\x00\x00\x00\x00\x01" {
		t.Errorf("S-11.2-03 the server's DUID is %s", got.msg.ServerID)
	}
	if got := n.next(); got.msg.ClientID != last.duid {
		t.Errorf("the first guest is answered twice, by %v", got.msg)
	}

	t.Run("a forged DUID-LL gets nothing", func(t *testing.T) {
		forger := newGuest(99)
		forger.duid = a.duid
		n.sendFrame(forger.frame(t, forger.solicit()))
		if got := n.next(); len(got.msg.IANAs[0].Addresses) != 0 || got.dst.String() != forger.mac.String() {
			t.Errorf("got %v", got.msg)
		}
	})
	t.Run("a frame of a VLAN is not ours", func(t *testing.T) {
		n.sendFrame(a.frame(t, a.solicit(), 0x81, 0x00, 0x00, 0x05))
		n.sendFrame(last.frame(t, last.solicit()))
		if got := n.next(); got.msg.ClientID != last.duid {
			t.Errorf("answered: %v", got.msg)
		}
	})
	t.Run("a frame with a priority tag is", func(t *testing.T) {
		n.sendFrame(a.frame(t, a.solicit(), 0x81, 0x00, 0xa0, 0x00))
		if got := n.next(); got.msg.ClientID != a.duid {
			t.Errorf("answered: %v", got.msg)
		}
	})
	t.Run("S-14-01 a frame to the server's own MAC is", func(t *testing.T) {
		b := a.frame(t, a.solicit())
		copy(b, []byte{2, 0, 0, 0, 0, 1})
		n.sendFrame(b)
		if got := n.next(); got.msg.ClientID != a.duid {
			t.Errorf("answered: %v", got.msg)
		}
	})
	t.Run("a bad checksum is not answered", func(t *testing.T) {
		b := a.frame(t, a.solicit())
		b[len(b)-1] ^= 1
		n.sendFrame(b)
		n.sendFrame(last.frame(t, last.solicit()))
		if got := n.next(); got.msg.ClientID != last.duid {
			t.Errorf("answered: %v", got.msg)
		}
	})
	t.Run("a long message in fragments is heard, by the UDP socket", func(t *testing.T) {
		long := a.solicit()
		long.Others = []wire.Option{{Code: 65001, Data: make([]byte, 1300)}}
		for _, b := range fragments(a.frame(t, long)) {
			n.sendFrame(b)
		}
		n.await("eth1 < " + a.addr.String() + ": Solicit") // without a MAC
	})
	t.Run("a new reservation holds at once", func(t *testing.T) {
		n.write(reservations(11))
		for g := newGuest(10); ; {
			n.sendFrame(g.frame(t, g.solicit()))
			if got := n.next(); len(got.msg.IANAs[0].Addresses) == 1 {
				break
			}
		}
	})
}

// await waits until the server's trace has a line that begins so.
func (n *net6) await(prefix string) {
	n.t.Helper()
	for limit := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		n.mu.Lock()
		for _, line := range n.seen {
			if strings.HasPrefix(line, prefix) {
				n.mu.Unlock()
				return
			}
		}
		seen := strings.Join(n.seen, "\n")
		n.mu.Unlock()
		if time.Now().After(limit) {
			n.t.Fatalf("not seen: %q in\n%s", prefix, seen)
		}
	}
}

// fragments cuts a frame's packet in two.
func fragments(frame []byte) [][]byte {
	head, payload := frame[:14+40], frame[14+40:]
	const cut = 1200
	var out [][]byte
	for _, part := range []struct {
		offset int
		more   byte
		data   []byte
	}{{0, 1, payload[:cut]}, {cut, 0, payload[cut:]}} {
		b := bytes.Clone(head)
		b[14+6] = 44 // fragment header
		binary.BigEndian.PutUint16(b[14+4:], uint16(8+len(part.data)))
		b = append(b, protoUDP, 0, byte(part.offset>>8), byte(part.offset)|part.more, 1, 2, 3, 4)
		out = append(out, append(b, part.data...))
	}
	return out
}

func TestServeNeedsNoNeighbourTable(t *testing.T) {
	const guests = 2000
	n := newNet(t)
	n.serve(plain, reservations(guests))
	// The table of this kernel may hold 1,024; that nothing is entered at all proves more.
	under := make(chan struct{}, 200) // no more than a small receive buffer has room for wait for an answer
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := range guests {
			g := newGuest(i)
			select {
			case under <- struct{}{}:
			case <-t.Context().Done():
				return
			}
			if _, err := unix.Write(n.fd, g.frame(t, g.solicit())); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	answered := map[string]bool{}
	for len(answered) < guests && !t.Failed() {
		answered[n.next().dst.String()] = true
		<-under
	}
	<-sent
	if out := n.ip("-6", "neigh", "show", "dev", "eth1"); strings.TrimSpace(out) != "" {
		t.Errorf("neighbour entries:\n%.500s", out)
	}
}

func TestServeFollowsItsNIC(t *testing.T) {
	n := newNet(t)
	n.ip("link", "del", "eth1") // it is missing at the start
	_, _ = n.serve(strings.Replace(plain, "[server]", "[server]\nduid = 02:00:00:00:00:01", 1), reservations(10))
	a := newGuest(1)
	for range 2 {
		n.plug()
		// The kernel tells of the NIC and its address; a guest asks until it is heard.
		n.askUntilAnswered(a)
		n.ip("link", "set", "eth1", "down")
		n.ip("link", "set", "eth1", "up")
		n.askUntilAnswered(a)
		n.ip("link", "del", "eth1")
	}
}

// askUntilAnswered solicits every 20 ms.
// TestServeListensWhereClientsSpeak looks at what the kernel says of groups and ports.
func TestServeListensWhereClientsSpeak(t *testing.T) {
	n := newNet(t)
	n.serve(strings.Replace(plain, "[server]", "[server]\ntrusted_relays = 2001:db8:f::1", 1), reservations(10))
	kernel := func(file string) string {
		b, err := os.ReadFile("/proc/thread-self/net/" + file)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for range 2 {
		n.askUntilAnswered(newGuest(1))
		if groups := kernel("igmp6"); !strings.Contains(groups, "eth1            ff020000000000000000000000010002") {
			t.Errorf("S-7.1-01 the groups:\n%s", groups)
		} else if !strings.Contains(groups, "eth1            ff050000000000000000000000010003") {
			t.Errorf("S-7.1-02 the groups:\n%s", groups)
		}
		n.ip("link", "set", "eth1", "down")
		n.ip("link", "set", "eth1", "up")
	}
	if ports := kernel("udp6"); !strings.Contains(ports, ":0223 ") || strings.Contains(ports, ":0222 ") {
		t.Errorf("S-7.2-01 not on 547 alone:\n%s", ports)
	}
}

// TestServeSendsLongAnswersWhole: what is longer than the MTU goes in fragments, of which the first one
// has the UDP header and nothing stands before it, so that a switch that guards DHCPv6 lets it pass.
func TestServeSendsLongAnswersWhole(t *testing.T) {
	n := newNet(t)
	n.serve(plain, reservations(10))
	g := newGuest(1)
	n.ip("neigh", "add", g.addr.String(), "lladdr", g.mac.String(), "dev", "eth1") // fragments are the kernel's
	long := g.solicit()
	for i := range 60 {
		long.IANAs = append(long.IANAs, wire.IANA{ID: wire.IAID(2 + i)})
	}
	n.sendFrame(g.frame(t, long))
	var payload []byte
	for more := true; more; {
		b := n.frame()
		ip := b[14:]
		if ip[6] == 58 || ip[6] == 0 && ip[40] == 58 {
			continue // neighbour discovery, multicast listeners
		}
		if ip[6] != 44 || ip[40] != protoUDP {
			t.Fatalf("S-7610-05 next headers %d, %d", ip[6], ip[40])
		}
		offset := int(binary.BigEndian.Uint16(ip[42:]))
		if offset>>3<<3 != len(payload) {
			t.Fatalf("a fragment at %d after %d bytes", offset>>3<<3, len(payload))
		}
		more = offset&1 == 1
		payload = append(payload, ip[48:40+int(binary.BigEndian.Uint16(ip[4:]))]...)
	}
	if port := binary.BigEndian.Uint16(payload); port != 547 || int(binary.BigEndian.Uint16(payload[4:])) != len(payload) {
		t.Errorf("S-7610-05 from port %d, %d bytes", port, len(payload))
	}
	m, err := wire.Decode(payload[udpHeader:])
	if err != nil || len(m.Flaws) > 0 || m.Truncated || len(m.IANAs) != 61 {
		t.Errorf("S-18.3-08 %v: %v", err, m)
	}
}

func (n *net6) askUntilAnswered(g guest) {
	n.t.Helper()
	unix.SetsockoptTimeval(n.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 20_000})
	b := make([]byte, 2048)
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); {
		unix.Write(n.fd, g.frame(n.t, g.solicit())) // fails while the NIC is down
		for {
			size, _, err := unix.Recvfrom(n.fd, b, 0)
			if err != nil {
				break
			}
			if d, ok := parsePacket(b[min(size, 14):size], false); ok && d.dst.Port() == 546 {
				return
			}
		}
	}
	n.t.Fatalf("no answer\n%s", n.log.String())
}

func TestServeNamesWhoHasThePort(t *testing.T) {
	n := newNet(t)
	n.serve(plain, reservations(1))
	c, err := ParseConfig("conf", []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	err = NewServer(Options{Config: c, StateDir: n.dir, Log: slog.New(slog.DiscardHandler), Clock: clock.Boottime{}}).Serve(t.Context())
	f := (*fault.Fault)(nil)
	if !errors.As(err, &f) || !errors.Is(err, unix.EADDRINUSE) || !strings.Contains(err.Error(), fmt.Sprintf("(pid %d) has it", os.Getpid())) {
		t.Errorf("error %v", err)
	}
}

func TestServeTellsThatItsLoopGoesRound(t *testing.T) {
	n := newNet(t)
	beats := make(chan struct{}, 3)
	n.alive = func() {
		select {
		case beats <- struct{}{}:
		default:
		}
	}
	n.serve(plain, "")
	for range 2 * cap(beats) {
		select {
		case <-beats:
		case <-time.After(20 * time.Second):
			t.Fatal("the loop does not say that it goes round")
		}
	}
}

func TestServeAdvertises(t *testing.T) {
	gateway := strings.Replace(plain, "[network guests]", "[network guests]\nrouter_lifetime = 30m\nmtu = 1400", 1)
	for _, tt := range []struct {
		name  string
		cause error
		final bool
	}{{"a stop says farewell", nil, true}, {"a restart says nothing", ErrRestart, false}} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNet(t)
			n.sysctl("net/ipv6/conf/all/forwarding", "1")
			_, stop := n.serve(gateway, reservations(1))
			a := n.advertisement()
			if !a.Managed || !a.Other || a.RouterLifetime != 30*time.Minute || a.MTU != 1400 || len(a.RDNSS) != 1 ||
				len(a.Prefixes) != 1 || a.Prefixes[0].Autonomous || !a.Prefixes[0].OnLink {
				t.Errorf("advertisement %s", a)
			}
			if err := stop(tt.cause); err != nil {
				t.Fatal(err)
			}
			unix.SetsockoptTimeval(n.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50_000})
			if tt.final {
				if a := n.advertisement(); a.RouterLifetime != 0 {
					t.Errorf("after the stop: %s", a)
				}
				return
			}
			b := make([]byte, 2048)
			for {
				size, from, err := unix.Recvfrom(n.fd, b, 0)
				if err != nil {
					return // nothing more
				}
				l := from.(*unix.SockaddrLinklayer)
				if l.Pkttype != unix.PACKET_OUTGOING && size > 54 && b[14+40] == ra.TypeAdvertisement && b[14+46] == 0 && b[14+47] == 0 {
					t.Error("a restart says farewell")
				}
			}
		})
	}
}

// advertisement waits for the next Router Advertisement on c0.
func (n *net6) advertisement() *ra.Advertisement {
	n.t.Helper()
	for {
		b := n.frame()
		if len(b) < 14+40+16 || b[14+6] != 58 || b[14+40] != ra.TypeAdvertisement {
			continue
		}
		p := ra.Packet{Data: b[14+40:], From: netip.AddrFrom16([16]byte(b[14+8 : 14+24])), HopLimit: int(b[14+7])}
		a, err := p.Advertisement()
		if err != nil {
			n.t.Fatal(err)
		}
		return a
	}
}

// TestRelayedMessagesAreAnsweredInBatches: a relay brings what hundreds of guests say at once, each in its
// Relay-forward; every one has its answer, by few system calls.
func TestRelayedMessagesAreAnsweredInBatches(t *testing.T) {
	n := newNet(t)
	n.ip("link", "set", "lo", "up")
	n.ip("addr", "add", "2001:db8:f::1/128", "dev", "lo")
	n.ip("addr", "add", "2001:db8:f::2/128", "dev", "lo")
	const guests = 300
	config := strings.Replace(plain, "[server]", "[server]\nduid = 00:03:00:01:02:00:00:00:00:01\ntrusted_relays = 2001:db8:f::2", 1)
	n.serve(afar(config), reservations(guests))
	relay, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.ParseIP("2001:db8:f::2"), Port: 40000})
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Close()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(relay.SetReadBuffer(4 << 20))
	check(relay.SetReadDeadline(time.Now().Add(time.Minute))) // how the test fails
	for i := range guests {
		g := newGuest(i)
		m, err := g.solicit().Encode()
		check(err)
		b := append([]byte{byte(dhcpv6.MessageTypeRelayForward), 0}, netip.MustParseAddr("2001:db8:1::1").AsSlice()...)
		b = append(b, netip.MustParseAddr("fe80::1").AsSlice()...)
		b = append(b, 0, 135, 0, 2, 0, 0, 0, 79, 0, 8, 0, 1) // it hears on a port of its own (RFC 8357)
		b = append(b, g.mac...)
		b = binary.BigEndian.AppendUint16(append(b, 0, 9), uint16(len(m)))
		_, err = relay.WriteTo(append(b, m...), &net.UDPAddr{IP: net.ParseIP("2001:db8:f::1"), Port: 547})
		check(err)
	}
	seen := map[string]bool{}
	buf := make([]byte, 4096)
	for len(seen) < guests {
		size, err := relay.Read(buf)
		if err != nil {
			t.Fatalf("%d answers of %d: %v", len(seen), guests, err)
		}
		reply, err := dhcpv6.RelayMessageFromBytes(buf[:size])
		check(err)
		m, err := reply.GetInnerMessage()
		check(err)
		seen[m.Options.OneIANA().Options.OneAddress().IPv6Addr.String()] = true
	}
}
