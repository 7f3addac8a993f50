package client

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/wire"
)

const (
	testDUID   = wire.DUID("\x00\x03\x00\x01\x06\xa0\xf0\x00\x00\x38")
	testIAID   = wire.IAID(0xf0000038)
	addr38     = "2001:db8::38"
	addr39     = "2001:db8::39"
	simLatency = 10 * time.Millisecond
)

// sim is a NIC, its link and the servers on it, in simulated time: one goroutine, no waiting.
type sim struct {
	t       testing.TB
	cfg     Config
	engine  *Engine
	now     clock.Instant
	wall    time.Time // at now = 0
	servers []*simServer
	queue   []queued // ordered by time
	seq     int

	lose     int                      // how many of the next packets of the client get lost
	loss     func(*wire.Message) bool // or which
	dad      time.Duration            // how long duplicate address detection takes
	taken    map[netip.Addr]int       // how often it fails; -1 always
	nic      map[netip.Addr]Address   // what is installed
	usable   map[netip.Addr]bool      // what has passed detection
	saved    *Lease                   // what was saved last
	settings Settings                 // what was configured last
	sent     []sentMessage            // all that the client sent
	finished []Finished               // all that it finished
	reports  []Report                 // all that it reported
	acts     []Action                 // all it did
	trace    func(format string, args ...any)
	state    State
}

type queued struct {
	at  clock.Instant
	seq int
	ev  Event
}

type sentMessage struct {
	at  clock.Instant
	msg *wire.Message
}

func newSim(t testing.TB, seed uint64, change ...func(*Config)) *sim {
	t.Helper()
	cfg := Config{DUID: testDUID, IAID: testIAID, Rand: rand.New(rand.NewPCG(seed, 1)), NoStartDelay: true}
	for _, f := range change {
		f(&cfg)
	}
	s := &sim{
		t: t, cfg: cfg, dad: time.Second, taken: map[netip.Addr]int{}, nic: map[netip.Addr]Address{},
		usable: map[netip.Addr]bool{}, trace: func(string, ...any) {}, state: StateStopped,
		wall: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	s.restart(nil)
	return s
}

// restart puts a new engine in the place of the old one and starts it.
func (s *sim) restart(saved *Lease) {
	s.t.Helper()
	e, err := NewEngine(s.cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.engine, s.queue = e, nil
	s.do(Start{Saved: saved})
}

// up starts the client on a link that works.
func (s *sim) up() *sim {
	s.do(Carrier{Up: true})
	return s
}

// do steps the engine now and carries out what it says.
func (s *sim) do(ev Event) {
	s.t.Helper()
	for _, a := range slices.Clone(s.engine.Step(s.now, ev)) {
		s.acts = append(s.acts, a)
		s.act(a)
	}
	if err := s.engine.legal(); err != nil {
		s.t.Fatalf("at %s after %T: %v", s.now, ev, err)
	}
	if st := s.engine.Snapshot().State; st != s.state {
		s.state = st
		s.trace("is %s", st)
	}
}

// run lets time pass until end.
func (s *sim) run(end clock.Instant) {
	s.t.Helper()
	for steps := 0; ; steps++ {
		next := s.engine.Deadline()
		if len(s.queue) > 0 && s.queue[0].at <= next {
			next = s.queue[0].at
		}
		if next > end {
			break
		}
		if next < s.now {
			next = s.now
		}
		if steps > 5_000_000 {
			s.t.Fatalf("no end of events at %s", s.now)
		}
		s.now = next
		if len(s.queue) > 0 && s.queue[0].at <= s.now {
			q := s.queue[0]
			s.queue = s.queue[1:]
			s.deliver(q.ev)
			continue
		}
		s.do(Expired{})
	}
	s.now = end
}

func (s *sim) deliver(ev Event) {
	s.t.Helper()
	switch ev := ev.(type) {
	case Received:
		s.trace("hears %s", s.describe(ev.Msg))
	case AddressUsable:
		if _, ok := s.nic[ev.Addr]; !ok {
			return
		}
		s.usable[ev.Addr] = true
	}
	s.do(ev)
}

func (s *sim) after(d time.Duration) { s.t.Helper(); s.run(s.now.Add(d)) }

// later queues an event.
func (s *sim) later(d time.Duration, ev Event) {
	s.seq++
	q := queued{at: s.now.Add(d), seq: s.seq, ev: ev}
	i, _ := slices.BinarySearchFunc(s.queue, q, func(a, b queued) int {
		if a.at != b.at {
			return int(min(max(a.at-b.at, -1), 1))
		}
		return a.seq - b.seq
	})
	s.queue = slices.Insert(s.queue, i, q)
}

func (s *sim) act(a Action) {
	switch a := a.(type) {
	case Send:
		s.sends(a.Msg)
	case Install:
		p, v := a.Address.Lifetimes(s.now)
		doubt := ""
		if a.Address.Unconfirmed {
			doubt = ", unconfirmed"
		}
		s.trace("installs %s, preferred %s, valid %s%s", a.Address.Addr, life(p), life(v), doubt)
		s.install(a.Address)
	case Remove:
		s.trace("removes %s: %s", a.Addr, a.Why)
		delete(s.nic, a.Addr)
		delete(s.usable, a.Addr)
	case Save:
		s.trace("saves the lease")
		s.saved = a.Lease
	case Forget:
		s.trace("forgets the lease")
		s.saved = nil
	case Configure:
		s.trace("configures DNS %v", a.Settings.DNS)
		s.settings = a.Settings
	case Report:
		s.reports = append(s.reports, a)
		if a.Level >= slog.LevelInfo {
			s.trace("reports %q%s", a.Message, reason(a))
		}
	case Finished:
		s.finished = append(s.finished, a)
		s.trace("finishes %s: %v", a.Command, a.Err)
	}
}

func reason(r Report) string {
	for _, a := range r.Attrs {
		if a.Key == "reason" || a.Key == "error" {
			return ": " + a.Value.String()
		}
	}
	return ""
}

func life(d time.Duration) string {
	if d == wire.Infinite {
		return "for ever"
	}
	return d.Round(time.Millisecond).String()
}

func (s *sim) install(a Address) {
	_, known := s.nic[a.Addr]
	s.nic[a.Addr] = a
	switch {
	case known && s.usable[a.Addr]:
		s.later(0, AddressUsable{a.Addr})
	case known:
	case s.taken[a.Addr] != 0:
		if s.taken[a.Addr] > 0 {
			s.taken[a.Addr]--
		}
		s.later(s.dad, AddressDuplicate{a.Addr})
	default:
		s.later(s.dad, AddressUsable{a.Addr})
	}
}

// sends hands a message of the client to the servers, through the codec.
func (s *sim) sends(m *wire.Message) {
	s.t.Helper()
	b, err := m.Encode()
	if err != nil {
		s.t.Fatalf("encode %s: %v", m.Type, err)
	}
	got, err := wire.Decode(b)
	if err != nil {
		s.t.Fatalf("decode %s: %v", m.Type, err)
	}
	if err := got.CheckForServer(); err != nil {
		s.t.Errorf("%s sent that servers discard: %v", m.Type, err)
	}
	s.sent = append(s.sent, sentMessage{s.now, got})
	lost := s.lose > 0 || s.loss != nil && s.loss(got)
	note := ""
	if lost {
		note, s.lose = " (lost)", max(0, s.lose-1)
	}
	s.trace("sends %s%s", s.describe(got), note)
	if lost {
		return
	}
	for _, srv := range s.servers {
		if answer := srv.answer(got); answer != nil {
			s.answer(srv, answer, simLatency+srv.delay)
		}
	}
}

// answer sends a server's message to the client, through the codec.
func (s *sim) answer(srv *simServer, m *wire.Message, delay time.Duration) {
	s.later(delay, s.packet(srv.from, m))
}

// packet makes the event of a message that comes from a server.
func (s *sim) packet(from netip.Addr, m *wire.Message) Received {
	s.t.Helper()
	b, err := m.Encode()
	if err != nil {
		s.t.Fatalf("encode %s: %v", m.Type, err)
	}
	return s.datagram(from, b)
}

func (s *sim) datagram(from netip.Addr, b []byte) Received {
	s.t.Helper()
	got, err := wire.Decode(b)
	if err != nil {
		s.t.Fatalf("decode: %v", err)
	}
	return Received{Msg: got, Raw: b, From: from, To: netip.MustParseAddr("fe80::4a0:f0ff:fe00:38")}
}

// describe is a message as a person would tell it.
func (s *sim) describe(m *wire.Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", name(m.Type))
	if m.ServerID != "" {
		way := map[bool]string{true: "from", false: "to"}[wire.IsServerMessage(m.Type)]
		fmt.Fprintf(&b, " %s %s", way, s.serverName(m.ServerID))
	}
	for _, ia := range m.IANAs {
		if wire.IsServerMessage(m.Type) && ia.Status == nil {
			fmt.Fprintf(&b, ", T1 %s T2 %s", life(ia.T1), life(ia.T2))
		}
		for _, a := range ia.Addresses {
			fmt.Fprintf(&b, ", %s", a.Addr)
			if wire.IsServerMessage(m.Type) {
				fmt.Fprintf(&b, " for %s/%s", life(a.Preferred), life(a.Valid))
			}
		}
		if ia.Status != nil {
			fmt.Fprintf(&b, ", IA: %s", ia.Status.Code)
		}
	}
	if m.Status != nil {
		fmt.Fprintf(&b, ", %s", m.Status.Code)
	}
	if m.RapidCommit {
		b.WriteString(", rapid commit")
	}
	if m.Preference > 0 {
		fmt.Fprintf(&b, ", preference %d", m.Preference)
	}
	if m.ReconfigureMessage != 0 {
		fmt.Fprintf(&b, ", wants %s", name(m.ReconfigureMessage))
	}
	if m.Elapsed > 0 {
		fmt.Fprintf(&b, ", elapsed %s", m.Elapsed)
	}
	return b.String()
}

func (s *sim) serverName(id wire.DUID) string {
	for _, srv := range s.servers {
		if srv.duid == id {
			return srv.name
		}
	}
	return id.String()
}

func name(t dhcpv6.MessageType) string { return wire.TypeName(t) }

// types lists what was sent since the i-th message.
func (s *sim) types(i int) []string {
	var out []string
	for _, m := range s.sent[i:] {
		out = append(out, name(m.msg.Type))
	}
	return out
}

// of lists the messages of one type that were sent.
func (s *sim) of(t dhcpv6.MessageType) []sentMessage {
	var out []sentMessage
	for _, m := range s.sent {
		if m.msg.Type == t {
			out = append(out, m)
		}
	}
	return out
}

// last is the message that was sent last.
func (s *sim) last() *wire.Message {
	s.t.Helper()
	if len(s.sent) == 0 {
		s.t.Fatal("nothing was sent")
	}
	return s.sent[len(s.sent)-1].msg
}

// gaps lists the times between messages of one type.
func (s *sim) gaps(t dhcpv6.MessageType) []time.Duration {
	var out []time.Duration
	list := s.of(t)
	for i := 1; i < len(list); i++ {
		out = append(out, list[i].at.Sub(list[i-1].at))
	}
	return out
}

func (s *sim) has(addr string) bool { _, ok := s.nic[netip.MustParseAddr(addr)]; return ok }

// A simServer leases as dnsmasq does: it gives what is reserved to a Solicit, but goes on confirming
// and renewing what it gave earlier.
type simServer struct {
	name       string
	duid       wire.DUID
	from       netip.Addr
	reserved   []netip.Addr
	given      map[netip.Addr]bool
	preferred  time.Duration
	valid      time.Duration
	t1, t2     time.Duration
	preference uint8
	rapid      bool
	silent     bool
	delay      time.Duration
	dns        []netip.Addr
	fails      map[dhcpv6.MessageType]iana.StatusCode // answers with a status in the IA, or of the message
	mute       map[dhcpv6.MessageType]bool
	key        []byte // of Reconfigures
	replay     uint64
	edit       func(req, resp *wire.Message) *wire.Message
}

// server adds a server to the link.
func (s *sim) server(n string, reserved ...string) *simServer {
	i := byte(len(s.servers) + 1)
	srv := &simServer{
		name: n, duid: wire.DUID([]byte{0, 3, 0, 1, 2, 0, 0, 0, 0, i}),
		from:      netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 15: i}),
		given:     map[netip.Addr]bool{},
		preferred: time.Hour, valid: 2 * time.Hour, t1: 30 * time.Minute, t2: 48 * time.Minute,
		fails: map[dhcpv6.MessageType]iana.StatusCode{}, mute: map[dhcpv6.MessageType]bool{},
	}
	srv.reserve(reserved...)
	s.servers = append(s.servers, srv)
	return srv
}

func (srv *simServer) reserve(reserved ...string) {
	srv.reserved = nil
	for _, a := range reserved {
		srv.reserved = append(srv.reserved, netip.MustParseAddr(a))
	}
}

func (srv *simServer) infinite() *simServer {
	srv.preferred, srv.valid, srv.t1, srv.t2 = wire.Infinite, wire.Infinite, wire.Infinite, wire.Infinite
	return srv
}

func (srv *simServer) answer(req *wire.Message) *wire.Message {
	if srv.silent || srv.mute[req.Type] || req.ServerID != "" && req.ServerID != srv.duid {
		return nil
	}
	resp := &wire.Message{
		Type: dhcpv6.MessageTypeReply, TransactionID: req.TransactionID, ClientID: req.ClientID,
		ServerID: srv.duid, DNS: srv.dns,
	}
	if srv.key != nil && req.ReconfigureAccept {
		resp.ReconfigureAccept = true
		srv.replay++
		resp.Auth = &wire.Auth{Protocol: 3, Algorithm: 1, Replay: srv.replay, Info: append([]byte{1}, srv.key...)}
	}
	srv.fill(req, resp)
	if code, ok := srv.fails[req.Type]; ok {
		srv.failWith(code, req, resp)
	}
	if srv.edit != nil {
		return srv.edit(req, resp)
	}
	return resp
}

// fill puts addresses into an answer.
func (srv *simServer) fill(req, resp *wire.Message) {
	switch req.Type {
	case dhcpv6.MessageTypeSolicit:
		if srv.rapid && req.RapidCommit {
			resp.RapidCommit = true
			srv.grant(req, resp, srv.reserved)
			break
		}
		resp.Type, resp.Preference = dhcpv6.MessageTypeAdvertise, srv.preference
		resp.Auth, resp.ReconfigureAccept = nil, false
		srv.grant(req, resp, srv.reserved)
	case dhcpv6.MessageTypeRequest:
		srv.grant(req, resp, srv.reserved)
	case dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRebind:
		var known []netip.Addr
		for _, a := range req.IANAs[0].Addresses {
			if srv.given[a.Addr] {
				known = append(known, a.Addr)
			}
		}
		if known == nil {
			resp.IANAs = []wire.IANA{{ID: req.IANAs[0].ID, Status: &wire.Status{Code: iana.StatusNoBinding}}}
			return
		}
		srv.grant(req, resp, known)
	case dhcpv6.MessageTypeDecline, dhcpv6.MessageTypeRelease, dhcpv6.MessageTypeConfirm:
		resp.Status = &wire.Status{Code: iana.StatusSuccess}
		resp.DNS = nil
	}
}

func (srv *simServer) grant(req, resp *wire.Message, addrs []netip.Addr) {
	ia := wire.IANA{ID: req.IANAs[0].ID, T1: srv.t1, T2: srv.t2}
	for _, a := range addrs {
		if resp.Type == dhcpv6.MessageTypeReply {
			srv.given[a] = true
		}
		ia.Addresses = append(ia.Addresses, wire.Address{Addr: a, Preferred: srv.preferred, Valid: srv.valid})
	}
	if addrs == nil {
		ia = wire.IANA{ID: ia.ID, Status: &wire.Status{Code: iana.StatusNoAddrsAvail, Text: "none for you"}}
	}
	resp.IANAs = []wire.IANA{ia}
}

func (srv *simServer) failWith(code iana.StatusCode, req, resp *wire.Message) {
	status := &wire.Status{Code: code, Text: "as told"}
	switch code {
	case iana.StatusNoBinding, iana.StatusNoAddrsAvail:
		resp.IANAs = []wire.IANA{{ID: req.IANAs[0].ID, Status: status}}
	default:
		resp.IANAs, resp.Status = nil, status
	}
}

// legal says what is wrong with the engine's state, nil if it is one that the design allows.
func (e *Engine) legal() error {
	x := e.main
	switch {
	case !e.started && (x != nil || e.info != nil):
		return fmt.Errorf("an exchange in a stopped engine")
	case !e.up && (x != nil || e.info != nil):
		return fmt.Errorf("an exchange without a link")
	case e.binding.empty() && e.binding != nil && (x == nil || x.typ != dhcpv6.MessageTypeDecline):
		return fmt.Errorf("a binding without addresses")
	case e.replaced != nil && e.replaced.empty():
		return fmt.Errorf("a replaced binding without addresses")
	case e.released && (e.binding != nil || e.replaced != nil):
		return fmt.Errorf("addresses after a release")
	case e.started && e.up && !e.released && !e.failed && !e.cfg.Stateless && x == nil && e.binding == nil:
		return fmt.Errorf("nothing held and nothing asked for")
	case e.started && e.Deadline() <= e.now:
		return fmt.Errorf("deadline %s is not after now %s: %s", e.Deadline(), e.now, e.state())
	case x == nil:
		return nil
	}
	switch x.typ {
	case dhcpv6.MessageTypeSolicit, dhcpv6.MessageTypeRequest:
		if (x.aim == aimLease) != (e.binding == nil) {
			return fmt.Errorf("%s with aim %d and binding %v", x.typ, x.aim, e.binding)
		}
	case dhcpv6.MessageTypeConfirm, dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRebind:
		if e.binding == nil {
			return fmt.Errorf("%s without a binding", x.typ)
		}
	case dhcpv6.MessageTypeRelease:
		if !e.released {
			return fmt.Errorf("a Release while not released")
		}
	}
	return nil
}
