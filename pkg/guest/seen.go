package guest

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/v6guest/v6guest/pkg/durable"
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
	Format    int       `json:"format"`
	Boot      string    `json:"boot"`
	Namespace uint64    `json:"namespace"` // of the network, by its inode: indices are its own
	NICs      []seenNIC `json:"nics"`
}

type seenNIC struct {
	Index int    `json:"index"`
	MAC   string `json:"mac"`
}

const seenFormat = 1

// loadSeen reads what an earlier agent of this boot has seen in this network namespace.
func loadSeen(runDir, boot string) *seenNICs {
	s := &seenNICs{state: seenState{Format: seenFormat, Boot: boot, Namespace: networkNamespace()}}
	if runDir == "" || boot == "" || s.state.Namespace == 0 {
		return s
	}
	s.file = filepath.Join(runDir, "nics.json")
	var old seenState
	b, err := readSmall(s.file)
	if err == nil && json.Unmarshal(b, &old) == nil &&
		old.Format == seenFormat && old.Boot == boot && old.Namespace == s.state.Namespace {
		s.state.NICs = old.NICs
	}
	return s
}

// networkNamespace is the inode of the network namespace that this process is in, 0 when unknown.
func networkNamespace() uint64 {
	var st syscall.Stat_t
	if err := syscall.Stat("/proc/self/ns/net", &st); err != nil {
		return 0
	}
	return st.Ino
}

// has says whether the NIC was seen.
func (s *seenNICs) has(n link.NIC) bool {
	return slices.Contains(s.state.NICs, seenNIC{n.Index, n.MAC.String()})
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
	s.state.NICs = list
	b, err := json.Marshal(s.state)
	if err == nil {
		err = durable.Replace(s.file, append(b, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("note the NICs that were brought up: %w", err)
	}
	return nil
}
