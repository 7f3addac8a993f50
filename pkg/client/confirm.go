package client

import (
	"log/slog"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
	"github.com/v6guest/v6guest/pkg/wire"
)

// confirm asks whether the addresses fit the link (section 18.2.3). Those on the NIC stay there
// meanwhile; those of a saved lease are installed once the answer is there, or has not come in 10 s.
func (e *Engine) confirm() {
	e.offers = nil
	e.binding.lost, e.binding.vouched = false, false
	e.run(e.newExchange(dhcpv6.MessageTypeConfirm, e.startDelay()))
}

// confirmAnswered takes in a Reply to a Confirm (section 18.2.10.3). One Success decides; NotOnLink
// waits for the end of the retransmission time, since another server may know better.
func (e *Engine) confirmAnswered(x *exchange, ev Received) {
	status := failure(ev.Msg.Status)
	if ia := e.findIA(ev.Msg); status == nil && ia != nil {
		status = failure(ia.Status)
	}
	switch {
	case status == nil:
		e.binding.vouched = true
		e.report(slog.LevelInfo, "lease confirmed", serverAttr(ev.Msg.ServerID))
		e.confirmEnded(x)
	case status.Code == iana.StatusNotOnLink:
		x.notOnLink = status
		e.do(Report{
			Level: slog.LevelInfo, Message: "server says that the lease does not fit the link", Packet: true,
			Attrs: []slog.Attr{serverAttr(ev.Msg.ServerID)},
		})
	default:
		e.unused(x, &reply{msg: ev.Msg, status: status})
	}
}

// confirmEnded goes on with the lease as it is: lifetimes, T1 and T2 run on from the Reply that gave
// it. Nothing but a Solicit shows a changed reservation, so one follows where no timer ever will
// (decision 2 of the design).
func (e *Engine) confirmEnded(x *exchange) {
	if e.now >= x.end {
		e.report(slog.LevelInfo, "no answer to Confirm; the lease is kept")
	}
	e.main = nil
	e.installAll()
	if e.settings.Equal(Settings{}) {
		e.configureFromLease()
	}
	e.check = e.check || e.binding.endless() || e.command != nil
}

// configureFromLease takes the settings from the Reply that the binding came with.
func (e *Engine) configureFromLease() {
	if m, err := wire.Decode(e.binding.lease.Reply); err == nil {
		e.configure(settingsOf(m))
	}
}

// notOnLink starts discovery after a Confirm that only NotOnLink answered. What is on the NIC stays
// until it can be replaced: a server in error, or a forged answer, must not cut a guest off.
func (e *Engine) notOnLink(s *wire.Status) {
	e.report(slog.LevelWarn, "lease does not fit the link; looking for another", slog.String("text", s.Text))
	e.lost()
}
