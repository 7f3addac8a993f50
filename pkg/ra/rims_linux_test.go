package ra_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/ra/listener"
	"github.com/v6guest/v6guest/pkg/ra/sender"
)

// cloudNetwork is what v6responder advertises unless told otherwise.
func cloudNetwork() sender.Config {
	cfg := sender.DefaultConfig()
	cfg.Managed, cfg.Other = true, true
	cfg.Prefixes = []ra.Prefix{{Prefix: netip.MustParsePrefix("2001:db8:1::/64"), OnLink: true, Preferred: 4 * time.Hour, Valid: 24 * time.Hour}}
	return cfg
}

func (v *voice) up() { v.Notify(sender.LinkUp{LinkLocal: routerLL, MTU: 1500}) }

// TestKernelTakesAdvertisements: a kernel with accept_ra=1 takes the prefix, and the router where it has
// a lifetime (R-6.2.3-04); a real stop removes the route, a restart does not (decision 14 of the design).
func TestKernelTakesAdvertisements(t *testing.T) {
	t.Parallel()
	const prefix, route = "2001:db8:1::/64", "::/0 via fe80::4a0:f0ff:fe00:1"
	for _, tt := range []struct {
		name     string
		lifetime time.Duration
		final    bool
		want     []string // routes
		after    []string // routes after the stop
	}{
		{"R-6.2.3-04 no default router", 0, true, []string{prefix}, []string{prefix}},
		{"R-6.2.5-01 a real stop", 30 * time.Minute, true, []string{route, prefix}, []string{prefix}},
		{"R-6.2.5-06 a restart", 30 * time.Minute, false, []string{route, prefix}, []string{route, prefix}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			p.guest.sysctl("ipv6/conf/eth0/accept_ra", "1")
			cfg := cloudNetwork()
			cfg.RouterLifetime = tt.lifetime
			v := p.router.sends("r0", cfg)
			v.up()
			routes := func(want []string) func() bool {
				slices.Sort(want)
				return func() bool {
					got := p.guest.routesOf("eth0")
					slices.Sort(got)
					return slices.Equal(want, got)
				}
			}
			await(t, "routes "+strings.Join(tt.want, ", "), p.guest, routes(tt.want))
			v.Notify(sender.Stop{Final: tt.final})
			if err := <-v.ended; err != nil {
				t.Fatal(err)
			}
			await(t, "routes "+strings.Join(tt.after, ", "), p.guest, routes(tt.after))
			if addrs, err := p.guest.h.AddrList(p.guest.link("eth0"), unix.AF_INET6); err != nil || len(addrs) != 1 {
				t.Errorf("A 0 made an address: %v, %v", addrs, err)
			}
			if _, err := v.Snapshot(t.Context()); !errors.Is(err, sender.ErrStopped) {
				t.Errorf("snapshot after the end: %v", err)
			}
		})
	}
}

// TestKernelSolicits: the kernel's own solicitation is answered (R-6.2.6-01).
func TestKernelSolicits(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	v := p.router.sends("r0", cloudNetwork())
	v.up()
	first := v.sent() // nobody has asked for that one
	p.connect("eth1", "r1", nil, nil)
	p.guest.sysctl("ipv6/conf/eth0/accept_ra", "1")
	p.guest.sysctl("ipv6/conf/eth0/router_solicitations", "1")
	p.guest.sysctl("ipv6/conf/eth0/router_solicitation_delay", "0")
	check(t, p.guest.h.LinkSetDown(p.guest.link("eth0")))
	check(t, p.guest.h.LinkSetUp(p.guest.link("eth0")))
	await(t, "on-link prefix", p.guest, func() bool {
		return slices.Equal(p.guest.routesOf("eth0"), []string{"2001:db8:1::/64"})
	})
	second := v.sent()
	if gap := second.At.Sub(first.At); gap < 3*time.Second || gap > 4*time.Second || second.To != ra.AllNodes {
		t.Errorf("answered %s after the first one, to %s", gap, second.To)
	}
	s, err := v.Snapshot(t.Context())
	if err != nil || s.Solicitations == 0 || s.Multicast != 2 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestListenerHearsSender: from the first solicitation to the router's end.
func TestListenerHearsSender(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	h := p.guest.hears("eth0")
	h.Notify(listener.LinkUp{LinkLocal: guestLL, NoDelay: true})
	solicitation := <-h.heard
	if !solicitation.Sent || solicitation.Packet.String() != "router solicitation, mac 06:a0:f0:00:00:38" {
		t.Fatalf("first: %+v", solicitation)
	}
	cfg := cloudNetwork()
	cfg.RouterLifetime = 30 * time.Minute
	cfg.RDNSS = []ra.RDNSS{{Servers: []netip.Addr{netip.MustParseAddr("2001:db8:1::53")}}}
	cfg.DNSSL = []ra.DNSSL{{Domains: []string{"lab.example"}}}
	v := p.router.sends("r0", cfg)
	v.up()
	s := h.await("the router", func(s listener.Snapshot) bool { return s.Heard })
	if !s.Managed || !s.Other || len(s.Routers) != 1 || len(s.Prefixes) != 1 || len(s.DNS) != 1 || len(s.Search) != 1 {
		t.Fatalf("%+v", s)
	}
	if r := s.Routers[0]; r.Addr != routerLL || r.MAC.String() != routerMAC.String() || !r.Default {
		t.Errorf("router %+v", r)
	}
	if left := s.Prefixes[0].OnLinkUntil.Sub(s.Routers[0].Heard); left != 24*time.Hour {
		t.Errorf("on-link for %s", left)
	}
	p.guest.sysctl("ipv6/conf/eth0/accept_ra", "0") // what the kernel does is none of the listener's business
	changed := cfg
	changed.Prefixes = nil
	v.Notify(sender.Reconfigure{Config: changed})
	h.await("the prefix that is withdrawn", func(s listener.Snapshot) bool {
		return len(s.Prefixes) == 1 && s.Prefixes[0].OnLinkUntil.Sub(s.Routers[0].Heard) <= 2*time.Hour
	})
	v.Notify(sender.Stop{Final: true})
	h.await("the router's end", func(s listener.Snapshot) bool { return !s.Routers[0].Default })
	if err := <-v.ended; err != nil {
		t.Error(err)
	}
	if now, err := h.Snapshot(t.Context()); err != nil || now.Advertisements < 3 {
		t.Errorf("%+v, %v", now, err)
	}
}

// TestSocketHandsOver: what reaches the engine, and what the kernel or the socket keeps out. The last
// packet is good: when it has come, no other is on its way.
func TestSocketHandsOver(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	conn, c := p.guest.open("eth0", ra.Guest), p.router.crafts("r0")
	a := func(lifetime time.Duration) []byte {
		packets, err := (&ra.Advertisement{RouterLifetime: lifetime}).Marshal(1500)
		check(t, err)
		return packets[0]
	}
	good := datagram{src: routerLL, dst: ra.AllNodes, hopLimit: 255, message: a(time.Minute)}
	with := func(edit func(d *datagram)) datagram { d := good; edit(&d); return d }
	for _, d := range []datagram{
		with(func(d *datagram) { d.badSum = true }),                                                     // R-6.1.1-02, H-6.1.2-03
		with(func(d *datagram) { d.hopLimit = 254 }),                                                    // H-6.1.2-02
		with(func(d *datagram) { d.fragmented = true }),                                                 // H-6980-01
		with(func(d *datagram) { d.src = netip.MustParseAddr("2001:db8::1") }),                          // H-6.1.2-01
		with(func(d *datagram) { d.message = (&ra.Solicitation{}).Marshal() }),                          // filtered
		with(func(d *datagram) { d.message = append([]byte{136}, make([]byte, 23)...) }),                // filtered
		with(func(d *datagram) { d.dst = guestLL; d.message = a(2 * time.Minute) }),                     // unicast
		with(func(d *datagram) { d.message = append(a(3*time.Minute), 200, 0, 0, 0, 0, 0, 0, 0) }),      // H-4.6-01
		with(func(d *datagram) { d.message = append([]byte{134, 1, 0, 0}, a(3 * time.Minute)[4:]...) }), // H-6.1.2-04
		with(func(d *datagram) { d.message = a(9 * time.Minute) }),
	} {
		c.send(d)
	}
	var got []string
	for b := make([]byte, ra.MaxPacket); len(got) == 0 || got[len(got)-1] != "router advertisement, lifetime 9m0s"; {
		packet, err := conn.Read(b)
		check(t, err)
		got = append(got, packet.String())
	}
	want := []string{
		"router advertisement, dropped: hop limit is not 255",
		"router advertisement, dropped: fragmented",
		"router advertisement, dropped: source address is not link-local",
		"router advertisement, lifetime 2m0s",
		"router advertisement, dropped: option of length 0",
		"router advertisement, dropped: code is not 0",
		"router advertisement, lifetime 9m0s",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSocketBelongsToOneNIC: another NIC's advertisements are not heard.
func TestSocketBelongsToOneNIC(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.connect("eth1", "r1", nil, nil)
	p.up("eth1", "r1")
	conn := p.guest.open("eth0", ra.Guest)
	message := func(lifetime time.Duration) datagram {
		packets, err := (&ra.Advertisement{RouterLifetime: lifetime}).Marshal(1500)
		check(t, err)
		return datagram{src: routerLL, dst: ra.AllNodes, hopLimit: 255, message: packets[0]}
	}
	p.router.crafts("r1").send(message(time.Minute))
	p.router.crafts("r0").send(message(time.Hour))
	packet, err := conn.Read(make([]byte, ra.MaxPacket))
	check(t, err)
	if got := packet.String(); got != "router advertisement, lifetime 1h0m0s" {
		t.Error(got)
	}
}

// TestSocketSends: R-4.2-01, R-4.2-02, H-4.1-03 as the other side gets it, from one address of several,
// and nothing comes back to the sender itself.
func TestSocketSends(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	second := netip.MustParseAddr("fe80::5")
	check(t, p.router.h.AddrAdd(p.router.link("r0"), &netlink.Addr{IPNet: netlink.NewIPNet(second.AsSlice()), Flags: unix.IFA_F_NODAD}))
	router, other, guest := p.router.open("r0", ra.Router), p.router.open("r0", ra.Router), p.guest.open("eth0", ra.Guest)
	message, err := (&ra.Advertisement{Managed: true}).Marshal(1500)
	check(t, err)
	b := make([]byte, ra.MaxPacket)
	for _, from := range []netip.Addr{routerLL, second} {
		check(t, router.Write(message[0], from, ra.AllNodes))
		packet, err := guest.Read(b)
		check(t, err)
		if packet.From != from || packet.HopLimit != 255 || packet.String() != "router advertisement, M, lifetime 0s" {
			t.Errorf("from %s, hop limit %d: %s", packet.From, packet.HopLimit, packet)
		}
	}
	check(t, guest.Write((&ra.Solicitation{SourceLinkLayer: guestMAC}).Marshal(), guestLL, ra.AllRouters))
	for _, conn := range []*ra.Socket{router, other} { // our own advertisements would have come first
		packet, err := conn.Read(b)
		check(t, err)
		if packet.From != guestLL || packet.HopLimit != 255 || packet.String() != "router solicitation, mac 06:a0:f0:00:00:38" {
			t.Errorf("from %s, hop limit %d: %s", packet.From, packet.HopLimit, packet)
		}
	}
	if err := router.Write(message[0], netip.MustParseAddr("fe80::666"), ra.AllNodes); !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EADDRNOTAVAIL) {
		t.Errorf("from an address that is not there: %v", err)
	}
	if err := router.Write(make([]byte, 1500), routerLL, ra.AllNodes); !errors.Is(err, unix.EMSGSIZE) { // R-6980-01
		t.Errorf("longer than the MTU: %v", err)
	}
}

// TestSocketJoinsAllRouters: R-6.2.2-02, R-6.2.5-03.
func TestSocketJoinsAllRouters(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	joined := func() bool {
		for line := range strings.Lines(p.router.read("igmp6")) {
			if f := strings.Fields(line); len(f) > 2 && f[1] == "r0" && f[2] == "ff020000000000000000000000000002" {
				return true
			}
		}
		return false
	}
	if joined() {
		t.Fatal("joined before")
	}
	s := p.router.open("r0", ra.Router)
	if !joined() {
		t.Error("not joined")
	}
	check(t, s.Close())
	if joined() {
		t.Error("not left")
	}
	if _, err := s.Read(make([]byte, ra.MaxPacket)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("read after Close: %v", err)
	}
	if err := s.Write(make([]byte, 8), routerLL, ra.AllNodes); !errors.Is(err, os.ErrClosed) {
		t.Errorf("write after Close: %v", err)
	}
}

// TestOpenFails: what is said when there is no such NIC, or no permission.
func TestOpenFails(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	n.in(func() {
		if _, err := ra.Open("eth7", 4711, ra.Router); !errors.Is(err, unix.ENODEV) || !strings.Contains(err.Error(), "eth7") {
			t.Errorf("no such NIC: %v", err)
		}
	})
}

// TestLinkGoesDownAndUp: a listener and a sender live through it; sending into the void is reported
// once (R-6.2.2-03).
func TestLinkGoesDownAndUp(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	h, v := p.guest.hears("eth0"), p.router.sends("r0", cloudNetwork())
	h.Notify(listener.LinkUp{LinkLocal: guestLL, NoDelay: true})
	v.up()
	h.await("the router", func(s listener.Snapshot) bool { return s.Heard })
	for _, n := range []struct {
		*namespace
		nic string
	}{{p.router, "r0"}, {p.guest, "eth0"}} {
		check(t, n.h.LinkSetDown(n.link(n.nic)))
	}
	h.Notify(listener.LinkDown{})
	h.await("the lost link", func(s listener.Snapshot) bool { return !s.Heard && len(s.Routers) == 1 })
	v.Notify(sender.Reconfigure{Config: sender.DefaultConfig()}) // the sender was not told yet
	if r := <-v.reports; r.Message != "cannot send advertisements" {
		t.Errorf("report %q", r.Message)
	}
	v.Notify(sender.LinkDown{})
	p.up("eth0", "r0")
	v.up()
	if r := <-v.reports; r.Message != "advertisements are sent again" {
		t.Errorf("report %q", r.Message)
	}
	h.Notify(listener.LinkUp{LinkLocal: guestLL, NoDelay: true})
	h.await("the router", func(s listener.Snapshot) bool { return s.Heard && !s.Managed })
}

// TestNICIsGone: both live until they are told to end.
func TestNICIsGone(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	h := p.guest.hears("eth0")
	h.Notify(listener.LinkUp{LinkLocal: guestLL, NoDelay: true})
	check(t, p.guest.h.LinkDel(p.guest.link("eth0")))
	h.Notify(listener.SolicitNow{})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := h.Snapshot(ctx); err != nil {
		t.Error(err)
	}
}
