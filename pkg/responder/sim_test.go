package responder

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/leasestore/leasestoretest"
	"github.com/v6guest/v6guest/pkg/responder/hosts"
	"github.com/v6guest/v6guest/pkg/wire"
)

// own is the server's DUID in tests, other another server's.
var (
	own   = wire.DUID("\x00\x03\x00\x01\x02\x00\x00\x00\x00\x01")
	other = wire.DUID("\x00\x03\x00\x01\x02\x00\x00\x00\x00\x02")
)

// plain is the configuration that most tests have, and reservations of three machines.
const (
	plain = `[server]
hosts = /hosts
[network guests]
interface = eth1
prefix = 2001:db8:1::/64
dns = 2001:db8:1::53
search = example.org
ntp = 2001:db8:1::123
sol_max_rt = 2h
inf_max_rt = 3h
information_refresh = 1h
`
	reserved = `id:00:03:00:01:06:a0:f0:00:00:38,[2001:db8:1::38],vm-38,infinite
06:a0:f0:00:00:39,[2001:db8:1::39],vm-39
id:00:03:00:01:06:a0:f0:00:00:40,set:nondefault6,[2001:db8:1::40],vm-40,1h
id:00:04:aa:bb:cc,[2001:db8:1::41]
06:a0:f0:00:00:42,ignore
06:a0:f0:00:00:43,[2001:db8:9::43],elsewhere
`
)

// A bench is an engine with a clock.
type bench struct {
	t   testing.TB
	e   *Engine
	now clock.Instant

	config string
	store  *leasestoretest.Store
	slow   bool // the disk does nothing until it is told
}

func newBench(t testing.TB, config, lines string) *bench {
	t.Helper()
	c, err := ParseConfig("conf", []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	b := newConfigBench(t, c)
	b.config = config
	b.hosts(lines)
	return b
}

// afar is the configuration for guests that all come through relays: no network is served on a NIC.
func afar(config string) string { return strings.ReplaceAll(config, "interface = eth1\n", "") }

// afarIf is afar where the words of a message name a relay that stands on no link of the server's.
func afarIf(words, config string) string {
	if !strings.Contains(words, "relay=2001:") {
		return config
	}
	if config = afar(config); !strings.Contains(config, "trusted_relays") {
		config = strings.Replace(config, "[server]", "[server]\ntrusted_relays = 2001:db8:ff::1", 1) // there must be one
	}
	return config
}

// newConfigBench is newBench for what is parsed already, without hosts.
func newConfigBench(t testing.TB, c *Config) *bench {
	return &bench{t: t, e: NewEngine(c.Engine(own)), store: leasestoretest.New()}
}

func (b *bench) hosts(lines string) {
	b.t.Helper()
	b.e.Step(b.now, HostsChanged{b.index(lines)})
}

func (b *bench) index(lines string) *hosts.Index {
	b.t.Helper()
	list, problems := hosts.Parse("hosts", lines)
	if slices.ContainsFunc(problems, func(p hosts.Problem) bool { return !p.Warning }) {
		b.t.Fatal(problems)
	}
	return hosts.Build(list)
}

// step tells the engine what has happened and what becomes of what it stores; the actions come back, but
// for those.
func (b *bench) step(ev Event) []Action {
	b.t.Helper()
	out := b.begin(ev)
	if !b.slow {
		out = append(out, b.flush(nil)...)
	}
	return out
}

// begin does one Step.
func (b *bench) begin(ev Event) []Action {
	b.t.Helper()
	var out []Action
	var refused []leasestore.Result
	for _, a := range b.e.Step(b.now, ev) {
		if s, ok := a.(Store); !ok {
			out = append(out, a)
		} else if err := b.store.Begin(s.ID, s.Changes...); errors.Is(err, leasestore.ErrBusy) {
			refused = append(refused, leasestore.Result{ID: s.ID, Err: err})
		} else {
			b.check(err)
		}
	}
	if refused != nil {
		out = append(out, b.begin(Stored{refused})...)
	}
	return out
}

// flush lets the disk take, or with an error refuse, what waits.
func (b *bench) flush(err error) []Action {
	b.t.Helper()
	if b.store.Queued() == 0 {
		return nil
	}
	if err != nil {
		return b.begin(Stored{b.store.Fail(err)})
	}
	return b.begin(Stored{b.store.Flush()})
}

// restart is kill -9 and a start.
func (b *bench) restart(config, lines string) {
	b.t.Helper()
	b.store.Crash()
	c, err := ParseConfig("conf", []byte(config))
	b.check(err)
	b.e = NewEngine(c.Engine(own))
	for _, l := range b.store.Leases() {
		b.e.Restore(l)
	}
	b.hosts(lines)
}

// pass lets time pass, and the engine do what it does at its own time; told hears of it.
func (b *bench) pass(d time.Duration, told func([]Action)) {
	b.t.Helper()
	for end := b.now.Add(d); ; {
		at := b.e.Deadline()
		if end.Before(at) {
			b.now = end
			return
		}
		b.now = max(b.now, at)
		told(b.step(Expired{}))
	}
}

// send hands a message to the engine and returns the answers, one a line; reports are left out unless
// they are asked for.
func (b *bench) send(words string) string { return b.run(words, false) }

func (b *bench) run(words string, reports bool) string {
	b.t.Helper()
	return b.render(b.step(b.message(words)), reports)
}

// render is what was sent, and reported if that is asked for, one a line.
func (b *bench) render(actions []Action, reports bool) string {
	var out []string
	for _, a := range actions {
		switch a := a.(type) {
		case *Send:
			out = append(out, render(a))
		case *Changed:
			if reports {
				out = append(out, renderReport(a.Report(nil)))
			}
		case Report:
			if reports {
				out = append(out, renderReport(a))
			}
		}
	}
	if len(out) == 0 {
		return "nothing"
	}
	return strings.Join(out, "\n")
}

// statusText hands a message to the engine and returns the text of the first IA's status in the answer.
func (b *bench) statusText(words string) string {
	b.t.Helper()
	for _, a := range b.step(b.message(words)) {
		if s, ok := a.(*Send); ok && len(s.Msg.IANAs) > 0 && s.Msg.IANAs[0].Status != nil {
			return s.Msg.IANAs[0].Status.Text
		}
	}
	return "no status"
}

// message makes a message of words: its type, and
//
//	mac=38          its DUID-LL and frame are of 06:a0:f0:00:00:38
//	frame=39        the frame's MAC is another
//	frame=none      it is not known
//	duid=HEX|none   its DUID is another
//	ia=1,ADDR,…     an IA_NA with addresses
//	pd=1,PREFIX,…   an IA_PD with prefixes
//	oro=23,24       options asked for
//	server=own|other
//	in=eth1         the interface
//	from=ADDR       the source
//	port=546        likewise
//	relay=LINK,PEER,MAC  a relay around it, the first one outermost
//	id=TEXT         the Interface-Id of the last relay
//	rapid, unicast, ta
func (b *bench) message(words string) Received {
	b.t.Helper()
	f := strings.Fields(words)
	r := Received{
		Msg:       &wire.Message{Type: messageType(b.t, f[0]), TransactionID: dhcpv6.TransactionID{1, 2, 3}},
		Interface: "eth1", From: netip.MustParseAddrPort("[fe80::1]:546"),
	}
	for _, w := range f[1:] {
		k, v, _ := strings.Cut(w, "=")
		switch k {
		case "mac":
			mac := testMAC(b.t, v)
			r.Msg.ClientID, r.FrameMAC = wire.LinkLayerDUID(mac), mac
		case "frame":
			if r.FrameMAC = nil; v != "none" {
				r.FrameMAC = testMAC(b.t, v)
			}
		case "duid":
			d, err := hex.DecodeString(strings.TrimSuffix(v, "none"))
			b.check(err)
			r.Msg.ClientID = wire.DUID(d)
		case "ia":
			parts := strings.Split(v, ",")
			ia := wire.IANA{ID: wire.IAID(b.number(parts[0])), T1: 7 * time.Second, T2: 9 * time.Second}
			for _, a := range parts[1:] {
				ia.Addresses = append(ia.Addresses, wire.Address{Addr: netip.MustParseAddr(a), Preferred: 3 * time.Second, Valid: time.Second})
			}
			r.Msg.IANAs = append(r.Msg.IANAs, ia)
		case "pd":
			parts := strings.Split(v, ",")
			ia := wire.IAPD{ID: wire.IAID(b.number(parts[0])), T1: 7 * time.Second, T2: 9 * time.Second}
			for _, p := range parts[1:] {
				ia.Prefixes = append(ia.Prefixes, wire.Prefix{Prefix: netip.MustParsePrefix(p), Preferred: 3 * time.Second, Valid: time.Second})
			}
			r.Msg.IAPDs = append(r.Msg.IAPDs, ia)
		case "oro":
			for o := range strings.SplitSeq(v, ",") {
				r.Msg.Requested = append(r.Msg.Requested, dhcpv6.OptionCode(b.number(o)))
			}
		case "server":
			r.Msg.ServerID = map[string]wire.DUID{"own": own, "other": other}[v]
		case "in":
			r.Interface = v
		case "from":
			r.From = netip.AddrPortFrom(netip.MustParseAddr(v), r.From.Port())
		case "port":
			r.From = netip.AddrPortFrom(r.From.Addr(), uint16(b.number(v)))
		case "relay":
			r.Relays = append(r.Relays, b.relay(v))
			r.FrameMAC = nil
		case "id":
			r.Relays[len(r.Relays)-1].Interface = []byte(v)
		case "rapid":
			r.Msg.RapidCommit = true
		case "unicast":
			r.Unicast = true
		case "ta":
			r.Msg.Others = append(r.Msg.Others, wire.Option{Code: dhcpv6.OptionIATA, Data: make([]byte, 4)})
		default:
			b.t.Fatalf("no word %q", w)
		}
	}
	return r
}

func (b *bench) relay(v string) wire.Relay {
	parts := strings.Split(v, ",")
	r := wire.Relay{LinkAddr: netip.MustParseAddr(parts[0]), PeerAddr: netip.MustParseAddr(parts[1])}
	if len(parts) > 2 {
		r.ClientLinkLayer = &wire.LinkLayer{Type: 1, Addr: testMAC(b.t, parts[2])}
	}
	return r
}

func (b *bench) check(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) number(s string) int64 {
	n, err := strconv.ParseInt(s, 0, 64)
	b.check(err)
	return n
}

func messageType(t testing.TB, name string) dhcpv6.MessageType {
	for n := dhcpv6.MessageType(1); n < 14; n++ {
		if wire.TypeName(n) == name {
			return n
		}
	}
	t.Fatalf("no message type %q", name)
	return 0
}

// testMAC is 06:a0:f0:00:00:38 for "38", and any MAC in full.
func testMAC(t testing.TB, s string) net.HardwareAddr {
	if len(s) == 2 {
		s = "06:a0:f0:00:00:" + s
	}
	mac, err := net.ParseMAC(s)
	if err != nil {
		t.Fatal(err)
	}
	return mac
}

// render is an answer in few words.
func render(s *Send) string {
	var b strings.Builder
	m := s.Msg
	b.WriteString(wire.TypeName(m.Type))
	if m.RapidCommit {
		b.WriteString(" rapid-commit")
	}
	if m.Preference != 0 {
		fmt.Fprintf(&b, " preference %d", m.Preference)
	}
	if m.Status != nil {
		fmt.Fprintf(&b, " %s", m.Status.Code)
	}
	for _, ia := range m.IANAs {
		fmt.Fprintf(&b, " IA %d", ia.ID)
		for _, a := range ia.Addresses {
			fmt.Fprintf(&b, " %s %s/%s", a.Addr, short(a.Preferred), short(a.Valid))
		}
		if ia.T1 != 0 || ia.T2 != 0 {
			fmt.Fprintf(&b, " T1 %s T2 %s", short(ia.T1), short(ia.T2))
		}
		if ia.Status != nil {
			fmt.Fprintf(&b, " %s", ia.Status.Code)
		}
	}
	for _, ia := range m.IAPDs {
		fmt.Fprintf(&b, " PD %d", ia.ID)
		for _, p := range ia.Prefixes {
			fmt.Fprintf(&b, " %s %s/%s", p.Prefix, short(p.Preferred), short(p.Valid))
		}
		if ia.T1 != 0 || ia.T2 != 0 {
			fmt.Fprintf(&b, " T1 %s T2 %s", short(ia.T1), short(ia.T2))
		}
		if ia.Status != nil {
			fmt.Fprintf(&b, " %s", ia.Status.Code)
		}
	}
	renderOptions(&b, m)
	if len(s.Relays) > 0 {
		fmt.Fprintf(&b, " through %d relays to %s", len(s.Relays), s.To)
	}
	return b.String()
}

func renderOptions(b *strings.Builder, m *wire.Message) {
	if len(m.DNS) > 0 {
		fmt.Fprintf(b, " dns %v", m.DNS)
	}
	if len(m.Search) > 0 {
		fmt.Fprintf(b, " search %v", m.Search)
	}
	if len(m.NTP) > 0 {
		fmt.Fprintf(b, " ntp %v", m.NTP)
	}
	for _, o := range m.Others {
		fmt.Fprintf(b, " option %d", o.Code)
	}
	if m.SOLMaxRT != 0 {
		fmt.Fprintf(b, " sol-max-rt %s", short(m.SOLMaxRT))
	}
	if m.INFMaxRT != 0 {
		fmt.Fprintf(b, " inf-max-rt %s", short(m.INFMaxRT))
	}
	if m.InformationRefresh != nil {
		fmt.Fprintf(b, " refresh %s", short(*m.InformationRefresh))
	}
}

// short writes a duration without its zero parts.
func short(d time.Duration) string {
	if d == wire.Infinite {
		return "inf"
	}
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if cut, ok := strings.CutSuffix(s, zero); ok {
			s = cut + zero[:1]
		}
	}
	return s
}

func renderReport(r Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "reports %s %q", r.Level, r.Message)
	for _, a := range r.Attrs {
		fmt.Fprintf(&b, " %s=%q", a.Key, a.Value.Resolve().String())
	}
	return b.String()
}
