package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/durable"
	"github.com/v6guest/v6guest/pkg/link"
)

// DefaultStateDir is where leases and what is remembered between boots lie.
const DefaultStateDir = "/var/lib/v6guest"

// memoryFormat is the number of the format of the memory file.
const memoryFormat = 1

// A memory is what the agent remembers between boots beside leases.
type memory struct {
	Format     int    `json:"format"`
	DefaultNIC string `json:"default_nic"` // MAC
	VLAN       uint16 `json:"vlan,omitempty"`
}

func memoryFile(stateDir string) string { return filepath.Join(stateDir, "default-nic.json") }

// Remembered reads which NIC was chosen as the default one. No file is no error; a file
// that cannot be used is one, and costs nothing but the memory.
func Remembered(stateDir string) (*link.Key, error) {
	b, err := readSmall(memoryFile(stateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("remembered default NIC: %w", err)
	}
	return parseMemory(memoryFile(stateDir), b)
}

// parseMemory reads the memory file's text.
func parseMemory(file string, b []byte) (*link.Key, error) {
	var m memory
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("remembered default NIC: %s: %w", file, err)
	}
	if m.Format != memoryFormat {
		return nil, fmt.Errorf("remembered default NIC: %s has format %d, this program knows %d", file, m.Format, memoryFormat)
	}
	mac, err := net.ParseMAC(m.DefaultNIC)
	if err != nil || len(mac) != 6 {
		return nil, fmt.Errorf("remembered default NIC: %s: %q is no MAC", file, m.DefaultNIC)
	}
	return &link.Key{MAC: mac, VLAN: m.VLAN}, nil
}

// Remember keeps which NIC is the default one for the next boot: whole or not at all, and on the disk
// when it returns.
func Remember(stateDir string, nic link.Key) error {
	b, err := json.Marshal(memory{Format: memoryFormat, DefaultNIC: nic.MAC.String(), VLAN: nic.VLAN})
	if err != nil {
		return fmt.Errorf("remember the default NIC: %w", err)
	}
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return fmt.Errorf("remember the default NIC: %w", err)
	}
	if err := durable.Replace(memoryFile(stateDir), append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("remember the default NIC: %w", err)
	}
	return nil
}

// maxSmall bounds the files that the agent keeps for itself, in bytes.
const maxSmall = 1 << 20

// readSmall reads a file that the agent wrote. What lies in its place, a pipe or a device, is an error
// and holds nobody up.
func readSmall(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSmall {
		return nil, fmt.Errorf("%s is no regular file of at most %d bytes", name, maxSmall)
	}
	return io.ReadAll(io.LimitReader(f, maxSmall))
}
