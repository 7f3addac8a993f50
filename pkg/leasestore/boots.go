package leasestore

import (
	"encoding/binary"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/v6guest/v6guest/pkg/clock"
)

// A boot is one run of the machine's kernel, as the store knows it.
type boot struct {
	number uint64 // in the records; ascending
	id     string
	// last is the latest moment of it that is known: it ran at least so long.
	last clock.Instant
}

// boots are those whose moments the records have, in their order; the last one is the present one.
type boots []boot

// enter makes the boot with that id the present one; isNew says that the store does not know it yet.
func (bs boots) enter(id string) (all boots, isNew bool) {
	if n := len(bs); n > 0 && bs[n-1].id == id {
		return bs, false
	}
	number := uint64(1)
	if n := len(bs); n > 0 {
		number = bs[n-1].number + 1
	}
	return append(bs, boot{number: number, id: id}), true
}

func (bs boots) present() *boot { return &bs[len(bs)-1] }

// find returns the boot with that number, nil if there is none.
func (bs boots) find(number uint64) *boot {
	for i := len(bs) - 1; i >= 0; i-- {
		if bs[i].number == number {
			return &bs[i]
		}
	}
	return nil
}

// seen notes a moment of a boot.
func (bs boots) seen(number uint64, at clock.Instant) error {
	b := bs.find(number)
	if b == nil {
		return fmt.Errorf("a record of boot %d, which is not in the store", number)
	}
	b.last = max(b.last, at)
	return nil
}

// here is a moment of a boot on the present boot's clock, as late as it can have been: an earlier boot
// ended at its last known moment, and the next one began at once.
func (bs boots) here(number uint64, at clock.Instant) clock.Instant {
	for i := len(bs) - 2; i >= 0 && bs[i].number >= number; i-- {
		at = max(at.Add(-bs[i].last.Sub(0)), -farthest)
	}
	return at
}

// since returns the boots from that number on, and always the present one.
func (bs boots) since(number uint64) boots {
	return slices.DeleteFunc(bs, func(b boot) bool { return b.number < number && b.number != bs.present().number })
}

// save writes the boots in place of those that are stored.
func (bs boots) save(tx *bbolt.Tx) error {
	if tx.Bucket(bootsBucket) != nil {
		if err := tx.DeleteBucket(bootsBucket); err != nil {
			return err
		}
	}
	bucket, err := tx.CreateBucket(bootsBucket)
	if err != nil {
		return err
	}
	for _, b := range bs {
		v := binary.AppendVarint([]byte{recordVersion}, int64(b.last))
		v = append(v, b.id...)
		v = append(v, 0, 0, 0, 0)
		seal(v, b.number)
		if err := bucket.Put(sequence(b.number), v); err != nil {
			return err
		}
	}
	return nil
}

// loadBoots reads what save wrote.
func loadBoots(tx *bbolt.Tx) (boots, error) {
	var bs boots
	bucket := tx.Bucket(bootsBucket)
	if bucket == nil {
		return nil, nil
	}
	err := bucket.ForEach(func(k, v []byte) error {
		number, err := number(k)
		if err != nil {
			return fmt.Errorf("boot: %w", err)
		}
		b, err := decodeBoot(number, v)
		if err != nil {
			return fmt.Errorf("boot %d: %w", number, err)
		}
		bs = append(bs, b)
		return nil
	})
	return bs, err
}

func decodeBoot(number uint64, v []byte) (boot, error) {
	if len(v) < 1+sumLength {
		return boot{}, errShort
	}
	body := v[:len(v)-sumLength]
	if binary.LittleEndian.Uint32(v[len(body):]) != checksum(body, number) {
		return boot{}, errSum
	}
	if body[0] != recordVersion {
		return boot{}, errVersion
	}
	last, n := binary.Varint(body[1:])
	if n <= 0 || last < 0 || clock.Instant(last) > farthest {
		return boot{}, errField
	}
	return boot{number: number, id: string(body[1+n:]), last: clock.Instant(last)}, nil
}

// sequence is a number as a key: such keys are in the order of their numbers.
func sequence(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func number(k []byte) (uint64, error) {
	if len(k) != 8 {
		return 0, fmt.Errorf("key %x is no sequence number", k)
	}
	return binary.BigEndian.Uint64(k), nil
}
