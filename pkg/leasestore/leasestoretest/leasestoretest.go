// Package leasestoretest is the simulated twin of leasestore.Store: a store whose disk a test moves. What
// is begun waits until the test says that it is flushed, that the disk has failed, or that the machine
// has lost its power.
package leasestoretest

import (
	"bytes"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/v6guest/v6guest/pkg/leasestore"
)

// A Store holds in memory what it is told to keep. It is not for use by several goroutines at once.
type Store struct {
	// MaxQueue is how many changes may wait; 0 stands for any number.
	MaxQueue int

	leases  map[netip.Prefix]leasestore.Lease
	values  map[string][]byte
	waiting []begun
	queued  int
	seq     uint64
}

// A begun is one call of Begin.
type begun struct {
	id      uint64
	changes []leasestore.Change
}

// New returns an empty store.
func New() *Store {
	return &Store{leases: map[netip.Prefix]leasestore.Lease{}, values: map[string][]byte{}}
}

// Begin queues changes, as leasestore.Store's does: ErrBusy and ErrInvalid are the same.
func (s *Store) Begin(id uint64, changes ...leasestore.Change) error {
	if s.MaxQueue > 0 && s.queued > 0 && s.queued+len(changes) > s.MaxQueue {
		return leasestore.ErrBusy
	}
	b := begun{id: id}
	for _, c := range changes {
		if err := leasestore.Check(c); err != nil {
			return err
		}
		switch own := c.(type) {
		case leasestore.Put:
			l := *own.Lease
			c = leasestore.Put{Lease: &l}
		case leasestore.Set:
			c = leasestore.Set{Name: own.Name, Value: bytes.Clone(own.Value)}
		}
		b.changes = append(b.changes, c)
	}
	s.waiting = append(s.waiting, b)
	s.queued += len(b.changes)
	return nil
}

// Flush makes durable what waits, and returns what Done would be told.
func (s *Store) Flush() []leasestore.Result {
	var results []leasestore.Result
	for _, b := range s.waiting {
		r := leasestore.Result{ID: b.id}
		for _, c := range b.changes {
			if s.keep(c) {
				s.seq++
				r.Seq = s.seq
			}
		}
		results = append(results, r)
	}
	s.waiting, s.queued = nil, 0
	return results
}

// keep makes one change and says whether it is one of a lease.
func (s *Store) keep(c leasestore.Change) (isLease bool) {
	switch c := c.(type) {
	case leasestore.Put:
		s.leases[c.Lease.Prefix] = *c.Lease
		return true
	case leasestore.Forget:
		delete(s.leases, c.Prefix)
		return true
	case leasestore.Set:
		s.values[c.Name] = c.Value
	case leasestore.Unset:
		delete(s.values, c.Name)
	}
	return false
}

// Fail lets the disk refuse what waits, and returns what Done would be told.
func (s *Store) Fail(err error) []leasestore.Result {
	var results []leasestore.Result
	for _, b := range s.waiting {
		results = append(results, leasestore.Result{ID: b.id, Err: err})
	}
	s.waiting, s.queued = nil, 0
	return results
}

// Crash loses what waits, as kill -9 or a loss of power does.
func (s *Store) Crash() { s.waiting, s.queued = nil, 0 }

// Queued is how many changes wait.
func (s *Store) Queued() int { return s.queued }

// Leases returns what Load would be told now, in the order of the prefixes. Moments, lifetimes and Wall
// are as they were put: it knows no other boot and does not round.
func (s *Store) Leases() []*leasestore.Lease {
	var all []*leasestore.Lease
	for _, p := range slices.SortedFunc(maps.Keys(s.leases), netip.Prefix.Compare) {
		l := s.leases[p]
		all = append(all, &l)
	}
	return all
}

// Values returns the values whose names begin with prefix, in the order of their names.
func (s *Store) Values(prefix string) []leasestore.Value {
	var all []leasestore.Value
	for _, name := range slices.Sorted(maps.Keys(s.values)) {
		if strings.HasPrefix(name, prefix) {
			all = append(all, leasestore.Value{Name: name, Value: bytes.Clone(s.values[name])})
		}
	}
	return all
}
