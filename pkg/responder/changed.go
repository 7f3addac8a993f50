package responder

import (
	"log/slog"

	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/responder/hosts"
)

// The events of a binding.
const (
	EventLeased   = "leased"
	EventReleased = "released"
	EventDeclined = "declined"
	EventExpired  = "expired" // and kept back for the pool's grace
	EventFree     = "free"    // given out again, after it was declined
)

// eventLines are the log's.
var eventLines = map[string]string{
	EventLeased: "address leased", EventReleased: "lease released", EventDeclined: "address declined",
	EventExpired: "lease expired", EventFree: "declined address is free again",
}

// eventCounts are the names of their counts.
var eventCounts = map[string]string{
	EventLeased: "lease leased", EventReleased: "lease released", EventDeclined: "lease declined",
	EventExpired: "lease expired", EventFree: "lease free",
}

// prefixLines are the log's for delegated prefixes.
var prefixLines = map[string]string{
	EventLeased: "prefix delegated", EventReleased: "prefix released", EventExpired: "prefix expired",
}

// tell notes a change that the client has made; it is told when it is durable.
func (x *exchange) tell(event string, l *leasestore.Lease) {
	told := Changed{Event: event, Lease: l}
	if len(x.in.Relays) > 0 {
		told.Relay = x.in.From.Addr()
	}
	if x.host != nil {
		told.Name = x.host.Name
	}
	c := x.change()
	c.told = append(c.told, told)
}

// Report is the change's line of the log, whose attributes are appended to room. It is made only where one is
// written: an answer that waits for the disk does not keep it in memory meanwhile.
func (c *Changed) Report(room []slog.Attr) Report {
	l := c.Lease
	r := Report{Level: slog.LevelInfo, Message: eventLines[c.Event]}
	what := slog.String("address", l.Prefix.Addr().String())
	if l.Delegated {
		r.Message, what = prefixLines[c.Event], slog.String("prefix", l.Prefix.String())
	}
	attrs := append(
		room, what, slog.String("mac", hosts.MAC(l.MAC).String()), slog.String("duid", l.DUID.String()),
		slog.String("iaid", l.IAID.String()), slog.String("network", l.Network), slog.String("interface", l.Interface),
	)
	if l.Via.IsValid() {
		attrs = append(attrs, slog.String("via", l.Via.String()))
	}
	if c.Relay.IsValid() {
		attrs = append(attrs, slog.String("relay", c.Relay.String()))
	}
	if c.Name != "" {
		attrs = append(attrs, slog.String("name", c.Name))
	}
	switch c.Event {
	case EventLeased:
		attrs = append(attrs, slog.Duration("valid", l.Valid))
	case EventDeclined:
		r.Level = slog.LevelWarn
		attrs = append(attrs, slog.String("reason", "another node uses it"), slog.Duration("set_aside", l.Valid))
	}
	if c.Operator {
		attrs = append(attrs, slog.String("by", "the operator"))
	}
	r.Attrs = attrs
	return r
}
