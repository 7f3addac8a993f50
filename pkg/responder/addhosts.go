package responder

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/responder/hosts"
	"github.com/v6guest/v6guest/pkg/wire"
)

// addedFile stands where the name of a hosts file stands, for what was added by the command.
const addedFile = "hosts add"

// addedPrefix is what the names of added hosts begin with in the store; the values are their lines.
const addedPrefix = "host/"

// Paths of the control socket, and their keys.
const (
	pathHosts    = "/v1/hosts"
	pathAddHost  = "/v1/hosts/add"
	pathDropHost = "/v1/hosts/del"
	keyLine      = "line"
	keyClient    = "client"
)

// A HostLine is a reservation as the commands show it.
type HostLine struct {
	Clients   []string `json:"clients"` // MACs and DUIDs
	Addresses []string `json:"addresses"`
	Name      string   `json:"name,omitempty"`
	Tags      []string `json:"tags,omitempty"`
	Ignore    bool     `json:"ignore,omitempty"`
	// Lifetime is what the line says, preferred and valid; 4294967295 for ever, missing where the network's hold.
	Lifetime uint32 `json:"lifetime_seconds,omitempty"`
	Where    string `json:"where"` // file and line, or "hosts add"
	// Warnings say what of it does not hold, since the hosts file wins, or since the address is none for it.
	Warnings []string `json:"warnings,omitempty"`
}

func hostLine(h *hosts.Host) HostLine {
	out := HostLine{Name: h.Name, Tags: h.Tags(), Ignore: h.Ignore, Where: h.Where(), Clients: append([]string{}, h.Clients()...), Addresses: []string{}}
	out.Lifetime = uint32(h.Lifetime / time.Second)
	for _, a := range h.Addrs() {
		out.Addresses = append(out.Addresses, a.String())
	}
	return out
}

// parseAdded reads a line as `hosts add` takes it: one of the hosts file.
func parseAdded(line string) (*hosts.Host, error) {
	list, problems := hosts.Parse(addedFile, line+"\n")
	problems = slices.DeleteFunc(problems, func(p hosts.Problem) bool { return p.Warning }) // told by warnings
	var err error
	switch {
	case len(problems) > 0:
		err = problems[0].Err
	case len(list) != 1 || strings.ContainsAny(line, "\r\n"):
		err = fmt.Errorf("%.80q is no reservation for IPv6", line)
	case len(list[0].Addrs())+len(list[0].Tags()) == 0 && list[0].Lifetime == 0 && !list[0].Ignore:
		err = fmt.Errorf("%.80q says nothing of its client: neither an address, nor a tag, nor a lifetime", line)
	default:
		list[0].Line = 0
		return &list[0], nil
	}
	return nil, &fault.Fault{
		Err: err, Exit: fault.ExitUsage,
		Cure: "write it as a line of the hosts file: 06:a0:f0:00:00:38,[2001:db8:1::38],vm-38",
	}
}

// owned tells which addresses of a host another one has: those that are written alike, and those that both mean in a
// served network, of which a line may give the interface identifier only.
func (s *Server) owned(h *hosts.Host, owner func(netip.Addr) *hosts.Host, tell func(netip.Addr, *hosts.Host)) {
	var told []netip.Addr
	check := func(a netip.Addr, alike bool) {
		o := owner(a)
		if o == nil || o == h || slices.Contains(told, a) || alike && !slices.Contains(o.Addrs(), a) {
			return
		}
		told = append(told, a)
		tell(a, o)
	}
	for _, a := range h.Addrs() {
		check(a, true)
	}
	for i := range s.opts.Config.Networks {
		for _, a := range h.Within(s.opts.Config.Networks[i].Prefix) {
			check(a, false)
		}
	}
}

// contradicted says what of an added host does not hold, since the hosts file says otherwise.
func (s *Server) contradicted(h *hosts.Host) []string {
	var out []string
	s.owned(h, s.index.Owner, func(a netip.Addr, o *hosts.Host) {
		out = append(out, fmt.Sprintf("[%s] is reserved in %s, which wins", a, o.Where()))
	})
	same := func(o *hosts.Host, who string) {
		for i := range s.opts.Config.Networks {
			if p := s.opts.Config.Networks[i].Prefix; len(o.Within(p)) > 0 && len(h.Within(p)) > 0 {
				out = append(out, fmt.Sprintf("%s has an address in %s by %s, which wins", who, p, o.Where()))
			}
		}
	}
	for _, m := range h.MACs() {
		for o := range s.index.ByMAC(m) {
			same(o, m.String())
		}
	}
	for _, d := range h.DUIDs() {
		for o := range s.index.ByDUID(d) {
			same(o, d.String())
		}
	}
	return out
}

// warnings say what of an added host does not hold, or will not do what it may have been meant for.
func (s *Server) warnings(h *hosts.Host) []string {
	out := s.contradicted(h)
	for _, a := range h.Addrs() {
		if what := hosts.Doubtful(a); what != "" {
			out = append(out, what)
		}
	}
	return append(out, s.opts.Config.doubts(h, s.engine.self)...)
}

// leasedStill says which clients of pools have an address that has just been reserved for another.
func (s *Server) leasedStill(h *hosts.Host) (out []string) {
	for i := range s.opts.Config.Networks {
		for _, a := range h.Within(s.opts.Config.Networks[i].Prefix) {
			b := s.engine.bindings.At(netip.PrefixFrom(a, a.BitLen()))
			if b != nil && b.Live(s.opts.Clock.Now()) && !slices.Contains(h.MACs(), b.MAC()) && !slices.ContainsFunc(h.DUIDs(), b.Of) {
				out = append(out, fmt.Sprintf("[%s] is leased to %s, which keeps it until it renews next: let the new client start after that", a, b.MAC()))
			}
		}
	}
	return out
}

// addedProblems are those of all added hosts.
func (s *Server) addedProblems() []hosts.Problem {
	var out []hosts.Problem
	all := slices.DeleteFunc(s.engine.hosts.Added.All(), func(h *hosts.Host) bool { return len(s.warnings(h)) == 0 })
	hosts.SortByKey(all)
	for _, h := range all[:min(len(all), hosts.MaxProblems)] {
		for _, w := range s.warnings(h) {
			if len(out) < hosts.MaxProblems {
				out = append(out, hosts.Problem{File: addedFile, Warning: true, Err: fmt.Errorf("%s: %s", h.Key(), w)})
			}
		}
	}
	return out
}

// AddHost reserves what a line says, in place of what an earlier one says for the same client: durable in
// the store, and in force at once.
func (s *Server) AddHost(ctx context.Context, line string) (HostLine, error) {
	h, err := parseAdded(strings.TrimSpace(line))
	if err != nil {
		return HostLine{}, err
	}
	s.adding.Lock() // one at a time: what is checked holds until it is stored
	defer s.adding.Unlock()
	var store *leasestore.Store
	var taken error
	err = s.inLoop(ctx, func() {
		store, taken = s.store, s.unusable()
		s.owned(h, s.engine.hosts.Added.Owner, func(a netip.Addr, o *hosts.Host) {
			if o.Key() != h.Key() {
				taken = &fault.Fault{
					Err:  fmt.Errorf("[%s] is reserved for %s already", a, o.Key()),
					Cure: "take that one out first: v6responder hosts del " + o.Key(),
				}
			}
		})
	})
	switch {
	case err != nil:
		return HostLine{}, err
	case taken != nil:
		return HostLine{}, taken
	case store == nil:
		return HostLine{}, errNoStore
	}
	if err := store.Commit(ctx, leasestore.Set{Name: addedPrefix + h.Key(), Value: []byte(strings.TrimSpace(line))}); err != nil {
		return HostLine{}, fmt.Errorf("the host is not added: %w", withCure(err))
	}
	out := hostLine(h)
	err = s.inLoop(ctx, func() {
		s.step(HostPut{h})
		out.Warnings = append(s.warnings(h), s.leasedStill(h)...)
		s.log.Info("host added", "client", h.Key(), "addresses", h.Addrs(), "name", h.Name)
		for _, w := range out.Warnings {
			s.log.Warn("hosts: doubtful line", "problem", addedFile+": "+h.Key()+": "+w)
		}
	})
	return out, err
}

var errNoStore = &fault.Fault{
	Err: errors.New("the lease store is not there, as the log says since the start"), Cure: "give v6responder a state folder that it can write to",
}

// DropHost takes back what was added for a client, named by MAC, DUID or address.
func (s *Server) DropHost(ctx context.Context, client string) (HostLine, error) {
	s.adding.Lock()
	defer s.adding.Unlock()
	var h, inFile *hosts.Host
	var store *leasestore.Store
	name := parseClientName(client)
	var unusable error
	if err := s.inLoop(ctx, func() { h, inFile, store, unusable = s.findAdded(name), s.inFile(name), s.store, s.unusable() }); err != nil {
		return HostLine{}, err
	}
	switch {
	case unusable != nil:
		return HostLine{}, unusable
	case h == nil && inFile != nil:
		return HostLine{}, fault.New(fault.ExitFailure, "take it out of that file", "%s stands in %s", client, inFile.Where())
	case h == nil:
		return HostLine{}, fault.New(fault.ExitFailure, "see v6responder hosts list", "nothing was added for %.80q", client)
	case store == nil:
		return HostLine{}, errNoStore
	}
	if err := store.Commit(ctx, leasestore.Unset{Name: addedPrefix + h.Key()}); err != nil {
		return HostLine{}, fmt.Errorf("the host is not taken out: %w", withCure(err))
	}
	err := s.inLoop(ctx, func() {
		s.step(HostDropped{h.Key()})
		s.log.Info("host taken out", "client", h.Key())
	})
	return hostLine(h), err
}

// A clientName is how a person names a client; what it is not is zero.
type clientName struct {
	text string
	addr netip.Addr
	mac  hosts.MAC // also of a DUID-LL
	duid wire.DUID // any other
}

func parseClientName(text string) clientName {
	n := clientName{text: text}
	if a, err := netip.ParseAddr(text); err == nil {
		n.addr = a
	} else if mac, err := net.ParseMAC(text); err == nil && len(mac) == len(n.mac) {
		n.mac = hosts.MAC(mac)
	} else if d, err := wire.ParseDUID(strings.TrimPrefix(text, "id:")); err == nil {
		if mac, ok := d.MAC(); ok && len(mac) == len(n.mac) {
			n.mac = hosts.MAC(mac)
		} else {
			n.duid = d
		}
	}
	return n
}

// findAdded is what was added for a client, nil if nothing was.
func (s *Server) findAdded(n clientName) *hosts.Host {
	added := s.engine.hosts.Added
	switch {
	case n.addr.IsValid():
		return added.Owner(n.addr)
	case n.mac != hosts.MAC{}:
		return added.Get(n.mac.String())
	case n.duid != "":
		return added.Get(hosts.DUIDKey(n.duid))
	}
	return added.Get(n.text)
}

// inFile is a line of the hosts file that speaks of the client, nil if there is none.
func (s *Server) inFile(n clientName) *hosts.Host {
	if n.addr.IsValid() {
		return s.index.Owner(n.addr)
	}
	for h := range s.index.ByMAC(n.mac) {
		return h
	}
	return nil
}

// hostsChunk is how many added hosts the loop holds against the others at one time: guests wait meanwhile.
const hostsChunk = 256

// Hosts returns the reservations that a filter lets through: those of the files, then those that were added.
func (s *Server) Hosts(ctx context.Context, words []string) ([]HostLine, error) {
	words = spelt(words)
	var index *hosts.Index
	var added []*hosts.Host
	out := []HostLine{}
	if err := s.inLoop(ctx, func() { index, added = s.index, s.engine.hosts.Added.All() }); err != nil {
		return out, err
	}
	passes := func(l *HostLine) bool {
		return matches(words, slices.Concat(l.Clients, l.Addresses, l.Tags, []string{l.Name, l.Where})...)
	}
	for h := range index.All() {
		if l := hostLine(h); passes(&l) {
			out = append(out, l)
		}
	}
	added = slices.DeleteFunc(added, func(h *hosts.Host) bool { // a Host never changes: the loop goes on
		l := hostLine(h)
		return !passes(&l)
	})
	hosts.SortByKey(added)
	for part := range slices.Chunk(added, hostsChunk) {
		lines := make([]HostLine, len(part))
		for i, h := range part {
			lines[i] = hostLine(h)
		}
		err := s.inLoop(ctx, func() {
			for i, h := range part {
				if lines[i].Warnings = s.warnings(h); s.engine.hosts.Added.Get(h.Key()) != h { // gone meanwhile
					lines[i].Clients = nil
				}
			}
		})
		if err != nil {
			return out, err
		}
		out = append(out, slices.DeleteFunc(lines, func(l HostLine) bool { return l.Clients == nil })...)
	}
	return out, nil
}

// handleHosts answers what is asked of hosts.
func (s *Server) handleHosts(mux *http.ServeMux) {
	mux.HandleFunc("GET "+pathHosts, func(w http.ResponseWriter, r *http.Request) {
		reply(w, func() (any, error) { return s.Hosts(r.Context(), r.URL.Query()[keyFilter]) })
	})
	mux.HandleFunc("POST "+pathAddHost, func(w http.ResponseWriter, r *http.Request) {
		reply(w, func() (any, error) { return s.AddHost(r.Context(), r.URL.Query().Get(keyLine)) })
	})
	mux.HandleFunc("POST "+pathDropHost, func(w http.ResponseWriter, r *http.Request) {
		reply(w, func() (any, error) { return s.DropHost(r.Context(), r.URL.Query().Get(keyClient)) })
	})
}

// ListHosts asks the server that runs with the run folder dir for the reservations that the words let through.
func ListHosts(ctx context.Context, dir string, words []string) (out []HostLine, err error) {
	return out, ask(ctx, dir, http.MethodGet, pathHosts+"?"+url.Values{keyFilter: words}.Encode(), &out)
}

// AddHost asks it to reserve what a line of the hosts file says.
func AddHost(ctx context.Context, dir, line string) (out HostLine, err error) {
	return out, ask(ctx, dir, http.MethodPost, pathAddHost+"?"+url.Values{keyLine: {line}}.Encode(), &out)
}

// DropHost asks it to take back what was added for a client, named by MAC, DUID or address.
func DropHost(ctx context.Context, dir, client string) (out HostLine, err error) {
	return out, ask(ctx, dir, http.MethodPost, pathDropHost+"?"+url.Values{keyClient: {client}}.Encode(), &out)
}
