package guest

import (
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra/listener"
)

// An inUse is an address that another node said was its own when it was to be made here. One forged word is
// enough for that, so it is tried again.
type inUse struct {
	pause time.Duration // before the next try
	again clock.Instant
}

// The pauses before an address is tried again that another node has.
const (
	firstInUse   = time.Minute
	longestInUse = time.Hour
)

const usingAddress = "use the autoconfigured address"

// inUse says whether the address waits for the end of a pause, since another node has it.
func (n *managedNIC) inUse(now clock.Instant, addr netip.Addr) bool {
	d, known := n.slaac.duplicate[addr]
	if !known || now >= d.again {
		return false
	}
	n.slaac.at = min(n.slaac.at, d.again)
	return true
}

// tellInUse has the status name addresses that routers' prefixes would make, but for other nodes; and forgets
// those that can be used now.
func (n *managedNIC) tellInUse(said map[netip.Addr]listener.Prefix) {
	var taken []string
	for _, addr := range sortedAddrs(n.slaac.duplicate) {
		if n.usable(addr) && !n.a.world.addrs[n.nic.Index][addr].Optimistic { // detection is over
			delete(n.slaac.duplicate, addr)
		} else if _, announced := said[addr]; announced {
			taken = append(taken, addr.String())
		}
	}
	delete(n.problems, usingAddress)
	if taken != nil && !n.hasLease() { // it was logged when it was found
		n.problems[usingAddress] = fault.New(fault.ExitInUse, "find the node that uses it (ping it, look at `ip -6 neigh`); it is tried again after a while, or once the carrier has been away",
			"%s is in use by another node", strings.Join(taken, ", "))
	}
}

// madeAddrFailed takes in that another node has an address that was made here.
func (n *managedNIC) madeAddrFailed(addr link.Addr) {
	s := &n.slaac
	if _, ours := s.have[addr.Addr]; !ours || !addr.DADFailed {
		return
	}
	delete(s.have, addr.Addr)
	d := s.duplicate[addr.Addr]
	if len(s.duplicate) == maxMade && d.pause == 0 { // one who claims every address shall not keep the true ones away for ever
		s.duplicate = nil
	}
	if s.duplicate == nil {
		s.duplicate = map[netip.Addr]inUse{}
	}
	d.pause = min(max(firstInUse, 2*d.pause), longestInUse)
	d.again = n.a.clock.Now().Add(d.pause)
	s.duplicate[addr.Addr] = d
	n.heardLine(slog.LevelWarn, "the autoconfigured address is in use by another node", "address", addr.Addr, "again_in", d.pause)
	n.problem("remove a duplicate address", n.a.sys.RemoveAddress(n.a.life, n.nic.Index, addr.Addr))
}
