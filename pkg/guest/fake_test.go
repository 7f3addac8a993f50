package guest

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/client"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/distro"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/ra/listener"
	"github.com/v6guest/v6guest/pkg/resolver"
	"github.com/v6guest/v6guest/pkg/sysctl"
	"github.com/v6guest/v6guest/pkg/wire"
)

// bubbleClock counts the simulated time of a synctest bubble.
type bubbleClock struct{ start time.Time }

func (c bubbleClock) Now() clock.Instant { return clock.Instant(time.Since(c.start) + time.Hour) }

func (c bubbleClock) NewTimer() (clock.Timer, error) {
	return &bubbleTimer{clock: c, c: make(chan struct{}, 1)}, nil
}

type bubbleTimer struct {
	clock bubbleClock
	c     chan struct{}
	timer *time.Timer
}

func (t *bubbleTimer) C() <-chan struct{} { return t.c }

func (t *bubbleTimer) Set(at clock.Instant) error {
	if t.timer != nil {
		t.timer.Stop()
	}
	if at == clock.Never {
		return nil
	}
	t.timer = time.AfterFunc(max(0, at.Sub(t.clock.Now())), func() {
		select {
		case t.c <- struct{}{}:
		default:
		}
	})
	return nil
}

func (t *bubbleTimer) Close() error { return t.Set(clock.Never) }

// A fakeMachine is a System without a kernel: what is done to it changes its state and is told to
// whoever watches, as the kernel does it.
type fakeMachine struct {
	stack    StackRA // of the default NIC
	inCharge distro.Finding
	unlooked bool                   // NetworkManager has yet to look at the NICs
	looks    chan error             // tells that it has, or why that is not told
	freed    map[chan struct{}]bool // who is told that a port is free
	manager  int                    // the process that has the port for all NICs; 0 for none
	ended    chan struct{}          // closed at its end
	moves    chan string
	mu       sync.Mutex
	nics     map[int]link.NIC
	addrs    map[int]map[netip.Addr]link.Addr
	routes   []link.Route
	rules    []link.Rule
	others   map[int]bool // routing tables
	names    fakeResolver
	// resolverChanged tells that another may look after DNS now.
	resolverChanged func()
	switches        map[string]map[sysctl.Switch]string
	watchers        map[chan link.Event]bool
	since           map[netip.Addr]time.Time // when an address got its lifetimes
	log             []string                 // what was done, as ip(8) would say it

	servers map[int]func(*wire.Message) *wire.Message // what answers on the NIC's link
	taken   map[int]error                             // why the client's port cannot be opened
	used    map[netip.Addr]bool                       // by neighbours
	refuses map[netip.Addr]error                      // why an address cannot be put on a NIC
	dad     time.Duration                             // of duplicate address detection
	tell    map[int]func(listener.Snapshot)
	// slowLinkLocal is how long duplicate address detection of the kernel's own link-local addresses is; 0 tells of them at once.
	slowLinkLocal time.Duration
	heard         []dhcpv6.MessageType
	solicits      int // rounds of solicitations
}

var _ System = (*fakeMachine)(nil)

func newFakeMachine(nics ...link.NIC) *fakeMachine {
	m := &fakeMachine{
		moves: make(chan string), looks: make(chan error), inCharge: distro.Finding{Stack: distro.None}, freed: map[chan struct{}]bool{},
		nics: map[int]link.NIC{}, addrs: map[int]map[netip.Addr]link.Addr{}, switches: map[string]map[sysctl.Switch]string{},
		watchers: map[chan link.Event]bool{}, servers: map[int]func(*wire.Message) *wire.Message{}, taken: map[int]error{},
		used: map[netip.Addr]bool{}, since: map[netip.Addr]time.Time{}, tell: map[int]func(listener.Snapshot){}, dad: time.Second,
	}
	for _, n := range nics {
		m.plug(n)
	}
	return m
}

// did notes something; mu is held.
func (m *fakeMachine) did(format string, args ...any) {
	m.log = append(m.log, fmt.Sprintf(format, args...))
}

// done returns what was done since the last call.
func (m *fakeMachine) done() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	log := m.log
	m.log = nil
	return log
}

// event tells the watchers; mu is held.
func (m *fakeMachine) event(ev link.Event) {
	for c := range m.watchers {
		c <- ev
	}
}

// plug adds a NIC with a link-local address.
func (m *fakeMachine) plug(n link.NIC) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n.MTU = cmp.Or(n.MTU, 1500)
	m.nics[n.Index] = n
	m.addrs[n.Index] = map[netip.Addr]link.Addr{}
	m.switches[n.Name] = newSwitches()
	m.event(link.NICChanged{NIC: n})
	if n.Up && hasMAC(n) {
		m.addLinkLocal(n)
	}
}

// newSwitches are those of a NIC that nobody has set.
func newSwitches() map[sysctl.Switch]string {
	return map[sysctl.Switch]string{
		sysctl.AcceptRA: "1", sysctl.AcceptRADefrtr: "1", sysctl.AcceptRAPinfo: "1", sysctl.Autoconf: "1", sysctl.DisableIPv6: "0",
		sysctl.OptimisticDAD: "0", sysctl.UseOptimistic: "0", sysctl.Forwarding: "0",
	}
}

func (m *fakeMachine) addLinkLocal(n link.NIC) {
	ll := link.Addr{Index: n.Index, Addr: eui64(n.MAC), Bits: 64, Permanent: true, Preferred: wire.Infinite, Valid: wire.Infinite}
	if m.slowLinkLocal > 0 { // the kernel tells of it at the end of duplicate address detection only
		ll.Tentative = true
		m.addrs[n.Index][ll.Addr] = ll
		time.AfterFunc(m.slowLinkLocal, func() { m.endDAD(ll) })
		return
	}
	m.addrs[n.Index][ll.Addr] = ll
	m.event(link.AddrChanged{Addr: ll})
}

// unplug takes a NIC out.
func (m *fakeMachine) unplug(index int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.flush(index)
	n := m.nics[index]
	delete(m.nics, index)
	delete(m.switches, n.Name)
	m.event(link.NICGone{NIC: n})
}

// flush removes the addresses and routes of a NIC; mu is held.
func (m *fakeMachine) flush(index int) {
	for _, a := range m.addrs[index] {
		m.event(link.AddrGone{Addr: a})
	}
	m.addrs[index] = map[netip.Addr]link.Addr{}
	m.routes = slices.DeleteFunc(m.routes, func(r link.Route) bool {
		if r.Index == index {
			m.event(link.RouteGone{Route: r})
		}
		return r.Index == index
	})
}

// change changes a NIC as `ip link set` does.
func (m *fakeMachine) change(index int, f func(*link.NIC)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.nics[index]
	n := before
	f(&n)
	m.nics[index] = n
	if n.Name != before.Name {
		m.switches[n.Name] = m.switches[before.Name]
		delete(m.switches, before.Name)
	}
	if before.Up && !n.Up {
		m.flush(index)
	}
	anew := before.MTU < minMTU && n.MTU >= minMTU
	if anew {
		m.switches[n.Name] = newSwitches()
	}
	m.event(link.NICChanged{NIC: n, Before: &before})
	if before.MTU >= minMTU && n.MTU < minMTU { // the switches go, but not at once
		m.flush(index)
	}
	if n.Up && (!before.Up || anew) {
		m.addLinkLocal(n)
	}
}

// addRoute adds a route as the kernel does for an advertisement, or a person.
func (m *fakeMachine) addRoute(r link.Route) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.routes = append(m.routes, r)
	m.event(link.RouteChanged{Route: r})
}

// addAddr adds an address that the agent did not make.
func (m *fakeMachine) addAddr(a link.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.addrs[a.Index][a.Addr] = a
	m.event(link.AddrChanged{Addr: a})
}

// takeAddr removes an address as `ip addr del` does.
func (m *fakeMachine) takeAddr(index int, addr string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.addrs[index][netip.MustParseAddr(addr)]
	delete(m.addrs[index], a.Addr)
	m.event(link.AddrGone{Addr: a})
}

func (m *fakeMachine) setSwitch(nic string, s sysctl.Switch, v string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.switches[nic][s] = v
}

// Watch tells what is there and then what changes.
func (m *fakeMachine) Watch(ctx context.Context) (*link.Watch, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := make(chan link.Event, 4096)
	for _, n := range m.nics {
		c <- link.NICChanged{NIC: n}
		for _, a := range m.addrs[n.Index] {
			c <- link.AddrChanged{Addr: a}
		}
	}
	for _, r := range m.routes {
		c <- link.RouteChanged{Route: r}
	}
	for _, r := range m.rules {
		c <- link.RuleChanged{Rule: r}
	}
	c <- link.Listed{}
	m.watchers[c] = true
	context.AfterFunc(ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.watchers, c)
	})
	return &link.Watch{C: c}, nil
}

// Addrs lists the addresses of a NIC.
func (m *fakeMachine) Addrs(_ context.Context, index int) ([]link.Addr, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []link.Addr
	for i, addrs := range m.addrs {
		for _, a := range addrs {
			if index != 0 && index != i {
				continue
			}
			if at, ok := m.since[a.Addr]; ok && !a.Permanent {
				a.Valid -= time.Since(at)
			}
			out = append(out, a)
		}
	}
	return out, nil
}

// NICByIndex is the NIC as it is now.
func (m *fakeMachine) NICByIndex(_ context.Context, index int) (link.NIC, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n, ok := m.nics[index]; ok {
		return n, nil
	}
	return link.NIC{}, link.ErrNoNIC
}

// Routes lists the routes through a NIC.
func (m *fakeMachine) Routes(_ context.Context, index int) ([]link.Route, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.routes), func(r link.Route) bool { return r.Index != index }), nil
}

// InstallAddress installs, and runs duplicate address detection on a new address.
func (m *fakeMachine) InstallAddress(_ context.Context, index int, addr netip.Addr, preferred, valid time.Duration, _ link.AddressOptions) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.nics[index]
	if !ok {
		return link.ErrNoNIC
	}
	if err := m.refuses[addr]; err != nil {
		return err
	}
	old, had := m.addrs[index][addr]
	m.since[addr] = time.Now()
	a := link.Addr{Index: index, Addr: addr, Bits: 128, NoPrefix: true, Preferred: preferred, Valid: valid, Deprecated: preferred == 0, Permanent: valid == wire.Infinite}
	if had {
		m.did("refresh %s on %s", addr, n.Name)
		a.Bits = old.Bits
		if a != old {
			m.addrs[index][addr] = a
			m.event(link.AddrChanged{Addr: a})
		}
		return nil
	}
	m.did("install %s on %s", addr, n.Name)
	a.Tentative = true
	m.addrs[index][addr] = a
	m.event(link.AddrChanged{Addr: a})
	time.AfterFunc(m.dad, func() { m.endDAD(a) })
	return nil
}

func (m *fakeMachine) endDAD(a link.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, still := m.addrs[a.Index][a.Addr]; !still {
		return
	}
	a.Tentative = false
	if m.used[a.Addr] {
		a.Tentative, a.DADFailed = true, true
	}
	m.addrs[a.Index][a.Addr] = a
	m.event(link.AddrChanged{Addr: a})
}

// RemoveAddress takes an address off.
func (m *fakeMachine) RemoveAddress(_ context.Context, index int, addr netip.Addr) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.addrs[index][addr]
	if ok {
		m.did("remove %s from %s", addr, m.nics[index].Name)
		delete(m.addrs[index], addr)
		m.event(link.AddrGone{Addr: a})
	}
	return nil
}

// InstallRoute installs a route.
func (m *fakeMachine) InstallRoute(_ context.Context, r link.Route) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r.Protocol, r.Table, r.Metric = link.ProtoDHCP, cmp.Or(r.Table, link.TableMain), cmp.Or(r.Metric, link.DefaultMetric)
	m.routes = slices.DeleteFunc(m.routes, func(o link.Route) bool {
		same := o.Index == r.Index && o.Dst == r.Dst && o.Gateway == r.Gateway && o.Metric == r.Metric && o.Table == r.Table
		if same {
			r.Protocol = o.Protocol // the kernel keeps the route, whoever made it
		}
		return same
	})
	what := fmt.Sprintf("route %s on %s", r.Dst, m.nics[r.Index].Name)
	if r.Table != link.TableMain {
		what = fmt.Sprintf("table %d %s", r.Table, what)
	}
	if r.Gateway.IsValid() {
		m.did("%s via %s metric %d expires %s", what, r.Gateway, r.Metric, r.Expires.Round(time.Second))
	} else {
		m.did("%s", what)
	}
	m.routes = append(m.routes, r)
	m.event(link.RouteChanged{Route: r})
	return nil
}

// RemoveRoute removes a route.
func (m *fakeMachine) RemoveRoute(_ context.Context, r link.Route) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.routes = slices.DeleteFunc(m.routes, func(o link.Route) bool {
		if o.Index != r.Index || o.Dst != r.Dst || o.Gateway != r.Gateway || cmp.Or(r.Table, link.TableMain) != o.Table || r.Protocol != 0 && r.Protocol != o.Protocol ||
			r.Metric != 0 && r.Metric != o.Metric {
			return false
		}
		m.did("no route %s on %s", r.Dst, m.nics[r.Index].Name)
		m.event(link.RouteGone{Route: o})
		return true
	})
	return nil
}

// InstallRule adds a rule.
func (m *fakeMachine) InstallRule(_ context.Context, r link.Rule) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.did("%s", r)
	m.rules = append(m.rules, r)
	m.event(link.RuleChanged{Rule: r})
	return nil
}

// RemoveRule removes a rule.
func (m *fakeMachine) RemoveRule(_ context.Context, r link.Rule) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.did("no %s", r)
	m.rules = slices.DeleteFunc(m.rules, func(o link.Rule) bool { return o == r })
	m.event(link.RuleGone{Rule: r})
	return nil
}

// TablesOfOthers is what the test says of them.
func (m *fakeMachine) TablesOfOthers(context.Context) (map[int]bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.others, nil
}

// A fakeResolver notes what it is told.
type fakeResolver struct {
	mu     sync.Mutex
	told   []string
	fail   error
	choice resolver.Choice
}

// Hand notes the links.
func (r *fakeResolver) Hand(_ context.Context, links []resolver.Link) (resolver.Choice, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	told := "nothing"
	for i, l := range links {
		if i == 0 {
			told = ""
		}
		told += fmt.Sprintf("%s %v %v;", l.NIC, l.Servers, l.Domains)
	}
	r.told = append(r.told, told)
	return r.choice, r.fail
}

// Stale says that another is to be told.
func (r *fakeResolver) Stale(last resolver.Choice) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return last != r.choice
}

// take returns what it was told since the last call.
func (r *fakeResolver) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	told := r.told
	r.told = nil
	return told
}

// Resolver is the fake one.
func (m *fakeMachine) Resolver(string, string) Resolver { return &m.names }

// ResolverChanges hands changed to the test.
func (m *fakeMachine) ResolverChanges(ctx context.Context, changed func()) error {
	m.mu.Lock()
	m.resolverChanged = changed
	m.mu.Unlock()
	<-ctx.Done()
	return nil
}

// TellsResolved says no.
func (m *fakeMachine) TellsResolved(int) bool { return false }

// RemoveRADefaultRoutes removes the default routes that advertisements made.
func (m *fakeMachine) RemoveRADefaultRoutes(ctx context.Context, index int) ([]link.Route, error) {
	m.mu.Lock()
	var gone []link.Route
	for _, r := range m.routes {
		if r.Index == index && r.Default() && r.Protocol == link.ProtoRA {
			gone = append(gone, r)
		}
	}
	m.mu.Unlock()
	for _, r := range gone {
		_ = m.RemoveRoute(ctx, r)
	}
	return gone, nil
}

// SetUp sets a NIC up.
func (m *fakeMachine) SetUp(_ context.Context, index int) error {
	m.mu.Lock()
	m.did("up %s", m.nics[index].Name)
	m.mu.Unlock()
	m.change(index, func(n *link.NIC) { n.Up, n.Carrier = true, true })
	return nil
}

// Get reads a switch.
func (m *fakeMachine) Get(nic string, s sysctl.Switch) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.switches[nic][s]
	if !ok {
		return "", &sysctl.Error{Op: "read", NIC: nic, Switch: s, Err: sysctl.ErrNoNIC}
	}
	return v, nil
}

// Written tells nothing: a goroutine that waits for the kernel would hold simulated time up.
func (m *fakeMachine) Written(context.Context) (*sysctl.Written, error) {
	return &sysctl.Written{}, nil
}

// Set sets a switch.
func (m *fakeMachine) Set(nic string, s sysctl.Setting) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch old, ok := m.switches[nic][s.Switch]; {
	case !ok:
		return &sysctl.Error{Op: "set", NIC: nic, Switch: s.Switch, Value: s.Value, Err: sysctl.ErrNoNIC}
	case old == s.Value:
		return nil
	}
	m.did("%s.%s=%s", nic, s.Switch, s.Value)
	m.switches[nic][s.Switch] = s.Value
	return nil
}

// DHCP opens the client's end of a link on which the NIC's server answers.
func (m *fakeMachine) DHCP(_ context.Context, nic link.NIC, beside bool) (client.Conn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if beside {
		m.did("beside another on %s", nic.Name)
	}
	if err := m.taken[nic.Index]; err != nil {
		return nil, err
	}
	return &fakeConn{m: m, index: nic.Index, in: make(chan []byte, 64), closed: make(chan struct{})}, nil
}

// PortFreed tells when free is called.
func (m *fakeMachine) PortFreed(ctx context.Context) (<-chan struct{}, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := make(chan struct{}, 1)
	m.freed[c] = true
	context.AfterFunc(ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.freed, c)
		close(c)
	})
	return c, nil
}

// free takes the other client off the NIC's port.
func (m *fakeMachine) free(index int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.taken, index)
	for c := range m.freed {
		c <- struct{}{}
	}
}

// InCharge is what the test says of the stack in charge.
func (m *fakeMachine) InCharge(link.NIC) distro.Finding {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.inCharge
}

// Place is a machine of its own.
func (m *fakeMachine) Place() Place { return Place{} }

// SharesPort is what the test says.
func (m *fakeMachine) SharesPort(link.NIC) (pid int, shares bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.manager, m.manager != 0
}

// Ended tells when managerEnds is called.
func (m *fakeMachine) Ended(ctx context.Context, _ int) (<-chan struct{}, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = make(chan struct{})
	context.AfterFunc(ctx, m.managerEnds)
	return m.ended, nil
}

// managerEnds ends the program that has the port for all NICs.
func (m *fakeMachine) managerEnds() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.manager = 0; m.ended != nil {
		close(m.ended)
		m.ended = nil
	}
}

// AwaitsLook is what the test says of NetworkManager.
func (m *fakeMachine) AwaitsLook(nic link.NIC) bool { return !m.Looked(nic.Index) }

// Looked is likewise.
func (m *fakeMachine) Looked(int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.unlooked
}

// Looks tells what look has been told.
func (m *fakeMachine) Looks(ctx context.Context, looked func()) error {
	looked()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-m.looks:
			if err != nil {
				return err
			}
			looked()
		}
	}
}

// look has NetworkManager look at the NICs.
func (m *fakeMachine) look() {
	m.mu.Lock()
	m.unlooked = false
	m.mu.Unlock()
}

// StackRA is what the test says of the stack.
func (m *fakeMachine) StackRA(link.NIC, LeaseMode) StackRA {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stack
}

// Moves is where the test says that the machine moved.
func (m *fakeMachine) Moves(context.Context) (Moves, error) { return m.moves, nil }

// Routers hands the teller to the test.
func (m *fakeMachine) Routers(nic link.NIC, _ clock.Clock, h listener.Host, _ func(netip.Addr) bool, _ func(ra.TracedPacket)) (Hearer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tell[nic.Index] = h.Changed
	return &fakeHearer{m: m}, nil
}

type fakeHearer struct{ m *fakeMachine }

func (h *fakeHearer) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (h *fakeHearer) Notify(ev listener.Event) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	switch ev.(type) {
	case listener.LinkUp, listener.SolicitNow:
		h.m.solicits++
	}
}

type fakeConn struct {
	m      *fakeMachine
	index  int
	in     chan []byte
	closed chan struct{}
	once   sync.Once
}

var serverAddr = netip.MustParseAddr("fe80::53")

func (c *fakeConn) Read(b []byte) (client.Datagram, error) {
	select {
	case p := <-c.in:
		return client.Datagram{Len: copy(b, p), From: serverAddr}, nil
	case <-c.closed:
		return client.Datagram{}, net.ErrClosed
	}
}

func (c *fakeConn) Write(b []byte, _ netip.Addr) error {
	msg, err := wire.Decode(b)
	if err != nil {
		return err
	}
	c.m.mu.Lock()
	server := c.m.servers[c.index]
	c.m.heard = append(c.m.heard, msg.Type)
	c.m.mu.Unlock()
	if server == nil {
		return nil
	}
	if reply := server(msg); reply != nil {
		out, err := reply.Encode()
		if err != nil {
			return err
		}
		c.in <- out
	}
	return nil
}

func (c *fakeConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

// reserves is a server that has one address for whoever asks, and Rapid Commit.
func reserves(addr string, life time.Duration) func(*wire.Message) *wire.Message {
	return func(m *wire.Message) *wire.Message {
		r := &wire.Message{
			Type: dhcpv6.MessageTypeReply, TransactionID: m.TransactionID, ClientID: m.ClientID,
			ServerID: wire.LinkLayerDUID(mac("02:00:00:00:00:53")), Preference: 255,
		}
		switch m.Type {
		case dhcpv6.MessageTypeSolicit:
			if r.RapidCommit = m.RapidCommit; !m.RapidCommit {
				r.Type = dhcpv6.MessageTypeAdvertise
			}
		case dhcpv6.MessageTypeConfirm, dhcpv6.MessageTypeRelease, dhcpv6.MessageTypeDecline:
			r.Status = &wire.Status{}
			return r
		}
		for _, ia := range m.IANAs {
			r.IANAs = append(r.IANAs, wire.IANA{ID: ia.ID, Addresses: []wire.Address{{Addr: netip.MustParseAddr(addr), Preferred: life, Valid: life}}})
		}
		return r
	}
}

// A stage is an agent on a fake machine in simulated time.
type stage struct {
	*testing.T
	m     *fakeMachine
	a     *Agent
	state string
	stop  func()
	out   *strings.Builder
	why   error // the cause of the stop; nil for an ordinary one
}

// play runs f with an agent in a bubble of simulated time.
func play(t *testing.T, config string, m func() *fakeMachine, f func(s *stage)) {
	t.Helper()
	state := t.TempDir()
	cfg := parse(t, config)
	synctest.Test(t, func(t *testing.T) {
		s := &stage{T: t, m: m(), state: state}
		s.start(cfg)
		defer func() { s.stop() }()
		f(s)
	})
}

// start starts an agent; the former one must be stopped.
func (s *stage) start(cfg *Config) {
	s.Helper()
	s.out = new(strings.Builder)
	a, err := NewAgent(Options{
		Config: cfg, System: s.m, Clock: bubbleClock{time.Now()}, StateDir: s.state, RunDir: s.state, Version: "test",
		Log: slog.New(slog.NewTextHandler(s.out, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		s.Fatal(err)
	}
	s.a = a
	ctx, cancel := context.WithCancelCause(s.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.loop(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel(s.why)
		if err := <-ended; err != nil {
			s.Errorf("the agent ended: %v", err)
		}
		if s.Failed() {
			s.Logf("log:\n%s", s.out)
		}
	})
	synctest.Wait()
}

// wait lets the time go by and everything that it brings.
func (s *stage) wait(d time.Duration) {
	s.Helper()
	<-time.After(d)
	synctest.Wait()
}

// status is that of the NIC.
func (s *stage) status(nic string) NICStatus {
	s.Helper()
	st, err := s.a.Status(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	for _, n := range st.NICs {
		if n.Name == nic {
			return n
		}
	}
	s.Fatalf("no status of %s: %+v", nic, st)
	return NICStatus{}
}

// wantState demands the state of a NIC.
func (s *stage) wantState(nic, state string) {
	s.Helper()
	if got := s.status(nic); got.State != state {
		s.Errorf("%s: state %q, want %q (problem %q)", nic, got.State, state, got.Problem)
	}
}

// wantDid demands that something was done, among other things.
func (s *stage) wantDid(log []string, want ...string) {
	s.Helper()
	for _, w := range want {
		if !slices.Contains(log, w) {
			s.Errorf("not done: %s\ndone:\n%s", w, strings.Join(log, "\n"))
		}
	}
}

// wantNot demands that nothing was done that holds the word.
func (s *stage) wantNot(log []string, word string) {
	s.Helper()
	for _, l := range log {
		if strings.Contains(l, word) {
			s.Errorf("done: %s", l)
		}
	}
}
