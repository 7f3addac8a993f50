package responder

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/responder/hosts"
	"github.com/v6guest/v6guest/pkg/wire"
)

// ErrRestart as the cause of a context's end (context.WithCancelCause) says that another instance
// follows at once: no Router Advertisement with lifetime 0 is sent (decision 14 of the design).
var ErrRestart = errors.New("the server is being restarted")

// Options are what a Server is made of.
type Options struct {
	Config *Config
	// Version is the program's, for the status.
	Version string
	// Load reads the configuration anew, for Reload; nil keeps the one there is.
	Load     func() (*Config, error)
	StateDir string // for the server's DUID and the lease store
	Log      *slog.Logger
	Clock    clock.Clock
	// HoldLog and ReleaseLog stand around all that the server does in one go: what is logged between them may
	// be written at once. Nil is allowed.
	HoldLog, ReleaseLog func()
	// Trace is called with each packet as one readable line, from several goroutines. Nil for none.
	Trace func(line string)
	// Ready is called once, when every NIC that is there is served. Nil is allowed.
	Ready func()
	// Alive is called from the server's loop, AliveEvery and as soon as it begins: where it is not, the loop
	// hangs. Never where AliveEvery is 0.
	Alive      func()
	AliveEvery time.Duration
	// Reservations is called whenever the number of reservations and leases together has changed by an
	// eighth, with the new one. Nil is allowed.
	Reservations func(n int)
}

// A Server serves the networks of a configuration, in the network namespace of the thread that calls
// Serve.
type Server struct {
	opts  Options
	log   *slog.Logger
	began clock.Instant

	in      chan any      // what other goroutines tell the loop
	done    chan struct{} // closed when the loop has ended
	readers sync.WaitGroup

	// turns is held by whoever uses what follows: the loop, and the goroutines that read packets, which
	// answer them by themselves. To wake a loop for them costs more than the answers.
	turns      sync.Mutex
	kernel     *link.Kernel
	udp        *udpConn
	engine     *Engine
	known      bool              // the server's DUID is: the engine can be asked
	store      *leasestore.Store // nil where there can be none, and no network has a pool
	pace       time.Duration     // of its commits
	outlived   leasestore.Stats  // of the stores in whose place this one is
	rebuilding rebuilding
	stored     *mailbox
	refused    []leasestore.Result     // what the store did not take and the engine must be told
	outcomes   map[uint64]chan<- error // who waits for what becomes of a Store
	timer      clock.Timer
	armed      clock.Instant // what it is set to
	index      *hosts.Index
	ports      map[string]*port     // the served NICs by name
	nics       map[int]link.NIC     // all of them
	locals     map[int][]netip.Addr // their usable link-local addresses
	duid       wire.DUID
	ctx        context.Context         // Serve's
	stop       context.CancelCauseFunc // ends the server with an error
	unfollow   context.CancelFunc      // ends the watcher of the hosts; nil where there is none
	decoder    wire.Decoder            // of what comes by the packet sockets
	message    Received                // that is being answered
	buf        []byte                  // of encode
	attrs      []slog.Attr             // of a line of the log
	meters     meters
	unsent     []*packetConn // those with answers that wait for flush

	prometheus *metricsListener // nil where nobody reads the metrics
	forwarding *forwardingWatch // nil where no network makes this machine a router
	forwards   map[int]bool     // the NICs that forward, by index

	watching map[chan Lease]bool // who is told of changes
	tracers  tracers             // who is shown packets

	told   int        // the size that was told last
	adding sync.Mutex // held while a host is added or taken out

	mu       sync.Mutex
	straying straying       // of the store's file
	watcher  *hosts.Watcher // nil without a hosts file
	summary  HostsSummary
	problems map[string]bool // that were written to the log
}

// NewServer returns a server that does nothing yet.
func NewServer(opts Options) *Server {
	s := &Server{
		opts: opts, log: opts.Log, began: opts.Clock.Now(), in: make(chan any, 256), done: make(chan struct{}),
		ports: map[string]*port{}, nics: map[int]link.NIC{}, locals: map[int][]netip.Addr{}, problems: map[string]bool{},
		forwards: map[int]bool{}, meters: newMeters(), stored: newMailbox(), watching: map[chan Lease]bool{}, outcomes: map[uint64]chan<- error{}, armed: clock.Never,
		engine: NewEngine(opts.Config.Engine("")), pace: commitPace,
	}
	for i := range opts.Config.Networks {
		s.addPort(&opts.Config.Networks[i])
	}
	return s
}

// addPort prepares to serve a network's NIC; the NIC need not be there.
func (s *Server) addPort(n *NetworkConfig) {
	if n.Interface != "" {
		s.ports[n.Interface] = &port{Server: s, network: n, log: s.log.With("interface", n.Interface)}
	}
}

// Serve serves until the context ends. It may be called once. Errors that a person can mend are Faults.
func (s *Server) Serve(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	s.ctx, s.stop = ctx, cancel
	defer func() {
		// After a failure somebody starts the server anew: only a stop that was asked for is one.
		final := err == nil && !errors.Is(context.Cause(ctx), ErrRestart)
		cancel(nil)
		err = errors.Join(err, s.close(final))
	}()
	if s.udp, err = openUDP(); err != nil {
		return err
	}
	if s.kernel, err = link.Open(link.Config{}); err != nil {
		return err
	}
	if s.timer, err = s.opts.Clock.NewTimer(); err != nil {
		return err
	}
	if err := s.openStore(); err != nil {
		return err
	}
	if err := s.begin(); err != nil {
		return err
	}
	if err := s.awaitHosts(); err != nil {
		return err
	}
	if err := s.followForwarding(); err != nil {
		return err
	}
	if err := s.listenMetrics(s.opts.Config.Metrics); err != nil {
		return err
	}
	events, err := s.kernel.Watch(ctx)
	if err != nil {
		return err
	}
	s.spawn(s.readUDP)
	return s.loop(ctx, events)
}

// begin finds the server's DUID, if it is known yet.
func (s *Server) begin() error {
	duid := s.opts.Config.DUID
	if duid == "" {
		var err error
		if duid, err = loadDUID(s.opts.StateDir); err != nil {
			return err
		}
	}
	if duid == "" && !s.opts.Config.servesNIC() {
		return &fault.Fault{
			Err:  errors.New("the server has no DUID: none is configured, and no network has an interface of which one could be made"),
			Cure: "write duid = … into [server]", Exit: fault.ExitUsage,
		}
	}
	s.identify(duid)
	return nil
}

// servesNIC reports whether a NIC is served, of whose MAC the server's DUID can be made.
func (c *Config) servesNIC() bool {
	return slices.ContainsFunc(c.Networks, func(n NetworkConfig) bool { return n.Interface != "" })
}

// identify lets the engine speak, unless the DUID is not known yet.
func (s *Server) identify(duid wire.DUID) {
	if duid == "" {
		return
	}
	s.known, s.duid = true, duid
	s.step(ConfigChanged{s.opts.Config.Engine(duid)})
	s.log.Info("server identity", "duid", duid)
}

// stopped is the error of a context that ended: nil if somebody asked for that.
func stopped(ctx context.Context) error {
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, ErrRestart) {
		return err
	}
	return nil
}

// turn runs f while nobody else uses the server's state, and then what there is to do after every change of
// it. What fails ends the server.
func (s *Server) turn(f func() error) {
	s.turns.Lock()
	defer s.turns.Unlock()
	if s.opts.HoldLog != nil {
		s.opts.HoldLog()
		defer s.opts.ReleaseLog()
	}
	err := f()
	if err == nil {
		err = s.settle()
	}
	if err != nil {
		s.stop(err)
	}
}

// settle does what there is to do after every change.
func (s *Server) settle() error {
	s.kept(nil)
	s.size()
	return s.arm()
}

// loop takes in everything but packets.
func (s *Server) loop(ctx context.Context, events *link.Watch) error {
	heart, err := newHeartbeat(s.opts)
	if err != nil {
		return err
	}
	defer func() { _ = heart.timer.Close() }() // nothing is lost with it
	ready := false
	s.turn(func() error { return nil })
	for {
		select {
		case <-ctx.Done():
			return stopped(ctx)
		case <-heart.timer.C():
			s.turn(heart.beat)
		case ev := <-s.in:
			s.turn(func() error { return s.handle(ev) })
		case <-s.stored.full:
			s.turn(func() error {
				s.kept(s.stored.fetch())
				s.flush()
				return nil
			})
		case <-s.timer.C():
			s.turn(func() error {
				s.armed = clock.Never
				s.due()
				return nil
			})
		case ev, ok := <-events.C:
			switch {
			case !ok && ctx.Err() != nil:
				return stopped(ctx)
			case !ok:
				return events.Err()
			}
			_, listed := ev.(link.Listed)
			s.turn(func() error { return s.linkEvent(ev) })
			if listed && !ready {
				ready = true
				s.turn(func() error { s.begun(); return nil })
			}
		}
	}
}

// size tells how much is kept, when that has changed by an eighth.
func (s *Server) size() {
	n := s.index.Len() + s.engine.bindings.Len()
	if s.opts.Reservations == nil || max(n-s.told, s.told-n) <= s.told/8 {
		return
	}
	s.told = n
	s.opts.Reservations(n)
}

// arm sets the timer to the engine's deadline.
func (s *Server) arm() error {
	at := s.engine.Deadline()
	if at == s.armed {
		return nil
	}
	s.armed = at
	return s.timer.Set(at)
}

// begun tells that every NIC that is there is served.
func (s *Server) begun() {
	for _, p := range s.ports {
		if p.nic.Index == 0 {
			p.log.Warn("interface is missing; it is served when it appears", "network", p.network.Name)
		}
	}
	if s.opts.Ready != nil {
		s.opts.Ready()
	}
}

// spawn runs a goroutine that Serve waits for.
func (s *Server) spawn(f func()) {
	s.readers.Add(1)
	go func() {
		defer s.readers.Done()
		f()
	}()
}

// tell hands something to the loop; it returns false when the loop has ended.
func (s *Server) tell(ev any) bool {
	select {
	case s.in <- ev:
		return true
	case <-s.done:
		return false
	}
}

// followForwarding hears whether the NICs forward, which a default router must.
func (s *Server) followForwarding() error {
	if s.forwarding != nil || !slices.ContainsFunc(s.opts.Config.Networks, func(n NetworkConfig) bool { return n.RA.routes() }) {
		return nil
	}
	w, err := watchForwarding()
	if err != nil {
		return err
	}
	s.forwarding = w
	s.spawn(func() {
		buf := make([]byte, 64<<10)
		for {
			list, err := w.read(buf)
			if errors.Is(err, os.ErrClosed) {
				return
			}
			if err != nil {
				s.stop(err)
				return
			}
			if !s.tell(list) {
				return
			}
		}
	})
	return nil
}

// close ends all goroutines, whose context has ended, and closes all sockets. At a final stop guests are
// told that this router is none any more.
func (s *Server) close(final bool) error {
	var waits []func()
	s.turns.Lock()
	for _, p := range s.ports {
		waits = append(waits, p.cease(final))
	}
	s.turns.Unlock()
	for _, wait := range waits {
		wait()
	}
	close(s.done)
	errs := []error{s.closeStore()} // its answers need the sockets
	s.turns.Lock()
	for _, p := range s.ports {
		p.close()
	}
	s.turns.Unlock()
	if s.prometheus != nil {
		s.prometheus.close()
	}
	if s.forwarding != nil {
		errs = append(errs, s.forwarding.close())
	}
	if s.udp != nil {
		errs = append(errs, s.udp.close())
	}
	if s.kernel != nil {
		errs = append(errs, s.kernel.Close())
	}
	s.readers.Wait()
	if s.timer != nil {
		errs = append(errs, s.timer.Close())
	}
	s.log.Info("stopped", "counts", s.counts())
	return errors.Join(errs...)
}

// handle does what one of the reading goroutines told.
func (s *Server) handle(ev any) error {
	switch ev := ev.(type) {
	case hostsUpdate:
		if ev.from != s.watcher { // of hosts that are not followed any more
			return nil
		}
		s.index = ev.Index
		s.step(HostsChanged{ev.Index})
		ev.Problems = slices.Concat(ev.Problems, s.opts.Config.doubtful(ev.Index, s.engine.self), s.addedProblems())
		s.logHosts(ev.Update)
	case []forwarding:
		return s.forwardingChanged(ev)
	case func():
		ev()
	}
	return nil
}

// forwardingChanged tells the senders of Router Advertisements.
func (s *Server) forwardingChanged(list []forwarding) error {
	var errs []error
	for _, f := range list {
		s.forwards[f.index] = f.on
		if p := s.byIndex(f.index); p != nil {
			errs = append(errs, p.advertise())
		}
	}
	return errors.Join(errs...)
}
