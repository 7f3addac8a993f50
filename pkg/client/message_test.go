package client

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/v6guest/v6guest/pkg/wire"
)

// allMessages is one message of each type, in the order of their numbers.
func allMessages(t *testing.T, change ...func(*Config)) map[dhcpv6.MessageType]*wire.Message {
	t.Helper()
	out := map[dhcpv6.MessageType]*wire.Message{}
	for _, typ := range everyExchange {
		out[typ] = silentSim(t, 1, typ, change...).of(typ)[0].msg
	}
	return out
}

func TestWhatEachMessageCarries(t *testing.T) {
	fqdn := func(c *Config) { c.FQDN = &wire.FQDN{Name: "vm1", Partial: true} }
	all := allMessages(t, fqdn)
	codes := func(extra ...dhcpv6.OptionCode) []dhcpv6.OptionCode {
		return append(slices.Clone(defaultOptions), extra...)
	}
	for typ, m := range all {
		asks := typ == solicit || typ == request || typ == renew || typ == rebind
		t.Run(name(typ), func(t *testing.T) {
			if m.ClientID != testDUID || m.Elapsed != 0 {
				t.Errorf("C-18.2.1-01 C-18.2.2-02 C-18.2.3-01 C-18.2.4-06 C-18.2.6-01: client %s, elapsed %s", m.ClientID, m.Elapsed)
			}
			named := typ == request || typ == renew || typ == release || typ == declin
			if (m.ServerID != "") != named {
				t.Errorf("C-14-01 C-18.2.3-02 C-18.2.5-02 C-18.2.6-05: server %q", m.ServerID)
			}
			if (m.FQDN != nil) != asks {
				t.Errorf("C-4704.5-01: FQDN %v", m.FQDN)
			}
			switch {
			case asks:
				if diff := cmp.Diff(codes(82, 39), m.Requested); diff != "" {
					t.Errorf("C-18.2.1-03 C-18.2.2-03 C-18.2.4-11 C-21.7-01 C-21.23-02 C-4704.5-02: %s", diff)
				}
			case typ == inform:
				if diff := cmp.Diff(codes(32, 83), m.Requested); diff != "" {
					t.Errorf("C-18.2.6-03 C-21.23-01: %s", diff)
				}
			case m.Requested != nil:
				t.Errorf("C-18.2.3-02 C-3646.5-01: asks for %v", m.Requested)
			}
			for _, c := range m.Requested {
				if slices.Contains([]dhcpv6.OptionCode{1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 18, 19, 20, 25, 26}, c) {
					t.Errorf("C-21.7-02 C-21.7-04 C-21.12-01: asks for %d", c)
				}
			}
			if want := asks || typ == inform; m.ReconfigureAccept != want {
				t.Errorf("C-18.2.1-06: Reconfigure Accept %v", m.ReconfigureAccept)
			}
			if m.RapidCommit != (typ == solicit) {
				t.Errorf("C-21.14-01: Rapid Commit %v", m.RapidCommit)
			}
			if len(m.Others) > 0 || len(m.IAPDs) > 0 || m.Auth != nil || m.Status != nil || len(m.DNS) > 0 || m.ReconfigureMessage != 0 {
				t.Errorf("C-18.2.1-07 C-21.5-01 C-21.18-01 C-18.2.8-02 C-20.2-01: more than that: %s", m)
			}
			checkIA(t, typ, m)
		})
	}
	t.Run("C-18.2.1-06 Reconfigures refused", func(t *testing.T) {
		for typ, m := range allMessages(t, func(c *Config) { c.NoReconfigure = true }) {
			if m.ReconfigureAccept {
				t.Errorf("Reconfigure Accept in a %s", name(typ))
			}
		}
	})
	t.Run("C-4704.4.2-02 the name stays the same", func(t *testing.T) {
		for _, typ := range []dhcpv6.MessageType{request, renew, rebind} {
			if diff := cmp.Diff(all[solicit].FQDN, all[typ].FQDN); diff != "" {
				t.Error(diff)
			}
		}
	})
}

func checkIA(t *testing.T, typ dhcpv6.MessageType, m *wire.Message) {
	t.Helper()
	if typ == inform {
		if len(m.IANAs) > 0 {
			t.Error("C-18.2.6-05: an IA in an Information-request")
		}
		return
	}
	want := wire.IANA{ID: testIAID, Addresses: []wire.Address{{Addr: ip(addr38)}}}
	if typ == solicit {
		want.Addresses = nil // C-21.6-02, and no hint ever
	}
	opts := cmp.Comparer(func(a, b wire.Address) bool {
		return a.Addr == b.Addr && a.Preferred == b.Preferred && a.Valid == b.Valid
	})
	if diff := cmp.Diff([]wire.IANA{want}, m.IANAs, opts); diff != "" {
		t.Errorf("C-18.2.2-04 C-18.2.3-03 C-18.2.4-07 C-18.2.7-02 C-18.2.8-04 C-21.4-03 C-21.6-01: (-want +got)\n%s", diff)
	}
}

func TestServerIdentifierIsTheBindings(t *testing.T) {
	for _, typ := range []dhcpv6.MessageType{request, renew, release, declin} {
		s := silentSim(t, 1, typ)
		if got := s.of(typ)[0].msg.ServerID; got != s.servers[0].duid {
			t.Errorf("C-18.2.2-01 C-18.2.4-05 C-18.2.7-01 C-18.2.8-03: %s to %s", name(typ), got)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	good := Config{DUID: testDUID, Rand: NewRand()}
	for name, change := range map[string]func(*Config){
		"no DUID":                    func(c *Config) { c.DUID = "" },
		"C-11.1-01 DUID too long":    func(c *Config) { c.DUID = wire.DUID(make([]byte, 131)) },
		"no random source":           func(c *Config) { c.Rand = nil },
		"C-21.7-02 forbidden option": func(c *Config) { c.Options = []dhcpv6.OptionCode{23, 12} },
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			change(&c)
			if _, err := NewEngine(c); err == nil {
				t.Error("taken")
			}
		})
	}
	if _, err := NewEngine(good); err != nil {
		t.Error(err)
	}
}

func TestStrangeMessagesChangeNothing(t *testing.T) {
	types := []dhcpv6.MessageType{solicit, request, confirm, renew, rebind, declin, release, inform, dhcpv6.MessageTypeAdvertise, dhcpv6.MessageTypeReply, dhcpv6.MessageTypeReconfigure, 0, 12, 13, 14, 35, 200, 255}
	for _, in := range everyExchange {
		for _, typ := range types {
			if typ == dhcpv6.MessageTypeAdvertise && in == solicit || typ == dhcpv6.MessageTypeReply {
				continue
			}
			t.Run("C-16.2-01 C-16-03 C-16.13-01 "+name(typ)+" during "+name(in), func(t *testing.T) {
				s := silentSim(t, 1, in)
				if in == inform {
					s.server("A", addr38)
				}
				before := s.engine.Snapshot()
				m := &wire.Message{
					Type: typ, TransactionID: s.of(in)[0].msg.TransactionID, ClientID: testDUID, ServerID: s.servers0(),
					IANAs: []wire.IANA{{ID: testIAID, Addresses: []wire.Address{{Addr: ip(addr39), Preferred: time.Hour, Valid: time.Hour}}}},
				}
				n := len(s.sent)
				s.do(Received{Msg: m, Raw: []byte{byte(typ)}, From: ip("fe80::9"), To: ip("fe80::1")})
				after := s.engine.Snapshot()
				if before.State != after.State || before.Deadline != after.Deadline || len(s.sent) != n || s.has(addr39) {
					t.Errorf("%s at %s became %s at %s", before.State, before.Deadline, after.State, after.Deadline)
				}
			})
		}
	}
}

func (s *sim) servers0() wire.DUID {
	if len(s.servers) == 0 {
		return "\x00\x03\x00\x01"
	}
	return s.servers[0].duid
}
