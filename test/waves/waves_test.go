package waves

import (
	"container/heap"
	"encoding/binary"
	"flag"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/client"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/responder"
	"github.com/v6guest/v6guest/pkg/wire"
)

var long = flag.Bool("long", false, "with 100,000 guests")

// preferred makes T1 half an hour, up to a fifth less.
const preferred = time.Hour

// A guest is a client engine and when it wants to be called.
type guest struct {
	engine *client.Engine
	mac    net.HardwareAddr
	from   netip.AddrPort
	at     clock.Instant
}

type guests []*guest

func (g guests) Len() int           { return len(g) }
func (g guests) Less(i, j int) bool { return g[i].at < g[j].at }
func (g guests) Swap(i, j int)      { g[i], g[j] = g[j], g[i] }
func (g *guests) Push(x any)        { *g = append(*g, x.(*guest)) } //nolint:forcetypeassert // only guests
func (g *guests) Pop() any {
	last := (*g)[len(*g)-1]
	*g = (*g)[:len(*g)-1]
	return last
}

// A network is all guests and their server.
type network struct {
	t       *testing.T
	now     clock.Instant
	server  *responder.Engine
	waiting guests
	renewed map[clock.Instant]int // by the minute
	packet  []byte
}

// TestGuestsThatBootedTogetherDoNotRenewTogether: within a minute they boot; in the last hour of the day no
// minute has many more renewals than another. Without the spread it would be thirty times the mean.
func TestGuestsThatBootedTogetherDoNotRenewTogether(t *testing.T) {
	n, most := 1500, 1.8
	if *long {
		n, most = 100_000, 1.2
	}
	w := &network{t: t, renewed: map[clock.Instant]int{}, server: responder.NewEngine(responder.EngineConfig{
		ServerID: wire.LinkLayerDUID(net.HardwareAddr{2, 0, 0, 0, 0, 1}),
		Networks: []responder.Network{{
			Name: "guests", Interface: "eth1", Prefix: netip.MustParsePrefix("2001:db8:1::/64"), Assign: responder.AssignEUI64,
			Preferred: preferred, Valid: 2 * preferred,
		}},
	})}
	r := rand.New(rand.NewPCG(1, 1))
	for i := range n {
		w.boot(i, clock.Instant(r.Int64N(int64(time.Minute))))
	}
	const day = 24 * time.Hour
	w.run(clock.Instant(day))
	var counts []int
	sum := 0
	for m := clock.Instant(day - time.Hour); m < clock.Instant(day); m = m.Add(time.Minute) {
		counts, sum = append(counts, w.renewed[m]), sum+w.renewed[m]
	}
	mean := float64(sum) / float64(len(counts))
	peak := float64(slices.Max(counts)) / mean
	t.Logf("%d guests, T1 %v and up to a fifth less: a day on %.0f renewals a minute, at most %.2f times as many", n, preferred/2, mean, peak)
	if least := float64(n) / 30; mean < least || peak > most {
		t.Errorf("renewals by the minute: %v", counts)
	}
}

// boot makes a guest that starts then.
func (w *network) boot(i int, at clock.Instant) {
	mac := net.HardwareAddr(binary.BigEndian.AppendUint32([]byte{0x06, 0xa0}, uint32(i)))
	e, err := client.NewEngine(client.Config{
		DUID: wire.LinkLayerDUID(mac), IAID: wire.IAID(i), Rand: rand.New(rand.NewPCG(2, uint64(i))),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	link := append(append([]byte{0xfe, 0x80, 7: 0}, mac[0]^2, mac[1], mac[2], 0xff, 0xfe), mac[3:]...)
	a, _ := netip.AddrFromSlice(link)
	heap.Push(&w.waiting, &guest{engine: e, mac: mac, from: netip.AddrPortFrom(a, 546), at: at})
}

// run calls each guest at its time.
func (w *network) run(end clock.Instant) {
	for len(w.waiting) > 0 && w.waiting[0].at < end {
		g := w.waiting[0]
		w.now = g.at
		if g.engine.Snapshot().State == client.StateStopped {
			w.tell(g, client.Start{})
			w.tell(g, client.Carrier{Up: true})
		} else {
			w.tell(g, client.Expired{})
		}
		g.at = max(g.engine.Deadline(), w.now+1)
		heap.Fix(&w.waiting, 0)
	}
}

// tell steps a guest's engine, and does what it says at once.
func (w *network) tell(g *guest, ev client.Event) {
	for _, a := range slices.Clone(g.engine.Step(w.now, ev)) {
		switch a := a.(type) {
		case client.Send:
			w.ask(g, a.Msg)
		case client.Install:
			w.tell(g, client.AddressUsable{Addr: a.Address.Addr})
		}
	}
}

// ask carries a message to the server, and the answer back as it is on the wire: times are whole seconds.
func (w *network) ask(g *guest, m *wire.Message) {
	if m.Type == dhcpv6.MessageTypeRenew {
		w.renewed[w.now-w.now%clock.Instant(time.Minute)]++
	}
	for _, a := range w.server.Step(w.now, responder.Received{Msg: m, Interface: "eth1", FrameMAC: g.mac, From: g.from}) {
		s, ok := a.(*responder.Send)
		if !ok {
			continue
		}
		var err error
		if w.packet, err = s.Msg.AppendAnswer(w.packet[:0]); err != nil {
			w.t.Fatal(err)
		}
		answer, err := wire.Decode(w.packet)
		if err != nil {
			w.t.Fatal(err)
		}
		w.tell(g, client.Received{Msg: answer, From: netip.MustParseAddr("fe80::1")})
		return
	}
	w.t.Fatalf("no answer to %v", m)
}
