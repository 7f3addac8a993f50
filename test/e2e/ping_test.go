package e2e

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/v6guest/v6guest/test/lab"
)

// A pinger is a ping that goes on while something else happens.
type pinger struct{ p *lab.Process }

// pinging starts to ask for an answer ten times a second, and waits for the first one.
func pinging(t *testing.T, m *lab.Machine, to fmt.Stringer) *pinger {
	t.Helper()
	p, err := m.Start("ping", "-n", "-O", "-i0.1", to.String())
	check(t, err)
	_, err = p.AwaitLine(t.Context(), 0, "bytes from")
	check(t, err)
	return &pinger{p}
}

// answered waits for one more answer.
func (p *pinger) answered(ctx context.Context, t *testing.T) {
	t.Helper()
	_, err := p.p.AwaitLine(ctx, len(p.p.Lines()), "bytes from")
	check(t, err)
}

// stop ends it, after one more answer, and returns how many were missing until then.
func (p *pinger) stop(ctx context.Context, t *testing.T) (missing int) {
	t.Helper()
	p.answered(ctx, t)
	check(t, p.p.Signal(syscall.SIGINT))
	_, err := p.p.Wait(ctx)
	check(t, err)
	for _, l := range p.p.Lines() {
		if strings.Contains(l.Text, "no answer yet") || strings.Contains(l.Text, "nreachable") {
			missing++
		}
	}
	return missing
}

// loss ends it, after one more answer, and returns the share of questions that had no answer, in percent, by
// ping's own count: a late answer is one, too.
func (p *pinger) loss(ctx context.Context, t *testing.T) (percent int) {
	t.Helper()
	p.stop(ctx, t)
	for _, l := range p.p.Lines() {
		var sent, answers, lost int
		if n, _ := fmt.Sscanf(l.Text, "%d packets transmitted, %d received, %d%% packet loss", &sent, &answers, &lost); n == 3 {
			return lost
		}
	}
	t.Fatalf("ping does not tell of losses:\n%s", p.p.Output())
	return 0
}
