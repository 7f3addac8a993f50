package responder

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/leasestore"
	"github.com/v6guest/v6guest/pkg/responder/foreign"
	"github.com/v6guest/v6guest/pkg/wire"
)

// An Imported is what has become of an import.
type Imported struct {
	Leases int `json:"leases"`
	Hosts  int `json:"hosts"`
	// Left says what was not taken over, and why.
	Left []string `json:"left"`
}

// importGroup is how many leases one commit takes.
const importGroup = 1024

// Import writes what another server's file says into the lease store of a server that does not run, unless
// dry is set. What it cannot take over it tells.
func Import(ctx context.Context, c *Config, stateDir string, found foreign.Content, dry bool) (out Imported, err error) {
	clk := clock.Boottime{}
	im := &importer{ctx: ctx, config: c, known: map[netip.Prefix]bool{}, lengths: map[int]bool{}}
	im.out.Left = append([]string{}, found.Left...)
	if !dry {
		if im.store, err = openStore(stateDir, leasestore.Options{Clock: clk, Load: func(l *leasestore.Lease) { im.know(l.Prefix) }}); err != nil {
			return im.out, err
		}
		defer func() { err = errors.Join(err, im.store.Close(), handOver(stateDir)) }()
	}
	im.now, im.wall = clk.Now(), time.Now()
	for i := range found.Leases {
		if err := im.lease(&found.Leases[i]); err != nil {
			return im.out, err
		}
	}
	for _, line := range found.Hosts {
		im.host(line)
	}
	return im.out, im.commit()
}

// An importer is an import under way.
type importer struct {
	ctx     context.Context
	config  *Config
	store   *leasestore.Store // nil where nothing is to be written
	now     clock.Instant
	wall    time.Time
	known   map[netip.Prefix]bool // that have a lease
	lengths map[int]bool          // of the prefixes among them
	changes []leasestore.Change   // that are not committed yet
	out     Imported
}

// left tells what is not taken over.
func (im *importer) left(where, format string, args ...any) {
	im.out.Left = append(im.out.Left, where+": "+fmt.Sprintf(format, args...))
}

// lease takes a lease over.
func (im *importer) lease(l *foreign.Lease) error {
	n, reason := im.config.poolOf(l)
	switch {
	case reason != "":
	case !l.Ends.IsZero() && !l.Ends.After(im.wall):
		reason = "has ended"
	case im.taken(l.Prefix):
		reason = "has a lease already"
	}
	if reason != "" {
		im.left(l.Where, "%s %s", name(l), reason)
		return nil
	}
	im.know(l.Prefix)
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

// know notes that there is a lease of it. Where it is a delegated prefix that is longer than those which are
// delegated now, the one that it is in is none to give either.
func (im *importer) know(p netip.Prefix) {
	im.known[p] = true
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

// host takes a reservation over.
func (im *importer) host(line foreign.Line) {
	h, err := parseAdded(line.Text)
	if err != nil {
		im.left(line.Where, "%v", err)
		return
	}
	im.changes = append(im.changes, leasestore.Set{Name: addedPrefix + h.Key(), Value: []byte(line.Text)})
	im.out.Hosts++
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
		return nil, "is in no network's pd_pool, or of another length than pd_length"
	}
	a := l.Prefix.Addr()
	n := c.networkOf(a)
	switch {
	case n == nil:
		return nil, "is in no network's prefix"
	case !n.Pool.Ranges.Contains(a) || n.Pool.Exclude.Contains(a):
		return nil, "is not in the pool of network " + n.Name
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
