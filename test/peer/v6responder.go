package peer

import (
	"context"
	"fmt"
	"strings"

	"github.com/v6guest/v6guest/test/lab"
)

// ResponderHosts is the hosts file that v6responder reads.
const ResponderHosts = "/etc/v6responder/hosts"

// serveV6responder starts v6responder from the shortest configuration that makes it a gateway too.
func serveV6responder(ctx context.Context, m *lab.Machine, n Network) (*Server, error) {
	ra := "router_lifetime = 30m"
	if n.NoRA {
		ra = "send_ra = no"
	}
	conf := fmt.Sprintf(`[server]
hosts = %s
%s
[network guests]
interface = %s
prefix = %s
dns = %s
search = %s
%s
%s
`, ResponderHosts, strings.Join(n.Options, "\n"), n.NIC, n.Prefix, n.DNS, n.Search, ra, strings.Join(n.NetworkOptions, "\n"))
	if err := m.WriteFile("/etc/v6responder/v6responder.conf", conf); err != nil {
		return nil, err
	}
	if err := m.WriteFile(ResponderHosts, Hosts(n.Guests)); err != nil {
		return nil, err
	}
	p, err := start(ctx, m, "serving", "v6responder", "serve")
	if err != nil {
		return nil, err
	}
	s := &Server{Kind: V6responder, machine: m, processes: []*lab.Process{p}}
	s.reserve = func(ctx context.Context, guests []Guest) error {
		if err := m.WriteFile(ResponderHosts, Hosts(guests)); err != nil {
			return err
		}
		// Additions and changes hold at once; reload also takes away, without the two seconds' wait.
		r, err := m.Run(ctx, "v6responder", "reload")
		if err == nil && r.Code != 0 {
			err = fmt.Errorf("v6responder reload: %s", r.Stderr)
		}
		return err
	}
	return s, nil
}
