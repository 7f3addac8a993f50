package sender

import (
	"net/netip"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/ra"
)

// TestWhatIsTakenOutIsWithdrawn: R-8106-03.
func TestWhatIsTakenOutIsWithdrawn(t *testing.T) {
	cfg := DefaultConfig()
	server := netip.MustParseAddr("2001:db8::53")
	cfg.RDNSS = []ra.RDNSS{{Servers: []netip.Addr{server}}}
	cfg.DNSSL = []ra.DNSSL{{Domains: []string{"example.org"}}}
	s := newSim(t, 1, cfg)
	s.up()
	s.advance(time.Minute)
	if a := s.last(); len(a.RDNSS) != 1 || a.RDNSS[0].Lifetime == 0 || len(a.DNSSL) != 1 || a.DNSSL[0].Lifetime == 0 {
		t.Fatalf("before: %s", a)
	}
	s.do(Reconfigure{Config: DefaultConfig()})
	s.advance(10 * time.Second)
	a := s.last()
	if len(a.RDNSS) != 1 || a.RDNSS[0].Lifetime != 0 || a.RDNSS[0].Servers[0] != server {
		t.Errorf("the server is not withdrawn: %s", a)
	}
	if len(a.DNSSL) != 1 || a.DNSSL[0].Lifetime != 0 || a.DNSSL[0].Domains[0] != "example.org" {
		t.Errorf("the domain is not withdrawn: %s", a)
	}
}
