package resolver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every released format is read; a newer one is refused, so that what it speaks of is not lost (decision 11).
func TestARecordOfFormat1IsReadAndANewerOneIsRefused(t *testing.T) {
	const boot = "3f0d3c1e-8f8a-4c55-9f6b-0f0e0d0c0b0a"
	released := record{
		Format: 1, Boot: boot, Links: []string{"eth0"}, DropIn: "[Resolve]\nDNS=2001:db8::53\n", Resolvconf: []string{"eth1"},
		File: &fileRecord{Original: "# empty\n", Mode: 0o644, Written: "# Written by v6guest\nnameserver 2001:db8::53\n"},
	}
	s := System{StateDir: "testdata/format-1", Boot: boot}
	if got, err := s.load(); err != nil || !cmp.Equal(released, got) {
		t.Errorf("%v\n%s", err, cmp.Diff(released, got))
	}
	s.Boot = "another"
	if got, err := s.load(); err != nil || !cmp.Equal(record{Format: 1, Boot: "another", File: released.File}, got) {
		t.Errorf("in another boot: %+v, %v", got, err)
	}
	b, err := os.ReadFile("testdata/format-1/dns.json")
	if err != nil {
		t.Fatal(err)
	}
	s.StateDir = t.TempDir()
	newer := strings.Replace(string(b), `"format":1`, `"format":2`, 1)
	if err := os.WriteFile(filepath.Join(s.StateDir, RecordFile), []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.load(); err == nil || !strings.Contains(err.Error(), "format 2") {
		t.Errorf("a newer one: %v", err)
	}
}
