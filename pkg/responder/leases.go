package responder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/responder/hosts"
	"github.com/v6guest/v6guest/pkg/responder/pool"
	"github.com/v6guest/v6guest/pkg/wire"
)

// A Lease is a binding of a pool as the commands show it.
type Lease struct {
	Event     string     `json:"event,omitempty"` // of a change: leased, released, declined, expired, free
	Address   string     `json:"address"`         // or the delegated prefix
	State     string     `json:"state"`           // bound, expired (and kept back) or declined (and set aside)
	MAC       string     `json:"mac,omitempty"`
	DUID      wire.DUID  `json:"duid"`
	IAID      string     `json:"iaid"`
	Network   string     `json:"network"`
	Interface string     `json:"interface"`
	Via       string     `json:"via,omitempty"`     // of a delegated prefix: the client's address, to route it through
	Granted   time.Time  `json:"granted"`           // or last extended, by this machine's clock as it is now
	Ends      *time.Time `json:"ends,omitempty"`    // likewise; missing where it does not end
	Preferred uint32     `json:"preferred_seconds"` // that were granted; 4294967295 for ever
	Valid     uint32     `json:"valid_seconds"`
}

// A RefusedClient is a client that got no address, as the commands show it.
type RefusedClient struct {
	MAC       string    `json:"mac,omitempty"`
	DUID      wire.DUID `json:"duid"`
	Network   string    `json:"network"`
	Interface string    `json:"interface"`
	Reason    string    `json:"reason"`
	Try       string    `json:"try,omitempty"`
	At        time.Time `json:"at"`
	Times     uint64    `json:"times"`
}

// Leases are all bindings of the pools and the clients that got nothing lately.
type Leases struct {
	Leases  []Lease         `json:"leases"`
	Refused []RefusedClient `json:"refused"`
}

// Paths of the control socket. The filters of a query are words, each of which must be part of an
// address, MAC, DUID, network, interface or state.
const (
	pathLeases  = "/v1/leases"
	pathWatch   = "/v1/leases/watch"
	pathRelease = "/v1/leases/release"
	keyFilter   = "filter"
	keyAddress  = "address"
)

// lease is what is shown of a binding.
func (s *Server) lease(l *leasestore.Lease, now clock.Instant, wall time.Time) Lease {
	at := func(i clock.Instant) time.Time { return wall.Add(time.Duration(i - now)).UTC().Truncate(time.Second) }
	out := Lease{
		Address: l.Prefix.String(), State: l.State.String(), DUID: l.DUID, IAID: l.IAID.String(),
		Network: l.Network, Interface: l.Interface, Granted: at(l.Granted),
		Preferred: uint32(l.Preferred / time.Second), Valid: uint32(l.Valid / time.Second),
	}
	if !l.Delegated {
		out.Address = l.Prefix.Addr().String()
	}
	if l.MAC != [6]byte{} {
		out.MAC = hosts.MAC(l.MAC).String()
	}
	if l.Via.IsValid() {
		out.Via = l.Via.String()
	}
	if ends := l.Ends(); ends != clock.Never {
		t := at(ends)
		out.Ends = &t
		if l.State == leasestore.Bound && !now.Before(ends) {
			out.State = leasestore.Expired.String()
		}
	}
	return out
}

// spelt writes words as what is shown is written: addresses in their short form, hex in lower case.
func spelt(words []string) []string {
	out := slices.Clone(words)
	for i, w := range out {
		if a, err := netip.ParseAddr(w); err == nil {
			out[i] = a.String()
		} else if strings.Contains(w, ":") && strings.Trim(w, "0123456789abcdefABCDEF:") == "" {
			out[i] = strings.ToLower(w)
		}
	}
	return out
}

// matches reports whether each word is part of something that is shown.
func matches(words []string, fields ...string) bool {
	for _, w := range words {
		if !slices.ContainsFunc(fields, func(f string) bool { return strings.Contains(f, w) }) {
			return false
		}
	}
	return true
}

func (l *Lease) matches(words []string) bool {
	return matches(words, l.Address, l.State, l.MAC, l.DUID.String(), l.Network, l.Interface)
}

// chunk is how many leases the loop shows at one time: others wait meanwhile.
const chunk = 4096

// Leases returns the bindings that a filter lets through, by their addresses, and the clients without one. What was
// never stored nobody was told of.
func (s *Server) Leases(ctx context.Context, words []string) (Leases, error) {
	words = spelt(words)
	var all []*pool.Binding
	out := Leases{Leases: []Lease{}, Refused: []RefusedClient{}}
	err := s.inLoop(ctx, func() {
		all = make([]*pool.Binding, 0, s.engine.bindings.Len())
		for b := range s.engine.bindings.All {
			all = append(all, b)
		}
		out.Refused = s.refusedClients(words)
	})
	slices.SortFunc(all, func(a, b *pool.Binding) int { // by what a binding never changes: the loop goes on
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Prefix().Bits(), b.Prefix().Bits()))
	})
	for part := range slices.Chunk(all, chunk) {
		if err != nil {
			break
		}
		list := make([]leasestore.Lease, 0, len(part))
		err = s.inLoop(ctx, func() {
			for _, b := range part {
				if b.Stored && s.engine.bindings.At(b.Prefix()) == b { // and not gone meanwhile
					list = append(list, b.Lease())
				}
			}
		})
		now, wall := s.opts.Clock.Now(), time.Now()
		for i := range list {
			if l := s.lease(&list[i], now, wall); l.matches(words) {
				out.Leases = append(out.Leases, l)
			}
		}
	}
	return out, err
}

func (s *Server) refusedClients(words []string) []RefusedClient {
	now, wall := s.opts.Clock.Now(), time.Now()
	out := []RefusedClient{}
	for _, r := range s.engine.Refused(now) {
		c := RefusedClient{
			DUID: r.DUID, Network: r.Network, Interface: r.Interface, Reason: r.Reason, Try: r.Try, Times: r.Times,
			At: wall.Add(-now.Sub(r.At)).UTC().Truncate(time.Second),
		}
		if r.MAC != (hosts.MAC{}) {
			c.MAC = r.MAC.String()
		}
		if matches(words, c.MAC, c.DUID.String(), c.Network, c.Interface, "refused") {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b RefusedClient) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.MAC, b.MAC), cmp.Compare(a.DUID, b.DUID))
	})
	return out
}

// inLoop lets the loop do something, and waits for it.
func (s *Server) inLoop(ctx context.Context, f func()) error {
	done := make(chan struct{})
	if !s.tell(func() { f(); close(done) }) {
		return errStopped
	}
	select {
	case <-done:
		return nil
	case <-s.done:
		return errStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errStopped = errors.New("the server has stopped")

// Release takes a binding from its client, who is not told, and returns it when that is on disk.
func (s *Server) Release(ctx context.Context, text string) (Lease, error) {
	p, err := parseBinding(text)
	if err != nil {
		return Lease{}, &fault.Fault{Err: err, Cure: "write the address as `v6responder leases list` shows it", Exit: fault.ExitUsage}
	}
	var out Lease
	var stored <-chan error
	err = s.inLoop(ctx, func() {
		if b := s.engine.bindings.At(p); b != nil {
			l := b.Lease()
			out = s.lease(&l, s.opts.Clock.Now(), time.Now())
			s.step(Revoke{p})
			stored = s.outcome(s.engine.commits.last)
		}
	})
	switch {
	case err != nil:
		return out, err
	case stored == nil:
		return out, &fault.Fault{
			Err:  fmt.Errorf("%s is leased to nobody", text),
			Cure: "see v6responder leases list; a reservation is taken back where it is written",
		}
	}
	select {
	case err = <-stored:
	case <-s.done:
		err = errStopped
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return out, fmt.Errorf("%s is not released: %w", text, withCure(err))
	}
	return out, nil
}

// parseBinding reads an address or a delegated prefix.
func parseBinding(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil && p == p.Masked() {
		return p, nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is6() || a.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%.60q is no IPv6 address", text)
	}
	return netip.PrefixFrom(a, 128), nil
}

// publish tells those who watch.
func (s *Server) publish(c *Changed) {
	if len(s.watching) == 0 {
		return
	}
	l := s.lease(c.Lease, s.opts.Clock.Now(), time.Now())
	l.Event = c.Event
	for w := range s.watching {
		select {
		case w <- l:
		default:
			delete(s.watching, w)
			close(w)
		}
	}
}

// handleLeases answers what is asked of bindings.
func (s *Server) handleLeases(mux *http.ServeMux) {
	mux.HandleFunc("GET "+pathLeases, func(w http.ResponseWriter, r *http.Request) {
		reply(w, func() (any, error) { return s.Leases(r.Context(), r.URL.Query()[keyFilter]) })
	})
	mux.HandleFunc("POST "+pathRelease, func(w http.ResponseWriter, r *http.Request) {
		reply(w, func() (any, error) { return s.Release(r.Context(), r.URL.Query().Get(keyAddress)) })
	})
	mux.HandleFunc("GET "+pathWatch, s.watchLeases)
}

// reply answers a request by what f returns.
func reply(w http.ResponseWriter, f func() (any, error)) {
	v, err := f()
	if err != nil {
		answer(w, http.StatusInternalServerError, failureOf(err))
		return
	}
	answer(w, http.StatusOK, v)
}

// watchLeases answers by one line for each change, until whoever asked goes.
func (s *Server) watchLeases(w http.ResponseWriter, r *http.Request) {
	c := make(chan Lease, maxBehind)
	if err := s.inLoop(r.Context(), func() { s.watching[c] = true }); err != nil {
		answer(w, http.StatusInternalServerError, failureOf(err))
		return
	}
	defer func() {
		_ = s.inLoop(context.WithoutCancel(r.Context()), func() { delete(s.watching, c) }) // else it has stopped
	}()
	words := spelt(r.URL.Query()[keyFilter])
	stream(w, r, c, s.done, func(l Lease) bool { return l.matches(words) })
}

// ListLeases asks the server that runs with the run folder dir for the bindings that the words let through.
func ListLeases(ctx context.Context, dir string, words []string) (out Leases, err error) {
	return out, ask(ctx, dir, http.MethodGet, pathLeases+"?"+url.Values{keyFilter: words}.Encode(), &out)
}

// ReleaseLease asks it to take a binding from its client.
func ReleaseLease(ctx context.Context, dir, address string) (out Lease, err error) {
	return out, ask(ctx, dir, http.MethodPost, pathRelease+"?"+url.Values{keyAddress: {address}}.Encode(), &out)
}

// WatchLeases calls told for each change of a binding that the words let through, until the context ends,
// which is no error, or the server stops.
func WatchLeases(ctx context.Context, dir string, words []string, told func(Lease) error) error {
	return follow(ctx, dir, pathWatch, words, told)
}
