package responder

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/v6guest/v6guest/pkg/wire"
)

// twoLinks is a network of reservations and one with a pool.
const twoLinks = plain + `[network pool]
interface = eth2
prefix = 2001:db8:2::/64
pool = 2001:db8:2::1000-2001:db8:2::ffff
pool_per_mac = 8
pd_pool = 2001:db8:8000::/48
pd_length = 60
dns = 2001:db8:2::53 2001:db8:2::54
search = a.example.org b.example.org example.org
ntp = 2001:db8:2::123 2001:db8:2::124
`

// A said is a message to the server and what came back.
type said struct {
	words string
	in    Received
	bytes []byte          // nil for no answer
	out   *dhcpv6.Message // the same, as the library reads it, which has not written it
}

// talk has clients of all kinds say every message that there is, with and without options asked for, in
// one order; change does to each message what it likes.
func talk(t *testing.T, change func(*Received)) []said {
	t.Helper()
	b := newBench(t, twoLinks, reserved)
	var all []said
	for _, where := range []string{"eth1", "eth2"} {
		for _, client := range []string{"mac=38", "mac=39", "mac=40", "mac=99", "mac=42", "mac=38 frame=66", "mac=99 duid=00020000ab11aabbcc"} {
			has := "2001:db8:1::38"
			for _, oro := range []string{"", " oro=" + everyCode} {
				for _, kind := range []string{
					"Solicit ia=1 pd=1", "Solicit ia=1 rapid", "Request ia=1 pd=1,::/56 server=own", "Confirm ia=1,%s", "Renew ia=1,%s ia=2 pd=1 server=own",
					"Rebind ia=1,%s ia=2 pd=1,2001:db8:8000::/60", "Release pd=1 server=own", "Request ia=1,2001:db8:7::1 ia=2 server=own", "Rebind ia=9,2001:db8:7::1", "Information-request",
					"Information-request server=own", "Release ia=1,%s server=own", "Request ia=1 server=own", "Decline ia=1,%s server=own",
				} {
					word, rest, _ := strings.Cut(strings.Replace(kind, "%s", has, 1), " ")
					s := said{words: strings.Join(strings.Fields(word+" "+client+" "+rest+" in="+where+oro), " ")}
					s.in = b.message(s.words)
					if change != nil {
						change(&s.in)
					}
					s.read(t, b.step(s.in))
					if a := s.leased(); word == "Request" && a.IsValid() {
						has = a.String()
					}
					all = append(all, s)
				}
			}
		}
		r := b.message("Information-request duid=none frame=38 oro=23 in=" + where)
		if change != nil {
			change(&r)
		}
		s := said{words: "an anonymous Information-request", in: r}
		s.read(t, b.step(r))
		all = append(all, s)
	}
	return all
}

// everyCode asks for the options 0 to 200.
var everyCode = func() string {
	var codes []string
	for i := range 201 {
		codes = append(codes, fmt.Sprint(i))
	}
	return strings.Join(codes, ",")
}()

// read takes the answer out of what the engine does.
func (s *said) read(t *testing.T, actions []Action) {
	t.Helper()
	for _, a := range actions {
		send, ok := a.(*Send)
		if !ok {
			continue
		}
		if s.bytes != nil {
			t.Fatalf("two answers to %s", s.words)
		}
		checkAnswer(t, s.in, send)
		var err error
		if s.bytes, err = send.Msg.AppendAnswer(nil); err != nil {
			t.Fatal(err)
		}
		if s.out, err = dhcpv6.MessageFromBytes(s.bytes); err != nil {
			t.Fatalf("the answer to %s: %v", s.words, err)
		}
	}
}

// leased is the first address of the answer that can be used.
func (s *said) leased() netip.Addr {
	if s.out != nil {
		for _, ia := range s.out.Options.IANA() {
			for _, a := range ia.Options.Addresses() {
				if addr, ok := netip.AddrFromSlice(a.IPv6Addr); ok && a.ValidLifetime > 0 {
					return addr
				}
			}
		}
	}
	return netip.Addr{}
}

// answerDemands hold for the answers to messages of a type; of any with type 0.
var answerDemands = []struct {
	name  string
	to    dhcpv6.MessageType
	holds func(s said) bool
}{
	{"S-18.3.9-01 an Advertise has both identifiers and the Solicit's transaction id", dhcpv6.MessageTypeSolicit, isAnswer},
	{"S-18.3.2-02 S-18.3.2-03 a Request's Reply has both identifiers and its transaction id", dhcpv6.MessageTypeRequest, isAnswer},
	{"S-18.3.3-06 a Confirm's", dhcpv6.MessageTypeConfirm, isAnswer},
	{"S-18.3.4-12 a Renew's", dhcpv6.MessageTypeRenew, isAnswer},
	{"S-18.3.5-11 a Rebind's", dhcpv6.MessageTypeRebind, isAnswer},
	{"S-18.3.6-01 S-18.3.6-02 S-18.3.6-03 S-16.10-03 an Information-request's, with a Client Identifier or without", dhcpv6.MessageTypeInformationRequest, isAnswer},
	{"S-18.3.7-01 a Release's", dhcpv6.MessageTypeRelease, isAnswer},
	{"a Decline's", dhcpv6.MessageTypeDecline, isAnswer},
	{"S-4.2-01 one Server Identifier, the same on all links", 0, func(s said) bool {
		return bytes.Equal(s.out.Options.ServerID().ToBytes(), []byte(own)) && len(s.out.Options.Get(dhcpv6.OptionServerID)) == 1
	}},
	{"S-18.3.9-04 preference 0 where none is configured", dhcpv6.MessageTypeSolicit, func(s said) bool {
		return s.out.GetOneOption(dhcpv6.OptionPreference) == nil
	}},
	{"S-21.12-03 no status UseMulticast", 0, func(s said) bool {
		return s.every(func(o dhcpv6.Option) bool {
			st, ok := o.(*dhcpv6.OptStatusCode)
			return !ok || st.StatusCode != iana.StatusUseMulticast
		})
	}},
	{"S-21.18-02 S-8357-03 S-19.3-04 no option of relays", 0, func(s said) bool {
		return s.every(func(o dhcpv6.Option) bool {
			return !slices.Contains([]dhcpv6.OptionCode{
				dhcpv6.OptionInterfaceID, dhcpv6.OptionRelayPort, dhcpv6.OptionRemoteID, dhcpv6.OptionRelayAgentSubscriberID,
				dhcpv6.OptionClientLinkLayerAddr, dhcpv6.OptionRelayMsg,
			}, o.Code())
		})
	}},
	{"S-18.1-01 S-18.3.2-11 S-18.3.5-14 one T1 and one T2", 0, func(s said) bool {
		seen := map[string]bool{}
		for _, ia := range s.out.Options.IANA() {
			if ia.T2 > 0 {
				seen[fmt.Sprint(ia.T1, ia.T2)] = true
			}
		}
		for _, ia := range s.out.Options.IAPD() {
			if ia.T2 > 0 {
				seen[fmt.Sprint(ia.T1, ia.T2)] = true
			}
		}
		return len(seen) <= 1
	}},
	{"S-21-02 no option twice where one may be", 0, func(s said) bool {
		return s.places(func(_ dhcpv6.OptionCode, list dhcpv6.Options) bool {
			seen := map[dhcpv6.OptionCode]bool{}
			for _, o := range list {
				if seen[o.Code()] && !several[o.Code()] {
					return false
				}
				seen[o.Code()] = true
			}
			return true
		})
	}},
	{"S-B-01 S-21.5-02 S-21.7-02 S-3646-03 S-5908-02 only options that appendices B and C allow there", 0, func(s said) bool {
		return s.places(func(where dhcpv6.OptionCode, list dhcpv6.Options) bool {
			for _, o := range list {
				if !slices.Contains(s.allowed(where), o.Code()) {
					return false
				}
			}
			return true
		})
	}},
}

// several are the options of which several may stand in one place (RFC 9915, appendices B and C; RFC 5908).
var several = map[dhcpv6.OptionCode]bool{
	dhcpv6.OptionIANA: true, dhcpv6.OptionIAPD: true, dhcpv6.OptionIAAddr: true, dhcpv6.OptionIAPrefix: true,
	dhcpv6.OptionNTPServer: true, dhcpv6.OptionVendorOpts: true,
}

// isAnswer checks type and identifiers.
func isAnswer(s said) bool {
	want := dhcpv6.MessageTypeReply
	if s.in.Msg.Type == dhcpv6.MessageTypeSolicit && s.out.GetOneOption(dhcpv6.OptionRapidCommit) == nil {
		want = dhcpv6.MessageTypeAdvertise
	}
	client := s.out.Options.ClientID()
	sameClient := s.in.Msg.ClientID == "" && client == nil || client != nil && string(client.ToBytes()) == string(s.in.Msg.ClientID)
	return s.out.MessageType == want && s.out.TransactionID == s.in.Msg.TransactionID && sameClient &&
		string(s.out.Options.ServerID().ToBytes()) == string(own)
}

// allowed are the options that may stand in the answer: at the top level, or in an option.
func (s said) allowed(where dhcpv6.OptionCode) []dhcpv6.OptionCode {
	switch where {
	case dhcpv6.OptionIANA:
		return []dhcpv6.OptionCode{dhcpv6.OptionIAAddr, dhcpv6.OptionStatusCode}
	case dhcpv6.OptionIAPD:
		return []dhcpv6.OptionCode{dhcpv6.OptionIAPrefix, dhcpv6.OptionStatusCode}
	case dhcpv6.OptionIAAddr, dhcpv6.OptionIAPrefix:
		return []dhcpv6.OptionCode{dhcpv6.OptionStatusCode}
	}
	list := []dhcpv6.OptionCode{
		dhcpv6.OptionClientID, dhcpv6.OptionServerID, dhcpv6.OptionIANA, dhcpv6.OptionIAPD, dhcpv6.OptionStatusCode,
		dhcpv6.OptionSolMaxRT, dhcpv6.OptionInfMaxRT, dhcpv6.OptionDNSRecursiveNameServer, dhcpv6.OptionDomainSearchList,
		dhcpv6.OptionSNTPServerList, dhcpv6.OptionNTPServer,
	}
	switch {
	case s.out.MessageType == dhcpv6.MessageTypeAdvertise:
		list = append(list, dhcpv6.OptionPreference)
	case s.in.Msg.Type == dhcpv6.MessageTypeSolicit:
		list = append(list, dhcpv6.OptionRapidCommit)
	case s.in.Msg.Type == dhcpv6.MessageTypeInformationRequest:
		list = append(list, dhcpv6.OptionInformationRefreshTime)
	}
	return list
}

// places calls holds for the options at the top level (0) and those in each option that has some.
func (s said) places(holds func(where dhcpv6.OptionCode, list dhcpv6.Options) bool) bool {
	ok := holds(0, s.out.Options.Options)
	for _, ia := range s.out.Options.IANA() {
		ok = ok && holds(dhcpv6.OptionIANA, ia.Options.Options)
		for _, a := range ia.Options.Addresses() {
			ok = ok && holds(dhcpv6.OptionIAAddr, a.Options.Options)
		}
	}
	for _, ia := range s.out.Options.IAPD() {
		ok = ok && holds(dhcpv6.OptionIAPD, ia.Options.Options)
		for _, p := range ia.Options.Prefixes() {
			ok = ok && holds(dhcpv6.OptionIAPrefix, p.Options.Options)
		}
	}
	return ok
}

// every calls holds for each option, wherever it stands.
func (s said) every(holds func(dhcpv6.Option) bool) bool {
	return s.places(func(_ dhcpv6.OptionCode, list dhcpv6.Options) bool {
		return !slices.ContainsFunc(list, func(o dhcpv6.Option) bool { return !holds(o) })
	})
}

func TestEveryAnswerIsAsTheStandardHasIt(t *testing.T) {
	all := talk(t, nil)
	for _, d := range answerDemands {
		t.Run(d.name, func(t *testing.T) {
			judged := 0
			for _, s := range all {
				if s.out == nil || d.to != 0 && s.in.Msg.Type != d.to {
					continue
				}
				if judged++; !d.holds(s) {
					t.Errorf("%s:\n%s", s.words, s.out.Summary())
				}
			}
			if judged < 10 {
				t.Errorf("only %d answers were judged", judged)
			}
		})
	}
}

// TestWhatMustNotMatterChangesNoAnswer has the same talk with messages in which something is different
// that the server must not look at.
func TestWhatMustNotMatterChangesNoAnswer(t *testing.T) {
	want := talk(t, nil)
	for _, tt := range []struct {
		name   string
		change func(*Received)
	}{
		{"S-18.3.3-05 S-21.4-01 S-21.6-01 S-21.22-01 the client's T1, T2 and lifetimes", func(r *Received) {
			for i := range r.Msg.IANAs {
				ia := &r.Msg.IANAs[i]
				ia.T1, ia.T2 = wire.Infinite, 0
				for j := range ia.Addresses {
					ia.Addresses[j].Preferred, ia.Addresses[j].Valid = wire.Infinite, wire.Infinite
				}
			}
			for i := range r.Msg.IAPDs {
				ia := &r.Msg.IAPDs[i]
				ia.T1, ia.T2 = wire.Infinite, 0
				for j := range ia.Prefixes {
					ia.Prefixes[j].Preferred, ia.Prefixes[j].Valid = wire.Infinite, wire.Infinite
				}
			}
		}},
		{"S-21.6-01 lifetimes of 0", func(r *Received) {
			for i := range r.Msg.IANAs {
				for j := range r.Msg.IANAs[i].Addresses {
					r.Msg.IANAs[i].Addresses[j].Preferred, r.Msg.IANAs[i].Addresses[j].Valid = 0, 0
				}
			}
		}},
		{"S-A-01 IA_TA, Server Unicast", func(r *Received) {
			if r.Msg.Type != dhcpv6.MessageTypeInformationRequest { // which may have no IA (S-16.12-02)
				r.Msg.Others = append(r.Msg.Others, wire.Option{Code: dhcpv6.OptionIATA, Data: make([]byte, 4)})
			}
			r.Msg.Others = append(r.Msg.Others, wire.Option{Code: dhcpv6.OptionUnicast, Data: make([]byte, 16)})
		}},
		{"S-21.18-02 S-8357-03 Interface-Id and others of relays in the client's message", func(r *Received) {
			r.Msg.Others = append(r.Msg.Others,
				wire.Option{Code: dhcpv6.OptionInterfaceID, Data: []byte("eth2")},
				wire.Option{Code: dhcpv6.OptionRelayPort, Data: []byte{0, 0}},
				wire.Option{Code: dhcpv6.OptionClientLinkLayerAddr, Data: []byte("\x00\x01\x06\xa0\xf0\x00\x00\x38")})
		}},
		{"the elapsed time", func(r *Received) { r.Msg.Elapsed = time.Hour }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i, got := range talk(t, tt.change) {
				if !bytes.Equal(got.bytes, want[i].bytes) {
					t.Errorf("%s (-want +got):\n%s", got.words, cmp.Diff(summary(want[i].out), summary(got.out)))
				}
			}
		})
	}
}

func summary(m *dhcpv6.Message) string {
	if m == nil {
		return "nothing"
	}
	return m.Summary()
}

// TestServersListsOnTheWire reads the bytes of the lists of servers and names.
func TestServersListsOnTheWire(t *testing.T) {
	b := newBench(t, twoLinks, "")
	var s said
	s.in = b.message("Request mac=38 ia=1 server=own oro=23,24,56 in=eth2")
	s.read(t, b.step(s.in))
	address := func(last ...byte) string {
		b := netip.MustParseAddr("2001:db8:2::").AsSlice()
		return string(append(b[:16-len(last)], last...))
	}
	for _, tt := range []struct {
		name string
		code dhcpv6.OptionCode
		want []string
	}{
		{"S-3646-01 DNS servers in the operator's order", dhcpv6.OptionDNSRecursiveNameServer, []string{address(0x53) + address(0x54)}},
		{
			"S-10-01 S-3646-02 names with one ending are not compressed", dhcpv6.OptionDomainSearchList,
			[]string{"\x01a\x07example\x03org\x00\x01b\x07example\x03org\x00\x07example\x03org\x00"},
		},
		{
			"S-5908-01 one option a time server", dhcpv6.OptionNTPServer,
			[]string{"\x00\x01\x00\x10" + address(1, 0x23), "\x00\x01\x00\x10" + address(1, 0x24)},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, rawOptions(s.bytes, tt.code)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// rawOptions are the contents of a message's options of one code.
func rawOptions(message []byte, code dhcpv6.OptionCode) []string {
	var out []string
	for b := message[4:]; len(b) >= 4; {
		size := int(b[2])<<8 | int(b[3])
		if dhcpv6.OptionCode(int(b[0])<<8|int(b[1])) == code {
			out = append(out, string(b[4:4+size]))
		}
		b = b[4+size:]
	}
	return out
}
