package guest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"

	"github.com/v6guest/v6guest/pkg/link"
)

// addedLinkLocals are the link-local addresses that v6guest has put beside those of the stack. They are kept
// in the run folder, so that an agent that is started anew, and restore, know them from the stack's own.
type addedLinkLocals struct {
	file  string // "" keeps nothing
	state addedState
	dirty bool // the file is to be written
}

type addedState struct {
	runNote
	Added []addedLinkLocal `json:"added"`
}

type addedLinkLocal struct {
	Index int        `json:"index"` // of the NIC
	Addr  netip.Addr `json:"address"`
}

// loadAdded reads what is known in this boot and network namespace.
func loadAdded(note runNote, ok bool, runDir string) *addedLinkLocals {
	var old addedState
	file, counts := note.open(ok, runDir, "link-locals.json", &old)
	s := &addedLinkLocals{file: file, state: addedState{runNote: note}}
	if counts {
		s.state.Added = old.Added
	}
	return s
}

// of is the one that was added to a NIC; the zero Addr for none.
func (s *addedLinkLocals) of(index int) netip.Addr {
	for _, a := range s.state.Added {
		if a.Index == index {
			return a.Addr
		}
	}
	return netip.Addr{}
}

// set notes the one that is, or is about to be, on a NIC; the zero Addr for none any more.
func (s *addedLinkLocals) set(index int, addr netip.Addr) error {
	if s.of(index) == addr {
		return s.keep()
	}
	s.dirty = true
	s.state.Added = slices.DeleteFunc(s.state.Added, func(a addedLinkLocal) bool { return a.Index == index })
	if addr.IsValid() {
		s.state.Added = append(s.state.Added, addedLinkLocal{index, addr})
	}
	return s.keep()
}

// keep writes them if there is anything new.
func (s *addedLinkLocals) keep() error {
	var err error
	switch {
	case s.file == "" || !s.dirty:
	case len(s.state.Added) > 0:
		err = writeRunNote(s.file, s.state)
	default:
		if err = os.Remove(s.file); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("note which link-local addresses were added: %w", err)
	}
	s.dirty = false
	return nil
}

// An AddrRemover is what takes addresses off NICs.
type AddrRemover interface {
	Addrs(ctx context.Context, index int) ([]link.Addr, error)
	RemoveAddress(ctx context.Context, index int, addr netip.Addr) error
}

// restore takes them off again, but where one is the only link-local address of its NIC by now.
func (s *addedLinkLocals) restore(ctx context.Context, sys AddrRemover, nics []link.NIC) (out []LiveStep, err error) {
	var errs []error
	for _, a := range slices.Clone(s.state.Added) {
		if slices.ContainsFunc(nics, func(n link.NIC) bool { return n.Index == a.Index }) {
			there, err := sys.Addrs(ctx, a.Index)
			if err != nil || onlyLinkLocal(there, a.Addr) {
				errs = append(errs, err)
				continue
			}
			if err := sys.RemoveAddress(ctx, a.Index, a.Addr); err != nil {
				errs = append(errs, err)
				continue
			}
			if slices.ContainsFunc(there, func(x link.Addr) bool { return x.Addr == a.Addr }) {
				name := nameOf(a.Index, nics)
				out = append(out, LiveStep{NIC: name, What: fmt.Sprintf("ip -6 addr del %s dev %s", a.Addr, name), Why: "v6guest made it"})
			}
		}
		errs = append(errs, s.set(a.Index, netip.Addr{}))
	}
	return out, errors.Join(errs...)
}

// onlyLinkLocal says whether the NIC has the address, and no other link-local one.
func onlyLinkLocal(addrs []link.Addr, addr netip.Addr) bool {
	only := false
	for _, a := range addrs {
		if a.Addr.IsLinkLocalUnicast() && a.Addr != addr {
			return false
		}
		only = only || a.Addr == addr
	}
	return only
}
