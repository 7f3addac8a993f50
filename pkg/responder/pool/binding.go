package pool

import (
	"math"
	"net/netip"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/responder/hosts"
	"github.com/v6guest/v6guest/pkg/wire"
)

// A Client is whose a binding is (RFC 9915, section 4.2): one IA of one DUID; or of one MAC, where the
// MAC is what clients are known by, and the DUID is "".
type Client struct {
	DUID wire.DUID
	MAC  hosts.MAC
	IAID wire.IAID
}

// An Owner is what is known of the client that a new binding is made for.
type Owner struct {
	Client    Client
	DUID      wire.DUID  // as the client wrote it
	MAC       hosts.MAC  // that it spoke from; zero where that is not known
	Via       netip.Addr // its own address on its link; zero likewise
	Interface string
}

// Terms are for how long an address is given, in whole seconds; wire.Infinite for ever.
type Terms struct{ Preferred, Valid time.Duration }

// A Binding is one address, or one delegated prefix, and the client that has it. There may be a million: it is
// a leasestore.Lease in 112 bytes, where the Lease itself takes twice as many.
type Binding struct {
	// Change is the number of the last change; its owner says whether that is on disk (Durable), and whether
	// any is (Stored).
	Change uint64

	about   *about
	pool    *Pool // whose ranges it is in; nil when it is in none any more
	granted clock.Instant
	wall    int64 // Unix time in ms, 0 where the store is to fill it in
	due     clock.Instant
	first   [16]byte
	duid    [20]byte // of duidLen bytes; a longer one is in about
	iaid    wire.IAID
	// Lifetimes in seconds, as on the wire.
	preferred, valid uint32

	at  int32 // in the Table's queue
	mac hosts.MAC

	bits, duidLen uint8
	state         leasestore.State

	Durable, Stored bool
	// Leaving says that the last change makes the address free, when it is on disk.
	Leaving bool
}

// An about is what many bindings have in common. One with a long DUID, and a delegated prefix, has one of its own.
type about struct {
	network, iface string
	duid           wire.DUID
	via            netip.Addr
}

// Addr is the address, or the first one of the delegated prefix.
func (b *Binding) Addr() netip.Addr { return netip.AddrFrom16(b.first) }

// Prefix is the address as /128, or the delegated prefix.
func (b *Binding) Prefix() netip.Prefix { return netip.PrefixFrom(b.Addr(), int(b.bits)) }

// State is what has become of it.
func (b *Binding) State() leasestore.State { return b.state }

// DUID is the client's.
func (b *Binding) DUID() wire.DUID {
	if b.about.duid != "" {
		return b.about.duid
	}
	return wire.DUID(b.duid[:b.duidLen])
}

// Of reports whether the client has that DUID.
func (b *Binding) Of(d wire.DUID) bool {
	if b.about.duid != "" {
		return b.about.duid == d
	}
	return string(b.duid[:b.duidLen]) == string(d)
}

// IAID is the client's.
func (b *Binding) IAID() wire.IAID { return b.iaid }

// MAC is the one that the binding was made from; zero where that is not known.
func (b *Binding) MAC() hosts.MAC { return b.mac }

// Network is the name of the network that it was made in.
func (b *Binding) Network() string { return b.about.network }

// Interface is the name of the NIC that it was made through.
func (b *Binding) Interface() string { return b.about.iface }

// Via is the client's address that a delegated prefix is to be routed through; zero where it is not known.
func (b *Binding) Via() netip.Addr { return b.about.via }

// Granted is when its lifetimes began.
func (b *Binding) Granted() clock.Instant { return b.granted }

// Terms are the lifetimes, from Granted on.
func (b *Binding) Terms() Terms {
	return Terms{time.Duration(b.preferred) * time.Second, time.Duration(b.valid) * time.Second}
}

// Has reports whether these are its lifetimes.
func (b *Binding) Has(t Terms) bool {
	return b.preferred == seconds(t.Preferred) && b.valid == seconds(t.Valid)
}

func (b *Binding) set(t Terms) { b.preferred, b.valid = seconds(t.Preferred), seconds(t.Valid) }

// seconds rounds a lifetime up, as the store does.
func seconds(d time.Duration) uint32 {
	return uint32(min((max(d, 0)+time.Second-1)/time.Second, math.MaxUint32))
}

// Ends is the first moment at which the valid lifetime can have passed; clock.Never if it is infinite.
func (b *Binding) Ends() clock.Instant {
	if b.valid == math.MaxUint32 {
		return clock.Never
	}
	return b.granted.Add(time.Duration(b.valid) * time.Second)
}

// Live reports whether the client may use the address now.
func (b *Binding) Live(now clock.Instant) bool {
	return b.state == leasestore.Bound && !b.Leaving && now.Before(b.Ends())
}

// Left are the lifetimes that are left of those that the client was told.
func (b *Binding) Left(now clock.Instant) Terms {
	left := func(d time.Duration) time.Duration {
		if d >= wire.Infinite {
			return wire.Infinite
		}
		return max(0, d-now.Sub(b.granted))
	}
	t := b.Terms()
	return Terms{left(t.Preferred), left(t.Valid)}
}

// Lease is the binding as the store keeps it.
func (b *Binding) Lease() leasestore.Lease {
	l := leasestore.Lease{
		Prefix: b.Prefix(), Delegated: b.bits < 128, State: b.state, DUID: b.DUID(), IAID: b.iaid, MAC: b.mac,
		Network: b.about.network, Interface: b.about.iface, Via: b.about.via, Granted: b.granted,
	}
	t := b.Terms()
	l.Preferred, l.Valid = t.Preferred, t.Valid
	if b.wall != 0 {
		l.Wall = time.UnixMilli(b.wall).UTC()
	}
	return l
}

// binding is a lease as the table keeps it.
func (t *Table) binding(l *leasestore.Lease) *Binding {
	b := &Binding{
		first: l.Prefix.Addr().As16(), bits: uint8(l.Prefix.Bits()), state: l.State, iaid: l.IAID, mac: l.MAC, granted: l.Granted, at: -1,
	}
	b.set(Terms{l.Preferred, l.Valid})
	if !l.Wall.IsZero() {
		b.wall = l.Wall.UnixMilli()
	}
	common := about{network: l.Network, iface: l.Interface, via: l.Via}
	if len(l.DUID) > len(b.duid) {
		common.duid = l.DUID
	} else {
		b.duidLen = uint8(copy(b.duid[:], l.DUID))
	}
	if b.about = t.abouts[common]; b.about != nil {
		return b
	}
	own := common // apart: what is looked up stays on the stack
	b.about = &own
	if own.duid == "" && !own.via.IsValid() {
		t.abouts[own] = b.about
	}
	return b
}
