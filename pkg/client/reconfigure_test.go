package client

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/v6guest/v6guest/pkg/wire"
)

// keyedSim is a client bound to a server that may reconfigure it.
func keyedSim(t *testing.T, change ...func(*Config)) (*sim, *simServer) {
	t.Helper()
	s := newSim(t, 1, change...)
	srv := s.server("A", addr38)
	srv.rapid, srv.key = true, []byte("0123456789abcdef")
	s.up()
	s.after(5 * time.Second)
	return s, srv
}

// acted reports whether the event made the client send something.
func acted(s *sim, ev Received) bool {
	n := len(s.sent)
	s.deliver(ev)
	return len(s.sent) > n
}

func TestReconfigureThatIsDiscarded(t *testing.T) {
	// Each case is signed after the change, so that nothing but the change speaks against it.
	sign := func(s *sim, srv *simServer, edit func(*wire.Message)) Received {
		m := &wire.Message{
			Type: dhcpv6.MessageTypeReconfigure, ClientID: testDUID, ServerID: srv.duid, ReconfigureMessage: renew,
			Auth: &wire.Auth{Protocol: 3, Algorithm: 1, Replay: 99, Info: append([]byte{2}, make([]byte, 16)...)},
		}
		edit(m)
		b, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return s.datagram(srv.from, signed(b, srv.key))
	}
	for name, edit := range map[string]func(*wire.Message){
		"C-16.11-02 no Server Identifier":       func(m *wire.Message) { m.ServerID = "" },
		"C-16.11-03 no Client Identifier":       func(m *wire.Message) { m.ClientID = "" },
		"C-16.11-03 another Client Identifier":  func(m *wire.Message) { m.ClientID += "1" },
		"C-16.11-04 no Reconfigure Message":     func(m *wire.Message) { m.ReconfigureMessage = 0 },
		"C-16.11-05 type 1":                     func(m *wire.Message) { m.ReconfigureMessage = 1 },
		"C-16.11-05 type 3":                     func(m *wire.Message) { m.ReconfigureMessage = 3 },
		"C-16.11-05 type 4":                     func(m *wire.Message) { m.ReconfigureMessage = 4 },
		"C-16.11-05 type 255":                   func(m *wire.Message) { m.ReconfigureMessage = 255 },
		"C-16.11-06 no authentication":          func(m *wire.Message) { m.Auth = nil },
		"C-16.11-06 another server":             func(m *wire.Message) { m.ServerID += "1" },
		"C-20.4.1-01 protocol 2":                func(m *wire.Message) { m.Auth.Protocol = 2 },
		"C-20.4.1-01 algorithm 0":               func(m *wire.Message) { m.Auth.Algorithm = 0 },
		"C-20.4.1-01 replay detection method 1": func(m *wire.Message) { m.Auth.RDM = 1 },
		"C-20.4.1-01 a key for a digest":        func(m *wire.Message) { m.Auth.Info[0] = 1 },
		"C-20.4.1-01 type 3":                    func(m *wire.Message) { m.Auth.Info[0] = 3 },
		"C-20.4.1-01 15 bytes of value":         func(m *wire.Message) { m.Auth.Info = m.Auth.Info[:16] },
	} {
		t.Run(name, func(t *testing.T) {
			s, srv := keyedSim(t)
			if acted(s, sign(s, srv, edit)) {
				t.Error("acted upon")
			}
		})
	}
	t.Run("C-16.11-01 not unicast", func(t *testing.T) {
		s, srv := keyedSim(t)
		ev := s.reconfigure(srv, renew, 99)
		ev.To = ip("ff02::1")
		if acted(s, ev) {
			t.Error("acted upon")
		}
	})
	t.Run("C-20.2-01 two Authentication options", func(t *testing.T) {
		s, srv := keyedSim(t)
		ev := s.reconfigure(srv, renew, 99)
		at := bytes.Index(ev.Raw, []byte{0, 11, 0, 28})
		if at < 0 {
			t.Fatal("no option 11")
		}
		option := bytes.Clone(ev.Raw[at : at+32])
		if acted(s, s.datagram(srv.from, append(bytes.Clone(ev.Raw), option...))) {
			t.Error("acted upon")
		}
	})
	t.Run("C-20.4.3-02 each bit counts", func(t *testing.T) {
		s, srv := keyedSim(t)
		good := s.reconfigure(srv, renew, 99).Raw
		for bit := range len(good) * 8 {
			b := bytes.Clone(good)
			b[bit/8] ^= 1 << (bit % 8)
			if authentic(b, srv.key) {
				t.Fatalf("bit %d", bit)
			}
		}
		if !authentic(good, srv.key) {
			t.Error("the unchanged one is not authentic")
		}
	})
	t.Run("C-21.20-01 not agreed by the client", func(t *testing.T) {
		s, srv := keyedSim(t, func(c *Config) { c.NoReconfigure = true })
		if acted(s, s.reconfigure(srv, renew, 99)) {
			t.Error("acted upon")
		}
	})
	t.Run("C-21.20-01 not agreed by the server", func(t *testing.T) {
		s := newSim(t, 1)
		srv := s.server("A", addr38)
		srv.rapid, srv.key = true, []byte("0123456789abcdef")
		srv.edit = func(_, resp *wire.Message) *wire.Message { resp.ReconfigureAccept = false; return resp }
		s.up()
		s.after(5 * time.Second)
		if acted(s, s.reconfigure(srv, renew, 99)) {
			t.Error("acted upon")
		}
	})
}

// C-5908.5-01: what a Reconfigure says beside the order is not used, and what has no Option Request asks for no 56
// (TestWhatEachMessageCarries).
func TestReconfigureBringsNoTimeServers(t *testing.T) {
	s, srv := keyedSim(t)
	before := s.engine.Snapshot().Settings
	m := &wire.Message{
		Type: dhcpv6.MessageTypeReconfigure, ClientID: testDUID, ServerID: srv.duid, ReconfigureMessage: renew,
		NTP:  []netip.Addr{ip("2001:db8::66")},
		Auth: &wire.Auth{Protocol: 3, Algorithm: 1, Replay: 99, Info: append([]byte{2}, make([]byte, 16)...)},
	}
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	srv.silent = true // so that no Reply tells the client other settings
	if !acted(s, s.datagram(srv.from, signed(b, srv.key))) {
		t.Fatal("the Reconfigure itself was not acted upon")
	}
	if diff := cmp.Diff(before, s.engine.Snapshot().Settings, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("settings (-before +after):\n%s", diff)
	}
}

// signed puts the digest into the one place of 16 zero bytes that an option 11 ends with.
func signed(b, key []byte) []byte {
	if at := digestAt(b); at >= 0 {
		copy(b[at:], hmacMD5(key, b))
	}
	return b
}

func TestReconfigureReplayDetection(t *testing.T) {
	s, srv := keyedSim(t)
	first := srv.replay
	for _, tt := range []struct {
		value uint64
		want  bool
	}{
		{first, false},
		{first + 5, true},
		{first + 6, true},
		{first + 6, false},
		{first + 4, false},
		{first + 7, true},
		{0x7fffffffffffffff, true},
		{0x8000000000000000, true},
	} {
		if got := acted(s, s.reconfigure(srv, renew, tt.value)); got != tt.want {
			t.Errorf("C-20.3-01 C-20.3-03: value %#x acted upon: %v", tt.value, got)
		}
		s.after(time.Second)
	}
	t.Run("C-20.3-04 a forged value is not recorded", func(t *testing.T) {
		s, srv := keyedSim(t)
		forged := s.reconfigure(srv, renew, 1<<64-1)
		forged.Raw[len(forged.Raw)-1] ^= 1
		if acted(s, forged) || !acted(s, s.reconfigure(srv, renew, srv.replay+8)) {
			t.Error("the good one after it was refused")
		}
	})
	t.Run("C-20.3-02 the first value is recorded without a check", func(t *testing.T) {
		s := newSim(t, 1)
		srv := s.server("A", addr38)
		srv.rapid, srv.key, srv.replay = true, []byte("0123456789abcdef"), 1<<63
		s.up()
		s.after(5 * time.Second)
		if acted(s, s.reconfigure(srv, renew, 1)) || !acted(s, s.reconfigure(srv, renew, 1<<63+2)) {
			t.Error("values were not compared with the first")
		}
	})
	t.Run("C-20.4.3-01 the first key counts, also after a restart", func(t *testing.T) {
		s, srv := keyedSim(t)
		key := srv.key
		srv.key = []byte("fedcba9876543210")
		s.after(31 * time.Minute) // a Renew brings the other key
		s.restart(s.saved)
		s.do(Carrier{Up: true})
		s.after(2 * time.Second)
		srv.key = key
		if !acted(s, s.reconfigure(srv, renew, 1<<40)) {
			t.Error("not acted upon")
		}
	})
}

func TestReconfigureIsAnswered(t *testing.T) {
	for _, typ := range []dhcpv6.MessageType{renew, rebind, inform} {
		t.Run("C-18.2.11-02 C-18.2-03 C-18.2.11-03 "+name(typ), func(t *testing.T) {
			s, srv := keyedSim(t)
			if !acted(s, s.reconfigure(srv, typ, 99)) || s.last().Type != typ {
				t.Fatalf("sent %v", s.types(0))
			}
			if s.last().TransactionID == (dhcpv6.TransactionID{}) {
				t.Error("no transaction id of its own")
			}
			if typ == inform && s.last().ServerID != srv.duid {
				t.Error("C-18.2.6-04: without the server")
			}
		})
	}
	t.Run("C-18.2.11-04 C-18.2.4-14 three in a row: one exchange", func(t *testing.T) {
		s, srv := keyedSim(t)
		srv.silent = true
		for i := range uint64(3) {
			s.deliver(s.reconfigure(srv, renew, 99+i))
		}
		if n := len(s.of(renew)); n != 1 {
			t.Errorf("%d Renews", n)
		}
		s.after(30 * time.Second)
		if n := len(s.of(renew)); n != 2 {
			t.Errorf("%d Renews after 30 s", n)
		}
	})
	t.Run("C-18.2.5-06 C-18.2-04 an unanswered Rebind changes nothing", func(t *testing.T) {
		s, srv := keyedSim(t)
		srv.silent = true
		s.deliver(s.reconfigure(srv, rebind, 99))
		s.run(reception.Add(30*time.Minute + 1))
		if s.last().Type != renew || !s.has(addr38) {
			t.Errorf("sent %v, %v", s.types(0), s.nic)
		}
	})
	t.Run("C-15-12 C-18.2.11-01 days later, and reported", func(t *testing.T) {
		s, srv := keyedSim(t)
		s.after(10*24*time.Hour + time.Minute)
		s.reports = nil
		if !acted(s, s.reconfigure(srv, renew, 1<<40)) || len(s.reports) == 0 {
			t.Error("not acted upon, or not reported")
		}
	})
}
