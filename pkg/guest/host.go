package guest

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/client"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/wire"
)

// A host does for the client of one NIC what is beyond the network. Its methods come from the client's
// goroutine; what the agent looks at too is behind mu.
type host struct {
	ctx   context.Context // of the client's life
	a     *Agent
	n     *managedNIC // the agent's: only to be named in work for the mailbox
	l     *leaser
	index int
	opts  link.AddressOptions
	key   link.Key
	// awaited says that addresses wait for NetworkManager: the agent puts them on the NIC then.
	awaited *atomic.Bool
	name    *atomic.Pointer[string] // the NIC's, now

	packets *packetCount
	// unserved says that a Solicit or Request has gone unanswered for so long that no server seems to lease:
	// it is sent the fourth time, after about 7 s.
	unserved atomic.Bool

	mu       sync.Mutex
	held     map[netip.Addr]client.Address
	servers  map[wire.DUID]netip.Addr // where each was heard, bounded by maxServers
	said     client.Settings          // what the server says beside addresses
	lines    []string                 // of packets, while somebody traces
	tracers  int
	last     *client.Report // the latest warning since the address became usable
	reported limiter
	changes  limiter // of the lines that tell of changed addresses: a server may change them all the time
	asked    askedFor

	unsaved unsavedLease
}

// askedFor counts how often the client has sent a Solicit or Request, the same one.
type askedFor struct {
	id    dhcpv6.TransactionID
	times int
}

// patience is how often the same Solicit or Request is sent until no server seems to lease.
const patience = 4

// A packetCount counts the DHCPv6 messages of a NIC, whichever clients it had.
type packetCount struct{ sent, received atomic.Uint64 }

const (
	maxServers = 16  // of which the address is remembered
	maxPackets = 256 // lines kept for one who asked for them
)

var _ client.Host = (*host)(nil)

func newHost(ctx context.Context, n *managedNIC, l *leaser) *host {
	return &host{
		ctx: ctx, a: n.a, n: n, l: l, index: n.nic.Index, key: n.nic.Key(), awaited: &n.look.awaited, name: &n.name, packets: &n.packets,
		opts: link.AddressOptions{Optimistic: n.plan.Settings.OptimisticDAD},
		held: map[netip.Addr]client.Address{}, servers: map[wire.DUID]netip.Addr{}, changes: limiter{most: mostChanges},
	}
}

// Install puts a leased address on the NIC.
func (h *host) Install(a client.Address) error {
	h.a.world.lease(h.index, a.Addr)
	h.mu.Lock()
	old, had := h.held[a.Addr]
	h.held[a.Addr] = a
	h.mu.Unlock()
	err := h.put(h.ctx, a)
	if err != nil && !had {
		h.forget(a.Addr)
	} else if err != nil {
		h.mu.Lock()
		h.held[a.Addr] = old
		h.mu.Unlock()
	}
	h.touch()
	return err
}

// put installs the address and tells the client at once if it can be used already: of an address that
// was there before, no event comes.
func (h *host) put(ctx context.Context, a client.Address) error {
	if h.awaited.Load() {
		return nil
	}
	preferred, valid := a.Lifetimes(h.a.clock.Now())
	if err := h.a.sys.InstallAddress(ctx, h.index, a.Addr, preferred, valid, h.opts); err != nil {
		return err
	}
	there, err := h.a.sys.Addrs(ctx, h.index)
	if err != nil {
		return err
	}
	for _, x := range there {
		if x.Addr == a.Addr {
			h.l.tellDAD(x)
		}
	}
	return nil
}

// Remove takes an address off the NIC.
func (h *host) Remove(addr netip.Addr, why string) error {
	h.forget(addr) // before it goes, so that nobody puts it back
	err := h.a.sys.RemoveAddress(h.ctx, h.index, addr)
	h.changed(slog.LevelInfo, "address removed", slog.Any("address", addr), slog.String("why", why))
	h.touch()
	return err
}

// mostChanges is how many lines of one message tell in an hour of addresses that a server changes.
const mostChanges = 16

// changed logs that addresses changed, mostChanges times an hour.
func (h *host) changed(level slog.Level, message string, attrs ...slog.Attr) {
	h.mu.Lock()
	ok, silent := h.changes.allow(h.a.clock.Now(), message)
	h.mu.Unlock()
	if silent > 0 {
		attrs = append(attrs, slog.Int("more", silent))
	}
	if ok {
		h.log().LogAttrs(h.ctx, level, message, attrs...)
	}
}

// Save keeps the lease. The one-shot command does so where it can: it needs no file.
func (h *host) Save(l *client.Lease) error {
	h.onlyHeld()
	err := h.save(l)
	if err != nil && h.a.passive {
		h.log().Debug("the lease is not kept for the next start", "error", err)
		return nil
	}
	return err
}

// Forget throws the kept lease away.
func (h *host) Forget() error {
	h.onlyHeld()
	h.unsaved.Lock()
	defer h.unsaved.Unlock()
	h.unsaved.lease.Store(nil)
	return client.ForgetLease(h.a.opts.StateDir, h.key)
}

// onlyHeld forgets the addresses of an earlier life's lease: what counts is what the client has said since.
func (h *host) onlyHeld() {
	h.a.world.leasesAre(h.index, slices.Collect(maps.Keys(h.leased()))...)
}

// Configure notes what the server says beside addresses.
func (h *host) Configure(s client.Settings) error {
	h.mu.Lock()
	h.said = s
	h.mu.Unlock()
	h.touch()
	return nil
}

// Report logs, packets' reports bounded.
func (h *host) Report(r client.Report) {
	attrs := readable(r.Attrs)
	if r.Packet {
		h.mu.Lock()
		ok, silent := h.reported.allow(h.a.clock.Now(), r.Message+" "+reason(r))
		h.mu.Unlock()
		if !ok {
			return
		}
		if silent > 0 {
			attrs = append(attrs, slog.Int("more", silent))
		}
	}
	if r.Packet || r.Level < slog.LevelInfo {
		h.log().LogAttrs(h.ctx, min(r.Level, h.a.trouble()), r.Message, attrs...)
	} else {
		h.changed(min(r.Level, h.a.trouble()), r.Message, attrs...)
	}
	if r.Level >= slog.LevelWarn && !r.Packet {
		h.mu.Lock()
		h.last = &r
		h.mu.Unlock()
	}
	h.touch()
}

// readable says of timers that never fire that they do not.
func readable(attrs []slog.Attr) []slog.Attr {
	out := slices.Clone(attrs)
	for i, a := range out {
		if (a.Key == "t1" || a.Key == "t2") && a.Value.Kind() == slog.KindDuration && Lifetime(a.Value.Duration()).Infinite() {
			out[i].Value = slog.StringValue("never")
		}
	}
	return out
}

func reason(r client.Report) string {
	for _, a := range r.Attrs {
		if a.Key == "reason" {
			return a.Value.String()
		}
	}
	return ""
}

// trace counts a packet, shows it to whoever wants to see it, and notes where servers are.
func (h *host) trace(m client.TracedMessage) {
	if m.Sent {
		h.packets.sent.Add(1)
		h.asks(m.Msg)
	} else {
		h.packets.received.Add(1)
		h.server(m)
	}
	name := *h.name.Load()
	if h.a.opts.Trace != nil {
		h.a.opts.Trace(PacketLine(name, m))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.tracers > 0 && len(h.lines) < maxPackets {
		h.lines = append(h.lines, PacketLine(name, m))
	}
}

// asks notes that the client asks for a lease.
func (h *host) asks(m *wire.Message) {
	if m.Type != dhcpv6.MessageTypeSolicit && m.Type != dhcpv6.MessageTypeRequest {
		return
	}
	h.mu.Lock()
	if h.asked.id != m.TransactionID {
		h.asked = askedFor{id: m.TransactionID}
	}
	h.asked.times++
	unserved := h.asked.times >= patience
	h.mu.Unlock()
	if h.unserved.Swap(unserved) != unserved {
		h.touch()
	}
}

// server notes that a server was heard, and from where.
func (h *host) server(m client.TracedMessage) {
	if m.Msg.ServerID == "" || m.Msg.Type != dhcpv6.MessageTypeAdvertise && m.Msg.Type != dhcpv6.MessageTypeReply {
		return
	}
	h.mu.Lock()
	if _, known := h.servers[m.Msg.ServerID]; known || len(h.servers) < maxServers {
		h.servers[m.Msg.ServerID] = m.Peer.WithZone("")
	}
	h.mu.Unlock()
	if !h.l.heard.Swap(true) {
		h.touch()
	}
}

// from is where the server was heard last; the zero Addr when it was not.
func (h *host) from(server wire.DUID) netip.Addr {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.servers[server]
}

// serverAddrs are the addresses of the servers that this NIC hears, and of those that they name.
func (h *host) serverAddrs() []netip.Addr {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.AppendSeq(slices.Concat(h.said.DNS, h.said.NTP), maps.Values(h.servers))
}

// leased are the addresses that the client has put on the NIC.
func (h *host) leased() map[netip.Addr]client.Address {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.held)
}

// takeAll are the same, which the host then forgets.
func (h *host) takeAll() map[netip.Addr]client.Address {
	h.mu.Lock()
	defer h.mu.Unlock()
	held := h.held
	h.held = map[netip.Addr]client.Address{}
	h.a.world.leasesAre(h.index)
	return held
}

func (h *host) forget(addr netip.Addr) {
	h.a.world.unlease(h.index, addr)
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.held, addr)
}

// record begins or ends the keeping of packet lines, and returns what was kept until now.
func (h *host) record(begin bool) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if begin {
		h.tracers++
		return nil
	}
	lines := slices.Clone(h.lines)
	if h.tracers--; h.tracers == 0 {
		h.lines = nil
	}
	return lines
}

// touch makes the agent look at the NIC again.
func (h *host) touch() { h.a.mail.post(func() {}) }

func (h *host) log() *slog.Logger { return h.a.log.With("nic", *h.name.Load()) }
