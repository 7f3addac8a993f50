package client

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/iana"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/wire"
)

func statelessSim(t *testing.T, refresh *time.Duration, change ...func(*Config)) *sim {
	t.Helper()
	s := newSim(t, 1, append(change, func(c *Config) { c.Stateless = true })...)
	s.server("A").edit = func(_, resp *wire.Message) *wire.Message {
		resp.DNS, resp.InformationRefresh = []netip.Addr{ip("2001:db8::53")}, refresh
		return resp
	}
	return s.up()
}

func TestInformationRefreshTime(t *testing.T) {
	sec := func(n int) *time.Duration { d := time.Duration(n) * time.Second; return &d }
	infinite := wire.Infinite
	for name, tt := range map[string]struct {
		option *time.Duration
		want   time.Duration // 0: never
	}{
		"C-7.6-22 C-21.23-04 none":    {nil, 86400 * time.Second},
		"C-21.23-04 0":                {sec(0), 600 * time.Second},
		"C-7.6-23 30 s":               {sec(30), 600 * time.Second},
		"C-21.23-04 599 s":            {sec(599), 600 * time.Second},
		"C-21.23-04 600 s":            {sec(600), 600 * time.Second},
		"C-21.23-04 C-21.23-07 700 s": {sec(700), 700 * time.Second},
		"C-21.23-05 0xffffffff":       {&infinite, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := statelessSim(t, tt.option)
			s.after(time.Second)
			if tt.want == 0 {
				if s.after(365 * 24 * time.Hour); len(s.of(inform)) != 1 || s.engine.Deadline() != clock.Never {
					t.Errorf("%d messages", len(s.of(inform)))
				}
				return
			}
			s.run(reception.Add(tt.want + time.Second))
			list := s.of(inform)
			if len(list) != 2 || list[1].at != reception.Add(tt.want) {
				t.Errorf("%d messages, deadline %s", len(list), s.engine.Deadline())
			}
		})
	}
	t.Run("C-21.23-08 the refresh has a random delay", func(t *testing.T) {
		s := statelessSim(t, sec(700), delayed)
		s.after(2 * time.Second)
		s.after(702 * time.Second)
		gap := s.gaps(inform)[0] - simLatency
		within(t, "refresh", gap, 700*time.Second+1, 701*time.Second)
	})
	t.Run("C-21.23-09 a configured maximum", func(t *testing.T) {
		s := statelessSim(t, &infinite, func(c *Config) { c.RefreshMax = time.Hour })
		s.after(90 * time.Minute)
		if n := len(s.of(inform)); n != 2 {
			t.Errorf("%d messages", n)
		}
	})
	t.Run("C-18.2.12-04 C-21.23-06 a link change asks anew", func(t *testing.T) {
		s := statelessSim(t, nil)
		s.after(time.Hour)
		s.do(Carrier{Up: false})
		s.do(Carrier{Up: true})
		s.after(time.Second)
		if n := len(s.of(inform)); n != 2 || s.engine.refreshAt < s.now.Add(86000*time.Second) {
			t.Errorf("%d messages, next at %s", n, s.engine.refreshAt)
		}
	})
}

func TestReplyToInformationRequest(t *testing.T) {
	t.Run("C-16-01 an IA in it binds nothing, the settings are used", func(t *testing.T) {
		s := newSim(t, 1, func(c *Config) { c.Stateless = true })
		s.server("A").edit = func(_, resp *wire.Message) *wire.Message {
			resp.DNS = []netip.Addr{ip("2001:db8::53")}
			resp.IANAs = []wire.IANA{{ID: testIAID, Addresses: []wire.Address{{Addr: ip(addr38), Valid: time.Hour}}}}
			return resp
		}
		s.up()
		s.after(time.Second)
		if len(s.nic) != 0 || len(s.settings.DNS) != 1 {
			t.Errorf("%v %v", s.nic, s.settings)
		}
	})
	t.Run("a failure does not end the exchange", func(t *testing.T) {
		s := newSim(t, 1, func(c *Config) { c.Stateless = true })
		s.server("A").fails[inform] = iana.StatusUnspecFail
		s.up()
		s.after(10 * time.Second)
		if n := len(s.of(inform)); n != 4 {
			t.Errorf("%d messages", n)
		}
	})
	t.Run("C-21.23-03 the refresh time counts in no other Reply", func(t *testing.T) {
		s := newSim(t, 1)
		srv := s.server("A", addr38)
		srv.edit = func(_, resp *wire.Message) *wire.Message {
			d := 600 * time.Second
			resp.InformationRefresh = &d
			return resp
		}
		s.up()
		s.after(time.Hour)
		if len(s.of(inform)) > 0 {
			t.Error("an Information-request was sent")
		}
	})
	t.Run("beside discovery", func(t *testing.T) {
		s := newSim(t, 1)
		srv := s.server("A")
		srv.dns = []netip.Addr{ip("2001:db8::53")}
		s.up()
		s.do(InformNow{})
		s.after(5 * time.Second)
		if len(s.settings.DNS) != 1 || s.state != StateSoliciting {
			t.Errorf("%v, %s", s.settings, s.state)
		}
		srv.reserve(addr38)
		s.after(time.Minute)
		if !s.has(addr38) || s.engine.refreshAt != clock.Never {
			t.Errorf("%v, refresh at %s", s.nic, s.engine.refreshAt)
		}
	})
	t.Run("the lease command is refused", func(t *testing.T) {
		s := statelessSim(t, nil)
		s.do(LeaseNow{})
		if len(s.finished) != 1 || !errors.Is(s.finished[0].Err, ErrStateless) {
			t.Errorf("%v", s.finished)
		}
	})
}
