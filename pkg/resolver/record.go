package resolver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/v6guest/v6guest/pkg/durable"
	"github.com/v6guest/v6guest/pkg/plainfile"
)

// A record is what was handed over, so that it can be taken back, also by another process.
type record struct {
	Format     int         `json:"format"`
	Boot       string      `json:"boot"` // in which all but File holds: it lies below /run
	Links      []string    `json:"resolved_links,omitempty"`
	DropIn     string      `json:"resolved_drop_in,omitempty"` // its text
	Resolvconf []string    `json:"resolvconf,omitempty"`
	File       *fileRecord `json:"file,omitempty"`
}

// A fileRecord is what File was and is.
type fileRecord struct {
	Missing  bool        `json:"missing,omitempty"` // there was none
	Original string      `json:"original,omitempty"`
	Mode     fs.FileMode `json:"mode,omitempty"`
	Written  string      `json:"written"`
}

const recordFormat = 1

// maxRecord bounds the record, in bytes: it holds a file of maxFile and its original.
const maxRecord = 1 << 20

// RecordFile is the name of the record in the state folder.
const RecordFile = "dns.json"

func (r record) empty() bool {
	return len(r.Links)+len(r.Resolvconf) == 0 && r.DropIn == "" && r.File == nil
}

// with is a record of both: what r says may be there still, and what o says may be there already.
func (r record) with(o record) record {
	add := func(a, b []string) []string {
		out := append(slices.Clone(a), b...)
		slices.Sort(out)
		return slices.Compact(out)
	}
	out := o
	out.Links, out.Resolvconf = add(r.Links, o.Links), add(r.Resolvconf, o.Resolvconf)
	if out.DropIn == "" {
		out.DropIn = r.DropIn
	}
	if out.File == nil {
		out.File = r.File
	}
	return out
}

// load reads the record; of another boot only File is left. One that a newer program wrote is an error.
func (s *System) load() (record, error) {
	r := record{Format: recordFormat, Boot: s.Boot}
	if _, err := os.Readlink(filepath.Join(s.StateDir, RecordFile)); err == nil {
		return r, nil // v6guest writes no links, and an image's may lead out of it
	}
	b, err := plainfile.Read(filepath.Join(s.StateDir, RecordFile), maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("what was handed to the resolver: %w", err)
	}
	var old record
	if err := json.Unmarshal(b, &old); err != nil {
		return r, nil //nolint:nilerr // a damaged record costs only that something may stay in /run until the next boot
	}
	if old.Format != recordFormat {
		return r, fmt.Errorf("what was handed to the resolver: %s has format %d, this program knows %d", RecordFile, old.Format, recordFormat)
	}
	if old.Boot != s.Boot {
		old = record{Format: recordFormat, File: old.File}
	}
	old.Boot = s.Boot
	return old, nil
}

// save keeps the record; an empty one has no file.
func (s *System) save(r record) error {
	name := filepath.Join(s.StateDir, RecordFile)
	if r.empty() {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forget what was handed to the resolver: %w", err)
		}
		return nil
	}
	b, err := json.Marshal(r)
	if err == nil {
		err = os.MkdirAll(s.StateDir, 0o700)
	}
	if err == nil {
		err = replace(name, string(b)+"\n", 0o600)
	}
	if err != nil {
		return fmt.Errorf("note what is handed to the resolver: %w", err)
	}
	return nil
}

// replace puts text in the place of a file, which keeps its SELinux label.
func replace(name, text string, mode fs.FileMode) error {
	return durable.Replace(name, []byte(text), mode, func(f *os.File) error { return keepLabel(name, f) })
}
