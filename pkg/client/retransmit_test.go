package client

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/wire"
)

const (
	solicit = dhcpv6.MessageTypeSolicit
	request = dhcpv6.MessageTypeRequest
	confirm = dhcpv6.MessageTypeConfirm
	renew   = dhcpv6.MessageTypeRenew
	rebind  = dhcpv6.MessageTypeRebind
	release = dhcpv6.MessageTypeRelease
	declin  = dhcpv6.MessageTypeDecline
	inform  = dhcpv6.MessageTypeInformationRequest
)

var everyExchange = []dhcpv6.MessageType{solicit, request, confirm, renew, rebind, release, declin, inform}

func ip(a string) netip.Addr { return netip.MustParseAddr(a) }

// boundSim is a client with a lease that never ends by itself, T1 100 s, and T2 200 s for a Rebind.
func boundSim(t *testing.T, seed uint64, change ...func(*Config)) (*sim, *simServer) {
	t.Helper()
	s := newSim(t, seed, change...)
	srv := s.server("A", addr38)
	srv.rapid = true
	srv.infinite()
	srv.t1 = 100 * time.Second
	s.up()
	s.after(5 * time.Second)
	if !s.engine.binding.usable() {
		t.Fatal("not bound")
	}
	return s, srv
}

// silentSim is a client whose first message of an exchange of type typ has just left, and that nobody
// answers any more.
func silentSim(t *testing.T, seed uint64, typ dhcpv6.MessageType, change ...func(*Config)) *sim {
	t.Helper()
	var s *sim
	switch typ {
	case solicit:
		s = newSim(t, seed, change...).up()
	case inform:
		s = newSim(t, seed, append(change, func(c *Config) { c.Stateless = true })...).up()
	case request:
		s = newSim(t, seed, change...)
		srv := s.server("A", addr38)
		srv.preference = 255
		srv.mute[request] = true
		s.up()
		s.after(20 * time.Millisecond)
		srv.silent = true
	case declin:
		s = newSim(t, seed, change...)
		s.server("A", addr38).rapid = true
		s.taken[ip(addr38)] = 1
		s.up()
		s.after(500 * time.Millisecond)
		s.servers[0].silent = true
		s.after(time.Second)
	default:
		var srv *simServer
		s, srv = boundSim(t, seed, change...)
		srv.silent = true
		switch typ {
		case confirm:
			s.do(LinkChanged{})
		case release:
			s.do(ReleaseNow{})
		case rebind:
			s.engine.binding.t1, s.engine.binding.t2 = clock.Never, s.now.Add(100*time.Second)
			s.after(101 * time.Second)
		case renew:
			s.after(101 * time.Second)
		}
	}
	if len(s.of(typ)) == 0 && s.cfg.NoStartDelay {
		t.Fatalf("no %s was sent: %v", typ, s.types(0))
	}
	return s
}

func within(t *testing.T, what string, got, low, high time.Duration) {
	t.Helper()
	if got < low || got > high {
		t.Errorf("%s is %s, want %s to %s", what, got, low, high)
	}
}

func TestStartDelayIsRandomWithinASecond(t *testing.T) {
	for _, tt := range []struct {
		id    string
		typ   dhcpv6.MessageType
		start func(seed uint64) (*sim, clock.Instant)
	}{
		{"C-7.6-01 C-18.2.1-08 first Solicit", solicit, func(seed uint64) (*sim, clock.Instant) {
			return newSim(t, seed, delayed).up(), 0
		}},
		{"C-7.6-07 C-18.2.3-04 C-18.2.12-01 first Confirm", confirm, func(seed uint64) (*sim, clock.Instant) {
			s, _ := boundSim(t, seed, delayed)
			s.do(Carrier{Up: false})
			at := s.now
			return s.up(), at
		}},
		{"C-7.6-15 C-18.2.6-06 first Information-request", inform, func(seed uint64) (*sim, clock.Instant) {
			return newSim(t, seed, delayed, func(c *Config) { c.Stateless = true }).up(), 0
		}},
	} {
		t.Run(tt.id, func(t *testing.T) {
			low, high := time.Hour, time.Duration(0)
			for seed := range uint64(400) {
				s, from := tt.start(seed)
				s.after(1100 * time.Millisecond)
				first := s.of(tt.typ)[0]
				d := first.at.Sub(from)
				within(t, "delay", d, 0, time.Second)
				low, high = min(low, d), max(high, d)
				if first.msg.Elapsed != 0 {
					t.Fatalf("C-18.2.1-02: elapsed %s in the first message", first.msg.Elapsed)
				}
			}
			if low > 50*time.Millisecond || high < 950*time.Millisecond {
				t.Errorf("delays from %s to %s: not spread", low, high)
			}
		})
	}
}

func delayed(c *Config) { c.NoStartDelay = false }

func TestFirstRetransmissionTime(t *testing.T) {
	sec := time.Second
	for typ, tt := range map[dhcpv6.MessageType]struct {
		id        string
		low, high time.Duration
	}{
		solicit: {"C-7.6-02 C-18.2.1-10", sec + 1, 1100 * time.Millisecond},
		request: {"C-7.6-04", 900 * time.Millisecond, 1100 * time.Millisecond},
		confirm: {"C-7.6-08", 900 * time.Millisecond, 1100 * time.Millisecond},
		renew:   {"C-7.6-11", 9 * sec, 11 * sec},
		rebind:  {"C-7.6-13", 9 * sec, 11 * sec},
		release: {"C-7.6-18", 900 * time.Millisecond, 1100 * time.Millisecond},
		declin:  {"C-7.6-20", 900 * time.Millisecond, 1100 * time.Millisecond},
		inform:  {"C-7.6-16", 900 * time.Millisecond, 1100 * time.Millisecond},
	} {
		t.Run(tt.id+" C-15-03 "+name(typ), func(t *testing.T) {
			low, high := time.Hour, time.Duration(0)
			for seed := range uint64(300) {
				s := silentSim(t, seed, typ)
				s.after(12 * sec)
				d := s.gaps(typ)[0]
				within(t, "first RT", d, tt.low, tt.high)
				low, high = min(low, d), max(high, d)
			}
			if spread := tt.high - tt.low; low > tt.low+spread/10 || high < tt.high-spread/10 {
				t.Errorf("first RTs from %s to %s do not cover %s to %s", low, high, tt.low, tt.high)
			}
		})
	}
}

func TestLaterRetransmissionTimes(t *testing.T) {
	for typ, tt := range map[dhcpv6.MessageType]struct {
		id  string
		mrt time.Duration
	}{
		solicit: {"C-7.6-03 C-18.2.1-09", time.Hour},
		inform:  {"C-7.6-17 C-18.2.6-07", time.Hour},
		request: {"C-7.6-05 C-18.2.2-05", 30 * time.Second},
		confirm: {"C-7.6-09 C-18.2.3-05", 4 * time.Second},
		renew:   {"C-7.6-12 C-18.2.4-12", 600 * time.Second},
		rebind:  {"C-7.6-14 C-18.2.5-03", 600 * time.Second},
		release: {"C-15-06", math.MaxInt64 / 4},
		declin:  {"C-15-06", math.MaxInt64 / 4},
	} {
		t.Run(tt.id+" C-15-04 C-15-05 "+name(typ), func(t *testing.T) {
			s := silentSim(t, 7, typ)
			s.after(30 * 24 * time.Hour)
			gaps := s.gaps(typ)
			atCap := map[time.Duration]bool{}
			for i := 1; i < len(gaps); i++ {
				ratio := float64(gaps[i]) / float64(gaps[i-1])
				if low := float64(tt.mrt) * 0.9; float64(gaps[i]) >= low && float64(gaps[i-1])*1.9 >= low {
					within(t, "gap at MRT", gaps[i], time.Duration(low), tt.mrt/10*11)
					atCap[gaps[i]] = true
				} else if ratio < 1.9 || ratio > 2.1 {
					t.Errorf("gap %d is %.3f times the one before (%v)", i, ratio, gaps)
				}
			}
			if (typ == solicit || typ == renew || typ == rebind || typ == inform) && len(atCap) < 20 {
				t.Errorf("only %d different gaps at MRT", len(atCap))
			}
		})
	}
}

func TestExchangesEnd(t *testing.T) {
	count := func(typ dhcpv6.MessageType, d time.Duration) *sim {
		s := silentSim(t, 3, typ)
		s.after(d)
		return s
	}
	t.Run("C-7.6-06 C-15-09 ten Requests, then discovery", func(t *testing.T) {
		s := count(request, 5*time.Minute)
		if n := len(s.of(request)); n != 10 {
			t.Errorf("%d Requests", n)
		}
		if s.last().Type != solicit {
			t.Errorf("C-18.2.2-06: then %s", s.last().Type)
		}
	})
	t.Run("C-15-09 an answer within the RT after the tenth Request counts", func(t *testing.T) {
		s := silentSim(t, 3, request)
		for len(s.of(request)) < 10 {
			s.after(time.Second)
		}
		s.after(20 * time.Second)
		s.servers[0].mute, s.servers[0].silent = nil, false
		s.deliver(s.packet(s.servers[0].from, s.servers[0].answer(s.last())))
		if s.engine.binding == nil {
			t.Error("not bound")
		}
	})
	t.Run("C-7.6-19 C-18.2.7-08 C-18.2.7-06 four Releases", func(t *testing.T) {
		s := count(release, time.Hour)
		if n := len(s.of(release)); n != 4 || s.state != StateReleased {
			t.Errorf("%d Releases, %s", n, s.state)
		}
	})
	t.Run("C-7.6-21 C-18.2.8-06 four Declines, then the client goes on", func(t *testing.T) {
		s := count(declin, time.Minute)
		if n := len(s.of(declin)); n != 4 || s.state != StateSoliciting {
			t.Errorf("%d Declines, %s", n, s.state)
		}
	})
	t.Run("C-7.6-10 C-15-10 Confirm ends 10 s after the first", func(t *testing.T) {
		s := silentSim(t, 3, confirm)
		began := s.of(confirm)[0].at
		s.run(began.Add(10*time.Second - 1))
		if s.state != StateConfirming {
			t.Errorf("%s before 10 s", s.state)
		}
		s.run(began.Add(10 * time.Second))
		if s.state == StateConfirming {
			t.Error("still confirming after 10 s")
		}
	})
	for name, tt := range map[string]struct {
		count    int
		duration time.Duration
		sends    int
		ends     time.Duration // 0: never
	}{
		"C-15-11 neither MRC nor MRD": {0, 0, 14, 0},
		"C-15-11 C-18.2.1-21 MRC":     {3, 0, 3, 8 * time.Second},
		"C-15-11 MRD":                 {0, 5 * time.Second, 3, 5 * time.Second},
		"C-15-11 MRD first":           {4, 2 * time.Second, 2, 2 * time.Second},
		"C-15-11 MRC first":           {1, time.Minute, 1, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim(t, 1, func(c *Config) { c.SolicitCount, c.SolicitDuration = tt.count, tt.duration }).up()
			s.after(2 * time.Hour)
			n := len(s.of(solicit))
			if tt.ends == 0 {
				if n < tt.sends-2 || s.state != StateSoliciting {
					t.Errorf("%d Solicits, %s", n, s.state)
				}
				return
			}
			if n != tt.sends || s.state != StateFailed {
				t.Errorf("%d Solicits, %s", n, s.state)
			}
			s.do(Carrier{Up: false})
			s.do(Carrier{Up: true})
			if len(s.of(solicit)) != n+1 {
				t.Error("C-18.2.1-22: no new Solicit after carrier-up")
			}
		})
	}
}

func TestElapsedTime(t *testing.T) {
	for _, typ := range everyExchange {
		t.Run("C-15-01 C-21.9-01 "+name(typ), func(t *testing.T) {
			s := silentSim(t, 11, typ)
			s.after(10 * time.Minute)
			list := s.of(typ)
			if len(list) > 8 {
				list = list[:8]
			}
			xid := list[0].msg.TransactionID
			for _, m := range list {
				if m.msg.TransactionID != xid {
					break // the next exchange of the same type
				}
				want := min(m.at.Sub(list[0].at).Truncate(10*time.Millisecond), 655350*time.Millisecond)
				if m.msg.Elapsed != want {
					t.Errorf("elapsed %s, want %s", m.msg.Elapsed, want)
				}
			}
		})
	}
	t.Run("C-21.9-02 never wraps", func(t *testing.T) {
		s := silentSim(t, 1, solicit)
		s.after(24 * time.Hour)
		if got := s.last().Elapsed; got != 655350*time.Millisecond {
			t.Errorf("elapsed %s after a day", got)
		}
	})
}

func TestTransactionIDs(t *testing.T) {
	t.Run("C-16.1-02 a retransmission keeps its id", func(t *testing.T) {
		for _, typ := range everyExchange {
			s := silentSim(t, 5, typ)
			s.after(3 * time.Second)
			ids := map[dhcpv6.TransactionID]bool{}
			for _, m := range s.of(typ) {
				ids[m.msg.TransactionID] = true
			}
			if len(ids) != 1 {
				t.Errorf("%s: %d ids", typ, len(ids))
			}
		}
	})
	t.Run("C-16.1-03 each exchange has a new one", func(t *testing.T) {
		s, _ := boundSim(t, 1)
		s.after(7 * 24 * time.Hour)
		for i := 1; i < len(s.sent); i++ {
			if s.sent[i].msg.TransactionID == s.sent[i-1].msg.TransactionID {
				t.Fatalf("message %d has the id of the one before", i)
			}
		}
	})
	t.Run("C-16.1-01 C-22.3-01 ids are spread over 24 bits, without a pattern", func(t *testing.T) {
		e, err := NewEngine(Config{DUID: testDUID, Rand: NewRand()})
		if err != nil {
			t.Fatal(err)
		}
		var bits [24]int
		const n = 10000
		for range n {
			id := e.newExchange(solicit, 0).xid
			v := int(id[0])<<16 | int(id[1])<<8 | int(id[2])
			for b := range bits {
				bits[b] += v >> b & 1
			}
		}
		for b, ones := range bits {
			if ones < n/2-400 || ones > n/2+400 {
				t.Errorf("bit %d is set %d times of %d", b, ones, n)
			}
		}
	})
	t.Run("C-15-08 two engines differ", func(t *testing.T) {
		if NewRand().Uint64() == NewRand().Uint64() {
			t.Error("the same random sequence twice")
		}
	})
}

func TestRandIsUniformAndDrawnAnew(t *testing.T) {
	e := &Engine{cfg: Config{Rand: rand.New(rand.NewPCG(1, 2))}}
	var buckets [20]int
	const n = 20000
	for range n {
		r := e.draw()
		if r < -0.1 || r >= 0.1 {
			t.Fatalf("C-15-07: RAND %f", r)
		}
		buckets[int((r+0.1)/0.2*20)]++
	}
	chi := 0.0
	for _, b := range buckets {
		d := float64(b) - n/20
		chi += d * d / (n / 20)
	}
	if chi > 43.8 { // 19 degrees of freedom, p = 0.001
		t.Errorf("C-15-07: chi-square %f", chi)
	}
}

func TestLeaseEndsBetweenRetransmissions(t *testing.T) {
	s := newSim(t, 1)
	srv := s.server("A", addr38, addr39)
	srv.rapid, srv.t1, srv.t2 = true, 100*time.Second, 1000*time.Second
	srv.edit = func(_, resp *wire.Message) *wire.Message {
		if len(resp.IANAs) > 0 && len(resp.IANAs[0].Addresses) == 2 {
			resp.IANAs[0].Addresses[0].Preferred, resp.IANAs[0].Addresses[0].Valid = 105*time.Second, 105*time.Second
		}
		return resp
	}
	s.up()
	s.after(5 * time.Second)
	srv.silent = true
	s.after(2 * time.Minute)
	list := s.of(renew)
	if a, b := len(list[0].msg.IANAs[0].Addresses), len(list[1].msg.IANAs[0].Addresses); a != 2 || b != 1 {
		t.Errorf("C-15-02 C-18.2.4-08: Renews with %d and %d addresses, want 2 and 1", a, b)
	}
	if s.has(addr38) || !s.has(addr39) {
		t.Errorf("on the NIC: %v", s.nic)
	}
}

func TestRateLimit(t *testing.T) {
	// What makes the client ask at full speed: a link that may be another one ten times a second, for a minute.
	storm := func(change ...func(*Config)) *sim {
		s := newSim(t, 1, change...)
		s.server("A", addr38).rapid = true
		s.dad = 10 * time.Millisecond
		s.up()
		for range 600 {
			s.after(100 * time.Millisecond)
			s.do(LinkChanged{})
		}
		return s
	}
	t.Run("C-14.1-01 C-14.1-03 20 at once, one a second on average", func(t *testing.T) {
		checkRate(t, storm(), 20, time.Second)
	})
	t.Run("C-14.1-03 C-14.2-04 5 in 10 s", func(t *testing.T) {
		checkRate(t, storm(func(c *Config) { c.RateBurst, c.RateInterval = 5, 10*time.Second }), 5, 2*time.Second)
	})
	t.Run("C-14.1-01 a storm of commands is late, not lost", func(t *testing.T) {
		s := newSim(t, 1).up()
		for range 100 {
			s.do(LinkChanged{})
		}
		s.after(10 * time.Minute)
		checkRate(t, s, 20, time.Second)
		if s.state != StateSoliciting {
			t.Error(s.state)
		}
	})
}

// checkRate checks that no window holds more messages than the bucket allows.
func checkRate(t *testing.T, s *sim, burst int, interval time.Duration) {
	t.Helper()
	if len(s.sent) <= burst {
		t.Fatalf("only %d messages: no storm", len(s.sent))
	}
	for i := range s.sent {
		for j := i + burst; j < len(s.sent); j++ {
			over := time.Duration(j-i-burst+1) * interval
			if got := s.sent[j].at.Sub(s.sent[i].at); got < over-time.Millisecond {
				t.Fatalf("messages %d to %d within %s, want at least %s", i, j, got, over)
			}
			if j > i+3*burst {
				break
			}
		}
	}
}

func TestClientListensForLong(t *testing.T) {
	s := newSim(t, 1)
	s.up()
	s.after(12 * time.Hour)
	n := len(s.of(solicit))
	for len(s.of(solicit)) == n {
		s.after(time.Second)
	}
	s.after(59 * time.Second)
	srv := s.server("A", addr38)
	s.deliver(s.packet(srv.from, srv.answer(s.last())))
	if s.last().Type != request {
		t.Error("C-7.6-24: an Advertise 59 s after the Solicit was not taken")
	}
}
