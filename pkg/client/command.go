package client

import (
	"errors"

	"github.com/insomniacslk/dhcp/dhcpv6"
)

// A command is a pending LeaseNow.
type command struct {
	fresh    bool  // a server has spoken since it came
	err      error // with what it would end now
	declines int   // addresses declined since it came
}

// fail notes what stands in the command's way. That an address was declined says more than what may
// follow from it.
func (c *command) fail(err error) {
	if _, ok := errors.AsType[*DeclinedError](err); ok {
		c.declines++
	} else if c.declines > 0 {
		return
	}
	c.err = err
}

// refused reports whether servers answered and gave nothing.
func (c *command) refused() bool {
	_, ok := errors.AsType[*RefusedError](c.err)
	return ok || c.declines > 0
}

// again reports whether a second address was declined, after which the command does not try further.
func (c *command) again() bool { return c.declines > 1 }

// leaseNow begins the command `lease`.
func (e *Engine) leaseNow() {
	e.command = &command{err: ErrNoServer}
	e.released, e.pauseRT = false, 0
	if e.cfg.Stateless {
		e.finish(ErrStateless)
	}
	if !e.up || e.cfg.Stateless {
		return
	}
	if e.main != nil && e.main.typ == dhcpv6.MessageTypeRelease {
		e.releaseEnded() // repeating it may be cut short (section 18.2.7)
	}
	switch {
	case e.main != nil && e.main.typ == dhcpv6.MessageTypeDecline:
		e.check = !e.binding.empty() // once that is done
	case e.binding == nil && e.main != nil && e.main.typ == dhcpv6.MessageTypeSolicit && e.main.sent == 1:
		// it has just begun
	case e.binding == nil && (e.main == nil || e.main.typ == dhcpv6.MessageTypeSolicit):
		e.solicit(0)
	case e.binding == nil || e.main != nil && e.main.typ == dhcpv6.MessageTypeConfirm:
		e.check = e.binding != nil
	case e.main != nil && e.main.aim == aimReplace:
	default:
		e.main, e.check = nil, true
	}
}

// finish ends the command.
func (e *Engine) finish(err error) {
	if e.command != nil {
		e.command = nil
		e.do(Finished{Command: CommandLease, Err: err})
	}
}
