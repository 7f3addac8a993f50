package pool

import (
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
	DUID      wire.DUID // as the client wrote it
	MAC       hosts.MAC // that it spoke from; zero where that is not known
	Interface string
}

// Terms are for how long an address is given; wire.Infinite for ever.
type Terms struct{ Preferred, Valid time.Duration }

// A Binding is one address, or one delegated prefix, and the client that has it.
type Binding struct {
	leasestore.Lease
	// Change is the number of the last change; its owner says whether that is on disk (Durable).
	Change  uint64
	Durable bool

	pool *Pool // whose ranges it is in; nil when it is in none any more
	due  clock.Instant
	at   int // in the Table's queue
}

// Live reports whether the client may use the address now.
func (b *Binding) Live(now clock.Instant) bool {
	return b.State == leasestore.Bound && now.Before(b.Ends())
}

// Left are the lifetimes that are left of those that the client was told.
func (b *Binding) Left(now clock.Instant) Terms {
	left := func(d time.Duration) time.Duration {
		if d >= wire.Infinite {
			return wire.Infinite
		}
		return max(0, d-now.Sub(b.Granted))
	}
	return Terms{left(b.Preferred), left(b.Valid)}
}
