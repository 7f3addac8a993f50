package responder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	vm "github.com/VictoriaMetrics/metrics"
	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/ra/sender"
	"github.com/v6guest/v6guest/pkg/wire"
)

// metricsTimeout bounds one request for the metrics.
const metricsTimeout = 10 * time.Second

// meters count what only the loop sees; the engine counts the rest. There is no label that a guest can
// choose: types, results, reasons and interfaces are few, and known beforehand.
type meters struct {
	set     *vm.Set
	answers answerCounts
	seconds *vm.PrometheusHistogram
	overrun uint64 // frames that packet sockets had no room for
}

// answerCounts are how many answers there were of a type with a result.
type answerCounts [256][results]uint64

// An answerResult is what an answer says to the client.
type answerResult uint8

const (
	resultOther answerResult = iota
	resultRefused
	resultAddress
	resultStatus
	resultPrefix
	results // how many there are
)

func (r answerResult) String() string {
	return [...]string{"other", "refused", "address", "status", "prefix"}[r]
}

func newMeters() meters {
	set := vm.NewSet()
	return meters{
		set: set,
		// From tens of microseconds, a batch of one, to the second after which clients ask again.
		seconds: set.NewPrometheusHistogramExt("v6responder_answer_seconds", []float64{25e-6, 50e-6, 1e-4, 25e-5, 5e-4, 1e-3, 25e-4, 5e-3, 0.01, 0.1, 1}),
	}
}

// answered counts an answer by its type and by what it says to the client.
func (m *meters) answered(msg *wire.Message) {
	result := resultOther
	for i := range msg.IANAs {
		result = resultRefused
		if len(msg.IANAs[i].Addresses) > 0 {
			result = resultAddress
			break
		}
	}
	for i := range msg.IAPDs {
		if result == resultOther {
			result = resultRefused
		}
		if len(msg.IAPDs[i].Prefixes) > 0 && result == resultRefused {
			result = resultPrefix
		}
	}
	if msg.Status != nil && result == resultOther {
		result = resultStatus
	}
	m.answers[msg.Type][result]++
}

// ServeMetrics answers Prometheus at /metrics until the context ends, and closes the listener.
func (s *Server) ServeMetrics(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		text, err := s.Metrics(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write(text) // whoever asked has gone
	})
	srv := &http.Server{
		Handler: mux, ReadHeaderTimeout: metricsTimeout, ReadTimeout: metricsTimeout, WriteTimeout: metricsTimeout, MaxHeaderBytes: 16 << 10,
	}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(l); ctx.Err() == nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// A sight is what the metrics are made of, as the loop had it at one moment.
type sight struct {
	counts  map[string]uint64
	answers answerCounts
	pools   []poolSight
	store   *leasestore.Stats         // nil without a store
	senders map[string]*sender.Runner // by interface
	serving map[string]bool
}

// Metrics is everything in Prometheus' text format.
func (s *Server) Metrics(ctx context.Context) ([]byte, error) {
	seen := make(chan sight, 1)
	if !s.tell(func() { seen <- s.look() }) {
		return nil, errors.New("the server has stopped")
	}
	var now sight
	select {
	case now = <-seen:
	case <-s.done:
		return nil, errors.New("the server has stopped")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var b bytes.Buffer
	now.write(&b)
	now.writePools(&b)
	s.writeHosts(&b)
	now.writeRA(ctx, &b)
	s.meters.set.WritePrometheus(&b)
	return b.Bytes(), nil
}

// dropNoRoom is a reason that only the sockets know.
const dropNoRoom = "more at once than the receive buffer holds"

// counts are the engine's, and what never reached it. It is called by the loop.
func (s *Server) counts() map[string]uint64 {
	for _, p := range s.ports {
		if p.conn != nil {
			s.meters.overrun += p.conn.overrun()
		}
	}
	all := s.engine.Counts()
	if s.meters.overrun > 0 {
		all["dropped: "+dropNoRoom] = s.meters.overrun
	}
	return all
}

// look is called by the loop.
func (s *Server) look() sight {
	out := sight{answers: s.meters.answers, senders: map[string]*sender.Runner{}, serving: map[string]bool{}}
	out.counts = s.counts()
	out.pools = s.engine.pools()
	if s.store != nil {
		stats := s.storeStats()
		out.store = &stats
	}
	for name, p := range s.ports {
		out.serving[name] = p.conn != nil
		if p.ra != nil {
			out.senders[name] = p.ra.runner
		}
	}
	return out
}

// write writes the counts of messages; the engine's have their labels in their names.
func (v sight) write(w io.Writer) {
	for _, family := range []struct{ prefix, name, label string }{
		{"received ", "v6responder_received_total", "type"},
		{"dropped: ", "v6responder_dropped_total", "reason"},
		{"refused: ", "v6responder_refused_total", "reason"},
		{"lease ", "v6responder_lease_changes_total", "change"},
	} {
		for _, key := range slices.Sorted(maps.Keys(v.counts)) {
			if value, ok := strings.CutPrefix(key, family.prefix); ok {
				vm.WriteCounterUint64(w, fmt.Sprintf("%s{%s=%q}", family.name, family.label, value), v.counts[key])
			}
		}
	}
	sent := map[string]uint64{}
	for kind := range v.answers {
		for result, n := range v.answers[kind] {
			if n > 0 {
				sent[fmt.Sprintf("v6responder_sent_total{type=%q,result=%q}", wire.TypeName(dhcpv6.MessageType(kind)), answerResult(result))] += n
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sent)) {
		vm.WriteCounterUint64(w, name, sent[name])
	}
	for _, name := range slices.Sorted(maps.Keys(v.serving)) {
		on := uint64(0)
		if v.serving[name] {
			on = 1
		}
		vm.WriteGaugeUint64(w, fmt.Sprintf("v6responder_serving{interface=%q}", name), on)
	}
}

func (s *Server) writeHosts(w io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	vm.WriteGaugeUint64(w, "v6responder_hosts_lines", uint64(s.summary.Lines))
	vm.WriteGaugeUint64(w, "v6responder_hosts_problems", uint64(len(s.summary.Problems)))
}

// writeRA writes what the senders of Router Advertisements tell; one that ends meanwhile is left out.
func (v sight) writeRA(ctx context.Context, w io.Writer) {
	for _, name := range slices.Sorted(maps.Keys(v.senders)) {
		ra, err := v.senders[name].Snapshot(ctx)
		if err != nil {
			continue
		}
		routers := uint64(0)
		for _, o := range ra.Others {
			if o.Default {
				routers++
			}
		}
		vm.WriteCounterUint64(w, fmt.Sprintf(`v6responder_ra_sent_total{interface=%q,to="all"}`, name), ra.Multicast)
		vm.WriteCounterUint64(w, fmt.Sprintf(`v6responder_ra_sent_total{interface=%q,to="one"}`, name), ra.Unicast)
		vm.WriteCounterUint64(w, fmt.Sprintf("v6responder_ra_solicitations_total{interface=%q}", name), ra.Solicitations)
		vm.WriteCounterUint64(w, fmt.Sprintf("v6responder_ra_heard_total{interface=%q}", name), ra.Advertisements)
		vm.WriteGaugeUint64(w, fmt.Sprintf("v6responder_ra_other_default_routers{interface=%q}", name), routers)
		for _, reason := range slices.Sorted(maps.Keys(ra.Dropped)) {
			vm.WriteCounterUint64(w, fmt.Sprintf("v6responder_ra_dropped_total{interface=%q,reason=%q}", name, reason), ra.Dropped[reason])
		}
	}
}
