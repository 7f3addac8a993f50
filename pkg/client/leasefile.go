package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/durable"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/wire"
)

// LeaseFormat is the format number that SaveLease writes. Every released format can be read.
const LeaseFormat = 1

// maxLeaseFile is how many bytes of a lease file are read: a Reply of 64 KiB in base64, and the rest.
const maxLeaseFile = 128 << 10

// The reasons for which LoadLease does not use a file. Each costs a Solicit and is worth one line in
// the log; a missing file is fs.ErrNotExist and worth none.
var (
	// ErrLeaseCorrupt: not what SaveLease writes.
	ErrLeaseCorrupt = errors.New("damaged lease file")
	// ErrLeaseForeign: written for another NIC.
	ErrLeaseForeign = errors.New("lease of another NIC")
	// ErrLeaseFormat: written by a newer version.
	ErrLeaseFormat = errors.New("lease file of a newer format")
)

// A Boot is what LoadLease and SaveLease must know of the present: the moment on the three clocks.
type Boot struct {
	ID   string // of /proc/sys/kernel/random/boot_id
	Now  clock.Instant
	Wall time.Time
}

// leaseJSON is the file.
type leaseJSON struct {
	Format   int        `json:"format"`
	MAC      string     `json:"mac"`
	VLAN     uint16     `json:"vlan,omitempty"`
	IAID     uint32     `json:"iaid"`
	BootID   string     `json:"boot_id"`
	Received int64      `json:"received_boottime_ns"`
	Wall     time.Time  `json:"received_wall"`
	Server   string     `json:"server"` // for readers only
	From     netip.Addr `json:"from"`
	Reply    []byte     `json:"reply"`

	Reconfigure *reconfigureJSON `json:"reconfigure,omitempty"`
}

type reconfigureJSON struct {
	Server   []byte  `json:"server"`
	Accepted bool    `json:"accepted"`
	Key      []byte  `json:"key,omitempty"`
	Replay   *uint64 `json:"replay,omitempty"`
}

// LeasePath is the file that holds the lease of a NIC: DIR/lease/MAC.json, the MAC's bytes joined by
// dashes, or MAC.ID.json for a VLAN.
func LeasePath(dir string, nic link.Key) string {
	name := strings.ReplaceAll(nic.MAC.String(), ":", "-")
	if nic.VLAN != 0 {
		name += fmt.Sprintf(".%d", nic.VLAN)
	}
	return filepath.Join(dir, "lease", name+".json")
}

// SaveLease writes the lease of a NIC into the state folder dir, so that after a loss
// of power there is either the old file or the new one. Only its owner may read it: it can hold a
// Reconfigure key.
func SaveLease(dir string, nic link.Key, l *Lease, boot Boot) error {
	b, err := json.MarshalIndent(encodeLease(nic, l, boot), "", "\t")
	if err != nil {
		return fmt.Errorf("save lease of %s: %w", nic, err)
	}
	if err := replaceFile(LeasePath(dir, nic), append(b, '\n')); err != nil {
		return fmt.Errorf("save lease of %s: %w", nic, err)
	}
	return nil
}

// ForgetLease removes the lease of a NIC; none is no error.
func ForgetLease(dir string, nic link.Key) error {
	path := LeasePath(dir, nic)
	if err := os.Remove(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("forget lease of %s: %w", nic, err)
	}
	if err := durable.SyncFolder(filepath.Dir(path)); err != nil {
		return fmt.Errorf("forget lease of %s: %w", nic, err)
	}
	return nil
}

// LoadLease reads the lease of a NIC from the state folder dir. What it returns is not
// yet checked as a message: the engine does that as with every Reply.
//
// In the boot in which it was saved, its moment of reception is exact. In another boot the machine was
// off for a time that only the wall clock knows. If that did not go backwards, the lease is as old as
// it says, and at least as old as the machine's uptime; else (a clock that starts in 1970) only the
// uptime counts and AgeUnknown is set. So a wrong wall clock never costs an address in use: it makes
// the client renew too early, or solicit where it could have confirmed.
func LoadLease(dir string, nic link.Key, boot Boot) (*Lease, error) {
	path := LeasePath(dir, nic)
	l, err := readLease(path, nic, boot)
	if err != nil {
		return nil, fmt.Errorf("lease file %s: %w", path, err)
	}
	return l, nil
}

func readLease(path string, nic link.Key, boot Boot) (*Lease, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO must not hold us up
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%w: not a regular file", ErrLeaseCorrupt), err)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxLeaseFile))
	if err != nil {
		return nil, err
	}
	return decodeLease(b, nic, boot)
}

// decodeLease reads the content of a lease file.
func decodeLease(b []byte, nic link.Key, boot Boot) (*Lease, error) {
	var format struct{ Format int }
	if err := json.Unmarshal(b, &format); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLeaseCorrupt, err)
	}
	if format.Format > LeaseFormat {
		return nil, fmt.Errorf("%w: %d, this version knows %d", ErrLeaseFormat, format.Format, LeaseFormat)
	}
	var j leaseJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLeaseCorrupt, err)
	}
	switch owner, err := net.ParseMAC(j.MAC); {
	case format.Format < 1 || err != nil || len(j.Reply) == 0:
		return nil, ErrLeaseCorrupt
	case !nic.Equal(link.Key{MAC: owner, VLAN: j.VLAN}):
		return nil, fmt.Errorf("%w: %s", ErrLeaseForeign, link.Key{MAC: owner, VLAN: j.VLAN})
	}
	l := &Lease{Reply: j.Reply, From: j.From, IAID: wire.IAID(j.IAID), Reconfigure: j.Reconfigure.decode()}
	l.Received, l.AgeUnknown = received(&j, boot)
	return l, nil
}

// received is the moment of reception on this boot's clock, and whether it is but the latest possible.
func received(j *leaseJSON, boot Boot) (at clock.Instant, unknown bool) {
	if j.BootID == boot.ID && j.BootID != "" {
		at := clock.Instant(j.Received)
		return min(at, boot.Now), at > boot.Now
	}
	age := boot.Wall.Round(0).Sub(j.Wall.Round(0))
	if age < 0 {
		return 0, true // as the machine came up: it was received before that
	}
	return min(0, clock.Instant(time.Duration(boot.Now)-age)), false
}

func encodeLease(nic link.Key, l *Lease, boot Boot) *leaseJSON {
	j := &leaseJSON{
		Format: LeaseFormat, MAC: nic.MAC.String(), VLAN: nic.VLAN, IAID: uint32(l.IAID), BootID: boot.ID,
		Received: int64(l.Received), Wall: boot.Wall.Add(-boot.Now.Sub(l.Received)).UTC(),
		From: l.From.WithZone(""), Reply: l.Reply, Reconfigure: encodeKey(l.Reconfigure),
	}
	if m, err := wire.Decode(l.Reply); err == nil {
		j.Server = m.ServerID.String()
	}
	return j
}

func encodeKey(k *ReconfigureKey) *reconfigureJSON {
	if k == nil {
		return nil
	}
	j := &reconfigureJSON{Server: []byte(k.Server), Accepted: k.Accepted}
	if k.HasKey {
		j.Key = k.Key[:]
	}
	if k.HasReplay {
		j.Replay = &k.Replay
	}
	return j
}

func (j *reconfigureJSON) decode() *ReconfigureKey {
	if j == nil {
		return nil
	}
	k := &ReconfigureKey{Server: wire.DUID(j.Server), Accepted: j.Accepted, HasKey: len(j.Key) == 16}
	copy(k.Key[:], j.Key)
	if j.Replay != nil {
		k.Replay, k.HasReplay = *j.Replay, true
	}
	return k
}

// replaceFile puts a file with the content b in the place of path, with mode 0600, durably.
func replaceFile(path string, b []byte) error {
	if err := makeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	return durable.Replace(path, b, 0o600)
}

// makeFolder makes a folder durably, with all above it, unless it is there.
func makeFolder(folder string) error {
	if _, err := os.Stat(folder); err == nil {
		return nil
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	return durable.SyncFolder(filepath.Dir(folder))
}
