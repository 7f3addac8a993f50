package client

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/wire"
)

// leaseSim is a client bound to addrs with the given times, an hour and two as lifetimes.
func leaseSim(t *testing.T, t1, t2 time.Duration, addrs ...string) (*sim, *simServer) {
	t.Helper()
	s := newSim(t, 1)
	srv := s.server("A", addrs...)
	srv.rapid, srv.t1, srv.t2 = true, t1, t2
	s.up()
	s.after(5 * time.Second)
	return s, srv
}

// reception is when the lease of leaseSim was received.
const reception = clock.Instant(simLatency)

func TestReplyThatIsDiscarded(t *testing.T) {
	for _, in := range everyExchange {
		for what, edit := range map[string]func(*wire.Message){
			"C-16.10-01 no Server Identifier":       func(m *wire.Message) { m.ServerID = "" },
			"C-16.10-02 another transaction id":     func(m *wire.Message) { m.TransactionID[2] ^= 1 },
			"C-16.10-03 no Client Identifier":       func(m *wire.Message) { m.ClientID = "" },
			"C-16.10-04 another NIC's DUID":         func(m *wire.Message) { m.ClientID = testDUID[:9] + "9" },
			"C-16.10-06 another server":             func(m *wire.Message) { m.ServerID += "x" },
			"C-16-04 sent to a group":               nil,
			"C-18.2.1-16 no Rapid Commit (Solicit)": func(m *wire.Message) { m.RapidCommit = false },
			"C-15-09 the message was never sent":    nil,
		} {
			addressed := in == request || in == renew || in == release || in == declin
			if what[2:7] == "16.10-06"[:5] && what == "C-16.10-06 another server" && !addressed ||
				what == "C-18.2.1-16 no Rapid Commit (Solicit)" && in != solicit || what == "C-15-09 the message was never sent" {
				continue
			}
			t.Run(what+" "+name(in), func(t *testing.T) {
				s := silentSim(t, 1, in)
				if len(s.servers) == 0 {
					s.server("A", addr38)
				}
				srv := s.servers[0]
				srv.silent, srv.rapid, srv.mute = false, true, nil
				m := srv.answer(s.of(in)[0].msg)
				if edit != nil {
					edit(m)
				}
				ev := s.packet(srv.from, m)
				if edit == nil {
					ev.To = ip("ff02::1")
				}
				before := s.state
				s.deliver(ev)
				if s.state != before {
					t.Errorf("%s became %s", before, s.state)
				}
			})
		}
	}
}

func TestAddressesThatAreRefused(t *testing.T) {
	for addr, why := range map[string]string{
		"::":                "C-21.6-06 unspecified",
		"::1":               "C-21.6-06 loopback",
		"ff02::1":           "C-21.6-06 multicast",
		"fe80::38":          "C-21.6-06 link-local",
		"::ffff:192.0.2.1":  "IPv4 in disguise",
		"fec0::38":          "site-local",
		"4000::38":          "outside of global unicast",
		"2001:db8::bad":     "refused by the owner",
		"2001:db8::5e:5e5e": "the server's own",
		"2001:db8::38":      "",
		"fd00::38":          "",
	} {
		t.Run(addr+" "+why, func(t *testing.T) {
			s := newSim(t, 1, func(c *Config) {
				c.Refuse = func(a netip.Addr) string {
					if a == ip("2001:db8::bad") {
						return "on eth1 already"
					}
					return ""
				}
			})
			srv := s.server("A", addr)
			srv.from, srv.rapid = ip("2001:db8::5e:5e5e"), true
			s.up()
			s.after(3 * time.Second)
			if got := s.has(addr); got != (why == "") {
				t.Errorf("installed: %v", got)
			}
			reported := slices.ContainsFunc(s.reports, func(r Report) bool { return r.Message == "address refused" })
			if reported != (why != "") {
				t.Errorf("reported: %v", reported)
			}
		})
	}
}

func TestRenewTimes(t *testing.T) {
	const inf = wire.Infinite
	sec := time.Second
	for name, tt := range map[string]struct{ t1, t2, want1, want2 time.Duration }{
		"C-21.4-04 as given":                   {70 * sec, 110 * sec, 70 * sec, 110 * sec},
		"sooner than the least":                {1 * sec, 2 * sec, 10 * sec, 16 * sec},
		"sooner than the least, late T2":       {1 * sec, 200 * sec, 10 * sec, 200 * sec},
		"C-14.2-01 both left open":             {0, 0, 30 * time.Minute, 48 * time.Minute},
		"T1 left open":                         {0, 100 * sec, 100 * sec, 100 * sec},
		"T1 left open, late T2":                {0, time.Hour, 30 * time.Minute, time.Hour},
		"T2 left open":                         {50 * time.Minute, 0, 50 * time.Minute, 50 * time.Minute},
		"T2 left open, early T1":               {time.Minute, 0, time.Minute, 48 * time.Minute},
		"C-7.7-03 infinite T1":                 {inf, inf, inf, inf},
		"C-7.7-01 0x7fffffff and 0x80000000 s": {0x7fffffff * sec, 0x80000000 * sec, 0x7fffffff * sec, 0x80000000 * sec},
		"C-7.7-01 0xfffffffe s":                {0xfffffffd * sec, 0xfffffffe * sec, 0xfffffffd * sec, 0xfffffffe * sec},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := leaseSim(t, tt.t1, tt.t2, addr38)
			got := s.engine.Snapshot()
			if got.T1 != until(reception, tt.want1) || got.T2 != until(reception, tt.want2) {
				t.Errorf("C-18.2.10.1-02: T1 %s, T2 %s", got.T1, got.T2)
			}
			if len(s.sent) > 1 {
				t.Errorf("C-14.2-02: %v was sent at once", s.types(0))
			}
		})
	}
	t.Run("C-7.7-03 T1 and T2 infinite, lifetimes finite: nothing until the end", func(t *testing.T) {
		s, _ := leaseSim(t, inf, inf, addr38)
		s.run(reception.Add(2*time.Hour - 1))
		if diff := cmp.Diff([]string{"Solicit"}, s.types(0)); diff != "" || !s.has(addr38) {
			t.Error(diff)
		}
	})
	t.Run("C-21.4-05 T1 infinite and T2 finite is T1 greater than T2", func(t *testing.T) {
		s, _ := leaseSim(t, inf, 100*sec, addr38)
		if len(s.nic) != 0 {
			t.Errorf("installed %v", s.nic)
		}
	})
	t.Run("C-7.7-04 T2 infinite: Renews until the end, no Rebind", func(t *testing.T) {
		s, srv := leaseSim(t, 100*sec, inf, addr38)
		srv.silent = true
		s.run(reception.Add(2*time.Hour - 1))
		if len(s.of(rebind)) != 0 || len(s.of(renew)) < 5 || !s.has(addr38) {
			t.Errorf("sent %v", s.types(0))
		}
		s.after(2)
		if s.has(addr38) || s.last().Type != solicit {
			t.Errorf("C-6.2-01: not gone at the end, or no discovery: %v", s.types(0))
		}
	})
	t.Run("C-7.7-02 infinite lifetimes", func(t *testing.T) {
		s := newSim(t, 1)
		s.server("A", addr38).infinite().rapid = true
		s.up()
		s.after(5 * time.Second)
		if a := s.nic[ip(addr38)]; a.PreferredUntil != clock.Never || a.ValidUntil != clock.Never {
			t.Errorf("installed %+v", a)
		}
		s.after(200 * 365 * 24 * time.Hour)
		if !s.has(addr38) || s.engine.Deadline() != clock.Never {
			t.Errorf("after 200 years: %v, next %s", s.nic, s.engine.Deadline())
		}
	})
}

func TestLifetimesCountFromReception(t *testing.T) {
	s, srv := leaseSim(t, 100*time.Second, 200*time.Second, addr38)
	srv.delay = 5 * time.Second
	s.after(120 * time.Second)
	sent := s.of(renew)[0].at
	if sent != reception.Add(100*time.Second) {
		t.Errorf("C-18.2.4-01: Renew at %s", sent)
	}
	got := s.engine.Snapshot()
	at := sent.Add(5*time.Second + simLatency)
	if got.Received != at || got.T1 != at.Add(100*time.Second) || s.nic[ip(addr38)].ValidUntil != at.Add(2*time.Hour) {
		t.Errorf("C-18.2.10.1-02 C-21.6-03: %+v, on the NIC %+v", got, s.nic)
	}
}

func TestReplyToRenew(t *testing.T) {
	hour := time.Hour
	edit := func(f func(ia *wire.IANA)) func(req, resp *wire.Message) *wire.Message {
		return func(req, resp *wire.Message) *wire.Message {
			if req.Type == renew {
				f(&resp.IANAs[0])
			}
			return resp
		}
	}
	renewed := func(t *testing.T, f func(ia *wire.IANA)) *sim {
		s, srv := leaseSim(t, 100*time.Second, 3000*time.Second, addr38, addr39)
		srv.edit = edit(f)
		s.acts = nil
		s.run(reception.Add(100*time.Second + 50*time.Millisecond))
		return s
	}
	removes := func(s *sim) int {
		n := 0
		for _, a := range s.acts {
			if _, ok := a.(Remove); ok {
				n++
			}
		}
		return n
	}
	t.Run("C-18.2.10.1-03 C-18.2.10.1-09 a new address is added and probed", func(t *testing.T) {
		s := renewed(t, func(ia *wire.IANA) {
			ia.Addresses = append(ia.Addresses, wire.Address{Addr: ip("2001:db8::40"), Preferred: hour, Valid: hour})
		})
		if len(s.nic) != 3 || s.usable[ip("2001:db8::40")] || !s.usable[ip(addr38)] {
			t.Errorf("%v, usable %v", s.nic, s.usable)
		}
		s.after(time.Second)
		if !s.engine.binding.find(ip("2001:db8::40")).usable {
			t.Error("not usable after detection")
		}
	})
	t.Run("C-18.2.10.1-04 lifetimes go down without a flap", func(t *testing.T) {
		s := renewed(t, func(ia *wire.IANA) { ia.Addresses[0].Preferred, ia.Addresses[0].Valid = 60*time.Second, 90*time.Second })
		if removes(s) > 0 {
			t.Error("taken off")
		}
		s.after(95 * time.Second)
		if s.has(addr38) {
			t.Error("C-6.2-01: still there")
		}
	})
	t.Run("C-18.2.10.1-05 valid lifetime 0 drops it at once", func(t *testing.T) {
		s := renewed(t, func(ia *wire.IANA) { ia.Addresses[0].Preferred, ia.Addresses[0].Valid = 0, 0 })
		if s.has(addr38) || !s.has(addr39) {
			t.Errorf("%v", s.nic)
		}
	})
	t.Run("C-18.2.10.1-05 all of them: discovery", func(t *testing.T) {
		s := renewed(t, func(ia *wire.IANA) {
			for i := range ia.Addresses {
				ia.Addresses[i].Preferred, ia.Addresses[i].Valid = 0, 0
			}
		})
		if len(s.nic) != 0 || s.state != StateSoliciting {
			t.Errorf("%v, %s", s.nic, s.state)
		}
	})
	t.Run("C-18.2.10.1-06 one that is left out runs on", func(t *testing.T) {
		s := renewed(t, func(ia *wire.IANA) { ia.Addresses = ia.Addresses[:1] })
		if got := s.engine.binding.find(ip(addr39)); got == nil || got.ValidUntil != reception.Add(2*hour) {
			t.Errorf("%+v", got)
		}
	})
	t.Run("C-21.6-04 preferred greater than valid: it keeps its lifetimes", func(t *testing.T) {
		s := renewed(t, func(ia *wire.IANA) { ia.Addresses[1].Preferred, ia.Addresses[1].Valid = wire.Infinite, 100*time.Second })
		if got := s.engine.binding.find(ip(addr39)); got == nil || got.ValidUntil != reception.Add(2*hour) {
			t.Errorf("%+v", got)
		}
	})
	for name, f := range map[string]func(m *wire.Message){
		"C-18.2.10.1-16 C-18.2.10.1-17 no IA": func(m *wire.Message) { m.IANAs = nil },
		"C-18.2.10.1-07 NoAddrsAvail": func(m *wire.Message) {
			m.IANAs = []wire.IANA{{ID: testIAID, Status: &wire.Status{Code: iana.StatusNoAddrsAvail}}}
		},
		"C-16-06 UseMulticast":                func(m *wire.Message) { m.Status = &wire.Status{Code: iana.StatusUseMulticast} },
		"C-18.2.10-01 failure with a full IA": func(m *wire.Message) { m.Status = &wire.Status{Code: iana.StatusUnspecFail} },
		"C-21.4-05 T1 greater than T2":        func(m *wire.Message) { m.IANAs[0].T1, m.IANAs[0].T2 = 9*time.Second, 8*time.Second },
	} {
		t.Run("C-18.2.10.1-18 "+name, func(t *testing.T) {
			s, srv := leaseSim(t, 100*time.Second, 3000*time.Second, addr38)
			srv.edit = func(req, resp *wire.Message) *wire.Message {
				if req.Type == renew {
					f(resp)
				}
				return resp
			}
			s.after(1000 * time.Second)
			quiet, q := leaseSim(t, 100*time.Second, 3000*time.Second, addr38)
			q.silent = true
			quiet.after(1000 * time.Second)
			if diff := cmp.Diff(quiet.gaps(renew), s.gaps(renew)); diff != "" || !s.has(addr38) {
				t.Errorf("address %v, gaps (-silent +got):\n%s", s.has(addr38), diff)
			}
		})
	}
}

func TestNoBinding(t *testing.T) {
	t.Run("C-18.2.10.1-15 to a Renew: Request to that server, the address stays", func(t *testing.T) {
		s, srv := leaseSim(t, 100*time.Second, 200*time.Second, addr38)
		clear(srv.given)
		s.acts = nil
		s.after(101 * time.Second)
		if diff := cmp.Diff([]string{"Solicit", "Renew", "Request"}, s.types(0)); diff != "" {
			t.Error(diff)
		}
		for _, a := range s.acts {
			if r, ok := a.(Remove); ok {
				t.Errorf("%+v", r)
			}
		}
	})
	t.Run("C-18.2.10.1-18 and then silence: the address stays to its end", func(t *testing.T) {
		s, srv := leaseSim(t, 100*time.Second, 200*time.Second, addr38)
		clear(srv.given)
		srv.mute[request], srv.mute[solicit] = true, true
		s.run(reception.Add(2*time.Hour - 1))
		if !s.has(addr38) {
			t.Error("taken off")
		}
		s.after(2)
		if s.has(addr38) {
			t.Error("C-6.2-01: still there after its end")
		}
	})
}

func TestRenewAndRebind(t *testing.T) {
	t.Run("C-18.2.4-13 C-18.2.5-01 Rebind exactly at T2, with a new id", func(t *testing.T) {
		s, srv := leaseSim(t, 100*time.Second, 160*time.Second, addr38)
		srv.silent = true
		s.after(300 * time.Second)
		first := s.of(rebind)[0]
		if first.at != reception.Add(160*time.Second) || first.msg.TransactionID == s.of(renew)[0].msg.TransactionID {
			t.Errorf("Rebind at %s", first.at)
		}
		if n := len(s.of(renew)); n != 3 {
			t.Errorf("C-18.2.4-12: %d Renews", n)
		}
	})
	t.Run("C-18.2.5-03 C-18.2.5-04 until all leases have ended", func(t *testing.T) {
		s, srv := leaseSim(t, 100*time.Second, 160*time.Second, addr38, addr39)
		srv.silent = true
		s.engine.binding.addrs[0].ValidUntil = reception.Add(1000 * time.Second)
		s.run(reception.Add(2*time.Hour - 1))
		if s.state != StateRebinding || s.has(addr38) || !s.has(addr39) {
			t.Errorf("%s, %v", s.state, s.nic)
		}
		s.after(1)
		if s.state != StateSoliciting || len(s.nic) != 0 {
			t.Errorf("%s, %v", s.state, s.nic)
		}
	})
	t.Run("C-18.2.4-05 after a Rebind the new server is the one to renew with", func(t *testing.T) {
		s, srv := leaseSim(t, 100*time.Second, 160*time.Second, addr38)
		srv.silent = true
		b := s.server("B", addr38)
		b.given[ip(addr38)], b.t1, b.t2 = true, 100*time.Second, 160*time.Second
		s.after(300 * time.Second)
		list := s.of(renew)
		if got := list[len(list)-1].msg.ServerID; got != b.duid {
			t.Errorf("Renew to %s", s.serverName(got))
		}
	})
	t.Run("C-18.2.10-06 C-18.2.10.5-01 C-18.2.10.5-02 settings follow the Reply", func(t *testing.T) {
		s, srv := leaseSim(t, 100*time.Second, 200*time.Second, addr38)
		srv.dns = []netip.Addr{ip("2001:db8::53")}
		s.after(101 * time.Second)
		if diff := cmp.Diff(srv.dns, s.settings.DNS, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Error(diff)
		}
		srv.dns = nil
		s.after(101 * time.Second)
		if len(s.settings.DNS) != 0 {
			t.Errorf("%v", s.settings)
		}
	})
	t.Run("C-18.2.4-04 the link-local address has changed", func(t *testing.T) {
		s, srv := leaseSim(t, 100*time.Second, 200*time.Second, addr38)
		s.do(LinkLocalChanged{})
		if len(s.of(renew)) != 0 {
			t.Error("a Renew without Reconfigure having been agreed")
		}
		srv.key = []byte("0123456789abcdef")
		s.after(101 * time.Second)
		n := len(s.of(renew))
		s.do(LinkLocalChanged{})
		if len(s.of(renew)) != n+1 {
			t.Error("no Renew")
		}
	})
}

func TestConfirmAnswers(t *testing.T) {
	status := func(code iana.StatusCode) *wire.Status { return &wire.Status{Code: code} }
	confirming := func(t *testing.T) (*sim, *simServer) {
		s := silentSim(t, 1, confirm)
		s.servers[0].silent = true
		return s, s.servers[0]
	}
	reply := func(s *sim, from *simServer, st *wire.Status) {
		s.deliver(s.packet(from.from, &wire.Message{
			Type: dhcpv6.MessageTypeReply, TransactionID: s.of(confirm)[0].msg.TransactionID,
			ClientID: testDUID, ServerID: from.duid, Status: st,
		}))
	}
	t.Run("C-18.2.10.3-01 C-7.5-01 implied Success", func(t *testing.T) {
		s, srv := confirming(t)
		before := s.engine.Snapshot()
		reply(s, srv, nil)
		after := s.engine.Snapshot()
		if after.State != StateRechecking || before.T1 != after.T1 || !slices.Equal(s.engine.binding.addresses(), []netip.Addr{ip(addr38)}) {
			// T1 is finite here, so no re-check is due
			if after.State != StateBound {
				t.Errorf("%s", after.State)
			}
		}
		if before.T1 != after.T1 || before.Addresses[0].ValidUntil != after.Addresses[0].ValidUntil {
			t.Error("C-18.2.10.3-03: times have changed")
		}
	})
	t.Run("C-18.2.10.3-01 NotOnLink, then Success from another server", func(t *testing.T) {
		s, srv := confirming(t)
		b := s.server("B")
		b.silent = true
		reply(s, srv, status(iana.StatusNotOnLink))
		s.after(500 * time.Millisecond)
		reply(s, b, status(iana.StatusSuccess))
		if s.state != StateBound {
			t.Error(s.state)
		}
	})
	t.Run("C-18.2.10.3-02 NotOnLink alone: discovery", func(t *testing.T) {
		s, srv := confirming(t)
		reply(s, srv, status(iana.StatusNotOnLink))
		s.after(1200 * time.Millisecond)
		if s.state != StateSoliciting || !s.has(addr38) {
			t.Errorf("%s, %v", s.state, s.nic)
		}
	})
	t.Run("C-18.2.10.3-02 NotOnLink in the last second counts too", func(t *testing.T) {
		s, srv := confirming(t)
		s.after(8 * time.Second)
		for range 100 {
			reply(s, srv, status(iana.StatusNotOnLink))
		}
		s.after(3 * time.Second)
		if s.state != StateSoliciting || !s.has(addr38) {
			t.Errorf("%s, %v", s.state, s.nic)
		}
		if lines := len(slices.DeleteFunc(s.reports, func(r Report) bool { return r.Packet })); lines > 20 {
			t.Errorf("a hundred packets make %d lines that nobody bounds", lines)
		}
	})
	t.Run("C-18.2.10-04 another failure does not count", func(t *testing.T) {
		s, srv := confirming(t)
		reply(s, srv, status(iana.StatusUnspecFail))
		if s.state != StateConfirming {
			t.Error(s.state)
		}
	})
	t.Run("C-18.2.3-06 silence: everything as before", func(t *testing.T) {
		s, _ := confirming(t)
		before := s.engine.Snapshot()
		s.after(11 * time.Second)
		after := s.engine.Snapshot()
		if after.State != StateBound || before.T1 != after.T1 || !s.has(addr38) {
			t.Errorf("%s, T1 %s to %s", after.State, before.T1, after.T1)
		}
	})
	t.Run("C-18.2.12-02 all addresses are in it", func(t *testing.T) {
		s, _ := leaseSim(t, time.Hour, time.Hour, addr38, addr39)
		s.do(LinkChanged{})
		if n := len(s.last().IANAs[0].Addresses); s.last().Type != confirm || n != 2 {
			t.Errorf("%s with %d addresses", s.last().Type, n)
		}
	})
	t.Run("C-18.2.12-05 C-18.2.12-06 prefix changes, one Confirm in 30 s", func(t *testing.T) {
		s, _ := leaseSim(t, time.Hour, time.Hour, addr38)
		for range 600 {
			s.do(PrefixChanged{})
			s.after(time.Second)
		}
		if n := len(s.of(confirm)); n < 19 || n > 21 {
			t.Errorf("%d Confirms", n)
		}
	})
}

func TestRelease(t *testing.T) {
	t.Run("C-18.2.7-03 C-18.2.7-05 the addresses are gone before the Release", func(t *testing.T) {
		s, _ := leaseSim(t, time.Hour, time.Hour, addr38, addr39)
		s.acts = nil
		s.do(ReleaseNow{})
		removed := 0
		for _, a := range s.acts {
			switch a.(type) {
			case Remove:
				removed++
			case Send:
				if removed != 2 {
					t.Errorf("Release after %d removes", removed)
				}
			}
		}
		if n := len(s.last().IANAs[0].Addresses); n != 2 {
			t.Errorf("C-18.2.7-02: %d addresses in it", n)
		}
	})
	for _, code := range []iana.StatusCode{iana.StatusSuccess, iana.StatusUnspecFail, iana.StatusNoBinding, 500} {
		t.Run("C-18.2.10.2-01 any Reply ends it: "+code.String(), func(t *testing.T) {
			s, srv := leaseSim(t, time.Hour, time.Hour, addr38)
			srv.fails[release] = code
			s.do(ReleaseNow{})
			s.after(time.Second)
			if s.state != StateReleased || len(s.finished) != 1 || s.finished[0].Err != nil {
				t.Errorf("%s, %v", s.state, s.finished)
			}
		})
	}
	t.Run("nothing to release", func(t *testing.T) {
		s := newSim(t, 1).up()
		s.do(ReleaseNow{})
		if len(s.finished) != 1 || !errors.Is(s.finished[0].Err, ErrNoBinding) {
			t.Errorf("%v", s.finished)
		}
	})
}

func TestDecline(t *testing.T) {
	t.Run("C-18.2.8-01 C-18.2.8-04 C-18.2.8-05 C-18.2.8-07 one of two", func(t *testing.T) {
		s := newSim(t, 1)
		srv := s.server("A", addr38, addr39)
		srv.rapid = true
		s.taken[ip(addr38)] = 1
		s.up()
		s.after(1500 * time.Millisecond)
		d := s.of(declin)
		if len(d) != 1 || len(d[0].msg.IANAs[0].Addresses) != 1 || d[0].msg.IANAs[0].Addresses[0].Addr != ip(addr38) {
			t.Fatalf("sent %v", s.types(0))
		}
		if s.has(addr38) || !s.has(addr39) || s.state != StateBound || len(s.of(release)) > 0 {
			t.Errorf("%v, %s", s.nic, s.state)
		}
		srv.reserve(addr39)
		s.after(31 * time.Minute)
		if got := s.of(renew)[0].msg.IANAs[0].Addresses; len(got) != 1 || got[0].Addr != ip(addr39) {
			t.Errorf("C-18.2.8-08: Renew with %v", got)
		}
	})
	t.Run("C-18.2.8-09 a server that insists", func(t *testing.T) {
		s := newSim(t, 1)
		s.server("A", addr38).rapid = true
		s.taken[ip(addr38)] = -1
		s.up()
		s.after(time.Hour)
		checkRate(t, s, 20, time.Second)
		if n := len(s.of(declin)); n > 20 {
			t.Errorf("%d Declines in an hour", n)
		}
	})
	t.Run("C-4862.5.4.5-01 it is reported", func(t *testing.T) {
		s := silentSim(t, 1, declin)
		if !slices.ContainsFunc(s.reports, func(r Report) bool { return r.Message == "address in use by another node" }) {
			t.Error("no report")
		}
	})
	t.Run("the link goes in the middle of it", func(t *testing.T) {
		s := silentSim(t, 1, declin)
		s.do(Carrier{Up: false})
		s.do(Carrier{Up: true})
		if s.last().Type != solicit {
			t.Errorf("%v", s.types(0))
		}
	})
}
