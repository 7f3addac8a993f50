package e2e

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// From an address that the guest made to one that a server leases, the same one or another: a ping that
// goes on all the while never misses an answer.
func TestAPingNeverStopsOnTheWayFromSLAACToDHCPv6(t *testing.T) {
	for _, same := range []bool{true, false} {
		t.Run(fmt.Sprintf("same address %v", same), func(t *testing.T) {
			t.Parallel()
			ctx := within(t, 2*time.Minute)
			c := newCloud(ctx, t, 1)
			n := c.Nets[0]
			check(t, n.Router.WriteFile("/etc/radvd.conf", "interface eth0 { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; "+
				"prefix "+n.Prefix.String()+" { AdvOnLink on; AdvAutonomous on; }; };\n"))
			p, err := n.Router.Start("radvd", "--nodaemon", "--logmethod=stderr", "--debug=1", "--username=root", "--pidfile=/run/radvd.pid")
			check(t, err)
			_, err = p.AwaitLine(ctx, 0, "started")
			check(t, err)
			check(t, c.StartGuest())
			ctx, p = agent(ctx, t, c, "")
			usable(ctx, t, c, "eth0", made(n))
			going := pinging(t, c.Guest, n.Neighbor6)

			n.Reserved.Addr = n.Host(0x38)
			if same {
				n.Reserved.Addr = made(n)
			}
			network := n.Network()
			network.NoRA = true
			check(t, n.Serve(ctx, peer.Dnsmasq, network))
			_, err = p.AwaitLine(ctx, 0, "msg=bound")
			check(t, err)
			_, err = c.Guest.Await(ctx, "the leased address alone", func(s lab.State) bool {
				return s.Usable("eth0", n.Reserved.Addr) && len(s.Global("eth0")) == 1 && s.Global("eth0")[0].Valid == 0xffffffff
			})
			check(t, err)
			if lost := going.stop(ctx, t); lost > 0 {
				t.Errorf("%d pings without an answer", lost)
			}
			want := map[bool]netip.Addr{true: made(n), false: n.Host(0x38)}[same]
			if h := history(c.Guest, want); same && !cmp.Equal(h, []string{"came", "usable"}) && !cmp.Equal(h, []string{"usable"}) {
				t.Errorf("history of %s: %v", want, h)
			}
		})
	}
}
