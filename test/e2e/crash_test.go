package e2e

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// TestACrashIsNoExitCode: systemd's watchdog sends SIGABRT. A program that then ended with Go's own exit code, 2, would be
// taken for one with a bad configuration and not be started again.
func TestACrashIsNoExitCode(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := newCloud(ctx, t, 1)
	server := responder(ctx, t, c, func(*peer.Network) {})
	check(t, c.StartGuest())
	p, err := startAgent(c, "")
	check(t, err)
	bound, cancel := p.Guard(ctx)
	defer cancel()
	asReserved(bound, t, c)
	for _, p := range []*lab.Process{p, server} {
		check(t, p.Signal(syscall.SIGABRT))
		code, err := p.Wait(ctx)
		check(t, err)
		if code != -1 || !strings.Contains(p.Output(), "goroutine ") {
			t.Errorf("%s ended with exit code %d and said\n%s", p.Name, code, p.Output())
		}
	}
	usable(ctx, t, c, "eth0", c.Nets[0].Reserved.Addr)
}
