package responder

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// TestStatusTellsWhatIsServedAndWhatIsWrong, asked over the control socket.
func TestStatusTellsWhatIsServedAndWhatIsWrong(t *testing.T) {
	n := newNet(t)
	n.sysctl("net/ipv6/conf/all/forwarding", "0")
	s, _ := n.serve(plain+`pool = 2001:db8:1::f0-2001:db8:1::f0
router_lifetime = 30m
[network far]
interface = eth9
prefix = 2001:db8:9::/64
send_ra = no
`, "06:a0:f0:00:00:99,[2001:db8:1::99]\nbroken\n")
	dir := n.control(s)
	known, late := newGuest(1), newGuest(2)
	for _, g := range []guest{known, late} {
		n.sendFrame(g.frame(t, g.request()))
		n.next()
	}
	astray := late.request()
	astray.ServerID = other
	n.sendFrame(late.frame(t, astray))
	n.sendFrame(known.frame(t, known.solicit())) // is answered when the message before it has been read
	n.next()

	var st Status
	for sent := uint64(0); sent == 0; { // the sender of advertisements has begun
		var err error
		if st, err = AskStatus(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		if st.Networks[0].RA != nil {
			sent = st.Networks[0].RA.Sent
		}
	}
	if st.DUID != s.duid || st.Identity != IdentityDUID || !st.VerifyFrame || st.HostsLines != 1 || st.Leases != 1 || st.Refused != 1 || st.Store.Leases != 1 {
		t.Errorf("%+v", st)
	}
	if st.Received["Request"] != 3 || st.Sent["Reply"] != 2 || st.Dropped[dropOtherServer] != 1 {
		t.Errorf("received %v, sent %v, dropped %v", st.Received, st.Sent, st.Dropped)
	}
	here, far := st.Networks[0], st.Networks[1]
	if here.State != stateServed || here.LinkLocal != "fe80::ff:fe00:1" || here.MAC != "02:00:00:00:00:01" || *here.Pool != (PoolStatus{1, 1, true}) || here.RA.RouterLifetime != 0 {
		t.Errorf("%+v, advertisements %+v", here, here.RA)
	}
	if far.State != stateMissing || far.RA != nil {
		t.Errorf("%+v", far)
	}
	var all strings.Builder
	for _, p := range st.Problems {
		all.WriteString(p.What + "; try " + p.Try + "\n")
	}
	for _, want := range []string{
		"network guests: its pool is full", "network guests: eth1 does not forward", "lines or files of the hosts that have something wrong: 1",
		"network far: its interface is missing (eth9); try it is served as soon as eth9 appears",
		"another DHCPv6 server is on the link of eth1: " + other.String(),
	} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("no %q in\n%s", want, all.String())
		}
	}
	if want := "1 of 2 networks served, hosts lines: 1, leases: 1, problems: 5"; st.Summary != want {
		t.Errorf("%s, want %s", st.Summary, want)
	}

	n.ip("link", "set", "eth1", "down")
	for st.Networks[0].State == stateServed {
		var err error
		if st, err = AskStatus(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
	}
	if got := st.Networks[0].State; got != stateDown {
		t.Errorf("down: %s", got)
	}
}

func TestStatusSaysWhyNothingIsStored(t *testing.T) {
	b := newBench(t, hourly, "")
	b.slow = true
	b.step(b.message("Request mac=38 ia=1 server=own"))
	b.flush(errors.New("no space left on device"))
	if b.e.commits.failure == nil {
		t.Error("no failure is kept")
	}
	st := Status{Store: &StoreStatus{Error: b.e.commits.failure.Error()}}
	st.judge(0)
	if len(st.Problems) != 1 || !strings.Contains(st.Problems[0].What, "no space left on device") {
		t.Errorf("%+v", st.Problems)
	}
	b.step(b.message("Request mac=38 ia=1 server=own"))
	b.flush(nil)
	if b.e.commits.failure != nil {
		t.Errorf("still: %v", b.e.commits.failure)
	}
}

func TestStatusTellsOfOtherRouters(t *testing.T) {
	n := NetworkStatus{Name: "guests", State: stateServed, RA: &RAStatus{Routers: []RouterStatus{
		{Address: netip.MustParseAddr("fe80::9"), Default: true, Contradict: []string{"MTU", "managed flag"}},
		{Address: netip.MustParseAddr("fe80::8")},
	}}}
	st := Status{Networks: []NetworkStatus{n}}
	st.judge(0)
	if len(st.Problems) != 2 || st.Problems[1].What != "network guests: the router fe80::9 contradicts this one: MTU, managed flag" {
		t.Errorf("%+v", st.Problems)
	}
}
