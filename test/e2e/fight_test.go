package e2e

import (
	"context"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
	"github.com/v6guest/v6guest/test/roots"
)

// fightBound is how many times a thing may be made anew in a fight of two minutes: three times at once, and
// then with pauses of 1, 2, 4, 8, 16, 32 and 64 s.
const fightBound = 10

// An opponent deletes a thing of v6guest's each time that the kernel tells of it, as fast as it can.
type opponent struct {
	what  string // as v6guest calls the thing
	asks  string // ip monitor's object
	sees  string // a shell pattern of what it tells
	does  string // a command of the shell
	lost  func(lab.Change) bool
	there func(lab.State) bool
}

func (o opponent) start(t *testing.T, c *cloud.Cloud) *lab.Process {
	t.Helper()
	p, err := c.Guest.Start("sh", "-c", "ip -6 monitor "+o.asks+" | while read -r line; do case $line in Deleted*) ;; "+o.sees+") "+o.does+";; esac; done")
	check(t, err)
	return p
}

// fights has opponents delete each his thing once and then whenever it comes, while a hundred pings are answered,
// and checks that few were made anew, that the log says with whom the fight is, and that all is as before
// when they are gone.
func fights(ctx context.Context, t *testing.T, c *cloud.Cloud, a *lab.Process, with string, opponents ...opponent) {
	t.Helper()
	from := len(c.Guest.Changes())
	count := func(o opponent) (n int) {
		for _, ch := range c.Guest.Changes()[from:] {
			if ch.Gone && o.lost(ch) {
				n++
			}
		}
		return n
	}
	going := pinging(t, c.Nets[0].Neighbour, c.Nets[0].Gateway)
	var processes []*lab.Process
	for _, o := range opponents {
		processes = append(processes, o.start(t, c))
		for mine := 0; count(o) <= mine; { // it has begun when it has deleted one itself
			r, err := c.Guest.Run(ctx, "sh", "-c", o.does)
			check(t, err)
			if r.Code == 0 { // else the opponent was faster, or is at it
				mine++
			}
			_, err = c.Guest.Await(ctx, o.what+", or a second loss", func(s lab.State) bool { return count(o) > mine || count(o) == mine && o.there(s) })
			check(t, err)
		}
	}
	for range 100 {
		going.answered(ctx, t)
	}
	going.stop(ctx, t)
	for _, p := range processes {
		check(t, syscall.Kill(-p.PID(), syscall.SIGKILL)) // all that the shell has started, too
	}
	for _, o := range opponents {
		named(t, a, o.what, with)
		n := count(o)
		t.Logf("%s: lost %d times", o.what, n)
		if n < 4 || n > fightBound {
			t.Errorf("%s: lost %d times, want 4 to %d", o.what, n, fightBound)
		}
	}
	_, err := c.Guest.Await(ctx, "all as before", func(s lab.State) bool {
		return !slices.ContainsFunc(opponents, func(o opponent) bool { return !o.there(s) })
	})
	check(t, err)
}

// overAddress is a fight over a NIC's leased address.
func overAddress(n *cloud.Net, does string) opponent {
	return opponent{
		what: "leased address", asks: "address dev " + n.NIC, sees: "*" + n.Reserved.Addr.String() + "/128*", does: does,
		lost:  func(ch lab.Change) bool { return !ch.Route && ch.Prefix.Addr() == n.Reserved.Addr },
		there: func(s lab.State) bool { return s.Has(n.NIC, n.Reserved.Addr) },
	}
}

func TestAFightBacksOff(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	c := served(ctx, t, peer.V6responder, 2)
	ctx, a := agent(ctx, t, c, "default_nic = eth0\nra = agent\n")
	asReserved(ctx, t, c)
	reachesAll(ctx, t, c)
	first, second := c.Nets[0], c.Nets[1]
	fights(ctx, t, c, a, "", // nobody is known to be in charge of the NICs
		overAddress(second, "ip -6 address del "+second.Reserved.Addr.String()+"/128 dev eth1"),
		opponent{
			what: "default route", asks: "route", sees: "default*", does: "ip -6 route del default dev eth0",
			lost:  func(ch lab.Change) bool { return ch.Route && ch.Prefix.Bits() == 0 },
			there: func(s lab.State) bool { return len(s.Default()) == 1 },
		},
		opponent{
			what: "on-link route", asks: "route", sees: first.Prefix.String() + "*", does: "ip -6 route del " + first.Prefix.String() + " dev eth0",
			lost:  func(ch lab.Change) bool { return ch.Route && ch.Prefix == first.Prefix },
			there: func(s lab.State) bool { return s.Route(first.Prefix, "eth0") },
		},
	)
	want := []string{"0s", "0s", "0s", "1s", "2s", "4s", "8s", "16s", "32s", "1m4s"}
	if got := putBack(a); len(got) > len(want) || !slices.Equal(got, want[:len(got)]) {
		t.Errorf("pauses before the address was put back: %v", got)
	}
	asReserved(ctx, t, c)
	reachesAll(ctx, t, c)
}

// ifupdown2 itself, which somebody has reload its configuration whenever the address comes.
func TestAFightWithAStackNamesIt(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	c := withRoot(ctx, t, roots.Ifupdown2, 1)
	stacksThatUndo[0].start(ctx, t, c)
	ctx, a := agent(ctx, t, c, "")
	asReserved(ctx, t, c)
	fights(ctx, t, c, a, "eth0: ifupdown2: ", overAddress(c.Nets[0], "sed -i 's/mtu 1490/mtu 1470/;t;s/mtu 1.*/mtu 1490/' /etc/network/interfaces; ifreload -a"))
	asReserved(ctx, t, c)
}
