package leasestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/wire"
)

// A record is the value of one sequence number in a segment. All of version 1:
//
//	version 1 | kind 1 | address 16 | prefix length 1
//	of kind lease also:
//	  state 1 | flags 1 | IAID 4 | MAC 6 | boot uvarint | granted varint, ms of boottime | wall varint, ms of Unix
//	  time | preferred uvarint, s | valid uvarint, s | DUID, network, interface: length 1 and bytes each | via 16,
//	  where a flag says so
//	CRC-32C 4, little-endian, of the sequence number (8, big-endian) and all that stands before it
//
// The sequence number is in the checksum, so that a record in a wrong place is none.
const (
	recordVersion = 1

	kindLease  = 1
	kindForget = 2

	flagDelegated = 1
	flagVia       = 2

	headLength  = 2 + keyLength
	sumLength   = 4
	maxName     = 255
	maxWall     = int64(1) << 53 // ms either way
	maxLifetime = 0xffffffff     // seconds: wire.Infinite
)

// farthest is how far from boot a moment may be: so far that it never matters, so near that sums of a few
// do not wrap. It is a whole number of milliseconds.
const farthest = clock.Instant(100 * 365 * 24 * time.Hour)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// The reasons for which a record is none.
var (
	errShort   = errors.New("record too short")
	errSum     = errors.New("record with a wrong checksum")
	errVersion = errors.New("record of an unknown version")
	errField   = errors.New("record with a field out of range")
)

// keyLength is that of a key.
const keyLength = 17

// A key is a prefix in the form of the record: address and length.
type key [keyLength]byte

func keyOf(p netip.Prefix) key {
	var k key
	a := p.Addr().As16()
	copy(k[:], a[:])
	k[16] = byte(p.Bits())
	return k
}

func (k key) prefix() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom16([16]byte(k[:16])), int(k[16]))
}

// checkPrefix says what keeps a prefix from being a key.
func checkPrefix(p netip.Prefix) error {
	a := p.Addr()
	if !p.IsValid() || !a.Is6() || a.Is4In6() || p.Bits() == 0 || p != p.Masked() {
		return fmt.Errorf("prefix %v %w: it is no masked IPv6 prefix", p, ErrInvalid)
	}
	return nil
}

// checkLease says what keeps a lease from being written, as far as the types allow it.
func checkLease(l *Lease) error {
	if err := checkPrefix(l.Prefix); err != nil {
		return err
	}
	var what string
	switch {
	case !l.Delegated && l.Prefix.Bits() != 128:
		what = "an address that is no /128"
	case !l.State.valid():
		what = "unknown state"
	case len(l.DUID) > wire.MaxDUID:
		what = "DUID too long"
	case len(l.Network) > maxName || len(l.Interface) > maxName:
		what = "name too long"
	case l.Via.IsValid() && (!l.Via.Is6() || l.Via.Is4In6() || l.Via.Zone() != ""):
		what = "via no IPv6 address"
	case l.Preferred < 0 || l.Valid < 0:
		what = "lifetime below zero"
	case l.Granted < -farthest || l.Granted > farthest:
		what = "granted more than a century away"
	default:
		return nil
	}
	return fmt.Errorf("lease of %v %w: %s", l.Prefix, ErrInvalid, what)
}

// appendLease adds the record of a checked lease to b, with room for the checksum.
func appendLease(b []byte, l *Lease, boot uint64) []byte {
	k := keyOf(l.Prefix)
	b = append(b, recordVersion, kindLease)
	b = append(b, k[:]...)
	var flags byte
	if l.Delegated {
		flags |= flagDelegated
	}
	if l.Via.IsValid() {
		flags |= flagVia
	}
	b = append(b, byte(l.State), flags)
	b = binary.BigEndian.AppendUint32(b, uint32(l.IAID))
	b = append(b, l.MAC[:]...)
	b = binary.AppendUvarint(b, boot)
	b = binary.AppendVarint(b, ceil(time.Duration(l.Granted), time.Millisecond))
	b = binary.AppendVarint(b, min(max(l.Wall.UnixMilli(), -maxWall), maxWall))
	b = binary.AppendUvarint(b, seconds(l.Preferred))
	b = binary.AppendUvarint(b, seconds(l.Valid))
	for _, s := range [...]string{string(l.DUID), l.Network, l.Interface} {
		b = append(b, byte(len(s)))
		b = append(b, s...)
	}
	if l.Via.IsValid() {
		via := l.Via.As16()
		b = append(b, via[:]...)
	}
	return append(b, 0, 0, 0, 0)
}

// appendForget adds the record that removes a prefix to b, with room for the checksum.
func appendForget(b []byte, k key) []byte {
	b = append(b, recordVersion, kindForget)
	b = append(b, k[:]...)
	return append(b, 0, 0, 0, 0)
}

// ceil is d in units, rounded up: what is granted later ends later.
func ceil(d, unit time.Duration) int64 {
	n := int64(d / unit)
	if d%unit > 0 {
		n++
	}
	return n
}

func seconds(d time.Duration) uint64 { return uint64(min(ceil(d, time.Second), maxLifetime)) }

// seal writes the checksum of a record that stands under seq.
func seal(record []byte, seq uint64) {
	body := record[:len(record)-sumLength]
	binary.LittleEndian.PutUint32(record[len(body):], checksum(body, seq))
}

func checksum(body []byte, seq uint64) uint32 {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], seq)
	return crc32.Update(crc32.Checksum(b[:], castagnoli), castagnoli, body)
}

// openRecord checks a record that stands under seq and returns its kind and its key.
func openRecord(record []byte, seq uint64) (kind byte, k key, err error) {
	if len(record) < headLength+sumLength {
		return 0, k, errShort
	}
	body := record[:len(record)-sumLength]
	if binary.LittleEndian.Uint32(record[len(body):]) != checksum(body, seq) {
		return 0, k, errSum
	}
	if body[0] != recordVersion {
		return 0, k, errVersion
	}
	kind, k = body[1], key(body[2:headLength])
	if kind != kindLease && (kind != kindForget || len(body) != headLength) || checkPrefix(k.prefix()) != nil {
		return 0, k, errField
	}
	return kind, k, nil
}

// decodeLease reads the lease of a record that openRecord has found to be one, and the number of the boot
// that its moment belongs to. The names are taken from intern, so that a million leases share them.
func decodeLease(record []byte, intern interner) (*Lease, uint64, error) {
	r := reader{b: record[headLength : len(record)-sumLength]}
	l := &Lease{Prefix: key(record[2:headLength]).prefix(), State: State(r.byte())}
	flags := r.byte()
	l.Delegated = flags&flagDelegated != 0
	l.IAID = wire.IAID(binary.BigEndian.Uint32(r.take(4)))
	l.MAC = [6]byte(r.take(6))
	boot := r.uvarint()
	l.Granted = r.moment()
	l.Wall = time.UnixMilli(r.varint()).UTC()
	l.Preferred = r.lifetime()
	l.Valid = r.lifetime()
	l.DUID = wire.DUID(r.name())
	l.Network = intern.string(r.name())
	l.Interface = intern.string(r.name())
	if flags&flagVia != 0 {
		l.Via = netip.AddrFrom16([16]byte(r.take(16)))
	}
	if r.err == nil && (len(r.b) > 0 || flags&^(flagDelegated|flagVia) != 0 || checkLease(l) != nil) {
		r.err = errField
	}
	return l, boot, r.err
}

// momentOf is only what the store itself wants to know of a lease: its boot, and when it was granted.
func momentOf(record []byte) (boot uint64, granted clock.Instant, err error) {
	r := reader{b: record[headLength : len(record)-sumLength]}
	r.take(1 + 1 + 4 + 6)
	boot, granted = r.uvarint(), r.moment()
	return boot, granted, r.err
}

// An interner keeps one copy of each string.
type interner map[string]string

func (i interner) string(b []byte) string {
	if s, ok := i[string(b)]; ok {
		return s
	}
	s := string(b)
	i[s] = s
	return s
}

// A reader takes fields off a record. After the first error it gives zeros.
type reader struct {
	b   []byte
	err error
}

// none is what a failed take gives.
var none [maxName]byte

func (r *reader) take(n int) []byte {
	if r.err != nil || n > len(r.b) {
		r.fail(errShort)
		return none[:n]
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

func (r *reader) byte() byte { return r.take(1)[0] }

func (r *reader) name() []byte { return r.take(int(r.byte())) }

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail(errShort)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail(errShort)
		return 0
	}
	if r.b = r.b[n:]; v > maxWall || v < -maxWall {
		r.fail(errField)
		return 0
	}
	return v
}

// moment is a boottime of at most farthest either way.
func (r *reader) moment() clock.Instant {
	v := r.varint()
	if limit := int64(farthest) / int64(time.Millisecond); v > limit || v < -limit {
		r.fail(errField)
		return 0
	}
	return clock.Instant(v * int64(time.Millisecond))
}

func (r *reader) lifetime() time.Duration {
	v := r.uvarint()
	if v > maxLifetime {
		r.fail(errField)
		return 0
	}
	return time.Duration(v) * time.Second
}
