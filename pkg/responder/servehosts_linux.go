package responder

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/responder/hosts"
)

// A HostsSummary says what is in force.
type HostsSummary struct {
	Lines int `json:"lines"` // reservations, ignore lines and those that only set tags
	hosts.Tally
	Problems []string `json:"problems"` // what the Tally counts, in words, and what is only doubtful
}

// A hostsUpdate is what a watcher of hosts tells.
type hostsUpdate struct {
	from *hosts.Watcher
	hosts.Update
}

// followHosts begins to read the hosts, in place of those that were followed before.
func (s *Server) followHosts() error {
	var w *hosts.Watcher
	if path := s.opts.Config.Hosts; path != "" {
		var err error
		if w, err = hosts.NewWatcher(path, s.opts.Clock); err != nil {
			return &fault.Fault{Err: err, Cure: "make the folder that holds the hosts file, or correct hosts in [server]"}
		}
	}
	if s.unfollow != nil {
		s.unfollow()
	}
	s.mu.Lock()
	s.watcher = w
	s.mu.Unlock()
	if w == nil {
		s.index = nil
		s.step(HostsChanged{})
		s.logHosts(hosts.Update{Problems: s.addedProblems()})
		return nil
	}
	ctx, cancel := context.WithCancel(s.ctx)
	s.unfollow = cancel
	s.spawn(func() {
		if err := w.Run(ctx, func(u hosts.Update) { s.tell(hostsUpdate{w, u}) }); err != nil {
			s.stop(err)
		}
	})
	return nil
}

// awaitHosts waits until the hosts are in force: before that every guest would be told that there is no
// address for it.
func (s *Server) awaitHosts() error {
	if s.opts.Config.Hosts == "" {
		return nil
	}
	if err := s.followHosts(); err != nil {
		return err
	}
	for s.index == nil {
		select {
		case ev := <-s.in:
			if err := s.handle(ev); err != nil {
				return err
			}
		case <-s.ctx.Done():
			return stopped(s.ctx)
		}
	}
	return nil
}

// logHosts writes what changed about the hosts.
func (s *Server) logHosts(u hosts.Update) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.problems
	s.problems = make(map[string]bool, len(u.Problems))
	summary := HostsSummary{Lines: u.Index.Len(), Problems: make([]string, 0, len(u.Problems))}
	for _, p := range u.Problems {
		text := p.String()
		s.problems[text] = true
		summary.Problems = append(summary.Problems, text)
		summary.Add(p)
		if !before[text] {
			s.log.Warn(kind(p), "problem", text)
		}
	}
	if s.summary.Lines != summary.Lines {
		s.log.Info("reservations", "lines", summary.Lines)
	}
	s.summary = summary
}

// ownAddress takes in an address that this machine has now, and tells of the line that reserves it.
func (s *Server) ownAddress(a netip.Addr) {
	known := s.engine.self[a]
	s.step(OwnAddress{Addr: a})
	h := s.engine.hosts.Owner(a)
	if known || h == nil {
		return
	}
	for i := range s.opts.Config.Networks {
		if n := &s.opts.Config.Networks[i]; n.Prefix.Contains(a) {
			s.log.Warn(kind(hosts.Problem{Warning: true}), "problem", h.Where()+": "+n.doubt(a, s.engine.self))
		}
	}
}

// kind is the log's message for a problem.
func kind(p hosts.Problem) string {
	switch {
	case p.Unread:
		return "hosts: file not read; the lines that it had before stay in force"
	case p.Warning:
		return "hosts: doubtful line"
	case p.Lines > 0:
		return "hosts: lines left out"
	}
	return "hosts: line left out"
}

// Reread reads the hosts anew, each file as it stands now, and returns what is in force then.
func (s *Server) Reread(ctx context.Context) (HostsSummary, error) {
	s.mu.Lock()
	w := s.watcher
	s.mu.Unlock()
	if w != nil {
		if err := w.Reread(ctx); err != nil {
			return HostsSummary{}, fmt.Errorf("read the hosts: %w", err)
		}
	}
	// The update is in the loop's hands; what it takes in after this is behind it.
	if err := s.inLoop(ctx, func() {}); err != nil {
		return HostsSummary{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.summary, nil
}
