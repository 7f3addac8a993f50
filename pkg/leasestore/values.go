package leasestore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"

	"go.etcd.io/bbolt"
)

// A Value is a small one that was stored by Set.
type Value struct {
	Name  string
	Value []byte
}

// Value returns what is stored durably under a name; ok is false if there is nothing.
func (s *Store) Value(name string) (value []byte, ok bool, err error) {
	err = s.view(func(bucket *bbolt.Bucket) error {
		stored := bucket.Get([]byte(name))
		if stored == nil {
			return nil
		}
		v, err := openValue(name, stored)
		value, ok = bytes.Clone(v), err == nil
		return err
	})
	return value, ok, err
}

// Values returns all values whose names begin with prefix, in the order of their names.
func (s *Store) Values(prefix string) (values []Value, err error) {
	err = s.view(func(bucket *bbolt.Bucket) error {
		c := bucket.Cursor()
		for k, stored := c.Seek([]byte(prefix)); k != nil && strings.HasPrefix(string(k), prefix); k, stored = c.Next() {
			v, err := openValue(string(k), stored)
			if err != nil {
				return err
			}
			values = append(values, Value{Name: string(k), Value: bytes.Clone(v)})
		}
		return nil
	})
	return values, err
}

// view reads the values as they are in the file now.
func (s *Store) view(f func(*bbolt.Bucket) error) error {
	s.bolt.RLock()
	defer s.bolt.RUnlock()
	switch {
	case s.db == nil && s.absent != nil:
		return fmt.Errorf("lease store: %w", s.absent)
	case s.db == nil:
		return ErrClosed
	}
	err := s.bolted(func() error {
		return s.db.View(func(tx *bbolt.Tx) error { return f(tx.Bucket(valuesBucket)) })
	})
	if err != nil && s.ended() == nil {
		err = damaged(s.o.Path, err)
	}
	if err != nil {
		return fmt.Errorf("lease store: %w", err)
	}
	return nil
}

// putValue and deleteValue keep count of the values, in the bucket's own number, so that a page that has
// lost some is not believed.
func putValue(bucket *bbolt.Bucket, name, stored []byte) error {
	if bucket.Get(name) == nil {
		if err := bucket.SetSequence(bucket.Sequence() + 1); err != nil {
			return err
		}
	}
	return bucket.Put(name, stored)
}

func deleteValue(bucket *bbolt.Bucket, name []byte) error {
	if bucket.Get(name) == nil {
		return nil
	}
	if err := bucket.SetSequence(bucket.Sequence() - 1); err != nil {
		return err
	}
	return bucket.Delete(name)
}

// checkValues goes through all values.
func checkValues(bucket *bbolt.Bucket) error {
	count := uint64(0)
	err := bucket.ForEach(func(k, v []byte) error {
		count++
		_, err := openValue(string(k), v)
		return err
	})
	if err == nil && count != bucket.Sequence() {
		return fmt.Errorf("%d values, which should be %d", count, bucket.Sequence())
	}
	return err
}

func checkValue(name string, value []byte) error {
	if name == "" || len(name) > maxName || len(value) > maxValue {
		return fmt.Errorf("value %q of %d bytes %w", name, len(value), ErrInvalid)
	}
	return nil
}

// A stored value: version 1 | value | CRC-32C 4, little-endian, of name, version and value.
func appendValue(b []byte, name string, value []byte) []byte {
	from := len(b)
	b = append(b, recordVersion)
	b = append(b, value...)
	return binary.LittleEndian.AppendUint32(b, valueSum(name, b[from:]))
}

func openValue(name string, stored []byte) ([]byte, error) {
	if len(stored) < 1+sumLength {
		return nil, fmt.Errorf("value %q: %w", name, errShort)
	}
	body := stored[:len(stored)-sumLength]
	if binary.LittleEndian.Uint32(stored[len(body):]) != valueSum(name, body) {
		return nil, fmt.Errorf("value %q: %w", name, errSum)
	}
	if body[0] != recordVersion {
		return nil, fmt.Errorf("value %q: %w", name, errVersion)
	}
	return body[1:], nil
}

func valueSum(name string, body []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(name), castagnoli), castagnoli, body)
}
