package responder

import (
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/responder/hosts"
	"github.com/v6guest/v6guest/pkg/wire"
)

// reportEvery is how often one MAC causes a line with one message and reason (decision 11 of the design).
const reportEvery = time.Hour

// maxReported bounds how many MACs and reasons of one link are remembered; beyond it lines are only
// counted.
const maxReported = 4096

// A limitedLink keeps its lines apart from the others': a hostile network does not silence the rest,
// nor dropped packets what is said of clients.
type limitedLink struct {
	iface string
	level slog.Level
}

// A limiter remembers which lines were written lately.
type limiter struct {
	said    map[limited]clock.Instant
	purged  clock.Instant
	skipped uint64 // lines that were not written since the last one
}

type limited struct{ who, message, reason string }

// allow says whether the line may be written now.
func (l *limiter) allow(now clock.Instant, key limited) bool {
	last, ok := l.said[key]
	if ok && now.Sub(last) < reportEvery {
		l.skipped++
		return false
	}
	if !ok && len(l.said) >= maxReported && !l.purge(now) {
		l.skipped++
		return false
	}
	l.said[key] = now
	return true
}

// purge forgets what is over an hour old, at most once a minute, and reports whether there is room.
func (l *limiter) purge(now clock.Instant) bool {
	if now.Sub(l.purged) >= time.Minute {
		l.purged = now
		for k, at := range l.said {
			if now.Sub(at) >= reportEvery {
				delete(l.said, k)
			}
		}
	}
	return len(l.said) < maxReported
}

// report tells something that a packet caused, unless that was told within the hour.
func (e *Engine) report(r *Received, level slog.Level, message, reason string, more ...slog.Attr) {
	link := limitedLink{r.Interface, level}
	l := e.limits[link]
	if l == nil {
		l = &limiter{said: map[limited]clock.Instant{}}
		e.limits[link] = l
	}
	who := r.FrameMAC.String()
	if who == "" {
		who = r.From.Addr().String()
	}
	if !l.allow(e.now, limited{who, message, reason}) {
		return
	}
	attrs := append(origin(r), slog.String("reason", reason))
	attrs = append(attrs, more...)
	if l.skipped > 0 {
		attrs = append(attrs, slog.Uint64("lines_not_shown", l.skipped))
		l.skipped = 0
	}
	e.out = append(e.out, Report{Level: level, Message: message, Attrs: attrs})
}

// origin says where a message came from.
func origin(r *Received) []slog.Attr {
	attrs := []slog.Attr{slog.String("interface", r.Interface)}
	if r.FrameMAC != nil {
		attrs = append(attrs, slog.String("mac", r.FrameMAC.String()))
	}
	if len(r.Relays) > 0 {
		inner := r.Relays[len(r.Relays)-1]
		attrs = append(attrs, slog.Any("relay", r.From.Addr()), slog.Any("client", inner.PeerAddr))
		if l := inner.ClientLinkLayer; l != nil {
			attrs = append(attrs, slog.String("relayed_mac", net.HardwareAddr(l.Addr[:min(len(l.Addr), 20)]).String()))
		}
	} else {
		attrs = append(attrs, slog.Any("client", r.From.Addr()))
	}
	if r.Msg.ClientID != "" {
		attrs = append(attrs, slog.Any("duid", r.Msg.ClientID))
	}
	if len(r.Msg.IANAs) > 0 {
		attrs = append(attrs, slog.String("iaid", r.Msg.IANAs[0].ID.String()))
	}
	return attrs
}

// reportUnmatched says why a client gets no address or prefix, and what would help.
func (x *exchange) reportUnmatched(why string, prefix bool) {
	x.note(why, prefix)
	if prefix {
		x.reportClient("no prefix for client", why)
		return
	}
	x.reportClient("no address for client", why)
}

// reportRefused says that somebody whose identity is not proven would give an address back.
func (x *exchange) reportRefused() {
	x.reportClient(strings.ToLower(wire.TypeName(x.in.Msg.Type))+" refused", x.why)
}

func (x *exchange) reportClient(message, why string) {
	attrs := []slog.Attr{slog.String("network", x.network.Name)}
	if x.host != nil {
		attrs = append(attrs, slog.String("line", x.host.Where()))
	}
	if why == whyDeclined {
		attrs = append(attrs, slog.Duration("held_back", x.wait.Round(time.Second)))
	}
	if cure := x.cure(why); cure != "" {
		attrs = append(attrs, slog.String("try", cure))
	}
	x.report(x.in, slog.LevelWarn, message, why, attrs...)
}

// cure says what the operator can do about a client that gets no address or prefix.
func (x *exchange) cure(why string) string {
	switch why {
	case whyNoHost:
		return "add a line to the hosts file: " + x.line()
	case whyNotLL:
		if mac, ok := hosts.MACOf(x.in.FrameMAC); ok && x.reserved(mac) {
			return fmt.Sprintf("identity = frame: there is a reservation for its MAC %s", mac)
		}
		return "let the client use a DUID-LL, or set identity = frame, or add a line to the hosts file: " + x.line()
	case whyForged:
		return "if a bridge rewrites MACs on this link: verify_frame = no; else look for the machine that poses as another"
	case whyOwn:
		return "reserve another address for it, or take that one off the router"
	case whyReserved:
		if x.network.Assign == AssignEUI64 {
			return "give it another MAC, or an address by a line of the hosts file"
		}
		return "reserve another address for it"
	case whyExhausted:
		return "make the pool larger, or valid_lifetime shorter"
	case whyPerMAC:
		return "if one MAC shall have more: pool_per_mac"
	case whyOtherMAC:
		return "if it is the same machine with another NIC: v6responder leases release ADDRESS; if machines share a DUID: identity = frame"
	case whyNoPrefixFree:
		return "make pd_pool larger, or pd_length longer, or valid_lifetime shorter"
	case whyPrefixPerMAC:
		return "if one MAC shall have more: pd_per_mac"
	case whyPrefixOther:
		return "if it is the same machine with another NIC: v6responder leases release PREFIX; if machines share a DUID: identity = frame"
	case whyDeclined:
		return "look for the node that uses the address (ip -6 neigh), or reserve another one"
	case whyUntrusted:
		return "add the relay to trusted_relays if its word counts"
	case whyNoOption79:
		return "let the relay send option 79 (RFC 6939)"
	}
	return ""
}

// line is how a reservation for the client begins.
func (x *exchange) line() string {
	if x.client.duid != "" {
		return fmt.Sprintf("id:%s,[ADDRESS]", x.client.duid)
	}
	return fmt.Sprintf("id:00:03:00:01:%s,[ADDRESS]", x.client.mac)
}

// reserved reports whether a line gives the MAC an address on this link.
func (x *exchange) reserved(mac hosts.MAC) bool {
	for h := range x.hosts.Of(mac, "") {
		if len(h.Within(x.network.Prefix)) > 0 {
			return true
		}
	}
	return false
}
