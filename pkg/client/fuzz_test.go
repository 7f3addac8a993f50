package client

import (
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
	"github.com/v6guest/v6guest/pkg/wire"
)

// FuzzEngine throws events and packets at the engine in every state. The packets are made of the fuzzer's
// bytes, but carry the ids that let them through the first checks. sim.do checks after each step that
// the state is a legal one and that the next deadline lies ahead.
func FuzzEngine(f *testing.F) {
	for i := range everyExchange {
		f.Add(byte(i), []byte{0, 2, 2, 1, 3, 5, 4, 3, 2, 1, 7, 20, 30, 40, 6, 1, 0, 1, 9, 9, 9})
		f.Add(byte(i), []byte{5, 1, 5, 0, 8, 12, 7, 0, 9, 30, 10, 0, 11, 0, 12, 0, 13, 0, 6, 255, 1, 1, 0, 0})
	}
	f.Fuzz(func(t *testing.T, start byte, script []byte) {
		s := silentSim(t, 1, everyExchange[int(start)%len(everyExchange)])
		if len(s.servers) == 0 {
			s.server("A", addr38).silent = true
		}
		srv := s.servers[0]
		if len(script) > 120 {
			script = script[:120]
		}
		for len(script) >= 2 {
			op, arg := script[0], script[1]
			script = script[2:]
			s.fuzzStep(srv, op, arg, script)
		}
		s.after(time.Hour)
	})
}

func (s *sim) fuzzStep(srv *simServer, op, arg byte, rest []byte) {
	s.t.Helper()
	switch op % 16 {
	case 0, 1, 2, 3:
		s.fuzzPacket(srv, arg, rest)
	case 4:
		srv.silent = arg%2 == 0
		srv.rapid = arg%3 == 0
	case 5:
		s.do(Carrier{Up: arg%2 == 0})
	case 6:
		s.after(time.Duration(arg) * 4 * time.Second)
	case 7:
		s.do(AddressDuplicate{s.fuzzAddr(arg)})
	case 8:
		s.do(AddressUsable{s.fuzzAddr(arg)})
	case 9:
		s.do(LinkChanged{})
	case 10:
		s.do(LeaseNow{})
	case 11:
		s.do(ReleaseNow{})
	case 12:
		s.do(RenewNow{})
	case 13:
		s.do(InformNow{})
	case 14:
		s.do(PrefixChanged{})
	case 15:
		s.do(InstallFailed{Addr: s.fuzzAddr(arg), Err: ErrStopped})
	}
}

func (s *sim) fuzzAddr(arg byte) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 2: 0xd, 3: 0xb8, 15: 0x37 + arg%4})
}

// fuzzPacket delivers a message made of bytes.
func (s *sim) fuzzPacket(srv *simServer, arg byte, b []byte) {
	s.t.Helper()
	at := func(i int) byte {
		if i < len(b) {
			return b[i]
		}
		return 0
	}
	times := []int64{0, 1, 7, 100, 3600, 86400, 0x7fffffff, 0xfffffffe, 0xffffffff}
	life := func(i int) time.Duration { return time.Duration(times[int(at(i))%len(times)] * int64(time.Second)) }
	m := &wire.Message{
		Type: dhcpv6.MessageTypeReply, ClientID: testDUID, ServerID: srv.duid, Preference: at(1),
		RapidCommit: at(2)%2 == 0, SOLMaxRT: life(3), INFMaxRT: life(4),
	}
	if arg%3 == 0 {
		m.Type = dhcpv6.MessageTypeAdvertise
	}
	if arg%5 == 0 {
		m.ServerID = wire.DUID([]byte{0, 3, arg})
	}
	if x := s.engine.main; x != nil {
		m.TransactionID = x.xid
	}
	if x := s.engine.info; x != nil && arg%7 == 0 {
		m.TransactionID = x.xid
	}
	if c := at(5); c > 200 {
		m.Status = &wire.Status{Code: iana.StatusCode(c - 200)}
	}
	ia := wire.IANA{ID: testIAID, T1: life(6), T2: life(7)}
	if c := at(8); c > 200 {
		ia.Status = &wire.Status{Code: iana.StatusCode(c - 200)}
	}
	for i := range int(at(9) % 4) {
		ia.Addresses = append(ia.Addresses, wire.Address{Addr: s.fuzzAddr(at(10 + i)), Preferred: life(14 + i), Valid: life(18 + i)})
	}
	m.IANAs = []wire.IANA{ia}
	s.deliver(s.packet(srv.from, m))
}

// FuzzDatagram feeds raw datagrams to a client in each exchange: whatever they hold, no panic.
func FuzzDatagram(f *testing.F) {
	s := newSim(f, 1)
	srv := s.server("A", addr38)
	s.up()
	b, err := srv.answer(s.last()).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(byte(0), b)
	f.Fuzz(func(t *testing.T, start byte, b []byte) {
		m, err := wire.Decode(b)
		if err != nil {
			return
		}
		s := silentSim(t, 1, everyExchange[int(start)%len(everyExchange)])
		m.TransactionID, m.ClientID = s.last().TransactionID, testDUID
		s.do(Received{Msg: m, Raw: b, From: ip("fe80::1"), To: ip("fe80::2")})
		s.after(time.Minute)
	})
}
