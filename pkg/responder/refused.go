package responder

import (
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/responder/hosts"
	"github.com/v6guest/v6guest/pkg/wire"
)

// maxRefused is how many clients without an address are remembered, for whoever asks why; of more, the
// ones that came last.
const maxRefused = 1024

// A Refused is a client that got no address, or no prefix, and why.
type Refused struct {
	MAC       hosts.MAC // zero where it is not known
	DUID      wire.DUID
	Network   string
	Interface string
	Reason    string
	Try       string // what would help, "" where nothing is known
	At        clock.Instant
	Times     uint64 // with this reason
}

type refusedKey struct {
	mac     hosts.MAC
	duid    wire.DUID
	network string
	prefix  bool // that was asked for, not an address
}

// refusals remember them, in a ring.
type refusals struct {
	by   map[refusedKey]*Refused
	ring []refusedKey
	next int
}

// note remembers that a client got no address or prefix.
func (x *exchange) note(why string, prefix bool) {
	key := x.refusedKey(prefix)
	rs := &x.refusals
	r := rs.by[key]
	if r == nil {
		r = &Refused{MAC: key.mac, DUID: key.duid, Network: key.network}
		rs.add(key, r)
	}
	if r.Reason != why {
		r.Times = 0
	}
	r.Reason, r.Try, r.Interface, r.At = why, x.cure(why), x.in.Interface, x.now
	r.Times++
	x.count.other["refused: "+why]++
}

// refusedKey is what the client is remembered by.
func (x *exchange) refusedKey(prefix bool) refusedKey {
	mac := x.client.mac
	if mac == (hosts.MAC{}) {
		mac, _ = hosts.MACOf(x.in.FrameMAC)
	}
	return refusedKey{mac, x.in.Msg.ClientID, x.network.Name, prefix}
}

func (rs *refusals) add(key refusedKey, r *Refused) {
	if len(rs.ring) < maxRefused {
		rs.ring = append(rs.ring, key)
	} else {
		delete(rs.by, rs.ring[rs.next])
		rs.ring[rs.next] = key
		rs.next = (rs.next + 1) % maxRefused
	}
	rs.by[key] = r
}

// refusedFor is how long a client is counted among those without an address after it was heard last.
const refusedFor = time.Hour

// Refused are the clients that got no address within the last hour, as far as they are remembered. One
// that has got one since is not among them.
func (e *Engine) Refused(now clock.Instant) []Refused {
	var out []Refused
	for _, r := range e.refusals.by {
		if now.Sub(r.At) < refusedFor {
			out = append(out, *r)
		}
	}
	return out
}

// served forgets that the client had no address or prefix.
func (x *exchange) served(prefix bool) {
	if len(x.refusals.by) == 0 {
		return
	}
	if r := x.refusals.by[x.refusedKey(prefix)]; r != nil {
		r.At = clock.Instant(-refusedFor) // out of sight; the ring overwrites it
	}
}
