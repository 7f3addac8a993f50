package guest

import (
	"context"
	"fmt"
	"time"

	"github.com/v6guest/v6guest/pkg/client"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/ra/listener"
)

// A Moves tells when the machine may be on other links than before although no carrier went away: it
// was suspended, reverted to a snapshot, or moved to another host. Each value says why, in words.
type Moves <-chan string

// clockJump is how far the wall clock may be set before that counts as a possible move: time daemons
// step a clock that a snapshot or a suspension left behind (decision 5).
const clockJump = 30 * time.Second

// moved says why the machine may have moved, "" if nothing speaks for it.
func moved(before, now clock.Offsets) string {
	wall, suspended := now.Wall-before.Wall, now.Suspended-before.Suspended
	switch {
	case suspended > time.Second:
		return fmt.Sprintf("the machine was suspended for %s", suspended.Round(time.Second))
	case wall > clockJump:
		return fmt.Sprintf("the wall clock was set forward by %s", wall.Round(time.Second))
	case wall < -clockJump:
		return fmt.Sprintf("the wall clock was set back by %s", (-wall).Round(time.Second))
	}
	return ""
}

// moves watches for them; the one-shot command is too short for that.
func (a *Agent) moves(ctx context.Context) (Moves, error) {
	if a.passive {
		return nil, nil
	}
	return a.sys.Moves(ctx)
}

// machineMoved takes in that every NIC may be on another link.
func (a *Agent) machineMoved(why string) {
	a.log.Info("the machine may have moved: each lease is checked", "why", why)
	for _, n := range a.nics {
		n.linkChanged(why)
	}
}

// linkChanged takes in that the NIC may be on another link: the client confirms what it has, and the
// routers are asked. Nothing is given up meanwhile.
func (n *managedNIC) linkChanged(why string) {
	if n.leaser != nil {
		n.leaser.runner.Notify(client.LinkChanged{Why: why})
	}
	if n.hearing != nil {
		n.hearing.hearer.Notify(listener.SolicitNow{})
	}
}
