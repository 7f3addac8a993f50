package responder

import (
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/clock/clocktest"
)

// hostsScript changes the hosts file $1 in every way that a virtual router's scripts have, and leaves what it had:
// appends, sed -i that replaces and deletes, a file that ends half-way in a line, an empty one, one that is copied over.
// It never rests, and says each round in $2; the file $3 ends it.
const hostsScript = `
until test -e "$3"; do
	cp "$1" "$1.whole"
	for n in 0 1 2 3 4; do
		echo "id:00:03:00:01:06:a0:f0:09:00:0$n,[2001:db8:1::90$n],new-$n,infinite" >> "$1"
		sed -i "s/,infinite\$/,vm-$n,infinite/; s/,vm-[0-9]*,vm-$n/,vm-$n/" "$1"
		sed -i "/new-$n/d" "$1"
	done
	size=$(stat -c %s "$1")
	for cut in 1 2 3 5 7; do
		truncate -s $((size * cut / 11)) "$1"
		cat "$1.whole" > "$1"
		head -c $((size * cut / 9)) "$1.whole" > "$1"
		cat "$1.whole" > "$1"
	done
	: > "$1"
	cp "$1.whole" "$1"
	echo round >> "$2"
done
`

// TestEveryHostIsAnsweredWhileAScriptRewritesTheFile: of hundreds of guests that ask all the while none gets another's
// address, or none. The clock stands still, as it does for whoever looks at a machine that is too busy to go on: what is
// missing never counts before two seconds without a write. Then what is cut off for good goes, and nothing else.
func TestEveryHostIsAnsweredWhileAScriptRewritesTheFile(t *testing.T) {
	const guests, rounds = 300, 3
	n := newNet(t)
	clk := clocktest.New(0)
	n.clock = clk
	s, _ := n.serve(plain+"send_ra = no\n", reservations(guests))
	file, said, enough := filepath.Join(n.dir, "hosts"), filepath.Join(n.dir, "rounds"), filepath.Join(n.dir, "enough")
	script := exec.CommandContext(t.Context(), "sh", "-ec", hostsScript, "sh", file, said, enough)
	script.Stderr = os.Stderr
	ended := make(chan error, 1)
	if err := script.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { ended <- script.Wait() }()
	stopScript := func() {
		t.Helper()
		if err := os.WriteFile(enough, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	gets := func(i int) netip.Addr {
		t.Helper()
		g := newGuest(i)
		n.sendFrame(g.frame(t, g.solicit()))
		for {
			if got := n.next().msg; got.ClientID == g.duid {
				if len(got.IANAs) == 1 && len(got.IANAs[0].Addresses) == 1 {
					return got.IANAs[0].Addresses[0].Addr
				}
				return netip.Addr{}
			}
		}
	}
	own := func(i int) netip.Addr {
		a := netip.MustParsePrefix("2001:db8:1::/64").Addr().As16()
		a[14], a[15] = byte((i+0x1000)>>8), byte(i)
		return netip.AddrFrom16(a)
	}
	r := rand.New(rand.NewPCG(6, 9))
	asked := 0
	for ; asked < 1000 || !strings.HasPrefix(textOf(said), strings.Repeat("round\n", rounds)); asked++ {
		if i := r.IntN(guests); gets(i) != own(i) {
			stopScript()
			t.Fatalf("guest %d gets another address than %s, or none, after %d answers", i, own(i), asked)
		}
	}
	stopScript()
	t.Logf("%d answers in %d rounds", asked, strings.Count(textOf(said), "round"))

	// Now half of the lines are gone for good.
	half := strings.SplitAfter(reservations(guests), "\n")[:guests/2]
	n.write(strings.Join(half, ""))
	for gets(guests - 1).IsValid() { // until the server has read it, and its two seconds have begun
		clk.Advance(3 * time.Second)
	}
	for i := range guests {
		want := own(i)
		if i >= guests/2 {
			want = netip.Addr{}
		}
		if got := gets(i); got != want {
			t.Errorf("guest %d gets %v, want %v", i, got, want)
		}
	}
	if st, err := s.Status(t.Context()); err != nil || st.HostsLines != guests/2 {
		t.Errorf("%d lines are in force, %v", st.HostsLines, err)
	}
}

// textOf is a file's text, empty while there is none.
func textOf(name string) string {
	b, _ := os.ReadFile(name)
	return string(b)
}
