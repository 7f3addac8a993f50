package responder

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/fault"
	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/responder/foreign"
	"github.com/v6guest/v6guest/pkg/responder/hosts"
	"github.com/v6guest/v6guest/pkg/wire"
)

// An Imported is what has become of an import.
type Imported struct {
	Leases int `json:"leases"`
	Hosts  int `json:"hosts"`

	present int // that need not be taken over
	foreign.Told
}

// Err is the error of an import that has not taken over all: nothing of it (fault.ExitUsage), or not
// everything (fault.ExitFailure).
func (i *Imported) Err() error {
	left := len(i.Left) + i.More
	switch {
	case left == 0:
		return nil
	case i.Leases+i.Hosts == 0 && i.present == 0:
		return fault.New(fault.ExitUsage, "name a file of the kind that was named, or do what the lines say", "nothing of the file could be taken over")
	}
	return fault.New(fault.ExitFailure, "do what the lines say, then import it again; what has been taken over stays", "not everything could be taken over")
}

// importGroup is how many leases one commit takes.
const importGroup = 1024

// Import writes what another server's file says into the lease store of a server that does not run, unless
// dry is set. What it cannot take over it tells (Imported.Err).
func Import(ctx context.Context, c *Config, stateDir string, found foreign.Content, dry bool) (out Imported, err error) {
	clk := clock.Boottime{}
	im := &importer{ctx: ctx, config: c, known: map[netip.Prefix]bool{}, has: map[netip.Prefix]leaseClient{}, lengths: map[int]bool{}, reserved: hosts.NewSet(), before: hosts.NewSet(), wheres: map[netip.Addr]string{}}
	im.out.Told = foreign.Told{Left: append([]string{}, found.Left...), More: found.More, Notes: append([]string{}, found.Notes...)}
	if c.Hosts != "" {
		im.lines = hosts.Load(c.Hosts).Index
	}
	if !dry {
		load := func(l *leasestore.Lease) { im.know(l.Prefix, leaseClient{l.DUID, l.IAID}) }
		if im.store, err = openStore(stateDir, leasestore.Options{Clock: clk, Load: load}); err != nil {
			return im.out, err
		}
		defer func() { err = errors.Join(err, im.store.Close(), handOver(stateDir)) }()
		if err := im.added(); err != nil {
			return im.out, err
		}
	}
	for _, line := range found.Hosts {
		im.host(line)
	}
	im.keepHosts()
	im.now, im.wall = clk.Now(), time.Now()
	for i := range found.Leases {
		if err := im.lease(&found.Leases[i]); err != nil {
			return im.out, err
		}
	}
	return im.out, im.commit()
}

// An importer is an import under way.
type importer struct {
	ctx      context.Context
	config   *Config
	store    *leasestore.Store // nil where nothing is to be written
	now      clock.Instant
	wall     time.Time
	lines    *hosts.Index                 // of the hosts file
	reserved *hosts.Set                   // what this import reserves
	before   *hosts.Set                   // what was added before
	wheres   map[netip.Addr]string        // where this import reserves it
	known    map[netip.Prefix]bool        // that have a lease, or overlap one
	has      map[netip.Prefix]leaseClient // whose these are
	lengths  map[int]bool                 // of the prefixes among them
	changes  []leasestore.Change          // that are not committed yet
	out      Imported
}

// added reads what was added before.
func (im *importer) added() error {
	list, err := im.store.Values(addedPrefix)
	for _, v := range list {
		if h, err := parseAdded(string(v.Value)); err == nil { // else serve tells of it
			im.before.Put(h)
		}
	}
	return err
}

// A leaseClient is a client as leases have it.
type leaseClient struct {
	duid wire.DUID
	iaid wire.IAID
}

// lease takes a lease over.
func (im *importer) lease(l *foreign.Lease) error {
	if why := im.needless(l); why != "" {
		im.out.present++
		im.out.Note(l.Where, "%s %s", name(l), why)
		return nil
	}
	n, reason := im.config.poolOf(l)
	if reason == "" && im.taken(l.Prefix) {
		reason = "has a lease already, of another client; let this one get another, or take that one out by v6responder leases release"
	}
	if reason != "" {
		im.out.Leave(l.Where, "%s %s", name(l), reason)
		return nil
	}
	im.know(l.Prefix, leaseClient{l.DUID, l.IAID})
	valid := wire.Infinite
	if !l.Ends.IsZero() {
		valid = l.Ends.Sub(im.wall)
	}
	im.changes = append(im.changes, leasestore.Put{Lease: &leasestore.Lease{
		Prefix: l.Prefix, Delegated: l.Delegated, State: leasestore.Bound, DUID: l.DUID, IAID: l.IAID, MAC: l.MAC,
		Network: n.Name, Interface: n.Interface, Granted: im.now, Preferred: min(valid, n.Preferred), Valid: valid,
	}})
	im.out.Leases++
	if len(im.changes) < importGroup {
		return nil
	}
	return im.commit()
}

// needless says why a lease need not be taken over, "" if it must be.
func (im *importer) needless(l *foreign.Lease) string {
	a := l.Prefix.Addr()
	switch n := im.config.networkOf(a); {
	case !l.Ends.IsZero() && !l.Ends.After(im.wall):
		return "has ended"
	case im.has[l.Prefix] == leaseClient{l.DUID, l.IAID}:
		return "is that client's already"
	case l.Delegated || n == nil:
		return ""
	case reservedFor(im.lines.Owner(a), l), reservedFor(im.reserved.Owner(a), l), reservedFor(im.before.Owner(a), l):
		return "is reserved for its client"
	case n.Assign == AssignEUI64 && l.MAC != [6]byte{} && a == eui64(n.Prefix, l.MAC):
		return "is what its client's MAC makes"
	}
	return ""
}

// reservedFor reports whether the host is the lease's client.
func reservedFor(h *hosts.Host, l *foreign.Lease) bool {
	return h != nil && h.Is(l.MAC, l.DUID)
}

// know notes that there is a lease of it. Where it is a delegated prefix that is longer than those which are
// delegated now, the one that it is in is none to give either.
func (im *importer) know(p netip.Prefix, c leaseClient) {
	im.known[p], im.has[p] = true, c
	if p.Bits() == 128 {
		return
	}
	im.lengths[p.Bits()] = true
	for i := range im.config.Networks {
		if bits := im.config.Networks[i].Delegation.Length; bits < p.Bits() {
			im.known[netip.PrefixFrom(p.Addr(), bits).Masked()] = true
		}
	}
}

// taken reports whether there is a lease of it, or of a prefix that overlaps it.
func (im *importer) taken(p netip.Prefix) bool {
	for bits := range im.lengths {
		if bits < p.Bits() && p.Bits() < 128 && im.known[netip.PrefixFrom(p.Addr(), bits).Masked()] {
			return true
		}
	}
	return im.known[p]
}

// name is how a lease is spoken of.
func name(l *foreign.Lease) string {
	if l.Delegated {
		return l.Prefix.String()
	}
	return l.Prefix.Addr().String()
}

// host takes a reservation over. One client may have several, in several subnets: they are one line.
func (im *importer) host(line foreign.Line) {
	h, err := parseAdded(line.Text)
	if err != nil {
		im.out.Leave(line.Where, "%v; write it by v6responder hosts add as it should be", err)
		return
	}
	for _, a := range h.Addrs() {
		for _, o := range []*hosts.Host{im.reserved.Owner(a), im.before.Owner(a)} {
			if o != nil && o.Key() != h.Key() {
				im.out.Leave(line.Where, "[%s] is reserved for %s already (%s); give one of them another address", a, o.Key(), cmp.Or(im.wheres[a], o.Where()))
				return
			}
		}
	}
	added := h.Addrs()
	doubts := im.config.doubts(h, nil)
	if o := im.reserved.Get(h.Key()); o != nil {
		for _, a := range o.Addrs() {
			if !slices.Contains(h.Addrs(), a) {
				h = h.With(a)
			}
		}
	}
	im.reserved.Put(h)
	im.out.Hosts++
	for _, a := range added {
		im.wheres[a] = line.Where
		if what := hosts.Doubtful(a); what != "" {
			im.out.Note(line.Where, "%s", what)
		}
	}
	for _, what := range doubts {
		im.out.Note(line.Where, "%s", what)
	}
}

// keepHosts begins to store the reservations.
func (im *importer) keepHosts() {
	all := im.reserved.All()
	hosts.SortByKey(all)
	for _, h := range all {
		im.changes = append(im.changes, leasestore.Set{Name: addedPrefix + h.Key(), Value: []byte(h.Spelt())})
	}
}

// commit makes what was taken over since the last time durable.
func (im *importer) commit() error {
	changes := im.changes
	im.changes = nil
	if im.store == nil || len(changes) == 0 {
		return nil
	}
	return im.store.Commit(im.ctx, changes...)
}

// networkOf is the network whose prefix holds the address, nil if there is none.
func (c *Config) networkOf(a netip.Addr) *NetworkConfig {
	for i := range c.Networks {
		if c.Networks[i].Prefix.Contains(a) {
			return &c.Networks[i]
		}
	}
	return nil
}

// poolOf is the network in whose pool the lease is, or why it is in none.
func (c *Config) poolOf(l *foreign.Lease) (*NetworkConfig, string) {
	if l.Delegated {
		for i := range c.Networks {
			d := &c.Networks[i].Delegation
			if l.Prefix.Bits() == d.Length && overlapsAny(l.Prefix, d.Prefixes) && !overlapsAny(l.Prefix, d.Exclude) {
				return &c.Networks[i], ""
			}
		}
		return nil, "is in no network's pd_pool, or of another length than pd_length; configure both so that it fits, or let its client get another"
	}
	a := l.Prefix.Addr()
	n := c.networkOf(a)
	switch {
	case n == nil:
		return nil, "is in no network's prefix; write a [network NAME] with its prefix into the configuration"
	case !n.Pool.Ranges.Contains(a) || n.Pool.Exclude.Contains(a):
		return nil, "is not in the pool of network " + n.Name + "; make pool larger, or reserve it by a line of the hosts file"
	}
	return n, ""
}

// handOver gives the store to whom the state folder belongs: the command is root's, the server is not.
func handOver(stateDir string) error {
	info, err := os.Stat(stateDir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(filepath.Join(stateDir, storeFile), int(owner.Uid), int(owner.Gid))
}
