package responder

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/link"
)

// A Traced is a packet that came or went, as one readable line. What a sender wrote in it is escaped.
type Traced struct {
	At        time.Time `json:"at"`
	Interface string    `json:"interface"`
	// Line begins with "<" for one that came, ">" for one that went, "-" for a remark on a NIC where there is none yet.
	Line string `json:"line"`
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
	names := r.URL.Query()[keyFilter]
	c := make(chan Traced, maxBehind)
	var unheard error
	err := s.inLoop(r.Context(), func() {
		if unheard = s.unheard(names); unheard == nil {
			s.remark(c, names)
		}
	})
	if err = cmp.Or(err, unheard); err != nil {
		answer(w, http.StatusInternalServerError, failureOf(err))
		return
	}
	s.tracers.add(c)
	defer s.tracers.remove(c)
	stream(w, r, c, s.done, func(p Traced) bool { return len(names) == 0 || slices.Contains(names, p.Interface) })
}

// unheard says that of one of these NICs nothing can ever be shown: it is of no network, and no relay that is trusted
// may come in by it, as one may by any NIC that there is.
func (s *Server) unheard(names []string) error {
	c := s.opts.Config
	served := c.interfaces()
	for _, name := range names {
		exists := len(c.TrustedRelays) > 0 && slices.ContainsFunc(slices.Collect(maps.Values(s.nics)), func(n link.NIC) bool { return n.Name == name })
		if exists || slices.Contains(served, name) {
			continue
		}
		cure := "name one that is: " + strings.Join(served, ", ")
		if len(served) == 0 {
			cure = "name none, or the NIC of this machine by which the relays reach it"
		}
		return fault.New(fault.ExitUsage, cure, "%.40q is the interface of no network in the configuration", name)
	}
	return nil
}

// remark says why of a network nothing is heard yet.
func (s *Server) remark(c chan<- Traced, names []string) {
	for i := range s.opts.Config.Networks {
		n := s.networkStatus(&s.opts.Config.Networks[i])
		if n.Interface == "" || n.State == stateServed || len(names) > 0 && !slices.Contains(names, n.Interface) {
			continue
		}
		select {
		case c <- Traced{time.Now(), n.Interface, "- network " + n.Name + ": " + n.State}:
		default: // thousands of them: status tells the rest
		}
	}
}

// interfaces are those of the networks, be they there or not.
func (c *Config) interfaces() []string {
	var out []string
	for i := range c.Networks {
		if name := c.Networks[i].Interface; name != "" {
			out = append(out, name)
		}
	}
	return out
}

// WatchPackets calls told for each packet of the NICs with these names, or of all, that the server with the
// run folder dir hears or sends, until the context ends, which is no error, or the server stops.
func WatchPackets(ctx context.Context, dir string, names []string, told func(Traced) error) error {
	return follow(ctx, dir, pathTrace, names, told)
}
