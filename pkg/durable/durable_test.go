package durable_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/v6guest/v6guest/pkg/durable"
)

func TestAFileIsReplacedWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "state.json")
	if err := durable.Replace(name, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	no := errors.New("no")
	if err := durable.Replace(name, []byte("new"), 0o644, func(*os.File) error { return no }); !errors.Is(err, no) {
		t.Errorf("%v", err)
	}
	look := func(want string, mode os.FileMode) {
		t.Helper()
		b, err := os.ReadFile(name)
		info, statErr := os.Stat(name)
		if err != nil || statErr != nil || string(b) != want || info.Mode().Perm() != mode {
			t.Errorf("%q, %v, %v, %v", b, info.Mode(), err, statErr)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("%d files", len(entries))
		}
	}
	look("old", 0o600)
	if err := durable.Replace(name, []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	look("new", 0o644)
	if err := durable.Replace(filepath.Join(dir, "none", "x"), nil, 0o600); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a folder: %v", err)
	}
}

func TestTheSameTroubleHasTheSameText(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "state.json")
	if err := os.MkdirAll(filepath.Join(name, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	first, second := durable.Replace(name, nil, 0o600), durable.Replace(name, nil, 0o600)
	if first == nil || second == nil || first.Error() != second.Error() {
		t.Errorf("%v; %v", first, second)
	}
}
