package responder

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatTheReceiveBufferHadNoRoomForIsCounted, in the metrics and, when its NIC is gone, in the last line of the log.
func TestWhatTheReceiveBufferHadNoRoomForIsCounted(t *testing.T) {
	n := newNet(t)
	s, stop := n.serve(plain, reservations(1))
	n.sendFrame(newGuest(0).frame(t, newGuest(0).solicit()))
	n.next()
	frame := newGuest(0).frame(t, newGuest(0).solicit())
	frame[14+40+8]++ // its checksum is wrong: nothing answers it
	s.turns.Lock()   // nobody reads
	for range 20_000 {
		n.sendFrame(frame)
	}
	s.turns.Unlock()
	text, err := s.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := `v6responder_dropped_total{reason="more at once than the receive buffer holds"} `; !strings.Contains(string(text), want) {
		t.Errorf("no %s in\n%s", want, text)
	}
	if err := stop(ErrRestart); err != nil {
		t.Error(err)
	}
	if want := "dropped: " + dropNoRoom; !strings.Contains(n.log.String(), want) {
		t.Errorf("no %q in\n%s", want, n.log.String())
	}
}

func TestMetricsTellWhatWasAnsweredAndWhatWasNot(t *testing.T) {
	n := newNet(t)
	s, _ := n.serve(plain, reservations(1))
	known, unknown := newGuest(0), newGuest(1)
	for _, g := range []guest{known, known, unknown} {
		n.sendFrame(g.frame(t, g.solicit()))
		n.next()
	}
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "metrics"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.ServeMetrics(ctx, l) }()
	client := http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", l.Addr().String())
	}}}
	r, err := client.Get("http://v6responder/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`v6responder_received_total{type="Solicit"} 3`, `v6responder_sent_total{type="Advertise",result="address"} 2`,
		`v6responder_sent_total{type="Advertise",result="refused"} 1`, `v6responder_hosts_lines 1`, `v6responder_serving{interface="eth1"} 1`,
		`v6responder_answer_seconds_count 3`, `v6responder_ra_sent_total{interface="eth1",to="all"} `,
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s in\n%s", want, b)
		}
	}
	if strings.Contains(string(b), known.duid.String()) || strings.Contains(string(b), known.addr.String()) {
		t.Errorf("a guest is named:\n%s", b)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
