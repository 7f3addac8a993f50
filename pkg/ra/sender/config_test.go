package sender

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/v6guest/v6guest/pkg/ra"
)

func TestCheck(t *testing.T) {
	prefix := func(text string, preferred, valid time.Duration) func(*Config) {
		return func(c *Config) {
			c.Prefixes = append(c.Prefixes, ra.Prefix{Prefix: netip.MustParsePrefix(text), OnLink: true, Preferred: preferred, Valid: valid})
		}
	}
	interval := func(d time.Duration) func(*Config) { return func(c *Config) { c.MaxInterval = d } }
	least := func(d time.Duration) func(*Config) { return func(c *Config) { c.MinInterval = d } }
	lifetime := func(d time.Duration) func(*Config) { return func(c *Config) { c.RouterLifetime = d } }
	second := time.Second
	for _, tt := range []struct {
		name string
		edit func(c *Config)
		want string // "" is accepted
	}{
		{"default", func(*Config) {}, ""},
		{"R-6.2.1-02 3 s", interval(3 * second), "it must be 4s to 18h12m15s"},
		{"R-6.2.1-02 4 s", interval(4 * second), ""},
		{"R-6.2.1-02 1,800 s", interval(1800 * second), ""},
		{"R-6.2.1-02 65,535 s", interval(65535 * second), ""},
		{"R-6.2.1-02 65,536 s", interval(65536 * second), "it must be 4s to 18h12m15s"},
		{"nothing at all", func(c *Config) { *c = Config{} }, "longest interval between advertisements is 0s"},
		{"R-6.2.1-03 2 s", least(2 * second), "it must be 3s to 0.75 of the longest, 7m30s"},
		{"R-6.2.1-03 3 s", least(3 * second), ""},
		{"R-6.2.1-03 450 s", least(450 * second), ""},
		{"R-6.2.1-03 451 s", least(451 * second), "it must be 3s to 0.75"},
		{"R-6.2.1-04 3,600,000 ms", func(c *Config) { c.ReachableTime = time.Hour }, ""},
		{"R-6.2.1-04 3,600,001 ms", func(c *Config) { c.ReachableTime = time.Hour + time.Millisecond }, "reachable time"},
		{"retransmission timer", func(c *Config) { c.RetransTimer = -1 }, "retransmission timer"},
		{"R-6.2.1-05 lifetime below the interval", lifetime(599 * second), "it must be 0, or 10m0s"},
		{"R-6.2.1-05 lifetime of the interval", lifetime(600 * second), ""},
		{"R-6.2.1-05 9,000 s", lifetime(9000 * second), ""},
		{"R-6.2.1-05 65,535 s", lifetime(65535 * second), ""},
		{"R-6.2.1-05 65,536 s", lifetime(65536 * second), "to 18h12m15s"},
		{"MTU of 1,279", func(c *Config) { c.MTU = 1279 }, "it must be 0 or at least 1280"},
		{"R-6.2.1-08 preferred above valid", prefix("2001:db8::/64", 2*second, second), "the preferred lifetime, 2s, is above the valid lifetime, 1s"},
		{"R-4.6-03 link-local prefix", prefix("fe80::/64", second, second), "link-local"},
		{"multicast prefix", prefix("ff02::/64", second, second), "multicast"},
		{"IPv4 prefix", prefix("192.0.2.0/24", second, second), "not an IPv6 prefix"},
		{"a prefix twice", func(c *Config) { prefix("2001:db8::/64", 0, 0)(c); prefix("2001:db8::1/64", 0, 0)(c) }, "stands twice"},
		{"R-4191-04 a route twice", func(c *Config) {
			c.Routes = []ra.Route{{Prefix: netip.MustParsePrefix("2001:db8::/32")}, {Prefix: netip.MustParsePrefix("2001:db8::1/32")}}
		}, "stands twice"},
		{"R-8781-01 NAT64 prefix of 80 bits", func(c *Config) { c.PREF64 = []ra.PREF64{{Prefix: netip.MustParsePrefix("2001:db8::/80")}} }, "none of 32"},
		{"NAT64 lifetime", func(c *Config) {
			c.PREF64 = []ra.PREF64{{Prefix: netip.MustParsePrefix("64:ff9b::/96"), Lifetime: 65536 * second}}
		}, "it must be at most"},
		{"a bad name", func(c *Config) { c.DNSSL = []ra.DNSSL{{Domains: []string{"a;b"}}} }, "no domain name has"},
		{"a bad server", func(c *Config) { c.RDNSS = []ra.RDNSS{{Servers: []netip.Addr{netip.IPv6Loopback()}}} }, "DNS server ::1"},
		{"negative lifetimes", func(c *Config) {
			c.Routes = []ra.Route{{Prefix: netip.MustParsePrefix("::/0"), Lifetime: -1}}
			c.RDNSS, c.DNSSL = []ra.RDNSS{{Lifetime: -1}}, []ra.DNSSL{{Lifetime: -1}}
		}, "search domains: their lifetime is -1ns"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := DefaultConfig()
			tt.edit(&c)
			_, err := c.Check()
			_, newErr := New(EngineConfig{Config: c, Rand: rand.New(rand.NewPCG(1, 1))})
			if (err == nil) != (newErr == nil) {
				t.Errorf("Check: %v, New: %v", err, newErr)
			}
			if err == nil && tt.want != "" || err != nil && (tt.want == "" || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := New(EngineConfig{Config: DefaultConfig()}); err == nil {
		t.Error("made without a source of randomness")
	}
}

func TestWarnings(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(c *Config)
		want []string
	}{
		{"R-4862-01 autonomous /80", func(c *Config) {
			c.Prefixes = []ra.Prefix{DefaultPrefix(netip.MustParsePrefix("2001:db8::/80"))}
		}, []string{"prefix 2001:db8::/80: hosts make addresses in a /64 only"}},
		{"R-4191-06 18 routes", func(c *Config) {
			for i := range 18 {
				c.Routes = append(c.Routes, ra.Route{Prefix: netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, byte(i)}), 16)})
			}
		}, []string{"18 routes: hosts need not keep more than 17"}},
		{"R-8781-04 long router lifetime and NAT64", func(c *Config) {
			c.RouterLifetime = 65529 * time.Second
			c.PREF64 = []ra.PREF64{{Prefix: netip.MustParsePrefix("64:ff9b::/96")}}
		}, []string{"the router lifetime, 18h12m9s, is longer than a NAT64 prefix can be valid, 18h12m8s"}},
		{"DNS that ends too soon", func(c *Config) {
			c.RDNSS, c.DNSSL = []ra.RDNSS{{Lifetime: time.Minute}}, []ra.DNSSL{{Lifetime: time.Minute}}
		}, []string{
			"DNS servers for 1m0s only: they end before the next advertisement",
			"search domains for 1m0s only: they end before the next advertisement",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := DefaultConfig()
			tt.edit(&c)
			got, err := c.Check()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
