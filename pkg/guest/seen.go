package guest

import (
	"fmt"
	"net"
	"slices"

	"github.com/v6guest/v6guest/pkg/link"
)

// seenNICs are the NICs that were brought up, or were up, since they appeared. They are kept in the run
// folder, so that an agent that is started anew leaves a NIC down that somebody has set down (decision
// 4). A file that cannot be used costs only that.
type seenNICs struct {
	file  string // "" keeps nothing
	state seenState
}

type seenState struct {
	runNote
	NICs []seenNIC `json:"nics"`
}

type seenNIC struct {
	Index int    `json:"index"`
	MAC   string `json:"mac"`
}

// loadSeen reads what an earlier agent of this boot has seen in this network namespace.
func loadSeen(runDir, boot string) *seenNICs {
	note, ok := newRunNote(runDir, boot)
	var old seenState
	file, counts := note.open(ok, runDir, "nics.json", &old)
	s := &seenNICs{file: file, state: seenState{runNote: note}}
	if counts {
		s.state.NICs = old.NICs
	}
	return s
}

// has says whether the NIC was seen.
func (s *seenNICs) has(n link.NIC) bool {
	return slices.Contains(s.state.NICs, seenNIC{n.Index, n.MAC.String()})
}

// macBefore is the MAC that the NIC had when it was seen last, where that is another one; else nil.
func (s *seenNICs) macBefore(n link.NIC) net.HardwareAddr {
	for _, old := range s.state.NICs {
		if mac, err := net.ParseMAC(old.MAC); err == nil && old.Index == n.Index && old.MAC != n.MAC.String() {
			return mac
		}
	}
	return nil
}

// keep makes the list be that of the NICs, and writes it if that is news.
func (s *seenNICs) keep(nics []link.NIC) error {
	list := make([]seenNIC, len(nics))
	for i, n := range nics {
		list[i] = seenNIC{n.Index, n.MAC.String()}
	}
	if s.file == "" || slices.Equal(list, s.state.NICs) {
		return nil
	}
	news := s.state
	news.NICs = list
	if err := writeRunNote(s.file, news); err != nil {
		return fmt.Errorf("note the NICs that were brought up: %w", err)
	}
	s.state = news
	return nil
}
