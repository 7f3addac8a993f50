package guest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/wire"
)

// Each Renew brings another address, which is over before the next.
func TestAServerThatChangesTheAddressAllTheTimeFillsNoLog(t *testing.T) {
	play(t, "", two, func(s *stage) {
		n := 0
		s.m.mu.Lock()
		s.m.servers[2] = func(m *wire.Message) *wire.Message {
			n++
			r := reserves(fmt.Sprintf("2001:db8::1:%x", n), 40*time.Second)(m)
			for i := range r.IANAs {
				r.IANAs[i].T1, r.IANAs[i].T2 = time.Second, 2*time.Second
			}
			return r
		}
		s.m.mu.Unlock()
		s.wait(2 * time.Hour)
		s.stop()
		if n < 500 {
			s.Errorf("%d messages", n)
		}
		lines := 0
		for l := range strings.Lines(s.out.String()) {
			if !strings.Contains(l, "level=DEBUG") {
				lines++
			}
		}
		if lines > 150 {
			s.Errorf("%d lines of log", lines)
		}
	})
}
