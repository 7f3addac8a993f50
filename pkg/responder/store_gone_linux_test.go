package responder

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAStoreThatIsGoneAtTheStartIsMissed(t *testing.T) {
	told := func(files ...string) string {
		t.Helper()
		dir := t.TempDir()
		for _, name := range files {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var out bytes.Buffer
		s := &Server{opts: Options{StateDir: dir}, log: slog.New(slog.NewTextHandler(&out, nil))}
		s.missStore()
		return out.String()
	}
	if got := told(duidFile); !strings.Contains(got, "is gone") || !strings.Contains(got, "cure=") {
		t.Errorf("told %q", got)
	}
	for _, files := range [][]string{nil, {storeFile}, {duidFile, storeFile}} {
		if got := told(files...); got != "" {
			t.Errorf("with %v: told %q", files, got)
		}
	}
}
