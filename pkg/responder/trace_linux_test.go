package responder

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/v6guest/v6guest/pkg/fault"
)

// TestPacketsAreShownToWhoAsks over the control socket, and only while somebody does.
func TestPacketsAreShownToWhoAsks(t *testing.T) {
	n := newNet(t)
	s, _ := n.serve(plain+"send_ra = no\n", reservations(2))
	dir := n.control(s)
	watch := func(names ...string) (lines chan string, stop func()) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		lines, ended := make(chan string, 100), make(chan error, 1)
		before := s.tracers.watch.Load()
		go func() {
			ended <- WatchPackets(ctx, dir, names, func(p Traced) error { lines <- p.Interface + " " + p.Line; return nil })
		}()
		for s.tracers.watch.Load() == before { // it has begun
			select {
			case err := <-ended:
				t.Fatal(err)
			default:
			}
		}
		return lines, func() {
			t.Helper()
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	all, stopAll := watch()
	none, stopNone := watch("eth9")
	g := newGuest(1)
	n.sendFrame(g.frame(t, g.solicit()))
	n.next()
	for _, want := range []string{"eth1 < " + g.addr.String() + " (" + g.mac.String() + "): Solicit", "eth1 > " + g.addr.String() + " (" + g.mac.String() + "): Advertise"} {
		if got := <-all; !strings.HasPrefix(got, want) {
			t.Errorf("%s, want %s …", got, want)
		}
	}
	stopAll()
	stopNone()
	if len(none) != 0 {
		t.Errorf("of another NIC: %s", <-none)
	}
	for s.tracers.on() { // until the server has noticed
		continue
	}
}

// TestASlowWatcherHoldsNothingUp: it is left behind.
func TestASlowWatcherHoldsNothingUp(t *testing.T) {
	var all tracers
	c := make(chan Traced, 2)
	all.add(c)
	for range 3 {
		all.tell(Traced{})
	}
	if all.on() {
		t.Error("it is still waited for")
	}
	n := 0
	for range c {
		n++
	}
	if n != 2 {
		t.Errorf("%d of 2 are there", n)
	}
	all.remove(c) // what the handler does at its end
}

// TestAServerOfAnotherVersionIsTold by what a command cannot ask it.
func TestAServerOfAnotherVersionIsTold(t *testing.T) {
	dir := t.TempDir()
	l, err := ListenControl(dir)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.NotFoundHandler()}
	go func(l net.Listener) { _ = srv.Serve(l) }(l)
	defer srv.Close()
	_, err = AskStatus(t.Context(), dir)
	f, ok := fault.As(err)
	if !ok || !strings.Contains(err.Error(), "the server that runs does not know this") || !strings.Contains(f.Cure, "restart it") {
		t.Errorf("%v", err)
	}
}
