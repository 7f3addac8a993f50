package guest

import (
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/v6guest/v6guest/pkg/clock"
)

// A systemd tells the service manager how things stand, where there is one. Its calls come from the
// agent's goroutine: a watchdog that something else fed would prove nothing.
type systemd struct {
	log    *slog.Logger // nil when the agent is no service: then nothing is told
	every  time.Duration
	next   clock.Instant
	status string
}

// open finds out whether there is a service manager to tell.
func (s *systemd) open(log *slog.Logger) {
	s.log = log
	// false: with true NOTIFY_SOCKET is gone after the first call, and all later ones say nothing.
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the watchdog of the service manager is not fed", "error", err)
	}
	s.every = limit / 2
}

func (s *systemd) notify(state string) {
	if s.log == nil {
		return
	}
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.log.Warn("cannot tell the service manager", "state", state, "error", err)
	}
}

func (s *systemd) ready()    { s.notify(daemon.SdNotifyReady) }
func (s *systemd) stopping() { s.notify(daemon.SdNotifyStopping) }

// tell tells the status, if it is a new one, and feeds the watchdog when that is due.
func (s *systemd) tell(now clock.Instant, status string) {
	if status != s.status {
		s.status = status
		s.notify("STATUS=" + status)
	}
	if s.every > 0 && !now.Before(s.next) {
		s.next = now.Add(s.every)
		s.notify(daemon.SdNotifyWatchdog)
	}
}

// deadline is when the watchdog wants to be fed.
func (s *systemd) deadline() clock.Instant {
	if s.every == 0 {
		return clock.Never
	}
	return s.next
}
