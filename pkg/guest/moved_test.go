package guest

import (
	"slices"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/link"
)

func TestWhatSpeaksForAMove(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name            string
		wall, suspended time.Duration
		want            string
	}{
		{"nothing happened", 0, 0, ""},
		{"a time daemon steps a little", 29 * time.Second, 0, ""},
		{"a snapshot left the clock behind", day, 0, "the wall clock was set forward by 24h0m0s"},
		{"set back", -day, 0, "the wall clock was set back by 24h0m0s"},
		{"resumed", 0, time.Hour, "the machine was suspended for 1h0m0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := clock.Offsets{Wall: 3 * day, Suspended: time.Minute}
			if got := moved(before, clock.Offsets{Wall: before.Wall + tt.wall, Suspended: before.Suspended + tt.suspended}); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAMachineThatMayHaveMovedConfirmsItsLeasesAndKeepsItsAddresses(t *testing.T) {
	confirms := func(s *stage) int {
		s.m.mu.Lock()
		defer s.m.mu.Unlock()
		n := 0
		for _, typ := range s.m.heard {
			if typ == dhcpv6.MessageTypeConfirm {
				n++
			}
		}
		return n
	}
	play(t, "", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.m.done()
		s.m.moves <- "the wall clock was set forward by 24h0m0s"
		s.wait(10 * time.Second)
		if got := confirms(s); got != 2 {
			t.Errorf("%d Confirms after the wall clock was set, want one on each NIC", got)
		}
		s.m.mu.Lock()
		s.m.event(link.NICChanged{NIC: s.m.nics[3], NotifyPeers: true})
		s.m.mu.Unlock()
		s.wait(10 * time.Second)
		if got := confirms(s); got != 3 {
			t.Errorf("%d Confirms after one NIC was announced anew, want one more", got)
		}
		if log := s.m.done(); slices.ContainsFunc(log, func(l string) bool { return l == "remove "+addr0+" from eth0" || l == "remove "+addr1+" from eth1" }) {
			t.Errorf("an address was given up: %v", log)
		}
		s.wantState("eth0", "bound")
		s.wantState("eth1", "bound")
	})
}
