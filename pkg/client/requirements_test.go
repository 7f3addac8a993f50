package client

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/v6guest/v6guest/pkg/wire"
)

// Two NICs are two engines: nothing of the one reaches the other.
func TestNICsAreApart(t *testing.T) {
	t.Run("C-14.1-02 a storm on A does not delay B", func(t *testing.T) {
		a, b := newSim(t, 1).up(), newSim(t, 2)
		for range 100 {
			a.do(LinkChanged{})
		}
		b.up()
		if len(b.of(solicit)) != 1 || b.sent[0].at != 0 {
			t.Errorf("sent %v", b.types(0))
		}
	})
	t.Run("C-21.24-04 C-21.25-01 SOL_MAX_RT holds for the NIC on which it came", func(t *testing.T) {
		a, srv := soliciting(t)
		b, _ := soliciting(t)
		advertise(a, srv, func(m *wire.Message) { m.SOLMaxRT, m.INFMaxRT = 100*time.Second, 100*time.Second })
		if a.engine.solMaxRT != 100*time.Second || b.engine.solMaxRT != time.Hour || b.engine.infMaxRT != time.Hour {
			t.Errorf("A %s, B %s and %s", a.engine.solMaxRT, b.engine.solMaxRT, b.engine.infMaxRT)
		}
	})
	t.Run("C-12.1-01 an answer for A's IAID changes nothing on B", func(t *testing.T) {
		b, srv := soliciting(t, func(c *Config) { c.IAID = 1 })
		advertise(b, srv, func(m *wire.Message) { m.IANAs[0].ID = testIAID })
		if len(b.engine.offers) != 0 {
			t.Error("taken")
		}
	})
}

func TestAddressIsUsedOnlyAfterDetection(t *testing.T) {
	t.Run("C-18.2.10.1-10 C-4862.5.4-02 a command waits for it", func(t *testing.T) {
		s := newSim(t, 1)
		s.server("A", "2001:db8::4a0:f0ff:fe00:38").rapid = true // the EUI-64 address
		s.up()
		s.do(LeaseNow{})
		s.after(900 * time.Millisecond)
		if s.state != StateProbing || len(s.finished) > 0 {
			t.Errorf("%s, %v", s.state, s.finished)
		}
		s.after(200 * time.Millisecond)
		if s.state != StateBound || len(s.finished) != 1 {
			t.Errorf("%s, %v", s.state, s.finished)
		}
	})
	t.Run("C-4862.5.4-01 at once where the NIC has detection off", func(t *testing.T) {
		s := newSim(t, 1)
		s.dad = 0
		s.server("A", addr38).rapid = true
		s.up()
		s.after(simLatency)
		if s.state != StateBound {
			t.Error(s.state)
		}
	})
}

func TestOptionsThatCountElsewhereOnly(t *testing.T) {
	t.Run("C-21.19-01 Reconfigure Message in a Reply", func(t *testing.T) {
		s := newSim(t, 1)
		srv := s.server("A", addr38)
		srv.rapid = true
		srv.edit = func(_, resp *wire.Message) *wire.Message { resp.ReconfigureMessage = renew; return resp }
		s.up()
		s.after(5 * time.Second)
		if diff := cmp.Diff([]string{"Solicit"}, s.types(0)); diff != "" || s.state != StateBound {
			t.Errorf("%s %s", s.state, diff)
		}
	})
	t.Run("C-AppA-01 C-16-05 Server Unicast and status 5 are not relied on", func(t *testing.T) {
		s := newSim(t, 1)
		srv := s.server("A", addr38)
		srv.edit = func(_, resp *wire.Message) *wire.Message {
			resp.Others = []wire.Option{{Code: dhcpv6.OptionUnicast, Data: make([]byte, 16)}}
			return resp
		}
		s.up()
		s.after(time.Hour)
		if s.state != StateBound || len(s.of(renew)) == 0 { // a Send has no destination: there is but one
			t.Error(s.state)
		}
	})
}

func TestConfiguredOptionsAreAskedFor(t *testing.T) {
	options := []dhcpv6.OptionCode{17, 23, 24, 31, 56}
	all := allMessages(t, func(c *Config) { c.Options, c.FQDN = options, &wire.FQDN{Name: "vm1.example.com"} })
	for _, typ := range []dhcpv6.MessageType{solicit, request, renew, rebind} {
		for _, code := range append(slices.Clone(options), 39, 82) {
			if !slices.Contains(all[typ].Requested, code) {
				t.Errorf("C-21.7-03: %s does not ask for %d", name(typ), code)
			}
		}
	}
}

// C-18.2-02: what an engine asks after a link change goes by what it holds.
func TestLinkChangeByWhatIsHeld(t *testing.T) {
	bound, _ := boundSim(t, 1)
	informed := statelessSim(t, nil)
	informed.after(time.Second)
	for s, want := range map[*sim]dhcpv6.MessageType{bound: confirm, informed: inform, newSim(t, 1).up(): solicit} {
		n := len(s.sent)
		s.do(LinkChanged{Why: "resume"})
		if len(s.sent) != n+1 || s.last().Type != want {
			t.Errorf("%v, want %s", s.types(n), name(want))
		}
	}
}

// What a command that ends too late says stays with what really stood in its way.
func TestPendingSaysWhatStandsInTheWay(t *testing.T) {
	s := newSim(t, 1)
	s.server("A", addr38).rapid = true
	s.taken[ip(addr38)] = 1
	s.up()
	if p := s.engine.Snapshot().Pending; p != nil {
		t.Errorf("%v without a command", p)
	}
	s.do(LeaseNow{})
	if p := s.engine.Snapshot().Pending; p == nil || p.Error() != ErrNoServer.Error() {
		t.Errorf("%v", p)
	}
	s.after(1100 * time.Millisecond)
	if _, ok := errors.AsType[*DeclinedError](s.engine.Snapshot().Pending); !ok {
		t.Errorf("%v", s.engine.Snapshot().Pending)
	}
	s.after(time.Minute)
	if p := s.engine.Snapshot(); p.Pending != nil || p.LastError != nil {
		t.Errorf("%v, %v", p.Pending, p.LastError)
	}
}

// The link comes and goes between two lives of an engine as it does within one.
func TestCarrierBetweenTwoLives(t *testing.T) {
	s := newSim(t, 1)
	s.up()
	s.do(Stop{})
	s.do(Carrier{Up: false})
	s.do(Start{})
	if s.state != StateNoLink {
		t.Errorf("without a link: %s", s.state)
	}
	s.do(Stop{})
	s.do(Carrier{Up: true})
	s.do(Start{})
	if s.state != StateSoliciting {
		t.Errorf("with a link: %s", s.state)
	}
}
