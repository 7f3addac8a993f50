package responder

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/v6guest/v6guest/pkg/fault"
)

// control serves the control socket, and returns its run folder.
func (n *net6) control(s *Server) string {
	n.t.Helper()
	dir := filepath.Join(n.t.TempDir(), "run")
	l, err := ListenControl(dir)
	if err != nil {
		n.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.ServeControl(ctx, l) }()
	n.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			n.t.Error(err)
		}
	})
	return dir
}

// TestLeasesAreListedWatchedAndReleased by the commands, with why a client has none.
func TestLeasesAreListedWatchedAndReleased(t *testing.T) {
	n := newNet(t)
	s, _ := n.serve(plain+"pool = 2001:db8:1::f0-2001:db8:1::f0\n", "")
	dir := n.control(s)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changes, watched := make(chan Lease, 10), make(chan error, 1)
	go func() {
		watched <- WatchLeases(ctx, dir, []string{"2001:db8:1::f0"}, func(l Lease) error { changes <- l; return nil })
	}()
	for ready := false; !ready; { // the watch has begun
		if err := s.inLoop(ctx, func() { ready = len(s.watching) == 1 }); err != nil {
			t.Fatal(err)
		}
	}
	a, b := newGuest(1), newGuest(2)
	for _, g := range []guest{a, b} {
		n.sendFrame(g.frame(t, g.request()))
		n.next()
	}
	if l := <-changes; l.Event != EventLeased || l.MAC != a.mac.String() {
		t.Errorf("watched: %+v", l)
	}
	list := func(words ...string) Leases {
		t.Helper()
		out, err := ListLeases(t.Context(), dir, words)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	all := list()
	if len(all.Leases) != 1 || all.Leases[0].Address != "2001:db8:1::f0" || all.Leases[0].State != "bound" || all.Leases[0].DUID != a.duid || all.Leases[0].Valid != 86400 {
		t.Errorf("leases: %+v", all.Leases)
	}
	if len(all.Refused) != 1 || all.Refused[0].MAC != b.mac.String() || all.Refused[0].Reason != whyExhausted || all.Refused[0].Times != 1 {
		t.Errorf("refused: %+v", all.Refused)
	}
	if got := list("bound", b.mac.String()); len(got.Leases) != 0 || len(got.Refused) != 0 {
		t.Errorf("filtered: %+v", got)
	}
	text, err := s.Metrics(t.Context())
	for _, want := range []string{
		`v6responder_pool_used{network="guests"} 1`, `v6responder_pool_size{network="guests"} 1`, `v6responder_store_commits_total 1`,
		`v6responder_lease_changes_total{change="leased"} 1`, `v6responder_refused_total{reason="the pool has no free address"} 1`,
	} {
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("metrics lack %s (%v)", want, err)
		}
	}
	if l, err := ReleaseLease(t.Context(), dir, "2001:db8:1::f0"); err != nil || l.MAC != a.mac.String() {
		t.Errorf("released %+v, %v", l, err)
	}
	if l := <-changes; l.Event != EventReleased {
		t.Errorf("watched: %+v", l)
	}
	for address, code := range map[string]int{"2001:db8:1::f0": fault.ExitFailure, "eth0": fault.ExitUsage} {
		if _, err := ReleaseLease(t.Context(), dir, address); fault.ExitCode(err) != code {
			t.Errorf("%s: %v", address, err)
		}
	}
	n.sendFrame(b.frame(t, b.request()))
	if got := n.next(); len(got.msg.IANAs[0].Addresses) != 1 {
		t.Errorf("the second gets %v", got.msg)
	}
	if got := list(); len(got.Refused) != 0 {
		t.Errorf("still refused: %+v", got.Refused)
	}
	cancel()
	if err := <-watched; err != nil {
		t.Error(err)
	}
}
