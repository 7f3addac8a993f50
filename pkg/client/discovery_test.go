package client

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
	"github.com/v6guest/v6guest/pkg/wire"
)

// soliciting is a client whose first Solicit has just left, and a server that answers nothing by
// itself: tests deliver what they like.
func soliciting(t *testing.T, change ...func(*Config)) (*sim, *simServer) {
	t.Helper()
	s := newSim(t, 1, change...)
	srv := s.server("A", addr38)
	srv.silent = true
	return s.up(), srv
}

// advertise delivers an Advertise, changed by edit, and reports whether a Request follows at once.
func advertise(s *sim, srv *simServer, edit func(*wire.Message)) {
	s.t.Helper()
	srv.silent = false
	m := srv.answer(s.last())
	srv.silent = true
	if edit != nil {
		edit(m)
	}
	s.deliver(s.packet(srv.from, m))
}

func TestAdvertiseThatIsDiscarded(t *testing.T) {
	for name, edit := range map[string]func(*wire.Message){
		"C-16.3-01 no Server Identifier":             func(m *wire.Message) { m.ServerID = "" },
		"C-16.3-02 no Client Identifier":             func(m *wire.Message) { m.ClientID = "" },
		"C-16.3-03 another NIC's DUID":               func(m *wire.Message) { m.ClientID = "\x00\x03\x00\x01\x02\x02\x02\x02\x02\x02" },
		"C-11-02 a prefix of our DUID":               func(m *wire.Message) { m.ClientID = testDUID[:9] },
		"C-11-02 our DUID and one byte more":         func(m *wire.Message) { m.ClientID = testDUID + "\x00" },
		"C-16.3-04 another transaction id":           func(m *wire.Message) { m.TransactionID[0] ^= 1 },
		"C-18.2.9-06 empty IA_NA":                    func(m *wire.Message) { m.IANAs[0].Addresses = nil },
		"C-18.2.9-06 no IA_NA":                       func(m *wire.Message) { m.IANAs = nil },
		"C-18.2.9-06 NoAddrsAvail of the message":    func(m *wire.Message) { m.Status = &wire.Status{Code: iana.StatusNoAddrsAvail} },
		"C-18.2.9-06 NoAddrsAvail of the IA":         func(m *wire.Message) { m.IANAs[0].Status = &wire.Status{Code: iana.StatusNoAddrsAvail} },
		"C-21.4-02 foreign IAID":                     func(m *wire.Message) { m.IANAs[0].ID++ },
		"C-21.4-05 T1 greater than T2":               func(m *wire.Message) { m.IANAs[0].T1, m.IANAs[0].T2 = 200*time.Second, 100*time.Second },
		"C-21.6-04 preferred greater than valid":     func(m *wire.Message) { m.IANAs[0].Addresses[0].Preferred = 3 * time.Hour },
		"C-21.6-05 status of the address":            func(m *wire.Message) { m.IANAs[0].Addresses[0].Status = &wire.Status{Code: iana.StatusNotOnLink} },
		"C-18.2.10-04 unknown status of the message": func(m *wire.Message) { m.Status = &wire.Status{Code: 500} },
	} {
		t.Run(name, func(t *testing.T) {
			s, srv := soliciting(t)
			s.after(10 * time.Millisecond)
			advertise(s, srv, edit)
			s.after(2 * time.Second)
			if len(s.of(request)) != 0 {
				t.Error("a Request followed")
			}
			// C-18.2.9-07: times are those of a silent network.
			quiet, _ := soliciting(t)
			quiet.after(2*time.Second + 10*time.Millisecond)
			if diff := cmp.Diff(quiet.gaps(solicit), s.gaps(solicit)); diff != "" {
				t.Errorf("C-18.2.9-07: gaps (-silent +got):\n%s", diff)
			}
		})
	}
}

func TestAdvertiseThatIsTaken(t *testing.T) {
	for name, edit := range map[string]func(*wire.Message){
		"C-7.5-01 no status anywhere":        nil,
		"C-7.5-01 Success spoken everywhere": allSuccess,
		"C-11-01 C-11-04 odd server DUID":    func(m *wire.Message) { m.ServerID = "\xff\xff\x01\x02\x03" },
		"C-11.1-01 server DUID of 3 bytes":   func(m *wire.Message) { m.ServerID = "\x00\x03\x00" },
		"C-16-02 unknown options": func(m *wire.Message) {
			m.Others = []wire.Option{{Code: 65000, Data: []byte{1}}, {Code: 17, Data: []byte{0, 0, 0, 9}}}
		},
		"C-21.4-05 T2 of 0":                    func(m *wire.Message) { m.IANAs[0].T2 = 0 },
		"C-21.4-05 T1 of 0":                    func(m *wire.Message) { m.IANAs[0].T1 = 0 },
		"C-21.12-02 Server Unicast":            func(m *wire.Message) { m.Others = []wire.Option{{Code: dhcpv6.OptionUnicast, Data: make([]byte, 16)}} },
		"C-21-03 a foreign IA_NA besides":      func(m *wire.Message) { m.IANAs = append([]wire.IANA{{ID: 1}}, m.IANAs...) },
		"C-21.5-02 IA_TA besides":              func(m *wire.Message) { m.Others = []wire.Option{{Code: dhcpv6.OptionIATA, Data: []byte{0, 0, 0, 1}}} },
		"C-7083.6-01 SOL_MAX_RT out of bounds": func(m *wire.Message) { m.SOLMaxRT = 59 * time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			s, srv := soliciting(t)
			advertise(s, srv, edit)
			s.after(1200 * time.Millisecond)
			if len(s.of(request)) == 0 {
				t.Fatalf("C-18.2.1-14: no Request followed; dropped: %v", s.engine.count.dropped)
			}
			want := srv.duid
			if edit != nil {
				m := &wire.Message{IANAs: []wire.IANA{{Addresses: make([]wire.Address, 1)}}, ServerID: want}
				edit(m)
				want = m.ServerID
			}
			if got := s.of(request)[0].msg.ServerID; got != want {
				t.Errorf("C-18.2.2-01: Request to %s, want %s", got, want)
			}
		})
	}
}

func allSuccess(m *wire.Message) {
	ok := &wire.Status{Code: iana.StatusSuccess, Text: "fine"}
	m.Status = ok
	for i := range m.IANAs {
		m.IANAs[i].Status = ok
		for j := range m.IANAs[i].Addresses {
			m.IANAs[i].Addresses[j].Status = ok
		}
	}
}

func TestServerSelection(t *testing.T) {
	type server struct {
		preference uint8
		delay      time.Duration
	}
	for name, tt := range map[string]struct {
		servers []server
		want    int
		at      time.Duration // of the Request, 0: end of first RT
	}{
		"C-18.2.1-11 C-18.2.9-01 the highest preference": {[]server{{10, 0}, {200, 880 * time.Millisecond}}, 1, 0},
		"C-18.2.1-12 255 ends the wait":                  {[]server{{10, 0}, {255, 10 * time.Millisecond}}, 1, 20 * time.Millisecond},
		"C-18.2.1-13 no preference is 0":                 {[]server{{0, 0}, {1, 100 * time.Millisecond}}, 1, 0},
		"C-18.2.9-02 the first of equals":                {[]server{{7, 30 * time.Millisecond}, {7, 0}}, 1, 0},
		"C-18.2.1-15 later the first is taken":           {[]server{{0, 1500 * time.Millisecond}}, 0, 1510 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim(t, 1)
			for i, srv := range tt.servers {
				n := s.server(string(rune('A'+i)), addr38)
				n.preference, n.delay = srv.preference, srv.delay
			}
			s.up()
			s.after(4 * time.Second)
			list := s.of(request)
			if len(list) == 0 {
				t.Fatal("no Request")
			}
			if got := s.serverName(list[0].msg.ServerID); got != string(rune('A'+tt.want)) {
				t.Errorf("Request to %s", got)
			}
			if tt.at == 0 {
				within(t, "time of the Request", time.Duration(list[0].at), time.Second, 1100*time.Millisecond)
			} else if time.Duration(list[0].at) != tt.at {
				t.Errorf("Request at %s, want %s", list[0].at, tt.at)
			}
		})
	}
	t.Run("C-11-03 the kind of a server's DUID decides nothing", func(t *testing.T) {
		s := newSim(t, 1)
		a, b := s.server("A", addr38), s.server("B", addr39)
		a.duid, b.duid = "\x00\x02\x00\x00\xab\x11\x01", "\x00\x03\x00\x01\x02\x00\x00\x00\x00\x02"
		a.delay = 30 * time.Millisecond
		s.up()
		s.after(4 * time.Second)
		if list := s.of(request); len(list) == 0 || s.serverName(list[0].msg.ServerID) != "B" {
			t.Errorf("the first of equals is not asked: %v", s.types(0))
		}
	})
	t.Run("C-18.2.9-03 the runner-up is asked before a new Solicit", func(t *testing.T) {
		s := newSim(t, 1)
		a, b := s.server("A", addr38), s.server("B", addr39)
		a.preference = 5
		a.mute[request] = true
		s.up()
		s.after(time.Minute * 4)
		if !s.has(addr39) || len(s.of(solicit)) != 1 {
			t.Errorf("%v on the NIC, sent %v", s.nic, s.types(0))
		}
		_ = b
	})
	t.Run("C-22.1-01 a crowd of servers is bounded", func(t *testing.T) {
		s, srv := soliciting(t)
		for i := range 100 {
			advertise(s, srv, func(m *wire.Message) { m.ServerID = wire.DUID([]byte{0, 3, byte(i)}) })
		}
		if n := len(s.engine.offers); n != maxOffers {
			t.Errorf("%d offers remembered", n)
		}
	})
	t.Run("pinned servers", func(t *testing.T) {
		s := newSim(t, 1, func(c *Config) {
			c.AcceptServer = func(id wire.DUID, _ netip.Addr) bool { return id[9] == 2 }
		})
		s.server("A", addr38).preference = 255
		s.server("B", addr39)
		s.up()
		s.after(5 * time.Second)
		if s.has(addr38) || !s.has(addr39) {
			t.Errorf("on the NIC: %v", s.nic)
		}
	})
}

func TestRapidCommit(t *testing.T) {
	reply := func(s *sim, srv *simServer, rapid bool) {
		srv.silent, srv.rapid = false, true
		m := srv.answer(s.of(solicit)[0].msg)
		srv.silent = true
		if m.Type != dhcpv6.MessageTypeReply {
			srv.edit = nil
			m.Type = dhcpv6.MessageTypeReply
		}
		m.RapidCommit = rapid
		s.deliver(s.packet(srv.from, m))
	}
	t.Run("C-18.2.1-16 a Reply without the option is discarded", func(t *testing.T) {
		s, srv := soliciting(t)
		reply(s, srv, false)
		if s.engine.binding != nil {
			t.Error("bound")
		}
	})
	t.Run("C-18.2.1-17 a Reply is discarded when it was not asked for", func(t *testing.T) {
		s, srv := soliciting(t, func(c *Config) { c.NoRapidCommit = true })
		if s.last().RapidCommit {
			t.Error("C-21.14-01: asked for")
		}
		reply(s, srv, true)
		if s.engine.binding != nil {
			t.Error("bound")
		}
	})
	t.Run("C-18.2.1-18 a Reply with it is used at once", func(t *testing.T) {
		s, srv := soliciting(t)
		s.after(5 * time.Millisecond)
		reply(s, srv, true)
		if !s.has(addr38) || s.now != 5000000 {
			t.Errorf("at %s on the NIC: %v", s.now, s.nic)
		}
	})
	t.Run("C-18.2.1-19 a server that only advertises", func(t *testing.T) {
		s := newSim(t, 1)
		s.server("A", addr38)
		s.up()
		s.after(3 * time.Second)
		if diff := cmp.Diff([]string{"Solicit", "Request"}, s.types(0)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("C-18.2.1-20 one that comes during the Request is dropped", func(t *testing.T) {
		s, srv := soliciting(t)
		advertise(s, srv, nil)
		s.after(1200 * time.Millisecond)
		srv.reserve(addr39)
		reply(s, srv, true)
		if s.engine.binding != nil || s.state != StateRequesting {
			t.Errorf("%s, binding %v", s.state, s.engine.binding)
		}
	})
}

func TestMaximumRetransmissionTimes(t *testing.T) {
	longest := func(s *sim, typ dhcpv6.MessageType) time.Duration {
		s.after(14 * 24 * time.Hour)
		gaps := s.gaps(typ)
		return slices.Max(gaps[len(gaps)/2:])
	}
	for name, tt := range map[string]struct{ value, want time.Duration }{
		"C-21.24-01 59 s":                        {59 * time.Second, time.Hour},
		"C-21.24-01 60 s":                        {60 * time.Second, 60 * time.Second},
		"C-18.2.9-04 C-21.24-01 86400 s":         {86400 * time.Second, 86400 * time.Second},
		"C-21.24-01 86401 s":                     {86401 * time.Second, time.Hour},
		"C-21.24-01 none":                        {0, time.Hour},
		"C-21.24-01 0xffffffff":                  {wire.Infinite, time.Hour},
		"C-21.24-02 120 s in an ignored message": {120 * time.Second, 120 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s, srv := soliciting(t)
			advertise(s, srv, func(m *wire.Message) {
				m.Status = &wire.Status{Code: iana.StatusNoAddrsAvail}
				m.SOLMaxRT = tt.value
			})
			within(t, "gap", longest(s, solicit), tt.want/10*9, tt.want/10*11)
		})
	}
	for name, tt := range map[string]struct{ value, want time.Duration }{
		"C-21.25-01 59 s":    {59 * time.Second, time.Hour},
		"C-21.25-01 60 s":    {60 * time.Second, 60 * time.Second},
		"C-21.25-01 86400 s": {86400 * time.Second, 86400 * time.Second},
		"C-21.25-01 86401 s": {86401 * time.Second, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim(t, 1, func(c *Config) { c.Stateless = true })
			srv := s.server("A")
			srv.edit = func(_, resp *wire.Message) *wire.Message {
				resp.Status = &wire.Status{Code: iana.StatusUnspecFail}
				resp.INFMaxRT = tt.value
				return resp
			}
			s.up()
			within(t, "gap", longest(s, inform), tt.want/10*9, tt.want/10*11)
		})
	}
	t.Run("C-18.2.9-05 Advertises that differ", func(t *testing.T) {
		s, srv := soliciting(t)
		for i, v := range []time.Duration{100 * time.Second, 200 * time.Second, 200 * time.Second} {
			advertise(s, srv, func(m *wire.Message) {
				m.IANAs, m.SOLMaxRT, m.ServerID = nil, v, wire.DUID([]byte{0, 3, byte(i)})
			})
		}
		if s.engine.solMaxRT != time.Hour {
			t.Errorf("SOL_MAX_RT is %s", s.engine.solMaxRT)
		}
	})
	t.Run("C-18.2.10-02 C-21.24-03 from a Reply with a failure, and kept", func(t *testing.T) {
		s := newSim(t, 1)
		srv := s.server("A", addr38)
		srv.fails[request] = iana.StatusUnspecFail
		srv.edit = func(req, resp *wire.Message) *wire.Message {
			if req.Type == request {
				resp.SOLMaxRT = 7200 * time.Second
			}
			return resp
		}
		s.up()
		s.after(2 * time.Second)
		srv.silent = true
		within(t, "gap", longest(s, solicit), 6480*time.Second, 7920*time.Second)
	})
}

func TestRequestIsRefused(t *testing.T) {
	for _, code := range []iana.StatusCode{
		iana.StatusUnspecFail, iana.StatusNoAddrsAvail, iana.StatusNotOnLink, iana.StatusUseMulticast, 500,
	} {
		t.Run("C-18.2.10-03 C-18.2.10.1-01 C-18.2.10.1-14 "+code.String(), func(t *testing.T) {
			s := newSim(t, 1)
			srv := s.server("A", addr38)
			srv.fails[request] = code
			s.up()
			s.after(24 * time.Hour)
			if len(s.nic) != 0 || s.engine.binding != nil {
				t.Errorf("on the NIC: %v", s.nic)
			}
			if n := len(s.of(request)); n < 3 || n > 60 {
				t.Errorf("%d Requests in a day", n)
			}
			if n := len(s.sent); n > 150 {
				t.Errorf("%d messages in a day", n)
			}
			checkNoLoop(t, s)
		})
	}
	t.Run("C-18.2.10.1-14 the next server is asked", func(t *testing.T) {
		s := newSim(t, 1)
		a := s.server("A", addr38)
		a.preference, a.fails[request] = 9, iana.StatusNoAddrsAvail
		s.server("B", addr39)
		s.up()
		s.after(3 * time.Second)
		if !s.has(addr39) {
			t.Errorf("on the NIC: %v", s.nic)
		}
	})
}

// checkNoLoop checks that the second half of what was sent took far longer than the first.
func checkNoLoop(t *testing.T, s *sim) {
	t.Helper()
	checkedGap := time.Duration(0)
	for i := len(s.sent) / 2; i+1 < len(s.sent); i++ {
		checkedGap = max(checkedGap, s.sent[i+1].at.Sub(s.sent[i].at))
	}
	if checkedGap < time.Minute {
		t.Errorf("longest gap of the second half is %s", checkedGap)
	}
}
