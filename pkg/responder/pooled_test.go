package responder

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/responder/pool"
	"github.com/v6guest/v6guest/pkg/wire"
)

// pooled is a network with a pool and short lifetimes.
const pooled = `[server]
hosts = /hosts
[network guests]
interface = eth1
prefix = 2001:db8:1::/64
preferred_lifetime = 5m
valid_lifetime = 10m
pool = 2001:db8:1::1000-2001:db8:1::100f 2001:db8:1::2000-2001:db8:1::2007
pool_exclude = 2001:db8:1::1003
pool_grace = 5m
pool_declined = 7m
pool_per_mac = 3
`

// An acknowledged lease is one that a client was told of.
type acknowledged struct {
	who   string
	until clock.Instant // of its valid lifetime
}

// A witness sees every answer and knows what no server may do.
type witness struct {
	t      *testing.T
	b      *bench
	leases map[netip.Addr]acknowledged
	given  int
}

// TestS_13_1_10_NoAddressIsGivenTwice is S-13.1-10, S-18.3.2-10 and S-18.3.5-07: it lets clients, time, the disk and kill -9 do what they like.
func TestS_13_1_10_NoAddressIsGivenTwice(t *testing.T) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 7))
		b := newBench(t, pooled, "")
		w := &witness{t: t, b: b, leases: map[netip.Addr]acknowledged{}}
		for range 20_000 {
			w.do(r)
			if t.Failed() {
				return
			}
		}
		if w.given < 2000 {
			t.Errorf("only %d leases were given", w.given)
		}
	}
}

func (w *witness) do(r *rand.Rand) {
	b := w.b
	switch r.IntN(60) {
	case 0:
		b.restart(pooled, "")
		b.slow = false
	case 1:
		b.slow = !b.slow
		w.see(b.flush(nil))
	case 2:
		w.see(b.flush(errors.New("disk full")))
	case 3:
		b.store.MaxQueue = r.IntN(3) // 0 for any number
	case 4:
		lines := ""
		if r.IntN(2) == 0 {
			lines = "06:a0:f0:00:00:99,[2001:db8:1::1007]\n"
		}
		b.hosts(lines)
	case 5, 6, 7, 8:
		b.pass(time.Duration(r.IntN(200))*time.Second, w.see)
	default:
		w.say(r)
	}
}

// say is a message of some client, which names an address that it may or may not have.
func (w *witness) say(r *rand.Rand) {
	mac, iaid := 10+r.IntN(30), 1+r.IntN(2)
	kind := []string{"Solicit", "Solicit", "Request", "Request", "Renew", "Rebind", "Release", "Decline", "Confirm"}[r.IntN(9)]
	if kind == "Decline" && r.IntN(6) > 0 {
		kind = "Request"
	}
	words := fmt.Sprintf("%s mac=%d ia=%d", kind, mac, iaid)
	who := w.who(w.b.message(words).Msg.ClientID, wire.IAID(iaid))
	var mine []netip.Addr
	for a, l := range w.leases {
		if l.who == who {
			mine = append(mine, a)
		}
	}
	slices.SortFunc(mine, netip.Addr.Compare)
	if len(mine) > 0 && r.IntN(4) > 0 {
		words += "," + mine[r.IntN(len(mine))].String()
	} else if r.IntN(2) == 0 {
		words += fmt.Sprintf(",2001:db8:1::%x", 0x1000+r.IntN(20))
	}
	if !slices.Contains([]string{"Solicit", "Rebind", "Confirm"}, kind) {
		words += " server=own"
	}
	if kind == "Solicit" && r.IntN(2) == 0 {
		words += " rapid"
	}
	ev := w.b.message(words)
	if kind == "Release" || kind == "Decline" { // from this moment on the client does not use it
		for _, a := range ev.Msg.IANAs[0].Addresses {
			if w.leases[a.Addr].who == who {
				delete(w.leases, a.Addr)
			}
		}
	}
	w.see(w.b.step(ev))
}

func (w *witness) who(duid wire.DUID, id wire.IAID) string { return fmt.Sprint(duid, "/", id) }

// see checks what was sent.
func (w *witness) see(actions []Action) {
	for _, a := range actions {
		s, ok := a.(*Send)
		if !ok || s.Msg.Type != dhcpv6.MessageTypeReply {
			continue
		}
		for _, ia := range s.Msg.IANAs {
			for _, lease := range ia.Addresses {
				w.told(w.who(s.Msg.ClientID, ia.ID), lease)
			}
		}
	}
}

func (w *witness) told(who string, lease wire.Address) {
	before, known := w.leases[lease.Addr]
	if lease.Valid == 0 {
		if known && before.who == who {
			delete(w.leases, lease.Addr)
		}
		return
	}
	w.given++
	now := w.b.now
	if known && before.who != who && now.Before(before.until.Add(5*time.Minute)) {
		w.t.Errorf("%v: %s gets %s, which %s may use until %v", now, who, lease.Addr, before.who, before.until)
	}
	if !netip.MustParsePrefix("2001:db8:1::/64").Contains(lease.Addr) || lease.Addr == netip.MustParseAddr("2001:db8:1::1003") {
		w.t.Errorf("S-13.1-08 %s gets %s", who, lease.Addr)
	}
	w.leases[lease.Addr] = acknowledged{who, now.Add(lease.Valid)}
	w.stored(who, lease)
}

// stored checks that what was acknowledged is on the disk.
func (w *witness) stored(who string, lease wire.Address) {
	for _, l := range w.b.store.Leases() {
		if l.Prefix.Addr() == lease.Addr {
			if got := w.who(l.DUID, l.IAID); got != who || l.State != leasestore.Bound || l.Ends() < w.b.now.Add(lease.Valid-pool.LeastGrace) {
				w.t.Errorf("S-18.3.2-17 %s is told of %s for %s; on the disk: %+v", who, lease.Addr, lease.Valid, l)
			}
			return
		}
	}
	w.t.Errorf("S-18.3.2-17 %s is told of %s, which is not on the disk", who, lease.Addr)
}

// TestS_18_3_1_07_SolicitsLeaveNoState, S-18.3.1-07: 10,000 strangers ask, and nothing is kept.
func TestS_18_3_1_07_SolicitsLeaveNoState(t *testing.T) {
	b := newBench(t, pooled, "")
	for i := range 10_000 {
		if got := b.send(fmt.Sprintf("Solicit mac=06:a0:01:00:%02x:%02x ia=1", i>>8, i&255)); !strings.Contains(got, "2001:db8:1::") {
			t.Fatal(got)
		}
	}
	if b.e.bindings.Len() != 0 || len(b.store.Leases()) != 0 || len(b.e.commits.waiting) != 0 {
		t.Errorf("%d bindings, %d stored", b.e.bindings.Len(), len(b.store.Leases()))
	}
}

// TestS_13_1_07_PoolAddressesAreNotPredictable, S-13.1-07: no order, no MAC in them, others on another server.
func TestS_13_1_07_PoolAddressesAreNotPredictable(t *testing.T) {
	config := strings.Replace(pooled, "pool = 2001:db8:1::1000-2001:db8:1::100f 2001:db8:1::2000-2001:db8:1::2007",
		"pool = 2001:db8:1::-2001:db8:1:0:ffff:ffff:ffff:ffff", 1)
	offered := func(b *bench) []netip.Addr {
		var out []netip.Addr
		for i := range 1000 {
			s := b.step(b.message(fmt.Sprintf("Solicit mac=06:a0:00:00:%02x:%02x ia=1", i>>8, i&255)))[0].(*Send) //nolint:forcetypeassert // else the test fails
			out = append(out, s.Msg.IANAs[0].Addresses[0].Addr)
		}
		return out
	}
	b := newBench(t, config, "")
	list := offered(b)
	up, seen := 0, map[netip.Addr]bool{}
	for i, a := range list {
		if _, isMAC := eui64MAC(a); isMAC || seen[a] {
			t.Errorf("%s", a)
		}
		if seen[a] = true; i > 0 && list[i-1].Less(a) {
			up++
		}
	}
	if up < 400 || up > 600 {
		t.Errorf("%d of 1000 go up", up)
	}
	cfg := b.e.cfg
	cfg.ServerID = other
	b.e.Step(0, ConfigChanged{cfg})
	if slices.Equal(list, offered(b)) {
		t.Error("another server offers the same")
	}
	if again := offered(newBench(t, config, "")); !slices.Equal(list, again) {
		t.Error("the same server offers others")
	}
}

// TestS_15_01_ARepeatedRequestGetsTheSameLease, S-15-01: also while the disk is slow.
func TestS_15_01_ARepeatedRequestGetsTheSameLease(t *testing.T) {
	b := newBench(t, pooled, "")
	b.slow = true
	for range 5 {
		if got := b.send("Request mac=38 ia=1 server=own"); got != "nothing" {
			t.Fatal(got)
		}
	}
	if n := b.store.Queued(); n != 1 {
		t.Errorf("%d changes wait", n)
	}
	got := strings.Split(b.render(b.flush(nil), false), "\n")
	if len(got) != 5 || got[0] != got[4] {
		t.Errorf("answers %q", got)
	}
	for range 20 {
		b.send("Request mac=39 ia=1 server=own")
	}
	if got := b.flush(nil); len(got) != maxHeldAnswers+1 { // and a report
		t.Errorf("%d answers", len(got))
	}
}

// TestAStrangerCannotExhaustAPoolCheaply, S-14-02 and S-23-01, counts what one MAC, and a link, may do.
func TestAStrangerCannotExhaustAPoolCheaply(t *testing.T) {
	large := strings.Replace(pooled, "pool = ", "pool = 2001:db8:1::a:0-2001:db8:1::a:ffff ", 1)
	t.Run("one MAC", func(t *testing.T) {
		b := newBench(t, large, "")
		for i := range 100 {
			b.send(fmt.Sprintf("Request mac=38 ia=%d server=own", i))
		}
		if n := b.e.bindings.Len(); n != 3 {
			t.Errorf("%d bindings", n)
		}
	})
	t.Run("one MAC that releases what it has", func(t *testing.T) {
		b := newBench(t, large, "")
		for range 1000 {
			b.send("Request mac=38 ia=1,2001:db8:1::a:1 server=own")
			b.send("Release mac=38 ia=1,2001:db8:1::a:1 server=own")
		}
		if n, made := b.e.Counts()["dropped: "+dropMACRate], b.e.Counts()["lease leased"]; made != 12 || n != 988 {
			t.Errorf("%d made, %d dropped", made, n)
		}
		b.now = b.now.Add(time.Second)
		if got := b.send("Request mac=38 ia=1 server=own"); got == "nothing" {
			t.Error("a second later nothing either")
		}
	})
	t.Run("many MACs", func(t *testing.T) {
		b := newBench(t, large+"pool_rate = 5\n", "")
		for i := range 1000 {
			b.send(fmt.Sprintf("Request mac=06:a0:01:00:%02x:%02x ia=1 server=own", i>>8, i&255))
		}
		if n := b.e.bindings.Len(); n != 500 {
			t.Errorf("%d bindings", n)
		}
		b.now = b.now.Add(time.Second)
		for i := range 100 {
			b.send(fmt.Sprintf("Request mac=06:a0:02:00:00:%02x ia=1 server=own", i))
		}
		if n := b.e.bindings.Len(); n != 505 {
			t.Errorf("%d bindings a second later", n)
		}
	})
	t.Run("the pool's limit", func(t *testing.T) {
		b := newBench(t, large+"pool_limit = 50\n", "")
		for i := range 100 {
			b.send(fmt.Sprintf("Request mac=06:a0:01:00:%02x:%02x ia=1 server=own", i>>8, i&255))
		}
		if n := b.e.bindings.Len(); n != 50 {
			t.Errorf("%d bindings", n)
		}
	})
	t.Run("a client that renews without end", func(t *testing.T) {
		b := newBench(t, large, "")
		b.send("Request mac=38 ia=1 server=own")
		b.slow = true
		for range 1000 {
			b.send("Renew mac=38 ia=1 server=own")
		}
		if n := b.store.Queued(); n != 0 {
			t.Errorf("%d changes wait for the disk", n)
		}
	})
}

// TestAChangedConfigurationKeepsBindings: a pool that is gone is extended no more, and comes back.
func TestAChangedConfigurationKeepsBindings(t *testing.T) {
	b := newBench(t, pooled, "")
	b.send("Request mac=38 ia=1,2001:db8:1::1000 server=own")
	with := b.e.cfg
	without := with
	without.Networks = slices.Clone(with.Networks)
	without.Networks[0].Pool.Ranges = nil
	b.step(ConfigChanged{without})
	if got := b.send("Renew mac=38 ia=1,2001:db8:1::1000 server=own"); got != "Reply IA 1 NoBinding" {
		t.Errorf("without the pool: %s", got)
	}
	b.step(ConfigChanged{with})
	if got := b.send("Solicit mac=39 ia=1,2001:db8:1::1000"); strings.Contains(got, "::1000") {
		t.Errorf("another gets it: %s", got)
	}
	if got := b.send("Renew mac=38 ia=1,2001:db8:1::1000 server=own"); !strings.Contains(got, "::1000 5m/10m") {
		t.Errorf("with the pool again: %s", got)
	}
}

// TestS_12_02_EveryDUIDAndIAIDLeases, S-11-03, S-11.1-01: whatever the type and length of a DUID.
func TestS_12_02_EveryDUIDAndIAIDLeases(t *testing.T) {
	for _, duid := range []string{"000400", "0007aabbccdd", "fffe" + strings.Repeat("ab", 12), "0002" + strings.Repeat("cd", 128)} {
		for _, id := range []string{"0", "0xffffffff"} {
			b := newBench(t, pooled, "")
			if got := b.send("Request mac=38 duid=" + duid + " ia=" + id + " server=own"); !strings.Contains(got, "5m/10m") {
				t.Errorf("%s %s: %s", duid, id, got)
			}
			if l := b.store.Leases(); len(l) != 1 || fmt.Sprintf("%x", string(l[0].DUID)) != duid {
				t.Errorf("S-18.3.2-01 stored: %v", l)
			}
		}
	}
}

// TestS_4_2_02_BindingsAreFoundByDUIDAndIAID: equal IAIDs of two clients do not clash, nor two of one.
func TestS_4_2_02_BindingsAreFoundByDUIDAndIAID(t *testing.T) {
	b := newBench(t, pooled, "")
	seen := map[string]bool{}
	for _, words := range []string{"mac=38 ia=1", "mac=38 ia=2", "mac=39 ia=1", "mac=39 ia=2"} {
		seen[b.send("Request server=own "+words)] = true
	}
	if len(seen) != 4 || b.e.bindings.Len() != 4 {
		t.Errorf("%v", seen)
	}
	if got := b.send("Request server=own mac=40 ia=1 ia=2 ia=3 ia=4"); strings.Count(got, "5m/10m") != 3 || !strings.HasSuffix(got, "IA 4 NoAddrsAvail") {
		t.Errorf("S-18.3.2-09 S-18.3.2-06 several at once: %s", got)
	}
}

// TestT1AndT2AreSpread: up to a fifth earlier, the same for one client at all times, T2 in step with T1.
func TestT1AndT2AreSpread(t *testing.T) {
	b := newBench(t, plain+"assign = eui64\n", "")
	seen := map[time.Duration]bool{}
	for i := range 1000 {
		words := fmt.Sprintf("Solicit mac=06:a0:00:00:%02x:%02x ia=1", i>>8, i&255)
		var t1 [2]time.Duration
		for again := range t1 {
			s := b.step(b.message(words))[0].(*Send) //nolint:forcetypeassert // else the test fails
			ia := s.Msg.IANAs[0]
			t1[again] = ia.T1
			if ia.T1 > 6*time.Hour || ia.T1 < 6*time.Hour/5*4 || ia.T2 < ia.T1/5*8-2*time.Second || ia.T2 > ia.T1/5*8+2*time.Second {
				t.Errorf("T1 %v, T2 %v", ia.T1, ia.T2)
			}
		}
		if seen[t1[0]] = true; t1[0] != t1[1] {
			t.Errorf("first %v, then %v", t1[0], t1[1])
		}
	}
	if len(seen) < 500 {
		t.Errorf("only %d different ones", len(seen))
	}
}

// TestAnAnswerThatWaitsForTheDiskGoesToWhoAsked, though the memory of his message has others' by then.
func TestAnAnswerThatWaitsForTheDiskGoesToWhoAsked(t *testing.T) {
	b := newBench(t, pooled, "")
	in := b.message("Request mac=38 ia=1 server=own")
	mac, id := slices.Clone(in.FrameMAC), in.Msg.ClientID
	store, ok := b.e.Step(0, &in)[0].(Store)
	if !ok {
		t.Fatal("nothing to store")
	}
	copy(in.FrameMAC, "\x02\xff\xff\xff\xff\xff")
	*in.Msg = wire.Message{Type: in.Msg.Type, ClientID: "another", ServerID: in.Msg.ServerID, IANAs: in.Msg.IANAs}
	b.e.Step(0, &in)
	s, ok := b.e.Step(0, Stored{[]leasestore.Result{{ID: store.ID}}})[0].(*Send)
	if !ok || !bytes.Equal(s.MAC, mac) || s.Msg.ClientID != id || len(s.Msg.IANAs) != 1 || len(s.Msg.IANAs[0].Addresses) != 1 {
		t.Errorf("%+v goes to %v", s.Msg, s.MAC)
	}
}

// TestAClientThatIsServedIsNotRefusedAnyMore: whatever its DUID.
func TestAClientThatIsServedIsNotRefusedAnyMore(t *testing.T) {
	for _, who := range []string{"mac=39", "mac=39 duid=00040102030405"} {
		b := newBench(t, strings.Replace(hourly, "::1fff", "::1000", 1), "")
		b.send("Request mac=38 ia=1 server=own")
		b.send("Solicit ia=1 " + who)
		if got := b.e.Refused(b.now); len(got) != 1 || got[0].Reason != whyExhausted {
			t.Fatalf("%s: while the pool is full: %+v", who, got)
		}
		b.send("Release mac=38 ia=1,2001:db8:1::1000 server=own")
		b.send("Solicit rapid ia=1 " + who)
		if got := b.e.Refused(b.now); len(got) != 0 {
			t.Errorf("%s has an address: %+v", who, got)
		}
	}
}

// TestOnlyWhatIsOnTheDiskIsCounted: what it did not take has not happened.
func TestOnlyWhatIsOnTheDiskIsCounted(t *testing.T) {
	b := newBench(t, hourly, "")
	held := addressesOf(b.step(b.message("Request mac=38 ia=1 server=own")))[0]
	b.slow = true
	for _, words := range []string{"Request mac=39 ia=1 server=own", "Release mac=38 ia=1," + held.String() + " server=own", "Decline mac=38 ia=1," + held.String() + " server=own"} {
		b.step(b.message(words))
		b.flush(errors.New("no space left on device"))
	}
	for _, event := range []string{EventLeased, EventReleased, EventDeclined} {
		want := map[string]uint64{EventLeased: 1}[event]
		if got := b.e.Counts()[eventCounts[event]]; got != want {
			t.Errorf("%s: counted %d times, want %d", event, got, want)
		}
	}
}
