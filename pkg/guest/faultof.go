package guest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/v6guest/v6guest/pkg/client"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/link"
)

// asFaultOf gives the error of a command on a NIC its exit code and its cure (decision 15). That the
// time was over is said by what was the matter until then.
func asFaultOf(nic string, err error) error {
	if err == nil {
		return nil
	}
	if f, ok := fault.As(err); ok {
		return f
	}
	f := &fault.Fault{Err: fmt.Errorf("%s: %w", nic, err), Exit: fault.ExitFailure, Cure: Report(err).Cure}
	because := func(err error, exit int, cure string) {
		*f = fault.Fault{Err: fmt.Errorf("%s: %w", nic, err), Exit: exit, Cure: cure}
	}
	declined, refused := (*client.DeclinedError)(nil), (*client.RefusedError)(nil)
	switch {
	case errors.As(err, &declined):
		because(declined, fault.ExitInUse, "find the node that uses the address (ping it, look at `ip -6 neigh`), or change the reservation")
	case errors.As(err, &refused):
		because(refused, fault.ExitRefused, fmt.Sprintf("look at the server's reservation for the DUID that `v6guest duid %s` prints", nic))
	case errors.Is(err, client.ErrNoLink):
		because(client.ErrNoLink, fault.ExitFailure, "look at the cable or virtual switch behind it (ip link), and that it has a link-local address (ip -6 addr)")
	case errors.Is(err, client.ErrProbing):
		because(client.ErrProbing, fault.ExitFailure, "give it a longer --timeout")
	case errors.Is(err, client.ErrNoServer):
		because(client.ErrNoServer, fault.ExitNoServer, "look whether a DHCPv6 server serves this network, and whether a firewall drops UDP port 546")
	case errors.Is(err, client.ErrNoBinding):
		f.Cure = "v6guest status shows what is leased"
	case errors.Is(err, client.ErrStopped):
		f.Cure = "another command (release, perhaps) or the agent's end came between; look at v6guest status, and run it again"
	case errors.Is(err, link.ErrNoNIC):
		f.Cure = "it went away; look at `ip link`"
	case errors.Is(err, fs.ErrPermission):
		f.Exit, f.Cure = fault.ExitNotPermitted, "run as root"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		because(errors.New("nothing was heard in time"), fault.ExitNoServer, "give it a longer --timeout")
	}
	return f
}
