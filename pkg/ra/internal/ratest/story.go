package ratest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what the scenarios do into their files")

// A Story runs the commands of one scenario file.
type Story interface {
	// Do does a command.
	Do(t *testing.T, words []string)
	// Told returns what happened since the last call, in whole lines.
	Told() string
}

// Run replays testdata/*.txt, of which there are at least that many. A file is a story in blocks:
// comments (#), commands, a line "----", and what then happens up to the next empty line. With -update
// the files get what really happens.
func Run(t *testing.T, least int, begin func(t *testing.T) Story) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < least {
		t.Fatalf("%d scenarios, want at least %d (%v)", len(files), least, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := tell(t, begin(t), string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
}

// tell runs the commands of a file and returns the file with what they really do.
func tell(t *testing.T, s Story, file string) string {
	t.Helper()
	var told strings.Builder
	quoting := false // within what an earlier run has written
	for line := range strings.Lines(strings.TrimRight(file, "\n") + "\n\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "----":
			quoting = true
			fmt.Fprintf(&told, "----\n%s", s.Told())
		case quoting && line != "":
		case line == "":
			quoting = false
			told.WriteString("\n")
		default:
			told.WriteString(line + "\n")
			if !strings.HasPrefix(line, "#") {
				s.Do(t, strings.Fields(line))
			}
		}
	}
	return strings.TrimRight(told.String(), "\n") + "\n"
}
