package responder

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/wire"
)

// delegating is a network of which each client gets a prefix.
const delegating = `[server]
hosts = /hosts
[network guests]
interface = eth1
prefix = 2001:db8:1::/64
preferred_lifetime = 5m
valid_lifetime = 10m
pd_pool = 2001:db8:8000::/56
pd_length = 60
pd_grace = 5m
`

func TestDelegation(t *testing.T) {
	const (
		mine   = "2001:db8:8000:90::/60"
		theirs = "2001:db8:8000:80::/60"
		terms  = " 5m/10m T1 2m23s T2 3m49s"
	)
	for _, tt := range []struct{ name, config, send, want string }{
		{
			"S-18.3.2-09 S-18.1-01 Request with IA_NA and IA_PD", "", "Request mac=38 ia=1 pd=1 server=own",
			"Reply IA 1 2001:db8:1::38 inf/inf T1 2m23s T2 3m49s PD 1 " + mine + terms,
		},
		{"S-18.3.9-13 S-8168-02 wish", "", "Solicit mac=38 pd=1,2001:db8:8000:c0::/60", "Advertise PD 1 2001:db8:8000:c0::/60" + terms},
		{"S-8168-02 wish that another has", "", "Solicit mac=38 pd=1," + theirs, "Advertise PD 1 " + mine + terms},
		{"S-8168-01 only a length", "", "Solicit mac=38 pd=1,::/48", "Advertise PD 1 " + mine + terms},
		{"S-21.22-02 lifetimes that the client sends count for nothing", "", "Request mac=38 pd=1," + mine + " server=own", "Reply PD 1 " + mine + terms},
		{"S-12-01 equal IAIDs do not clash", "", "Release mac=39 ia=1,2001:db8:1::39 server=own", "Reply Success"},
		{"an IAID that stands twice", "", "Solicit mac=38 pd=1 pd=1", "Advertise PD 1 " + mine + terms},
		{"Renew", "", "Renew mac=39 pd=1," + theirs + " server=own", "Reply PD 1 " + theirs + " 5m/10m T1 2m14s T2 3m35s"},
		{
			"S-18.3.4-07 Renew with one of no pool beside", "", "Renew mac=39 pd=1," + theirs + ",2001:db8:9::/60 server=own",
			"Reply PD 1 " + theirs + " 5m/10m 2001:db8:9::/60 0s/0s T1 2m14s T2 3m35s",
		},
		{"S-18.3.4-07 Renew of one of no pool", "", "Renew mac=38 pd=1,2001:db8:9::/60 server=own", "Reply PD 1 2001:db8:9::/60 0s/0s"},
		{"S-18.3.4-11 Renew of one that nobody has", "", "Renew mac=38 pd=1," + mine + " server=own", "Reply PD 1 NoBinding"},
		{"Renew of another's", "", "Renew mac=38 pd=1," + theirs + " server=own", "Reply PD 1 " + theirs + " 0s/0s"},
		{"Rebind of what another server may have delegated", "", "Rebind mac=38 pd=1,2001:db8:9::/60", "Reply PD 1 NoBinding"},
		{"Rebind of another's", "", "Rebind mac=38 pd=1," + theirs, "Reply PD 1 " + theirs + " 0s/0s"},
		{"S-18.3.3-04 Confirm", "", "Confirm mac=39 pd=1," + theirs, "nothing"},
		{"Release of another's", "", "Release mac=38 pd=1," + theirs + " server=own", "Reply Success PD 1 NoBinding"},
		{"Decline", "", "Decline mac=39 pd=1," + theirs + " server=own", "Reply Success"},
		{"S-18.3.9-16 forged DUID-LL", "", "Solicit mac=39 frame=38 pd=1," + theirs, "Advertise PD 1 NoPrefixAvail"},
		{"forged DUID-LL renews", "", "Renew mac=39 frame=38 pd=1," + theirs + " server=own", "Reply PD 1 NoBinding"},
		{"no address, but a prefix", "", "Solicit mac=41 ia=1 pd=1 rapid", "Reply rapid-commit IA 1 NoAddrsAvail PD 1 2001:db8:8000:10::/60 5m/10m T1 2m6s T2 3m22s"},
		{"S-18.3.2-07 nothing left", "pd_limit = 1", "Request mac=38 ia=1 pd=1 server=own", "Reply IA 1 " + lease38 + " PD 1 NoPrefixAvail"},
		{
			"through a relay", "trusted_relays = 2001:db8:1::9", "Request mac=38 pd=1 server=own relay=2001:db8:1::9,fe80::1,38 from=2001:db8:1::9",
			"Reply PD 1 " + mine + terms + " through 1 relays to [2001:db8:1::9]:547",
		},
		{
			"through a relay whose word does not count", "trusted_relays = 2001:db8:1::8", "Request mac=38 pd=1 server=own relay=2001:db8:1::9,fe80::1,38 from=2001:db8:1::9",
			"Reply PD 1 NoPrefixAvail through 1 relays to [2001:db8:1::9]:547",
		},
		{"identity = frame", "identity = frame", "Request mac=38 duid=00020000ab11 pd=1 server=own", "Reply PD 1 2001:db8:8000:70::/60 5m/10m T1 2m9s T2 3m26s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := delegating
			switch {
			case strings.HasPrefix(tt.config, "pd_"):
				config += tt.config + "\n"
			case tt.config != "":
				config = strings.Replace(config, "[server]", "[server]\n"+tt.config, 1)
			}
			b := newBench(t, config, reserved)
			if got := b.send("Request mac=39 pd=1," + theirs + " server=own"); !strings.Contains(got, theirs) {
				t.Fatal(got)
			}
			b.restart(afarIf(tt.send, config), reserved)
			if got := b.send(tt.send); got != tt.want {
				t.Errorf("%s\ngot  %s\nwant %s", tt.send, got, tt.want)
			}
		})
	}
}

// A delegated is whom a prefix was acknowledged to, and until when.
type delegated struct {
	who   string
	until clock.Instant
}

// TestS_13_1_10_PrefixesDoNotOverlap lets clients, time and kill -9 do what they like, while the length of
// what is delegated changes. S-21.22-04: nor is a prefix of the network, or an own address, in one.
func TestS_13_1_10_PrefixesDoNotOverlap(t *testing.T) {
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 5))
		b := newBench(t, delegating, "")
		router := netip.MustParseAddr("2001:db8:8000:40::1")
		b.step(OwnAddress{Addr: router})
		held, given := map[netip.Prefix]delegated{}, 0
		told := func(actions []Action) {
			for _, a := range actions {
				s, ok := a.(*Send)
				if !ok || s.Msg.Type != dhcpv6.MessageTypeReply {
					continue
				}
				for _, ia := range s.Msg.IAPDs {
					who := fmt.Sprint(s.Msg.ClientID, "/", ia.ID)
					for _, p := range ia.Prefixes {
						if p.Valid == 0 {
							continue
						}
						given++
						for q, h := range held {
							if q.Overlaps(p.Prefix) && (h.who != who || q != p.Prefix) && b.now.Before(h.until) {
								t.Fatalf("%v: %s gets %s, and %s has %s until %v", b.now, who, p.Prefix, h.who, q, h.until)
							}
						}
						if p.Prefix.Contains(router) || p.Prefix != p.Prefix.Masked() || p.Preferred > p.Valid {
							t.Fatalf("%s gets %+v", who, p)
						}
						held[p.Prefix] = delegated{who, b.now.Add(p.Valid)}
						if !storedPrefix(b, s.Msg.ClientID, ia.ID, p.Prefix) {
							t.Fatalf("%s is told of %s, which is not on the disk", who, p.Prefix)
						}
					}
				}
			}
		}
		config := delegating
		for range 4000 {
			switch r.IntN(40) {
			case 0:
				b.restart(config, "")
				b.step(OwnAddress{Addr: router})
			case 1:
				config = strings.Replace(delegating, "pd_length = 60", fmt.Sprintf("pd_length = %d", 58+r.IntN(5)), 1)
				c, err := ParseConfig("conf", []byte(config))
				b.check(err)
				b.step(ConfigChanged{c.Engine(own)})
			case 2, 3, 4:
				b.pass(time.Duration(r.IntN(300))*time.Second, told)
			default:
				words := fmt.Sprintf("%s mac=%d pd=%d", []string{"Solicit", "Request", "Renew", "Rebind", "Release"}[r.IntN(5)], 10+r.IntN(20), 1+r.IntN(2))
				if r.IntN(2) == 0 {
					words += fmt.Sprintf(",2001:db8:8000:%x::/%d", 4*r.IntN(64), 62)
				}
				if !strings.HasPrefix(words, "Solicit") && !strings.HasPrefix(words, "Rebind") {
					words += " server=own"
				}
				m := b.message(words)
				if m.Msg.Type == dhcpv6.MessageTypeRelease { // of all that it has in this IA
					who := fmt.Sprint(m.Msg.ClientID, "/", m.Msg.IAPDs[0].ID)
					for p, h := range held {
						if h.who == who {
							m.Msg.IAPDs[0].Prefixes = append(m.Msg.IAPDs[0].Prefixes, wire.Prefix{Prefix: p})
							delete(held, p)
						}
					}
				}
				told(b.step(m))
			}
			checkUsed(b)
		}
		if given < 500 {
			t.Errorf("only %d prefixes were given", given)
		}
	}
}

// checkUsed holds what the pool says of itself against each of its prefixes.
func checkUsed(b *bench) {
	b.t.Helper()
	p := b.e.bindings.Prefixes("guests")
	used := map[netip.Prefix]bool{}
	for bound := range b.e.bindings.All {
		have := bound.Prefix()
		for i := range p.Size() {
			a := netip.MustParseAddr("2001:db8:8000::").As16()
			for at := range 8 {
				a[at] |= byte(i << (128 - p.Bits - 64) >> (56 - 8*at))
			}
			if mine := netip.PrefixFrom(netip.AddrFrom16(a), p.Bits); mine.Overlaps(have) {
				used[mine] = true
			}
		}
	}
	if got := p.Used(); got != uint64(len(used)) || p.Full() != (got == p.Size()) {
		b.t.Fatalf("%d of %d /%d are in use, it says %d, full: %t", len(used), p.Size(), p.Bits, got, p.Full())
	}
}

// TestADelegatedPrefixSaysWhereItIsRoutedTo: the client's own address, also behind relays and after a restart; a
// change of it is told.
func TestADelegatedPrefixSaysWhereItIsRoutedTo(t *testing.T) {
	config := strings.Replace(delegating, "[server]", "[server]\ntrusted_relays = 2001:db8:1::9", 1)
	b := newBench(t, config, "")
	via := func() string {
		t.Helper()
		var out []string
		for bound := range b.e.bindings.All {
			out = append(out, bound.Via().String())
		}
		return strings.Join(out, " ")
	}
	events := func(words string) (n int) {
		t.Helper()
		for _, a := range b.step(b.message(words)) {
			if c, ok := a.(*Changed); ok && c.Event == EventLeased {
				n++
			}
		}
		return n
	}
	if n := events("Request mac=38 pd=1 server=own from=fe80::38"); n != 1 || via() != "fe80::38" {
		t.Errorf("at first %q, %d events", via(), n)
	}
	b.pass(time.Minute, func([]Action) {})
	if n := events("Renew mac=38 pd=1 server=own from=fe80::38"); n != 0 || via() != "fe80::38" {
		t.Errorf("renewed: %q, %d events", via(), n)
	}
	b.restart(config, "")
	if got := via(); got != "fe80::38" {
		t.Errorf("after a restart %q", got)
	}
	b.pass(time.Minute, func([]Action) {})
	if n := events("Renew mac=38 pd=1 server=own from=fe80::1:38"); n != 1 || via() != "fe80::1:38" {
		t.Errorf("from another address: %q, %d events", via(), n)
	}
	b.pass(time.Minute, func([]Action) {})
	b.restart(afar(config), "")
	if n := events("Renew mac=38 pd=1 server=own from=2001:db8:1::9 relay=2001:db8:1::9,fe80::2:38,38"); n != 1 || via() != "fe80::2:38" {
		t.Errorf("behind a relay: %q, %d events", via(), n)
	}
}

// storedPrefix reports whether the disk says that the client has the prefix.
func storedPrefix(b *bench, duid wire.DUID, id wire.IAID, p netip.Prefix) bool {
	for _, l := range b.store.Leases() {
		if l.Prefix == p {
			return l.Delegated && l.State == leasestore.Bound && l.DUID == duid && l.IAID == id
		}
	}
	return false
}

// TestAStrangerCannotExhaustPrefixesCheaply: Solicits leave nothing behind, and one MAC has its share, whatever IAIDs
// it makes up and whatever it releases. Addresses are counted apart. S-18.3.1-07.
func TestAStrangerCannotExhaustPrefixesCheaply(t *testing.T) {
	config := strings.Replace(delegating, "2001:db8:8000::/56", "2001:db8:8000::/40", 1) + "pd_per_mac = 3\npool_per_mac = 2\npool = 2001:db8:1::1000-2001:db8:1::1fff\n"
	b := newBench(t, config, "")
	for i := range 1000 {
		b.send(fmt.Sprintf("Solicit mac=06:a0:01:00:%02x:%02x pd=1", i>>8, i&255))
	}
	if n := b.e.bindings.Len(); n != 0 {
		t.Errorf("Solicits leave %d bindings", n)
	}
	for i := range 100 {
		b.send(fmt.Sprintf("Request mac=38 pd=%d ia=%d server=own", i, i))
	}
	if n, used := b.e.bindings.Len(), b.e.bindings.Prefixes("guests").Used(); n != 5 || used != 3 {
		t.Errorf("one MAC has %d bindings, %d of them prefixes", n, used)
	}
	if got := b.send("Request mac=38 pd=99 server=own"); got != "Reply PD 99 NoPrefixAvail" {
		t.Error(got)
	}
	for range 1000 {
		b.send("Request mac=39 pd=1,2001:db8:8012:3450::/60 server=own")
		b.send("Release mac=39 pd=1,2001:db8:8012:3450::/60 server=own")
	}
	if n := b.e.Counts()["dropped: "+dropMACRate]; n != 988 {
		t.Errorf("of a thousand new bindings of one MAC %d were dropped", n)
	}
}

// TestAPrefixThatNobodyCanHaveIsExhausted: all are out, or within their grace.
func TestAPrefixThatNobodyCanHaveIsExhausted(t *testing.T) {
	config := strings.Replace(delegating, "pd_length = 60", "pd_length = 58\npd_exclude = 2001:db8:8000:40::/60", 1)
	b := newBench(t, config, "")
	for i := range 3 {
		if got := b.send(fmt.Sprintf("Request mac=%d pd=1 server=own", 10+i)); strings.Contains(got, "NoPrefixAvail") || strings.Contains(got, "8000:40:") {
			t.Fatal(got)
		}
	}
	const none = "Advertise PD 1 NoPrefixAvail"
	if got := b.send("Solicit mac=20 pd=1"); got != none {
		t.Error(got)
	}
	b.pass(12*time.Minute, func([]Action) {})
	if got := b.send("Solicit mac=20 pd=1"); got != none {
		t.Errorf("within the grace: %s", got)
	}
	b.pass(4*time.Minute, func([]Action) {})
	if got := b.send("Solicit mac=20 pd=1"); got == none {
		t.Error("after the grace nothing either")
	}
}
