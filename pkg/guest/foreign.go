package guest

import (
	"context"
	"fmt"
	"slices"

	"github.com/v6guest/v6guest/pkg/client"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/distro"
	"github.com/v6guest/v6guest/pkg/fault"
)

// A foreignClient is another DHCPv6 client that has the NIC's port. Until it is gone v6guest is none there;
// where it is a stack's that processes Router Advertisements too, v6guest leaves those and the routes to
// it as well (decision 2): its files may be changed already, and it reads them at its next start only.
type foreignClient struct {
	who     string // the process, as it calls itself
	pid     int    // 0 when unknown
	finding distro.Finding
	forget  context.CancelFunc // ends the watch for its end
}

// doesRA says whether the client's stack processes Router Advertisements itself; there may be no client.
func (f *foreignClient) doesRA() bool {
	if f == nil {
		return false
	}
	stacks := []distro.Stack{distro.Networkd, distro.NetworkManager, distro.Dhcpcd, distro.Connman}
	return slices.Contains(stacks, f.finding.Stack) || f.finding.Client == "dhcpcd"
}

// cure is what a person can do, in the imperative.
func (f *foreignClient) cure(taken *client.PortTakenError) string {
	if f.finding.Stack == distro.None {
		return taken.Cure()
	}
	return "`v6guest configure --apply=live`, or `v6guest configure` and a reboot, makes it leave the NIC to v6guest; or set lease = distro for this NIC"
}

// is says whether this is the client that has the port; one that took it over from another is another, and
// may be a stack's.
func (f *foreignClient) is(taken *client.PortTakenError) bool {
	return f != nil && f.pid == taken.Holder.PID
}

// meetForeign notes that another client has the NIC, and watches for its end.
func (n *managedNIC) meetForeign(ctx context.Context, taken *client.PortTakenError) {
	if n.foreign != nil {
		n.foreign.forget()
	}
	f := &foreignClient{who: taken.Holder.String(), pid: taken.Holder.PID, finding: n.a.sys.InCharge(n.nic)}
	if taken.Holder.PID == 0 {
		f.who = "another program"
	}
	ctx, f.forget = context.WithCancel(ctx)
	n.foreign = f
	freed, err := n.a.sys.PortFreed(ctx)
	if err != nil {
		n.log.Debug("the end of the other DHCPv6 client is found by trying", "error", err)
		return
	}
	go func() {
		for range freed {
			n.a.mail.post(func() {
				if n.foreign == f {
					n.startAt = 0
				}
			})
		}
	}()
}

// waitForForeign says why nothing is done on the NIC; once for each client.
func (n *managedNIC) waitForForeign(taken *client.PortTakenError) {
	f := n.foreign
	before := n.problems[startingClient]
	err := &fault.Fault{Err: taken, Cure: f.cure(taken), Exit: fault.ExitFailure}
	n.problems[startingClient] = err
	if before != nil && before.Error() == err.Error() {
		return
	}
	n.a.askStackAgain()
	n.log.Warn("another DHCPv6 client has the NIC: v6guest waits until it is gone",
		"client", f.who, "stack", f.finding.String(), "routes", f.routes(), "cure", err.Cure)
}

// routes says who looks after Router Advertisements meanwhile.
func (f *foreignClient) routes() string {
	if f.doesRA() {
		return "left to it"
	}
	return "kept by v6guest"
}

// lacks is what the NIC waits for.
func (f *foreignClient) lacks() string {
	if f.finding.Stack == distro.None {
		return f.who + " is the DHCPv6 client there, until it ends"
	}
	return fmt.Sprintf("%s is the DHCPv6 client there, until reboot or `v6guest configure --apply=live`", f.who)
}

// foreignGone ends the waiting: the port is v6guest's, or nobody wants it.
func (n *managedNIC) foreignGone(now clock.Instant) {
	f := n.foreign
	if f == nil {
		return
	}
	f.forget()
	n.foreign = nil
	if n.leaser == nil {
		return
	}
	n.log.Info("the other DHCPv6 client is gone: v6guest takes over", "client", f.who)
	n.a.askStackAgain()
	n.unset, n.solicit = true, true
	n.guardAt, n.listenAt = now, 0
}

// repaired notes a repair of what somebody undid. Where that becomes a fight, pauses are made from then on,
// and the log names the opponent.
func (n *managedNIC) repaired(b *backoff, now clock.Instant, what string) {
	if b.done(now) {
		n.log.Warn("somebody undoes what v6guest does on the NIC again and again: it is done anew with growing pauses",
			"what", what, "stack", n.a.sys.InCharge(n.nic).String())
	}
}
