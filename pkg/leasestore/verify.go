package leasestore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"slices"
)

// bbolt trusts its file: a damaged page makes it panic, some of it in goroutines of its own where nobody
// can catch that, or loop. So all pages that are in use are checked first, with reads instead of the
// memory map, each once. This is the format of bbolt's version 2, in the machine's byte order:
//
//	page:   id 8 | flags 2 | count 2 | overflow 4 | elements 16 each | …
//	leaf:   flags 4 | position 4 | key size 4 | value size 4; flag 1: the value is a bucket
//	branch: position 4 | key size 4 | page 8
//	bucket: root page 8 | sequence 8, and a page after them if root is 0
//	meta:   magic 4 | version 4 | page size 4 | flags 4 | root 8 | sequence 8 | free list 8 | pages 8 | transaction 8 | FNV-1a 8
const (
	pageHeader    = 16
	pageElement   = 16
	bucketHeader  = 16
	metaLength    = 64
	branchPage    = 1
	leafPage      = 2
	bucketElement = 1
	boltMagic     = 0xED0CDAED
	boltVersion   = 2
	maxDepth      = 32
	maxOverflow   = 64 << 20 // bytes of one page: far more than a value of a store may have
)

var order = binary.NativeEndian

// A meta is one of the two pages that say where the tree is; the one of the higher transaction holds.
type meta struct {
	pageSize, root, pages, transaction uint64
}

var errPageSize = errors.New("no size of a page")

// readMetas returns the two metas; one that is not valid, as after a torn write, is nil.
func readMetas(f *os.File) (metas [2]*meta, err error) {
	size := uint64(os.Getpagesize())
	for i := range metas {
		b := make([]byte, pageHeader+metaLength)
		if i == 1 && metas[0] != nil {
			size = metas[0].pageSize
		}
		if _, err := f.ReadAt(b, int64(i)*int64(size)); err != nil && !errors.Is(err, io.EOF) {
			return metas, err
		}
		if metas[i] = decodeMeta(b); metas[i] == nil {
			continue
		}
		if n := metas[i].pageSize; n < 512 || n > 1<<16 || n&(n-1) != 0 {
			return metas, fmt.Errorf("meta page %d: %w: %d bytes", i, errPageSize, n) // bbolt would believe it
		}
	}
	return metas, nil
}

func decodeMeta(page []byte) *meta {
	b := page[pageHeader:]
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaLength-8]) // a hash takes everything
	m := &meta{
		pageSize: uint64(order.Uint32(b[8:])), root: order.Uint64(b[16:]),
		pages: order.Uint64(b[40:]), transaction: order.Uint64(b[48:]),
	}
	if order.Uint32(b) != boltMagic || order.Uint32(b[4:]) != boltVersion || order.Uint64(b[56:]) != sum.Sum64() {
		return nil
	}
	return m
}

// newest is the meta that holds, nil if neither is valid.
func newest(metas [2]*meta) *meta {
	a, b := metas[0], metas[1]
	if a == nil || b != nil && b.transaction > a.transaction {
		return b
	}
	return a
}

// A verifier walks the pages in use.
type verifier struct {
	f    *os.File
	meta *meta
	seen []uint64 // a bit a page
	buf  []byte
	todo []subtree
}

// A subtree is a page and the bounds of its keys: from low (inclusive) to high (exclusive, nil for none).
type subtree struct {
	page      uint64
	depth     int
	low, high []byte
}

// verify says what is wrong with the structure of a bbolt file, nil if bbolt can be trusted with it.
func verify(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	metas, err := readMetas(f)
	if err != nil {
		return err
	}
	m := newest(metas)
	if m == nil {
		return errors.New("neither of its two meta pages is valid")
	}
	if m.pages < 3 || m.pages > uint64(info.Size())/m.pageSize {
		return fmt.Errorf("it has %d bytes, its meta page says %d pages of %d", info.Size(), m.pages, m.pageSize)
	}
	v := &verifier{f: f, meta: m, seen: make([]uint64, m.pages/64+1)}
	v.todo = append(v.todo, subtree{page: m.root})
	for len(v.todo) > 0 {
		s := v.todo[len(v.todo)-1]
		v.todo = v.todo[:len(v.todo)-1]
		if err := v.page(s); err != nil {
			return fmt.Errorf("page %d: %w", s.page, err)
		}
	}
	return nil
}

// page checks one page and notes those below it, so that they come in the order of the keys.
func (v *verifier) page(s subtree) error {
	if err := v.mark(s.page); err != nil {
		return err
	}
	b, err := v.read(s.page, 1)
	if err != nil {
		return err
	}
	if more := uint64(order.Uint32(b[12:])); more > 0 {
		if more*v.meta.pageSize > maxOverflow {
			return fmt.Errorf("%d pages long", more)
		}
		for i := range more {
			if err := v.mark(s.page + 1 + i); err != nil {
				return err
			}
		}
		if b, err = v.read(s.page, more+1); err != nil {
			return err
		}
	}
	if id := order.Uint64(b); id != s.page {
		return fmt.Errorf("it calls itself %d", id)
	}
	return v.elements(b, s)
}

// mark notes a page as in use, by nobody else.
func (v *verifier) mark(page uint64) error {
	if page < 2 || page >= v.meta.pages {
		return fmt.Errorf("page %d is outside of the file's %d", page, v.meta.pages)
	}
	word, bit := &v.seen[page/64], uint64(1)<<(page%64)
	if *word&bit != 0 {
		return fmt.Errorf("page %d is used twice", page)
	}
	*word |= bit
	return nil
}

func (v *verifier) read(page, n uint64) ([]byte, error) {
	if size := n * v.meta.pageSize; uint64(len(v.buf)) < size {
		v.buf = make([]byte, size)
	}
	b := v.buf[:n*v.meta.pageSize]
	_, err := v.f.ReadAt(b, int64(page*v.meta.pageSize))
	return b, err
}

// elements checks what is on a page, which may be one that is inside of a bucket's value.
func (v *verifier) elements(b []byte, s subtree) error {
	flags, count := order.Uint16(b[8:]), int(order.Uint16(b[10:]))
	if flags != leafPage && flags != branchPage || flags == branchPage && count == 0 {
		return fmt.Errorf("flags %#x with %d elements", flags, count)
	}
	if pageHeader+count*pageElement > len(b) || s.depth > maxDepth {
		return fmt.Errorf("%d elements, depth %d", count, s.depth)
	}
	first, last := len(v.todo), s.low
	for i := range count {
		e := b[pageHeader+i*pageElement:]
		k, value, err := element(b, pageHeader+i*pageElement, flags)
		if err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
		if c := bytes.Compare(k, last); c < 0 || c == 0 && i > 0 || s.high != nil && bytes.Compare(k, s.high) >= 0 {
			return fmt.Errorf("element %d: key %x out of order", i, k)
		}
		last = k
		switch {
		case flags == branchPage:
			v.below(first, subtree{page: order.Uint64(e[8:]), depth: s.depth + 1, low: bytes.Clone(k), high: s.high})
		case order.Uint32(e) == bucketElement:
			if err := v.bucket(value, s.depth+1); err != nil {
				return fmt.Errorf("bucket %x: %w", k, err)
			}
		case order.Uint32(e) != 0:
			return fmt.Errorf("element %d: flags %#x", i, order.Uint32(e))
		}
	}
	slices.Reverse(v.todo[first:])
	return nil
}

// below notes a child of a branch, the first of which is at index first. It ends where its sibling begins.
func (v *verifier) below(first int, s subtree) {
	if n := len(v.todo); n > first {
		v.todo[n-1].high = s.low
	}
	v.todo = append(v.todo, s)
}

// bucket checks a bucket's value: a root page elsewhere, or one within it.
func (v *verifier) bucket(value []byte, depth int) error {
	if len(value) < bucketHeader {
		return errShort
	}
	if root := order.Uint64(value); root != 0 {
		v.todo = append(v.todo, subtree{page: root, depth: depth})
		return nil
	}
	inline := value[bucketHeader:]
	if len(inline) < pageHeader || order.Uint16(inline[8:]) != leafPage {
		return errors.New("no leaf within it")
	}
	within := len(v.todo)
	if err := v.elements(inline, subtree{depth: depth}); err != nil {
		return err
	}
	if len(v.todo) != within {
		return errors.New("a bucket in a bucket's leaf")
	}
	return nil
}

// element returns the key and the value at that offset of a page.
func element(b []byte, at int, flags uint16) (k, value []byte, err error) {
	e := b[at:]
	position, keySize, valueSize := uint64(order.Uint32(e[4:])), uint64(order.Uint32(e[8:])), uint64(order.Uint32(e[12:]))
	if flags == branchPage {
		position, keySize, valueSize = uint64(order.Uint32(e)), uint64(order.Uint32(e[4:])), 0
	}
	from := uint64(at) + position
	if from+keySize+valueSize > uint64(len(b)) || position < pageElement {
		return nil, nil, fmt.Errorf("it lies at %d of %d bytes, %d long", from, len(b), keySize+valueSize)
	}
	return b[from : from+keySize], b[from+keySize : from+keySize+valueSize], nil
}
