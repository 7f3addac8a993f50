package guest

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/fault"
)

// silence is after how long wait-online ends where neither a router nor a server was heard.
const silence = 15 * time.Second

// unrouted is how long wait-online waits for the default route of a router that was heard, since the address can be used:
// whoever processes Router Advertisements installs it a moment later (dhcpcd), or never.
const unrouted = 15 * time.Second

// onlineFacts is what wait-online's end rests on (decision 6).
type onlineFacts struct {
	now     clock.Instant
	started clock.Instant // of the agent, or when IPv6 came on again: since then it listens
	asked   clock.Instant // of this wait
	wait    time.Duration

	off     string        // why IPv6 is off on the default NIC; "" when it is on
	counts  clock.Instant // from when on it is believed that it stays off
	nic     string        // the default NIC; "" when there is none
	address netip.Addr
	usable  clock.Instant // since when this wait has seen it
	missing bool          // a router offers to be the default one, and there is no such route
	heard   bool          // a router or a server
	lacks   string
}

// judgeOnline says how wait-online ends, or until when there is nothing to decide.
func judgeOnline(f onlineFacts) (o Online, again clock.Instant, done bool) {
	silent, late := max(f.started, 0).Add(silence), f.asked.Add(f.wait)
	o = Online{NIC: f.nic}
	passing := f.off != "" && f.now.Before(f.counts)
	routed := min(f.usable.Add(unrouted), late)
	switch {
	case f.off != "" && !passing:
		o.Off, o.Reason = true, f.off+": nothing to wait for"
	case f.address.IsValid() && f.missing && f.now.Before(routed):
		return o, routed, false
	case f.address.IsValid():
		o.Online, o.Address = true, f.address
		o.Reason = fmt.Sprintf("%s has %s", f.nic, f.address)
		if f.missing {
			o.Reason += ", and no default route though a router offers to be one"
		}
	case !f.heard && !passing && !f.now.Before(silent):
		o.Exit = fault.ExitNoServer
		o.Reason = fmt.Sprintf("%s: neither a router nor a DHCPv6 server was heard for %s", orNone(f.nic), silence)
	case !f.now.Before(late):
		o.Exit = fault.ExitNoServer
		o.Reason = fmt.Sprintf("%s: no usable global address after %s (%s)", orNone(f.nic), f.wait, f.lacks)
	default:
		again = late
		switch {
		case passing:
			again = min(f.counts, late)
		case !f.heard:
			again = min(silent, late)
		}
		return o, again, false
	}
	return o, clock.Never, true
}

func orNone(nic string) string {
	if nic == "" {
		return "no default NIC"
	}
	return nic
}
