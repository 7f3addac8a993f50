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
	out.Left = append([]string{}, found.Left...)
	left := func(where, format string, args ...any) {
		out.Left = append(out.Left, where+": "+fmt.Sprintf(format, args...))
	}
	known := map[netip.Prefix]bool{}
	var store *leasestore.Store
	clk := clock.Boottime{}
	if !dry {
		if store, err = openStore(stateDir, clk, func(l *leasestore.Lease) { known[l.Prefix] = true }, nil); err != nil {
			return out, err
		}
		defer func() { err = errors.Join(err, store.Close(), handOver(stateDir)) }()
	}
	var changes []leasestore.Change
	commit := func(least int) error {
		if dry || len(changes) <= least {
			changes = changes[:0]
			return nil
		}
		err := store.Commit(ctx, changes...)
		changes = nil
		return err
	}
	now, wall := clk.Now(), time.Now()
	for i := range found.Leases {
		l := &found.Leases[i]
		n := c.networkOf(l.Addr)
		switch {
		case n == nil:
			left(l.Where, "%s is in no network's prefix", l.Addr)
			continue
		case !n.Pool.Ranges.Contains(l.Addr) || n.Pool.Exclude.Contains(l.Addr):
			left(l.Where, "%s is not in the pool of network %s", l.Addr, n.Name)
			continue
		case !l.Ends.IsZero() && !l.Ends.After(wall):
			left(l.Where, "%s has ended", l.Addr)
			continue
		case known[netip.PrefixFrom(l.Addr, 128)]:
			left(l.Where, "%s has a lease already", l.Addr)
			continue
		}
		known[netip.PrefixFrom(l.Addr, 128)] = true
		valid := wire.Infinite
		if !l.Ends.IsZero() {
			valid = l.Ends.Sub(wall)
		}
		changes = append(changes, leasestore.Put{Lease: &leasestore.Lease{
			Prefix: netip.PrefixFrom(l.Addr, 128), State: leasestore.Bound, DUID: l.DUID, IAID: l.IAID, MAC: l.MAC,
			Network: n.Name, Interface: n.Interface, Granted: now, Preferred: min(valid, n.Preferred), Valid: valid,
		}})
		out.Leases++
		if len(changes) >= importGroup {
			if err := commit(0); err != nil {
				return out, err
			}
		}
	}
	for _, line := range found.Hosts {
		h, err := parseAdded(line.Text)
		if err != nil {
			left(line.Where, "%v", err)
			continue
		}
		changes = append(changes, leasestore.Set{Name: addedPrefix + h.Key(), Value: []byte(line.Text)})
		out.Hosts++
	}
	return out, commit(0)
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
