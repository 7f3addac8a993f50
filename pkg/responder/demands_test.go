package responder

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/wire"
)

// hourly is a pool of addresses for an hour.
const hourly = `[server]
[network guests]
interface = eth1
prefix = 2001:db8:1::/64
preferred_lifetime = 1h
valid_lifetime = 2h
pool = 2001:db8:1::1000-2001:db8:1::1fff
`

// addressesOf are those of the first answer's IAs, in order; the zero Addr where one has none.
func addressesOf(actions []Action) []netip.Addr {
	var out []netip.Addr
	for _, a := range actions {
		if s, ok := a.(*Send); ok {
			for _, ia := range s.Msg.IANAs {
				addr := netip.Addr{}
				if len(ia.Addresses) > 0 {
					addr = ia.Addresses[0].Addr
				}
				out = append(out, addr)
			}
			break
		}
	}
	return out
}

// sent are the messages among the actions.
func sent(actions []Action) []*wire.Message {
	var out []*wire.Message
	for _, a := range actions {
		if s, ok := a.(*Send); ok {
			out = append(out, s.Msg)
		}
	}
	return out
}

// stored are the leases on the disk as they are now.
func (b *bench) stored() []leasestore.Lease {
	var out []leasestore.Lease
	for _, l := range b.store.Leases() {
		out = append(out, *l)
	}
	return out
}

func TestS_18_3_01_EverySolicitIsAnswered(t *testing.T) {
	b := newBench(t, twoLinks, reserved)
	r := rand.New(rand.NewPCG(3, 1))
	for i := range 10_000 { // S-18.3-01
		words := fmt.Sprintf("Solicit mac=06:a0:f0:%02x:%02x:%02x in=eth%d ia=%d", r.IntN(2), r.IntN(256), r.IntN(256), 1+r.IntN(2), r.Uint32())
		words += []string{"", " rapid", " ta", " oro=23,24,82", ",2001:db8:7::1", ",2001:db8:2::1000", " pd=5", " frame=none"}[r.IntN(8)]
		if n := len(sent(b.step(b.message(words)))); n != 1 {
			t.Fatalf("message %d: %d answers to %s", i, n, words)
		}
		b.now = b.now.Add(time.Second)
	}
}

func TestDirectClientIsOnTheLinkOfTheInterface(t *testing.T) {
	b := newBench(t, strings.Replace(twoLinks, "pool = 2001:db8:2::1000-2001:db8:2::ffff\npool_per_mac = 8\n", "assign = eui64\n", 1), reserved)
	got := addressesOf(b.step(b.message("Solicit mac=38 ia=1 in=eth1")))
	got = append(got, addressesOf(b.step(b.message("Solicit mac=38 ia=1 in=eth2")))...)
	want := []netip.Addr{netip.MustParseAddr("2001:db8:1::38"), netip.MustParseAddr("2001:db8:2:0:4a0:f0ff:fe00:38")}
	if !slices.Equal(got, want) {
		t.Errorf("S-13.1-01: %v, want %v", got, want)
	}
}

func TestNothingIsSaidBeforeItIsStored(t *testing.T) {
	for _, tt := range []struct{ name, words string }{
		{"S-18.3.1-05 a Reply under Rapid Commit", "Solicit mac=38 ia=1 rapid"},
		{"a Reply to a Request", "Request mac=38 ia=1 server=own"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, hourly, "")
			b.slow = true
			if got := sent(b.step(b.message(tt.words))); len(got) != 0 {
				t.Fatalf("before it is on the disk: %v", got)
			}
			if got := sent(b.flush(fmt.Errorf("no space left on device"))); len(got) != 0 {
				t.Fatalf("though the disk is full: %v", got)
			}
			b.step(b.message(tt.words))
			if got := sent(b.flush(nil)); len(got) != 1 || got[0].Type != dhcpv6.MessageTypeReply {
				t.Fatalf("when it is on the disk: %v", got)
			}
			b.restart(hourly, "")
			if l := b.store.Leases(); len(l) != 1 || l[0].State != leasestore.Bound {
				t.Errorf("after a loss of power: %v", l)
			}
		})
	}
}

func TestRequestForWhatIsBoundGetsItAgain(t *testing.T) {
	b := newBench(t, hourly, "")
	first := addressesOf(b.step(b.message("Request mac=38 ia=1 server=own")))
	b.now = b.now.Add(time.Minute)
	ends := b.stored()[0].Ends()
	for _, hint := range []string{"", ",2001:db8:1::1234", "," + first[0].String()} {
		b.now = b.now.Add(time.Minute)
		if again := addressesOf(b.step(b.message("Request mac=38 ia=1" + hint + " server=own"))); !slices.Equal(first, again) {
			t.Errorf("S-18.3.2-14 first %v, then %v", first, again)
		}
	}
	if l := b.store.Leases(); len(l) != 1 || l[0].Ends() <= ends {
		t.Errorf("S-18.3.2-14 stored: %v", l)
	}
	b.step(b.message("Release mac=38 ia=1," + first[0].String() + " server=own"))
	if again := addressesOf(b.step(b.message("Request mac=38 ia=1 server=own"))); !slices.Equal(first, again) {
		t.Errorf("S-18.3.7-07 before the Release %v, after it %v", first, again)
	}
}

// TestAnswersAreMadeAnew: the same message, byte for byte, after a change of what there is to say.
func TestAnswersAreMadeAnew(t *testing.T) {
	b := newBench(t, plain, reserved)
	ask := b.message("Request mac=38 ia=1 server=own")
	before := addressesOf(b.step(ask))
	b.hosts("06:a0:f0:00:00:38,[2001:db8:1::99]\n")
	if after := addressesOf(b.step(ask)); after[0] == before[0] || after[0] != netip.MustParseAddr("2001:db8:1::99") {
		t.Errorf("S-18.3.2-16 first %v, then %v", before, after)
	}
}

func TestLifetimesCountFromWhenTheReplyIsSent(t *testing.T) {
	lifetimes := func(actions []Action) string {
		a := sent(actions)[0].IANAs[0].Addresses[0]
		return short(a.Preferred) + "/" + short(a.Valid)
	}
	t.Run("S-21.6-03 what waited for the disk", func(t *testing.T) {
		b := newBench(t, hourly, "")
		b.slow = true
		b.step(b.message("Request mac=38 ia=1 server=own"))
		b.now = b.now.Add(5 * time.Second)
		if got := lifetimes(b.flush(nil)); got != "59m55s/1h59m55s" {
			t.Error(got)
		}
	})
	t.Run("S-21.6-03 what is told again", func(t *testing.T) {
		b := newBench(t, hourly, "")
		b.step(b.message("Request mac=38 ia=1 server=own"))
		b.now = b.now.Add(4 * time.Second)
		if got := lifetimes(b.step(b.message("Request mac=38 ia=1 server=own"))); got != "59m56s/1h59m56s" {
			t.Error(got)
		}
	})
}

// TestTimesOfSeveralIAs: one IA's binding is older than the other's, and its lifetime therefore shorter.
func TestTimesOfSeveralIAs(t *testing.T) {
	for _, kind := range []string{"Request mac=38 ia=1 ia=2 server=own", "Renew mac=38 ia=2 ia=1 server=own", "Rebind mac=38 ia=2 ia=1"} {
		b := newBench(t, hourly, "")
		b.step(b.message("Request mac=38 ia=1 server=own"))
		b.now = b.now.Add(8 * time.Second)
		if !strings.HasPrefix(kind, "Request") {
			b.step(b.message("Request mac=38 ia=2 server=own"))
		}
		m := sent(b.step(b.message(kind)))[0]
		a, c := m.IANAs[0], m.IANAs[1]
		shortest := min(a.Addresses[0].Preferred, c.Addresses[0].Preferred)
		if a.T1 != c.T1 || a.T2 != c.T2 || shortest != time.Hour-8*time.Second || a.T1 > shortest/2 || a.T1 < shortest/5*2-time.Second || a.T2 > shortest/5*4 {
			t.Errorf("S-18.3.2-11 S-18.3.2-12 S-18.3.5-14 S-18.1-01 %s: %v", kind, m)
		}
	}
}

func TestConfirmChangesNothing(t *testing.T) {
	b := newBench(t, hourly, "")
	has := addressesOf(b.step(b.message("Request mac=38 ia=1 server=own")))[0].String()
	before, deadline := b.stored(), b.e.Deadline()
	b.now = b.now.Add(time.Minute)
	for words, want := range map[string]string{
		"Confirm mac=38 ia=1," + has:               "Reply Success",
		"Confirm mac=38 ia=1," + has + " frame=66": "Reply Success",
		"Confirm mac=39 ia=1," + has:               "Reply NotOnLink",
		"Confirm mac=38 ia=1,2001:db8:7::1":        "Reply NotOnLink",
		"Confirm mac=40 ia=7,2001:db8:1::1fff":     "Reply Success",
	} {
		if got := b.send(words); got != want {
			t.Errorf("%s: %s, want %s", words, got, want)
		}
	}
	if diff := cmp.Diff(before, b.stored(), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" || b.e.Deadline() != deadline || b.e.bindings.Len() != 1 {
		t.Errorf("S-18.3.3-08 the store (-before +after):\n%s", diff)
	}
}

func TestRebindOfNothing(t *testing.T) {
	b := newBench(t, hourly, "")
	for words, want := range map[string]string{
		"Rebind mac=38 ia=1":                "Reply IA 1 NoBinding",
		"Rebind mac=38 ia=1,2001:db8:1::10": "Reply IA 1 NoBinding",
		"Rebind mac=38 ia=1,2001:db8:7::1":  "Reply IA 1 2001:db8:7::1 0s/0s",
		"Rebind mac=38":                     "nothing",
		"Rebind mac=38 oro=23":              "nothing",
	} {
		if got := b.send(words); got != want {
			t.Errorf("S-18.3.5-05 S-18.3.5-07 %s: %s, want %s", words, got, want)
		}
	}
	if n := b.e.bindings.Len(); n != 0 {
		t.Errorf("%d bindings", n)
	}
}

func TestInformationRequestsLeaveNoState(t *testing.T) {
	b := newBench(t, twoLinks, reserved)
	size := func() [5]int {
		return [...]int{b.e.bindings.Len(), len(b.e.limits), len(b.e.holds.until), len(b.e.refusals.by), len(b.store.Leases())}
	}
	before := size()
	for i := range 100_000 {
		r := b.message("Information-request mac=38 oro=23,24")
		r.Msg.ClientID = wire.DUID(fmt.Sprintf("\x00\x03\x00\x01\x06\x00%04d", i))
		b.e.Step(b.now, r)
	}
	if got := size(); got != before {
		t.Errorf("S-18.3.6-07 bindings, limits, holds, refusals, leases: %v, before %v", got, before)
	}
}

func TestDeclinedPoolAddressLeavesTheIA(t *testing.T) {
	b := newBench(t, hourly, "")
	has := addressesOf(b.step(b.message("Request mac=38 ia=1 server=own")))[0]
	b.step(b.message("Decline mac=38 ia=1," + has.String() + " server=own"))
	if got := b.send("Renew mac=38 ia=1," + has.String() + " server=own"); !strings.Contains(got, "NoBinding") {
		t.Errorf("S-18.3.8-01 Renew: %s", got)
	}
	if got := addressesOf(b.step(b.message("Request mac=39 ia=1," + has.String() + " server=own")))[0]; got == has || !got.IsValid() {
		t.Errorf("S-18.3.8-03 another client's Request: %s", got)
	}
	if got := addressesOf(b.step(b.message("Request mac=38 ia=1," + has.String() + " server=own")))[0]; got == has || !got.IsValid() {
		t.Errorf("S-18.3.8-01 Request: %s", got)
	}
}

func TestSolicitOfSeveralIAsShowsWhatARequestGets(t *testing.T) {
	b := newBench(t, hourly+"pool_per_mac = 3\n", "")
	const ias = " mac=38 ia=1 ia=2,2001:db8:1::1234 ia=3"
	offered := addressesOf(b.step(b.message("Solicit" + ias)))
	given := addressesOf(b.step(b.message("Request server=own" + ias)))
	if !slices.Equal(offered, given) || len(given) != 3 || given[0] == given[2] || !given[2].IsValid() {
		t.Errorf("S-18.3.9-11 offered %v, given %v", offered, given)
	}
}

func TestMessagesOfOtherProtocolsAreDropped(t *testing.T) {
	b := newBench(t, plain, reserved)
	for _, tt := range []struct {
		name string
		kind byte
	}{
		{"S-5007-06 Leasequery-reply", 15},
		{"S-9686-10 ADDR-REG-REPLY", 37},
	} {
		t.Run(tt.name, func(t *testing.T) {
			packet := append([]byte{tt.kind, 1, 2, 3, 0, 1, 0, 10}, "\x00\x03\x00\x01\x06\xa0\xf0\x00\x00\x38"...)
			if msg, relays, err := wire.DecodeRelayed(packet); err == nil {
				if out := b.e.Step(0, Received{Msg: msg, Relays: relays, Interface: "eth1", From: netip.MustParseAddrPort("[fe80::1]:547")}); len(sent(out)) != 0 {
					t.Errorf("answered: %v", out)
				}
			}
		})
	}
}

// TestRelayedAnswerOnTheWire reads the Relay-reply as the library does.
func TestRelayedAnswerOnTheWire(t *testing.T) {
	const config = "[server]\ntrusted_relays = 2001:db8:f::1 2001:db8:f::2\n[network guests]\ninterface = eth1\nprefix = 2001:db8:1::/64\ndns = 2001:db8:1::53\n"
	b := newBench(t, config, reserved)
	direct := sent(b.step(b.message("Solicit mac=38 ia=1 oro=23")))[0]
	b = newBench(t, afar(config), reserved)
	in := b.message("Solicit mac=38 ia=1 oro=23 from=2001:db8:f::1 relay=2001:db8:f::1,2001:db8:f::2 id=outer relay=2001:db8:1::1,fe80::38,38 id=inner")
	in.Relays[1].Others = []wire.Option{{Code: dhcpv6.OptionRemoteID, Data: []byte("\x00\x00\x00\x09port")}}
	outer := relayReply(t, b.step(in))
	inner, _ := outer.Options.RelayMessage().(*dhcpv6.RelayMessage)
	if inner == nil {
		t.Fatalf("no relay within the relay: %v", outer)
	}
	msg := inner.Options.RelayMessage()
	want, err := direct.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if string(outer.Options.InterfaceID()) != "outer" || string(inner.Options.InterfaceID()) != "inner" {
		t.Errorf("S-19.3-04 Interface-Ids %q and %q", outer.Options.InterfaceID(), inner.Options.InterfaceID())
	}
	if string(msg.ToBytes()) != string(want) {
		t.Errorf("S-21.8-03 the client's message is\n%x, a direct one\n%x", msg.ToBytes(), want)
	}
}

// relayReply is the only answer, as the library reads it.
func relayReply(t *testing.T, actions []Action) *dhcpv6.RelayMessage {
	t.Helper()
	for _, a := range actions {
		if s, ok := a.(*Send); ok {
			raw, err := wire.EncodeRelayReply(s.Relays, s.Msg)
			if err != nil {
				t.Fatal(err)
			}
			m, err := dhcpv6.RelayMessageFromBytes(raw)
			if err != nil || m.MessageType != dhcpv6.MessageTypeRelayReply {
				t.Fatalf("%v: %v", err, m)
			}
			return m
		}
	}
	t.Fatal("no answer")
	return nil
}

// TestLightweightRelay: an access switch (LDRA, RFC 6221) between client and server, with :: as its
// link-address and the client's own address as the datagram's source.
func TestLightweightRelay(t *testing.T) {
	const through = " from=fe80::4a0:f0ff:fe00:38 port=546 relay=::,fe80::4a0:f0ff:fe00:38,38 id=port7"
	config := strings.Replace(plain, "[server]", "[server]\ntrusted_relays = fe80::4a0:f0ff:fe00:38", 1)
	b := newBench(t, config, reserved)
	actions := b.step(b.message("Solicit mac=38 ia=1" + through))
	m := relayReply(t, actions)
	if string(m.Options.InterfaceID()) != "port7" {
		t.Errorf("S-6221-02 Interface-Id %q", m.Options.InterfaceID())
	}
	if got := addressesOf(actions); got[0] != netip.MustParseAddr("2001:db8:1::38") {
		t.Errorf("S-6221-03 gets %v", got)
	}
	for _, a := range actions {
		if s, ok := a.(*Send); ok && (s.To != netip.MustParseAddrPort("[fe80::4a0:f0ff:fe00:38]:547") || s.Interface != "eth1") {
			t.Errorf("S-6221-04 to %s by %s", s.To, s.Interface)
		}
	}
	if !m.LinkAddr.IsUnspecified() || m.PeerAddr.String() != "fe80::4a0:f0ff:fe00:38" {
		t.Errorf("S-6221-04 link-address %s, peer-address %s", m.LinkAddr, m.PeerAddr)
	}
	for _, words := range []string{
		"Solicit duid=none ia=1", "Solicit mac=38 ia=1 server=own", "Request mac=38 ia=1", "Request mac=38 ia=1 server=other",
		"Confirm mac=38 ia=1,2001:db8:1::38 server=own", "Renew mac=38 ia=1", "Rebind mac=38 ia=1 server=own", "Release mac=38 ia=1",
		"Decline mac=38 ia=1", "Information-request mac=38 ia=1", "Advertise mac=38 ia=1 server=other", "Reply mac=38 ia=1 server=own",
	} {
		if got := b.send(words + through); got != "nothing" {
			t.Errorf("S-6221-05 %s: %s", words, got)
		}
	}
}

// TestForgedIdentityMovesNothing: every message type in another's name, under both identities, where
// there is a reservation, a computed address and a binding of a pool.
func TestForgedIdentityMovesNothing(t *testing.T) {
	networks := map[string]string{
		"hosts": plain,
		"eui64": plain + "assign = eui64\n",
		"pool":  strings.Replace(hourly, "[server]\n", "[server]\nhosts = /hosts\n", 1),
	}
	for name, config := range networks {
		for _, identity := range []string{"duid", "frame"} {
			t.Run(name+" identity = "+identity, func(t *testing.T) {
				b := newBench(t, strings.Replace(config, "[server]", "[server]\nidentity = "+identity, 1), map[string]string{"hosts": reserved}[name])
				theirs := addressesOf(b.step(b.message("Request mac=38 ia=1 server=own")))[0]
				if !theirs.IsValid() {
					t.Fatal("the victim has no address")
				}
				before, held := b.stored(), maps.Clone(b.e.holds.until)
				const forger = " mac=38 frame=66 ia=1"
				for _, words := range []string{
					"Solicit", "Solicit rapid", "Request server=own", "Renew server=own", "Rebind", "Confirm", "Release server=own", "Decline server=own",
					"Information-request", "Request server=own", "Decline server=own", "Release server=own",
				} {
					kind, rest, _ := strings.Cut(words, " ")
					ia := forger + "," + theirs.String()
					if kind == "Information-request" {
						ia = " mac=38 frame=66"
					}
					b.now = b.now.Add(time.Second)
					for _, m := range sent(b.step(b.message(kind + ia + " " + rest))) {
						for _, ia := range m.IANAs {
							if contains(ia.Addresses, theirs) && ia.Addresses[slices.IndexFunc(ia.Addresses, func(a wire.Address) bool { return a.Addr == theirs })].Valid > 0 {
								t.Errorf("%s: %v", words, m)
							}
						}
					}
				}
				for _, l := range before {
					if !slices.ContainsFunc(b.stored(), func(now leasestore.Lease) bool {
						return now.Prefix == l.Prefix && now.State == l.State && now.DUID == l.DUID && now.MAC == l.MAC && now.Ends() == l.Ends()
					}) {
						t.Errorf("the victim's %v is not in %v", l, b.stored())
					}
				}
				if !maps.Equal(held, b.e.holds.until) {
					t.Errorf("held back: %v", b.e.holds.until)
				}
				if again := addressesOf(b.step(b.message("Renew mac=38 ia=1," + theirs.String() + " server=own"))); again[0] != theirs {
					t.Errorf("the victim then has %v, before %v", again, theirs)
				}
			})
		}
	}
}
