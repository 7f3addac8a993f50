package responder

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/v6guest/v6guest/pkg/fault"
)

// TestPacketsAreShownToWhoAsks over the control socket, and only while somebody does.
func TestPacketsAreShownToWhoAsks(t *testing.T) {
	n := newNet(t)
	s, _ := n.serve(plain+"send_ra = no\n[network second]\ninterface = eth9\nprefix = 2001:db8:9::/64\n", reservations(2))
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
	for name, lines := range map[string]chan string{"all": all, "eth9": none} {
		if got, want := <-lines, "eth9 - network second: its interface is missing"; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
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

// TestNICsThatAreNotServedAreNotWaitedFor: whoever asks for one is told at once, and which there are.
func TestNICsThatAreNotServedAreNotWaitedFor(t *testing.T) {
	n := newNet(t)
	n.ip("link", "add", "eth7", "address", "02:00:00:00:00:07", "type", "veth", "peer", "name", "c7")
	s, _ := n.serve(plain+"send_ra = no\n", reservations(2))
	s.opts.Load = func() (*Config, error) {
		return ParseConfig("conf", []byte("[server]\ntrusted_relays = fe80::1\n[network far]\nprefix = 2001:db8:1::/64\n"))
	}
	dir := n.control(s)
	refused := func(cure string, names ...string) {
		t.Helper()
		err := WatchPackets(t.Context(), dir, names, func(Traced) error { return errors.New("something is shown") })
		if want := "is the interface of no network in the configuration"; err == nil || !strings.Contains(err.Error(), want) || fault.ExitCode(err) != fault.ExitUsage || fault.Cure(err) != cure {
			t.Errorf("%s: %v, cure %q, exit code %d", names, err, fault.Cure(err), fault.ExitCode(err))
		}
	}
	refused("name one that is: eth1", "nosuch0")
	refused("name one that is: eth1", "eth7") // there, but of no network
	refused("name one that is: eth1", "eth1", "nosuch0")
	// Where relays are trusted they may come in by any NIC that there is.
	if _, err := Reload(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	refused("name none, or the NIC of this machine by which the relays reach it", "nosuch0")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- WatchPackets(ctx, dir, []string{"eth7"}, func(Traced) error { return nil }) }()
	for !s.tracers.on() {
		select {
		case err := <-ended:
			t.Fatalf("eth7: %v", err)
		default:
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
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
