package responder

import (
	"fmt"
	"strings"
	"testing"
)

// TestARenamedNetworkKeepsItsBindings: over a restart and over a reload.
func TestARenamedNetworkKeepsItsBindings(t *testing.T) {
	renamed := strings.Replace(hourly, "[network guests]", "[network others]", 1)
	for name, rename := range map[string]func(*bench){
		"restart": func(b *bench) { b.restart(renamed, "") },
		"reload": func(b *bench) {
			c, err := ParseConfig("conf", []byte(renamed))
			b.check(err)
			b.step(ConfigChanged{c.Engine(own)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, hourly, "")
			has := addressesOf(b.step(b.message("Request mac=38 ia=1 server=own")))[0]
			rename(b)
			if got := b.send("Renew mac=38 ia=1," + has.String() + " server=own"); !strings.Contains(got, has.String()+" 1h/2h") {
				t.Errorf("Renew: %s", got)
			}
			if got := b.send("Request mac=39 ia=1," + has.String() + " server=own"); strings.Contains(got, has.String()) {
				t.Errorf("another gets it: %s", got)
			}
		})
	}
}

// TestARebuiltRouterKnowsItsGuestsAgain: without the store of the one before. Reservations need none; who
// had an address of the pool is told that it is not bound, asks for it, and has it again.
func TestARebuiltRouterKnowsItsGuestsAgain(t *testing.T) {
	config := strings.Replace(hourly, "[server]\n", "[server]\nhosts = /hosts\n", 1)
	before := newBench(t, config, reserved)
	has := addressesOf(before.step(before.message("Request mac=99 ia=1 server=own")))[0].String()
	b := newBench(t, config, reserved)
	for _, tt := range []struct{ send, want string }{
		{"Renew mac=38 ia=1,2001:db8:1::38 server=own", "Reply IA 1 " + lease38},
		{"Rebind mac=38 ia=1,2001:db8:1::38", "Reply IA 1 " + lease38},
		{"Confirm mac=99 ia=1," + has, "Reply Success"},
		{"Renew mac=99 ia=1," + has + " server=own", "Reply IA 1 NoBinding"},
	} {
		if got := b.send(tt.send); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.send, got, tt.want)
		}
	}
	if got := addressesOf(b.step(b.message("Request mac=99 ia=1," + has + " server=own")))[0].String(); got != has {
		t.Errorf("had %s, gets %s", has, got)
	}
}

// TestTenThousandLeasesAtOnce: no limit that nobody has set.
func TestTenThousandLeasesAtOnce(t *testing.T) {
	b := newBench(t, strings.Replace(hourly, "::1fff", "::ffff", 1), "")
	seen := map[string]bool{}
	for i := range 10_000 {
		seen[addressesOf(b.step(b.message(fmt.Sprintf("Request mac=06:a0:02:00:%02x:%02x ia=1 server=own", i>>8, i&255))))[0].String()] = true
	}
	if len(seen) != 10_000 || len(b.stored()) != 10_000 {
		t.Errorf("%d addresses, %d stored", len(seen), len(b.stored()))
	}
}

// TestAnEmptyListIsNone: a script that has nothing to fill in writes "dns =".
func TestAnEmptyListIsNone(t *testing.T) {
	b := newBench(t, strings.NewReplacer("dns = 2001:db8:1::53", "dns =", "search = example.org", "search =", "ntp = 2001:db8:1::123", "ntp =").Replace(plain), reserved)
	if got := b.send("Request mac=38 ia=1 oro=23,24,56 server=own"); got != "Reply IA 1 "+lease38 {
		t.Errorf("%s", got)
	}
}
