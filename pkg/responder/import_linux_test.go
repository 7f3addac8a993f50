package responder

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/responder/foreign"
)

// TestGuestsKeepWhatAnotherServerGaveThem after an import, whatever their DUID; a lease whose MAC the other
// server did not write down belongs to the first one that claims it.
func TestGuestsKeepWhatAnotherServerGaveThem(t *testing.T) {
	n := newNet(t)
	config := plain + "pool = 2001:db8:1::b000-2001:db8:1::bfff\n"
	c, err := ParseConfig("conf", []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	a, b, thief := newGuest(1), newGuest(2), newGuest(3)
	b.duid = "\x00\x04some-uuid-of-a-vm"
	thief.duid = b.duid
	ends := time.Now().Add(time.Hour).Unix()
	text := fmt.Sprintf("duid 00:01\n%d 1 2001:db8:1::b123 * %s\n%d 1 2001:db8:1::b321 * %s\n", ends, a.duid, ends, b.duid)
	done, err := Import(t.Context(), c, filepath.Join(n.dir, "state"), foreign.Dnsmasq("leases", []byte(text)), false)
	if err != nil || done.Leases != 2 {
		t.Fatalf("%+v, %v", done, err)
	}
	n.serve(config, "")
	gets := func(g guest) string {
		t.Helper()
		n.sendFrame(g.frame(t, g.request()))
		if a := n.next().msg.IANAs[0].Addresses; len(a) > 0 {
			return a[0].Addr.String()
		}
		return "nothing"
	}
	if got := gets(a) + " " + gets(b) + " " + gets(thief); got != "2001:db8:1::b123 2001:db8:1::b321 nothing" {
		t.Errorf("they get %s", got)
	}
}
