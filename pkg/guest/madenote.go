package guest

import (
	"fmt"
	"net/netip"
	"slices"
)

// A madeNote is the addresses that v6guest has made of advertised prefixes. It is kept in the run folder, since
// an agent that is started anew could not tell them from an administrator's or another client's. A file that
// cannot be used costs only that they are left alone.
type madeNote struct {
	file  string // "" keeps nothing
	state madeState
	found []netip.Addr // that an earlier run has noted
}

type madeState struct {
	runNote
	Made []netip.Addr `json:"made"`
}

// loadMade reads what an earlier agent of this boot has made in this network namespace.
func loadMade(runDir, boot string) *madeNote {
	note, ok := newRunNote(runDir, boot)
	var old madeState
	file, counts := note.open(ok, runDir, "made.json", &old)
	m := &madeNote{file: file, state: madeState{runNote: note}}
	if counts {
		m.state.Made, m.found = old.Made, slices.Clone(old.Made)
	}
	return m
}

// has says whether an earlier run has made the address.
func (m *madeNote) has(addr netip.Addr) bool { return slices.Contains(m.found, addr) }

// keep makes the list be that, and writes it if that is news.
func (m *madeNote) keep(made []netip.Addr) error {
	if m.file == "" || slices.Equal(made, m.state.Made) {
		return nil
	}
	news := m.state
	news.Made = made
	if err := writeRunNote(m.file, news); err != nil {
		return fmt.Errorf("note the addresses that were made: %w", err)
	}
	m.state = news
	return nil
}
