package guest

import (
	"net/netip"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/ra/listener"
)

// The configuration names a NIC no more: what v6guest has made there is nobody's.
func TestRoutesGoFromANICThatIsNotLookedAfterAnyMore(t *testing.T) {
	play(t, "[agent]\nnics = eth0 eth1\ndefault_nic = eth0\nra = agent\n", two, func(s *stage) {
		s.wait(3 * time.Second)
		p := s.advertised(net0, time.Hour, time.Hour)
		s.m.tell[2](listener.Snapshot{Heard: true, Routers: []listener.Router{s.router("fe80::1", time.Hour, ra.Medium)}, Prefixes: []listener.Prefix{p}})
		s.wait(time.Second)
		s.wantDid(s.m.done(), "route "+net0+" on eth0")
		s.stop()
		s.m.addRoute(link.Route{Index: 2, Dst: netip.MustParsePrefix("2001:db8:77::/64"), Protocol: link.ProtoStatic, Metric: 64, Table: link.TableMain})
		s.start(parse(t, "[agent]\nnics = eth1\n"))
		s.wait(time.Second)
		var gone []string
		for _, l := range s.m.done() {
			switch l {
			case "no route ::/0 on eth0", "no route " + net0 + " on eth0":
				gone = append(gone, l)
			case "no route 2001:db8:77::/64 on eth0", "remove " + addr0 + " from eth0":
				s.Errorf("done: %s", l)
			}
		}
		if len(gone) != 2 {
			s.Errorf("removed: %v", gone)
		}
	})
}

// Networks change places while no agent runs, and the NICs stay up.
func TestOnLinkRoutesOfAnEarlierRunGo(t *testing.T) {
	play(t, "[agent]\ndefault_nic = eth0\n", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.announce(2, net0)
		s.announce(3, net1)
		s.stop()
		s.m.done()
		s.start(parse(t, "[agent]\ndefault_nic = eth0\n"))
		s.wait(time.Second)
		s.announce(3) // its router does not call the prefix on-link any more
		s.wantNot(s.m.done(), "no route")
		s.wait(4 * time.Second)
		s.wantDid(s.m.done(), "no route "+net1+" on eth1")
		s.announce(2, net0)
		s.wait(10 * time.Second)
		s.wantNot(s.m.done(), "no route")
	})
}

func TestAnOnLinkRouteStaysWhileItsAddressIsPutBack(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.announce(3, net1)
		s.m.done()
		s.m.takeAddr(3, addr1)
		s.wait(time.Second)
		s.wantDone("install " + addr1 + " on eth1")
	})
}
