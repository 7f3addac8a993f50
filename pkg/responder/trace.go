package responder

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Traced is a packet that came or went, as one readable line. What a sender wrote in it is escaped.
type Traced struct {
	At        time.Time `json:"at"`
	Interface string    `json:"interface"`
	Line      string    `json:"line"` // "<" for one that came, ">" for one that went, and what is in it
}

// tracers are those who watch the packets. Where nobody does, a packet costs one look at a number.
type tracers struct {
	watch atomic.Int32 // how many there are

	mu   sync.Mutex
	list map[chan Traced]bool
}

// on reports whether somebody watches.
func (t *tracers) on() bool { return t.watch.Load() > 0 }

// tell tells them; who is too far behind is left behind.
func (t *tracers) tell(p Traced) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.list {
		select {
		case c <- p:
		default:
			t.drop(c)
		}
	}
}

func (t *tracers) add(c chan Traced) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.list == nil {
		t.list = map[chan Traced]bool{}
	}
	t.list[c] = true
	t.watch.Add(1)
}

func (t *tracers) remove(c chan Traced) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(c)
}

// drop is called with the lock held.
func (t *tracers) drop(c chan Traced) {
	if t.list[c] {
		delete(t.list, c)
		close(c)
		t.watch.Add(-1)
	}
}

// traces reports whether packets are to be written as lines.
func (s *Server) traces() bool { return s.opts.Trace != nil || s.tracers.on() }

// traced tells of a packet.
func (s *Server) traced(iface, line string) {
	if s.opts.Trace != nil {
		s.opts.Trace(iface + " " + line)
	}
	if s.tracers.on() {
		s.tracers.tell(Traced{time.Now(), iface, line})
	}
}

// pathTrace is where GET shows each packet, one JSON object a line, until whoever asked goes.
const pathTrace = "/v1/trace"

func (s *Server) handleTrace(mux *http.ServeMux) { mux.HandleFunc("GET "+pathTrace, s.serveTrace) }

func (s *Server) serveTrace(w http.ResponseWriter, r *http.Request) {
	c := make(chan Traced, maxBehind)
	s.tracers.add(c)
	defer s.tracers.remove(c)
	names := r.URL.Query()[keyFilter]
	stream(w, r, c, s.done, func(p Traced) bool { return len(names) == 0 || slices.Contains(names, p.Interface) })
}

// WatchPackets calls told for each packet of the NICs with these names, or of all, that the server with the
// run folder dir hears or sends, until the context ends, which is no error, or the server stops.
func WatchPackets(ctx context.Context, dir string, names []string, told func(Traced) error) error {
	return follow(ctx, dir, pathTrace, names, told)
}
