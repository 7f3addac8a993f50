package responder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/ra/sender"
	"github.com/v6guest/v6guest/pkg/wire"
)

// A Status is how a server is, for people and programs.
type Status struct {
	Version string  `json:"version"`
	PID     int     `json:"pid"`
	Uptime  Seconds `json:"uptime_seconds"`
	Summary string  `json:"summary"`
	// Problems are what somebody should look at.
	Problems []Problem `json:"problems"`

	DUID        wire.DUID `json:"duid"` // the server's; empty until its first NIC is there
	Identity    Identity  `json:"identity"`
	VerifyFrame bool      `json:"verify_frame"`

	Networks     []NetworkStatus     `json:"networks"`
	HostsFile    string              `json:"hosts_file,omitempty"`
	HostsLines   int                 `json:"hosts_lines"`
	AddedHosts   int                 `json:"added_hosts"` // by command
	Leases       int                 `json:"leases"`      // of the pools, those kept back or set aside included
	Refused      int                 `json:"refused"`     // clients that got nothing within the last hour
	Store        *StoreStatus        `json:"store,omitempty"`
	OtherServers []OtherServerStatus `json:"other_servers"`

	Received map[string]uint64 `json:"received"` // messages by type
	Sent     map[string]uint64 `json:"sent"`
	Dropped  map[string]uint64 `json:"dropped"` // by reason
}

// Seconds is a time in whole seconds in JSON.
type Seconds int64

// A Problem is something that is not as it should be.
type Problem struct {
	What string `json:"what"`
	Try  string `json:"try,omitempty"`
}

// A NetworkStatus is how one network is served.
type NetworkStatus struct {
	Name      string       `json:"name"`
	Interface string       `json:"interface,omitempty"` // missing for one that is reached through relays only
	State     string       `json:"state"`
	Prefix    netip.Prefix `json:"prefix"`
	Assign    Assign       `json:"assign"`
	MAC       string       `json:"mac,omitempty"`
	LinkLocal string       `json:"link_local,omitempty"` // from which answers come
	Pool      *PoolStatus  `json:"pool,omitempty"`
	Prefixes  *PoolStatus  `json:"prefix_pool,omitempty"`
	RA        *RAStatus    `json:"ra,omitempty"` // missing while no advertisements are sent

	wantsRouter bool
}

// The states of a network.
const (
	stateServed  = "served"
	stateRelays  = "served through relays"
	stateMissing = "its interface is missing"
	stateDown    = "its interface is down"
	stateMute    = "its interface has no usable link-local address"
)

// A PoolStatus is how full a pool is.
type PoolStatus struct {
	Used uint64 `json:"used"` // given out, kept back or set aside
	Size uint64 `json:"size"`
	Full bool   `json:"full"` // nothing is left, or the limit is reached
}

// An RAStatus is what the sender of Router Advertisements does.
type RAStatus struct {
	RouterLifetime Seconds        `json:"router_lifetime_seconds"` // as it is sent: 0 while the NIC does not forward
	Sent           uint64         `json:"sent"`
	Solicitations  uint64         `json:"solicitations"`
	Next           *Seconds       `json:"next_seconds,omitempty"` // until the next unsolicited one
	Deprecated     []netip.Prefix `json:"deprecated,omitempty"`   // taken out of the configuration, and still named
	Routers        []RouterStatus `json:"other_routers"`
}

// A RouterStatus is another router on the link.
type RouterStatus struct {
	Address    netip.Addr `json:"address"`
	Default    bool       `json:"default_router"`
	Heard      Seconds    `json:"heard_seconds_ago"`
	Contradict []string   `json:"contradicts,omitempty"` // the fields in which it does
}

// A StoreStatus is how the lease store is.
type StoreStatus struct {
	Leases   int    `json:"leases"`
	Bytes    int64  `json:"bytes"`
	Queued   int    `json:"queued"` // changes that wait for the disk
	Commits  uint64 `json:"commits"`
	Failures uint64 `json:"failures"`
	Error    string `json:"error,omitempty"` // why nothing is stored now
	Try      string `json:"try,omitempty"`   // against the Error
	// Astray is what has become of the file that was removed, moved or replaced, while it is so and for an
	// hour after it was written again.
	Astray *Problem `json:"astray,omitempty"`
}

// An OtherServerStatus is another DHCPv6 server that guests have spoken to within the last hour.
type OtherServerStatus struct {
	Interface string    `json:"interface"`
	DUID      wire.DUID `json:"duid"`
}

// Status says how the server is.
func (s *Server) Status(ctx context.Context) (Status, error) {
	var out Status
	var now clock.Instant
	senders := map[string]*sender.Runner{}
	err := s.inLoop(ctx, func() {
		now = s.opts.Clock.Now()
		out = s.status(now)
		for name, p := range s.ports {
			if p.ra != nil {
				senders[name] = p.ra.runner
			}
		}
	})
	if err != nil {
		return out, err
	}
	s.mu.Lock()
	out.HostsLines = s.summary.Lines
	hostsProblems := len(s.summary.Problems)
	s.mu.Unlock()
	for i := range out.Networks {
		if r := senders[out.Networks[i].Interface]; r != nil {
			if snap, err := r.Snapshot(ctx); err == nil { // else it has just ended
				out.Networks[i].RA = advertised(snap, now)
			}
		}
	}
	out.judge(hostsProblems)
	return out, nil
}

// status is what the loop knows.
func (s *Server) status(now clock.Instant) Status {
	c, e := s.opts.Config, s.engine
	counts := s.counts()
	out := Status{
		Version: s.opts.Version, PID: os.Getpid(), Uptime: Seconds(now.Sub(s.began) / time.Second), Problems: []Problem{},
		DUID: s.duid, Identity: cmp.Or(c.Identity, IdentityDUID), VerifyFrame: !c.AnyFrame,
		HostsFile: c.Hosts, AddedHosts: e.hosts.Added.Len(), Leases: e.bindings.Len(), Refused: len(e.Refused(now)),
		Networks: []NetworkStatus{}, OtherServers: []OtherServerStatus{},
		Received: counted(counts, "received "), Sent: counted(counts, "sent "), Dropped: counted(counts, "dropped: "),
	}
	for i := range c.Networks {
		out.Networks = append(out.Networks, s.networkStatus(&c.Networks[i]))
	}
	if s.store != nil {
		stats := s.storeStats()
		out.Store = &StoreStatus{Leases: stats.Leases, Bytes: stats.Bytes, Queued: stats.Queued, Commits: stats.Commits, Failures: stats.Failures}
		if err := e.commits.failure; err != nil && !s.isBack(err) {
			out.Store.Error, out.Store.Try = err.Error(), cureOf(err)
		}
		out.Store.Astray = s.astray(stats.Astray, now)
	}
	for _, name := range slices.Sorted(maps.Keys(e.others)) {
		for _, duid := range slices.Sorted(maps.Keys(e.others[name])) {
			if now.Sub(e.others[name][duid]) < reportEvery {
				out.OtherServers = append(out.OtherServers, OtherServerStatus{name, duid})
			}
		}
	}
	return out
}

// astray is what should be known of the store's file, nil where nothing should.
func (s *Server) astray(still bool, now clock.Instant) *Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.straying
	if last.what == nil || last.back && now.Sub(last.at) >= reportEvery || !last.back && !still {
		return nil
	}
	return &Problem{last.what.Error(), last.what.Cure}
}

// isBack reports whether the error is of a file that is in its place again: the next change that is stored shows it.
func (s *Server) isBack(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.straying.back && s.straying.away != nil && errors.Is(err, s.straying.away)
}

// storesCure is what the store says against its error, "" for nothing.
func storesCure(err error) string {
	if f := (*leasestore.Fault)(nil); errors.As(err, &f) {
		return f.Cure
	}
	return ""
}

// cureOf is that, or what holds for any error of a disk.
func cureOf(err error) string { return cmp.Or(storesCure(err), "see to the disk of the state folder") }

// counted are the counts whose names begin with prefix, by the rest of their names.
func counted(counts map[string]uint64, prefix string) map[string]uint64 {
	out := map[string]uint64{}
	for k, n := range counts {
		if name, ok := strings.CutPrefix(k, prefix); ok {
			out[name] = n
		}
	}
	return out
}

func (s *Server) networkStatus(n *NetworkConfig) NetworkStatus {
	out := NetworkStatus{
		Name: n.Name, Interface: n.Interface, Prefix: n.Prefix, Assign: n.Assign, State: stateRelays,
		wantsRouter: n.RA.Send && n.RA.RouterLifetime > 0,
	}
	if p := s.engine.bindings.Pool(n.Name); p != nil {
		out.Pool = &PoolStatus{p.Used(), p.Size(), p.Full()}
	}
	if p := s.engine.bindings.Prefixes(n.Name); p != nil {
		out.Prefixes = &PoolStatus{p.Used(), p.Size(), p.Full()}
	}
	p := s.ports[n.Interface]
	if p == nil {
		return out
	}
	local := p.local()
	switch {
	case p.conn == nil:
		out.State = stateMissing
		return out
	case !p.nic.Up:
		out.State = stateDown
	case !local.IsValid():
		out.State = stateMute
	default:
		out.State, out.LinkLocal = stateServed, local.String()
	}
	out.MAC = p.nic.MAC.String()
	return out
}

// advertised is what a sender tells.
func advertised(snap sender.Snapshot, now clock.Instant) *RAStatus {
	out := &RAStatus{
		RouterLifetime: Seconds(snap.RouterLifetime / time.Second), Sent: snap.Multicast + snap.Unicast,
		Solicitations: snap.Solicitations, Deprecated: snap.Deprecated, Routers: []RouterStatus{},
	}
	if snap.Next != clock.Never {
		next := Seconds(max(0, snap.Next.Sub(now)) / time.Second)
		out.Next = &next
	}
	for _, o := range snap.Others {
		out.Routers = append(out.Routers, RouterStatus{o.Addr, o.Default, Seconds(max(0, now.Sub(o.Heard)) / time.Second), o.Contradict})
	}
	return out
}

// judge fills in what should be looked at, and the summary.
func (st *Status) judge(hostsProblems int) {
	problem := func(try, format string, args ...any) {
		st.Problems = append(st.Problems, Problem{fmt.Sprintf(format, args...), try})
	}
	if st.Store != nil {
		st.Store.judge(problem)
	}
	served := 0
	for i := range st.Networks {
		n := &st.Networks[i]
		if n.State == stateServed || n.State == stateRelays {
			served++
		} else {
			problem(map[string]string{
				stateMissing: "it is served as soon as " + n.Interface + " appears", stateDown: "ip link set " + n.Interface + " up",
				stateMute: "see ip -6 address show dev " + n.Interface + ": it may be tentative, or IPv6 be off there",
			}[n.State], "network %s: %s (%s)", n.Name, n.State, n.Interface)
		}
		n.judge(problem)
	}
	if hostsProblems > 0 {
		problem("see v6responder check-config for the files, and v6responder hosts list for what was added", "lines or files of the hosts that have something wrong: %d", hostsProblems)
	}
	for _, o := range st.OtherServers {
		problem("look for that server; if it is what this one was before it was rebuilt, write its DUID as duid = into [server]",
			"another DHCPv6 server is on the link of %s: %s", o.Interface, o.DUID)
	}
	st.Summary = fmt.Sprintf("%d of %d networks served, hosts lines: %d, leases: %d, problems: %d", served, len(st.Networks), st.HostsLines+st.AddedHosts, st.Leases, len(st.Problems))
}

// judge tells what should be looked at: of a file that is astray only that, which is why nothing is stored.
func (st *StoreStatus) judge(problem func(try, format string, args ...any)) {
	if st.Astray != nil {
		problem(st.Astray.Try, "%s", st.Astray.What)
	}
	if st.Error != "" && (st.Astray == nil || !strings.Contains(st.Error, st.Astray.What)) {
		problem(cmp.Or(st.Try, "see to the disk of the state folder")+"; reservations are served meanwhile", "bindings of the pools are not stored, and their clients get no answer: %s", st.Error)
	}
}

// judge tells what should be looked at in a network.
func (n *NetworkStatus) judge(problem func(try, format string, args ...any)) {
	if n.Pool != nil && n.Pool.Full {
		problem("make pool larger, or valid_lifetime shorter", "network %s: its pool is full", n.Name)
	}
	if n.Prefixes != nil && n.Prefixes.Full {
		problem("make pd_pool larger, or pd_length longer, or valid_lifetime shorter", "network %s: its pd_pool is full", n.Name)
	}
	if n.RA == nil {
		return
	}
	if n.wantsRouter && n.RA.RouterLifetime == 0 {
		problem("sysctl net.ipv6.conf."+n.Interface+".forwarding=1", "network %s: %s does not forward, and is not advertised as a default router", n.Name, n.Interface)
	}
	for _, r := range n.RA.Routers {
		if r.Default {
			problem("look for that router, unless it is meant to be there", "network %s: %s is a default router too", n.Name, r.Address)
		}
		if len(r.Contradict) > 0 {
			problem("let both say the same", "network %s: the router %s contradicts this one: %s", n.Name, r.Address, strings.Join(r.Contradict, ", "))
		}
	}
}

// pathStatus is where GET tells how the server is.
const pathStatus = "/v1/status"

func (s *Server) handleStatus(mux *http.ServeMux) {
	mux.HandleFunc("GET "+pathStatus, func(w http.ResponseWriter, r *http.Request) {
		reply(w, func() (any, error) { return s.Status(r.Context()) })
	})
}

// AskStatus asks the server that runs with the run folder dir how it is.
func AskStatus(ctx context.Context, dir string) (out Status, err error) {
	return out, ask(ctx, dir, http.MethodGet, pathStatus, &out)
}
