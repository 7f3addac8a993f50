package responder

import (
	"errors"
	"log/slog"
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/responder/hosts"
	"github.com/v6guest/v6guest/pkg/responder/pool"
	"github.com/v6guest/v6guest/pkg/wire"
)

// Ports of DHCPv6 (RFC 9915, section 7.2).
const (
	clientPort = 546
	serverPort = 547
)

// An EngineConfig is what an Engine needs to know; ConfigChanged brings another one.
type EngineConfig struct {
	// ServerID is the server's DUID, the same on all networks (RFC 9915, section 4.2).
	ServerID wire.DUID
	Networks []Network

	Identity Identity // "" stands for IdentityDUID
	// AnyFrame takes a DUID-LL for true whatever MAC the frame came from: for links on which a bridge
	// rewrites MACs. A guest can then take the address of any other.
	AnyFrame bool
	// TrustedRelays are the addresses of relay agents whose word about a client's MAC (RFC 6939) counts.
	TrustedRelays []netip.Addr

	// NoRapidCommit answers every Solicit by an Advertise.
	NoRapidCommit bool
	// Preference is sent in every Advertise (RFC 9915, section 21.8): clients take the highest, and
	// 255 at once.
	Preference uint8
}

// An Engine is the DHCPv6 server. It is pure: no goroutine, no socket, no clock. It is not for use by
// several goroutines at once.
type Engine struct {
	cfg   EngineConfig
	hosts hosts.Reservations
	self  map[netip.Addr]bool // this machine's addresses
	links links

	bindings *pool.Table
	commits  commits

	holds  holds
	limits map[limitedLink]*limiter
	count  counts
	others otherServers

	refusals refusals

	now   clock.Instant
	out   []Action
	sends []Send          // those of out
	work  exchange        // of the Step under way
	spare []*wire.Message // of answers that are sent
}

// NewEngine returns an engine that serves the given networks, without any hosts or bindings yet. The
// configuration must be a valid one: a DUID, and at most one network an interface.
func NewEngine(cfg EngineConfig) *Engine {
	e := &Engine{
		hosts: hosts.Reservations{Added: hosts.NewSet()},
		self:  map[netip.Addr]bool{}, bindings: pool.New(), commits: newCommits(), count: counts{other: map[string]uint64{}},
		holds: holds{until: map[netip.Addr]clock.Instant{}}, limits: map[limitedLink]*limiter{}, others: otherServers{},
		refusals: refusals{by: map[refusedKey]*Refused{}},
	}
	e.configure(cfg)
	return e
}

// configure puts a configuration in force.
func (e *Engine) configure(cfg EngineConfig) {
	e.cfg = cfg
	e.links = newLinks(e.cfg.Networks)
	var pools []pool.Config
	for i := range e.cfg.Networks {
		pools = append(pools, e.cfg.Networks[i].pools()...)
	}
	e.bindings.Configure(pools, cfg.Identity == IdentityFrame, pool.Hash(string(cfg.ServerID)))
}

// Restore takes in a lease that was stored by an earlier run. All are restored before the first Step; the
// lease is the engine's.
func (e *Engine) Restore(l *leasestore.Lease) { e.bindings.Restore(l) }

// Step takes what happened and when, and returns what must now be done, in order. The slice and what it refers to
// are the caller's until the next Step, what a Received refers to is the engine's until Step returns.
func (e *Engine) Step(now clock.Instant, ev Event) []Action {
	e.recycle()
	e.now, e.out, e.sends = now, e.out[:0], e.sends[:0]
	switch ev := ev.(type) {
	case *Received:
		e.received(ev)
	case Received:
		e.received(&ev)
	case Malformed:
		e.malformed(&ev)
	case Stored:
		e.stored(ev.Results)
	case Revoke:
		e.revoke(ev.Prefix)
	case Expired:
		e.expire()
	case HostsChanged:
		e.hosts.File = ev.Hosts
		e.bindings.Reset()
	case HostPut:
		e.hosts.Added.Put(ev.Host)
		e.bindings.Reset()
	case HostDropped:
		e.hosts.Added.Remove(ev.Key)
		e.bindings.Reset()
	case OwnAddress:
		if e.self[ev.Addr] = true; ev.Gone {
			delete(e.self, ev.Addr)
		}
		e.bindings.Reset()
	case ConfigChanged:
		e.configure(ev.Config)
	}
	return e.out
}

// Deadline is when the engine wants an Expired event: a binding ends. It is clock.Never where none does.
func (e *Engine) Deadline() clock.Instant { return e.bindings.Deadline() }

// Counts tells how many messages were received by type, answered, and dropped by reason.
func (e *Engine) Counts() map[string]uint64 { return e.count.all() }

// received takes one message through the checks that hold for all types.
func (e *Engine) received(r *Received) {
	e.count.received[r.Msg.Type]++
	if err := r.Msg.CheckForServer(); err != nil {
		e.drop(r, reasonOf(err))
		return
	}
	if r.Msg.ServerID != "" && r.Msg.ServerID != e.cfg.ServerID {
		e.hearOtherServer(r)
		e.drop(r, dropOtherServer)
		return
	}
	if reason := checkSource(r); reason != "" {
		e.drop(r, reason)
		return
	}
	if len(r.Msg.IANAs)+len(r.Msg.IAPDs) > maxIAs {
		e.drop(r, dropTooMany)
		return
	}
	n, reason := e.links.of(r)
	if n == nil {
		e.drop(r, reason)
		return
	}
	if n.Interface != "" && !onLink(r) {
		e.refuseRelayed(r, n)
		return
	}
	x := &e.work
	*x = exchange{} // in place: a literal with fields would be made elsewhere and copied
	x.Engine, x.in, x.network, x.client = e, r, n, e.identify(r)
	x.lookUp()
	if x.ignored {
		e.drop(r, dropIgnored)
		return
	}
	answer, reason := x.answer()
	if answer == nil || reason != "" {
		e.drop(r, reason)
		return
	}
	send := destination(r, answer)
	x.finish(&send)
}

// sent adds an answer to what must be done now.
func (e *Engine) sent(s *Send) {
	e.count.sent[s.Msg.Type]++
	e.sends = append(e.sends, *s)
	e.out = append(e.out, &e.sends[len(e.sends)-1])
}

// recycle takes back the messages of the last Step's answers, and what it has told of changes.
func (e *Engine) recycle() {
	for _, a := range e.out {
		if s, ok := a.(*Send); ok && len(e.spare) < maxSpare {
			e.spare = append(e.spare, s.Msg)
		}
	}
	e.commits.recycle()
}

// maxSpare bounds what is kept for the next storm: as many as may wait for a flush, and more.
const maxSpare = 1024

// spared takes the last of a list of what is to be used again, or makes one where there is none.
func spared[T any](list *[]*T) *T {
	last := len(*list) - 1
	if last < 0 {
		return new(T)
	}
	t := (*list)[last]
	*list = (*list)[:last]
	return t
}

// blank is an empty message.
func (e *Engine) blank() *wire.Message {
	m := spared(&e.spare)
	*m = wire.Message{IANAs: m.IANAs[:0]}
	return m
}

// maxIAs is how many identity associations one message may have. Each gets an answer of its own; more
// than that do not fit into a datagram, and no client has them.
const maxIAs = 128

// Reasons for which a message is dropped, beside those of package wire.
const (
	dropOtherServer  = "for another server"
	dropUnicast      = "a client's message to a unicast address"
	dropSource       = "source address is not link-local"
	dropRelaySource  = "relay's source address is no unicast address"
	dropNoNetwork    = "no network is configured on this interface"
	dropLinkAddress  = "the relay's link-address belongs to no network"
	dropDirectLink   = "relayed, though its network is served on a NIC"
	dropIgnored      = "the hosts file says ignore"
	dropNoAddress    = "Confirm without an address"
	dropNothingToSay = "Rebind without an identity association"
	dropTooMany      = "too many identity associations"
	dropLinkRate     = "too many new bindings on the link"
	dropMACRate      = "too many new bindings of one MAC"
	dropWaiting      = "its change waits for the disk"
	dropNotStored    = "the store did not take the binding"
	dropUndecodeable = "cannot be decoded"
)

// reasonOf returns the constant reason in an error of package wire.
func reasonOf(err error) string {
	var reason wire.DiscardError
	if errors.As(err, &reason) {
		return string(reason)
	}
	return dropUndecodeable
}

// checkSource says why nothing from that source is answered, "" if it is. Clients speak from a
// link-local address to the group (RFC 9915, sections 16 and 18.2); relays from any unicast address.
func checkSource(r *Received) string {
	from := r.From.Addr()
	switch {
	case len(r.Relays) > 0:
		if !from.Is6() || from.IsMulticast() || from.IsUnspecified() {
			return dropRelaySource
		}
	case r.Unicast:
		return dropUnicast
	case !from.IsLinkLocalUnicast():
		return dropSource
	}
	return ""
}

// destination addresses the answer (sections 7.2, 18.3.10 and 19.3): a client hears on port 546, a relay
// on 547 unless it names its own port (RFC 8357).
func destination(r *Received, answer *wire.Message) Send {
	s := Send{Msg: answer, Relays: r.Relays, Interface: r.Interface, MAC: r.FrameMAC}
	s.To = netip.AddrPortFrom(r.From.Addr(), clientPort)
	if len(r.Relays) == 0 {
		return s
	}
	s.To = netip.AddrPortFrom(r.From.Addr(), serverPort)
	for _, o := range r.Relays[0].Others {
		if o.Code == dhcpv6.OptionRelayPort {
			s.To = r.From
		}
	}
	return s
}

// malformed counts a datagram that is no message.
func (e *Engine) malformed(m *Malformed) {
	e.drop(&Received{Msg: &wire.Message{}, Interface: m.Interface, FrameMAC: m.FrameMAC, From: m.From}, reasonOf(m.Err))
}

// refuseRelayed gives no answer to a message through relays into a network that is served on a NIC: its guests are heard
// there, each in a frame that proves who it is. Else a guest that writes a trusted relay's address as its source would be
// believed whatever MAC it names.
func (e *Engine) refuseRelayed(r *Received, n *Network) {
	e.count.other["dropped: "+dropDirectLink]++
	e.report(r, slog.LevelWarn, "relayed message refused", dropDirectLink, slog.String("network", n.Name),
		slog.String("try", "if its guests come through relays only: take interface = out of the network; else look for the machine that poses as a relay"))
}

// drop counts a message that gets no answer.
func (e *Engine) drop(r *Received, reason string) {
	e.count.other["dropped: "+reason]++
	e.report(r, slog.LevelDebug, "message dropped", reason)
}
