package client

import (
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/wire"
)

// inform starts an Information-request exchange (section 18.2.6), its first message after delay. The
// server is named only where a Reconfigure asked.
func (e *Engine) inform(server wire.DUID, delay time.Duration) {
	e.informed, e.refreshAt = true, clock.Never
	if !e.up {
		return
	}
	e.info = e.newExchange(dhcpv6.MessageTypeInformationRequest, delay)
	e.info.server, e.info.byReconfigure = server, server != ""
	if delay == 0 {
		e.transmit(e.info)
	}
}

// informAnswered takes in a Reply to an Information-request (section 18.2.10.4). Its settings take the
// place of all earlier ones; an IA in it has no place there and is passed over.
func (e *Engine) informAnswered(ev Received) {
	if s := failure(ev.Msg.Status); s != nil {
		e.unused(e.info, &reply{msg: ev.Msg, status: s})
		return
	}
	e.info = nil
	if e.binding == nil || e.binding.server == ev.Msg.ServerID {
		e.learnKey(ev.Msg)
	}
	e.configure(settingsOf(ev.Msg))
	e.refreshAt = until(e.now, e.refreshTime(ev.Msg.InformationRefresh))
}

// refreshTime is the information refresh time (section 21.23).
func (e *Engine) refreshTime(option *time.Duration) time.Duration {
	d := irtDefault
	if option != nil {
		d = max(*option, irtMinimum)
	}
	if e.cfg.RefreshMax > 0 {
		d = min(d, e.cfg.RefreshMax)
	}
	return d
}
