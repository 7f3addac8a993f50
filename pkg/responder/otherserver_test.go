package responder

import (
	"fmt"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/wire"
)

func TestAnotherServerIsToldOnceAnHourAndNoStrangerFillsTheLog(t *testing.T) {
	bench := newBench(t, plain, reserved)
	in := bench.message("Solicit mac=38 ia=1")
	in.Msg.Type = dhcpv6.MessageTypeRequest
	told := func(now time.Duration, server wire.DUID) (n int) {
		in.Msg.ServerID = server
		for _, a := range bench.e.Step(clock.Instant(now), in) {
			if r, ok := a.(Report); ok && r.Message == "another DHCPv6 server is on the link" {
				n++
			}
		}
		return n
	}
	const other = wire.DUID("\x00\x03\x00\x01\x02\x00\x00\x00\x00\x99")
	for _, tt := range []struct {
		at   time.Duration
		want int
	}{{0, 1}, {time.Minute, 0}, {time.Hour, 1}} {
		if got := told(tt.at, other); got != tt.want {
			t.Errorf("after %s: %d lines, want %d", tt.at, got, tt.want)
		}
	}
	lines := 0
	for i := range 1000 {
		lines += told(time.Hour, wire.DUID(fmt.Sprintf("\x00\x02%04d", i)))
	}
	if lines != maxOtherServers-1 {
		t.Errorf("%d lines of a thousand servers, want %d", lines, maxOtherServers-1)
	}
	if told(2*time.Hour, other) != 1 {
		t.Error("an hour later there is no room")
	}
}
