package ra_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/ra/listener"
	"github.com/v6guest/v6guest/pkg/ra/sender"
)

// patience bounds a wait for an event that must come.
const patience = 20 * time.Second

var (
	guestMAC  = net.HardwareAddr{0x06, 0xa0, 0xf0, 0, 0, 0x38}
	routerMAC = net.HardwareAddr{0x06, 0xa0, 0xf0, 0, 0, 0x01}
	guestLL   = netip.MustParseAddr("fe80::4a0:f0ff:fe00:38")
	routerLL  = netip.MustParseAddr("fe80::4a0:f0ff:fe00:1")
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A namespace is a fresh network namespace.
type namespace struct {
	t  *testing.T
	ns netns.NsHandle
	h  *netlink.Handle
}

func newNamespace(t *testing.T) *namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes network namespaces")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	check(t, err)
	defer home.Close()
	ns, err := netns.New()
	check(t, err)
	check(t, netns.Set(home))
	t.Cleanup(func() { ns.Close() })
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	check(t, err)
	t.Cleanup(h.Close)
	n := &namespace{t: t, ns: ns, h: h}
	n.sysctl("ipv6/conf/default/accept_dad", "0") // link-local addresses are there at once
	n.sysctl("ipv6/conf/default/router_solicitations", "0")
	return n
}

// in runs do on a thread that is in the namespace.
func (n *namespace) in(do func()) {
	n.t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	check(n.t, err)
	defer home.Close()
	check(n.t, netns.Set(n.ns))
	defer func() { check(n.t, netns.Set(home)) }()
	do()
}

func (n *namespace) sysctl(path, value string) {
	n.t.Helper()
	n.in(func() { check(n.t, os.WriteFile(filepath.Join("/proc/sys/net", path), []byte(value), 0)) })
}

// read reads a file of /proc/net as this namespace has it.
func (n *namespace) read(file string) (text string) {
	n.t.Helper()
	n.in(func() {
		b, err := os.ReadFile(filepath.Join("/proc/thread-self/net", file))
		check(n.t, err)
		text = string(b)
	})
	return text
}

func (n *namespace) link(name string) netlink.Link {
	n.t.Helper()
	l, err := n.h.LinkByName(name)
	check(n.t, err)
	return l
}

func (n *namespace) index(name string) int { return n.link(name).Attrs().Index }

// open opens a socket on a NIC of the namespace.
func (n *namespace) open(nic string, role ra.Role) *ra.Socket {
	n.t.Helper()
	index := n.index(nic)
	var s *ra.Socket
	n.in(func() {
		var err error
		s, err = ra.Open(nic, index, role)
		check(n.t, err)
	})
	n.t.Cleanup(func() { s.Close() })
	return s
}

// A pair is a guest with NIC eth0 and, at the other end of its wire, a router with NIC r0.
type pair struct{ guest, router *namespace }

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{guest: newNamespace(t), router: newNamespace(t)}
	p.connect("eth0", "r0", guestMAC, routerMAC)
	p.up("eth0", "r0")
	return p
}

func (p *pair) connect(guest, router string, guestMAC, routerMAC net.HardwareAddr) {
	t := p.guest.t
	t.Helper()
	check(t, p.guest.h.LinkAdd(&netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: guest, HardwareAddr: guestMAC},
		PeerName:  router, PeerHardwareAddr: routerMAC, PeerNamespace: netlink.NsFd(p.router.ns),
	}))
}

func (p *pair) up(guest, router string) {
	t := p.guest.t
	t.Helper()
	check(t, p.router.h.LinkSetUp(p.router.link(router)))
	check(t, p.guest.h.LinkSetUp(p.guest.link(guest)))
	await(t, "link-local addresses", p.router, func() bool { return p.router.linkLocal(router) })
	await(t, "link-local addresses", p.guest, func() bool { return p.guest.linkLocal(guest) })
}

// linkLocal says whether the NIC has a link-local address that can be used.
func (n *namespace) linkLocal(nic string) bool {
	addrs, err := n.h.AddrList(n.link(nic), unix.AF_INET6)
	check(n.t, err)
	for _, a := range addrs {
		if a.IP.IsLinkLocalUnicast() && a.Flags&unix.IFA_F_TENTATIVE == 0 {
			return true
		}
	}
	return false
}

// await waits until is holds, looking again at each change of addresses and routes in the namespace.
func await(t *testing.T, what string, n *namespace, is func() bool) {
	t.Helper()
	done := make(chan struct{})
	defer close(done)
	routes, addrs := make(chan netlink.RouteUpdate, 1024), make(chan netlink.AddrUpdate, 1024)
	check(t, netlink.RouteSubscribeAt(n.ns, routes, done))
	check(t, netlink.AddrSubscribeAt(n.ns, addrs, done))
	for deadline := time.After(patience); !is(); {
		select {
		case <-routes:
		case <-addrs:
		case <-deadline:
			t.Fatalf("no %s", what)
		}
	}
}

// routesOf are the IPv6 routes of the main table through a NIC, link-local ones left out, as text. The
// kernel writes of those that it makes from advertisements only the default route as such.
func (n *namespace) routesOf(nic string) (out []string) {
	n.t.Helper()
	routes, err := n.h.RouteListFiltered(unix.AF_INET6, &netlink.Route{LinkIndex: n.index(nic)}, netlink.RT_FILTER_OIF)
	check(n.t, err)
	for _, r := range routes {
		if !r.Dst.IP.IsLinkLocalUnicast() && !r.Dst.IP.IsMulticast() {
			out = append(out, strings.TrimSuffix(fmt.Sprintf("%s via %s", r.Dst, r.Gw), " via <nil>"))
		}
	}
	return out
}

// hears starts a listener on a NIC.
func (n *namespace) hears(nic string) *ears {
	n.t.Helper()
	e, err := listener.New(listener.Config{Rand: rand.New(rand.NewPCG(1, 1)), MAC: guestMAC})
	check(n.t, err)
	h := &ears{t: n.t, told: make(chan listener.Snapshot, 64), heard: make(chan ra.TracedPacket, 256), ended: make(chan error, 1)}
	h.Runner, err = listener.NewRunner(listener.RunnerConfig{
		Engine: e, Conn: n.open(nic, ra.Guest), Clock: clock.Boottime{}, Host: h, Trace: h.trace,
	})
	check(n.t, err)
	go func() { h.ended <- h.Run(n.t.Context()) }()
	return h
}

// ears are a listener's host.
type ears struct {
	*listener.Runner
	t     *testing.T
	told  chan listener.Snapshot
	heard chan ra.TracedPacket
	ended chan error
}

func (h *ears) Changed(s listener.Snapshot) { h.told <- s }

func (h *ears) Report(r listener.Report) { h.t.Log("listener:", r.Message, r.Attrs) }

func (h *ears) trace(p ra.TracedPacket) { h.heard <- keep(p) }

// await waits for a snapshot.
func (h *ears) await(what string, is func(listener.Snapshot) bool) listener.Snapshot {
	h.t.Helper()
	for deadline := time.After(patience); ; {
		select {
		case s := <-h.told:
			if is(s) {
				return s
			}
		case <-deadline:
			h.t.Fatalf("the listener does not tell of %s", what)
		}
	}
}

// keep copies what is valid during a call only.
func keep(p ra.TracedPacket) ra.TracedPacket {
	p.Packet.Data = append([]byte(nil), p.Packet.Data...)
	return p
}

// sends starts a sender on a NIC.
func (n *namespace) sends(nic string, cfg sender.Config) *voice {
	n.t.Helper()
	e, err := sender.New(sender.EngineConfig{Config: cfg, Rand: rand.New(rand.NewPCG(1, 1)), MAC: n.link(nic).Attrs().HardwareAddr, Forwarding: true})
	check(n.t, err)
	v := &voice{t: n.t, trace: make(chan ra.TracedPacket, 256), reports: make(chan sender.Report, 64), ended: make(chan error, 1)}
	v.Runner, err = sender.NewRunner(sender.RunnerConfig{
		Engine: e, Conn: n.open(nic, ra.Router), Clock: clock.Boottime{}, Host: v, Trace: func(p ra.TracedPacket) { v.trace <- keep(p) },
	})
	check(n.t, err)
	go func() { v.ended <- v.Run(n.t.Context()) }()
	return v
}

// voice is a sender's host.
type voice struct {
	*sender.Runner
	t       *testing.T
	trace   chan ra.TracedPacket
	reports chan sender.Report
	ended   chan error
}

func (v *voice) Report(r sender.Report) { v.t.Log("sender:", r.Message, r.Attrs); v.reports <- r }

// sent waits for the next advertisement that leaves.
func (v *voice) sent() ra.TracedPacket {
	v.t.Helper()
	for deadline := time.After(patience); ; {
		select {
		case p := <-v.trace:
			if p.Sent {
				return p
			}
		case <-deadline:
			v.t.Fatal("no advertisement leaves")
		}
	}
}

// crafter puts whatever frames onto the wire.
type crafter struct {
	t   *testing.T
	fd  int
	sll *unix.SockaddrLinklayer
}

func (n *namespace) crafts(nic string) *crafter {
	n.t.Helper()
	index := n.index(nic)
	c := &crafter{t: n.t, sll: &unix.SockaddrLinklayer{Ifindex: index, Protocol: 0xdd86}}
	n.in(func() {
		var err error
		c.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		check(n.t, err)
	})
	n.t.Cleanup(func() { unix.Close(c.fd) })
	return c
}

// A datagram is an ICMPv6 message with what may be wrong about it.
type datagram struct {
	src, dst   netip.Addr
	hopLimit   byte
	message    []byte
	badSum     bool
	fragmented bool // an atomic fragment
}

func (c *crafter) send(d datagram) {
	c.t.Helper()
	message := append([]byte(nil), d.message...)
	binary.BigEndian.PutUint16(message[2:], 0)
	sum := checksum(d.src, d.dst, message)
	if d.badSum {
		sum ^= 0xffff
	}
	binary.BigEndian.PutUint16(message[2:], sum)
	next := byte(unix.IPPROTO_ICMPV6)
	if d.fragmented {
		message = append([]byte{next, 0, 0, 0, 0, 0, 0, 1}, message...)
		next = unix.IPPROTO_FRAGMENT
	}
	frame := append([]byte{0x33, 0x33, 0, 0, 0, 1}, routerMAC...)
	frame = append(frame, 0x86, 0xdd, 0x60, 0, 0, 0, byte(len(message)>>8), byte(len(message)), next, d.hopLimit)
	frame = append(frame, d.src.AsSlice()...)
	frame = append(frame, d.dst.AsSlice()...)
	check(c.t, unix.Sendto(c.fd, append(frame, message...), 0, c.sll))
}

// checksum is that of RFC 4443, section 2.3.
func checksum(src, dst netip.Addr, message []byte) uint16 {
	b := append(src.AsSlice(), dst.AsSlice()...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(message)))
	b = append(b, 0, 0, 0, unix.IPPROTO_ICMPV6)
	b = append(append(b, message...), make([]byte, len(message)&1)...)
	var sum uint32
	for ; len(b) > 0; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
