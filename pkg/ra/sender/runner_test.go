package sender

import (
	"math/rand/v2"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/clock/clocktest"
	"github.com/v6guest/v6guest/pkg/ra"
)

// TestUnsentIsSentAgain: what the kernel cannot send (its neighbour table is full, say) is sent again three
// seconds later, and at once no more than once.
func TestUnsentIsSentAgain(t *testing.T) {
	e, err := New(EngineConfig{Config: config(t, "M lifetime 30m"), Rand: rand.New(rand.NewPCG(1, 0)), MAC: mac, Forwarding: true})
	if err != nil {
		t.Fatal(err)
	}
	conn := &fullTable{closed: make(chan struct{}), fails: 2, wrote: make(chan netip.Addr, 16)}
	c, reports := clocktest.New(boot), make(logged, 16)
	r, err := NewRunner(RunnerConfig{Engine: e, Conn: conn, Clock: c, Host: reports})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- r.Run(t.Context()) }()
	r.Notify(LinkUp{LinkLocal: linkLocal, MTU: 1500})
	for i, text := range []string{"cannot send advertisements", "", "advertisements are sent again"} {
		if to := <-conn.wrote; to != ra.AllNodes {
			t.Errorf("advertisement %d to %s", i, to)
		}
		s, err := r.Snapshot(t.Context()) // the step is over
		if err != nil {
			t.Fatal(err)
		}
		if again := s.Next.Sub(c.Now()); (again == minDelay) != (i < 2) {
			t.Errorf("after advertisement %d, the next comes in %s", i, again)
		}
		got := ""
		if len(reports) > 0 {
			got = (<-reports).Message
		}
		if got != text || len(reports) > 0 || len(conn.wrote) > 0 {
			t.Errorf("after advertisement %d: report %q, want %q", i, got, text)
		}
		if i < 2 {
			c.Advance(minDelay)
		}
	}
	r.Notify(Stop{})
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestUnsentChangesNothingElsewhere: nothing is sent on a link that is down, or after the last one.
func TestUnsentChangesNothingElsewhere(t *testing.T) {
	s := newSim(t, 1, config(t, "M lifetime 30m"))
	s.do(Unsent{})
	s.up()
	s.do(LinkDown{})
	s.do(Unsent{})
	s.advance(time.Hour)
	if n := len(s.sent); n != 1 {
		t.Errorf("%d advertisements", n)
	}
}

// A logged is a host that keeps the reports.
type logged chan Report

func (l logged) Report(r Report) { l <- r }

// A fullTable is a connection whose first writes fail.
type fullTable struct {
	closed chan struct{}
	fails  int
	wrote  chan netip.Addr
}

func (c *fullTable) Read([]byte) (ra.Packet, error) { <-c.closed; return ra.Packet{}, os.ErrClosed }

func (c *fullTable) Write(_ []byte, _, to netip.Addr) error {
	c.wrote <- to
	if c.fails > 0 {
		c.fails--
		return unix.EINVAL
	}
	return nil
}

func (c *fullTable) Close() error { close(c.closed); return nil }
