package responder

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestScenarios replays testdata/*.txt. A file is a story in blocks: comments (#), commands, a line
// "----", and what then happens up to the next empty line; testdata/README names the commands.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d scenarios, want at least 8 (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := story{t: t}
			got := s.tell(string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(want), got); diff != "" && !*update {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
}

// A story runs one file.
type story struct {
	t      *testing.T
	b      *bench
	config strings.Builder
	lines  strings.Builder
	out    strings.Builder
}

// tell runs the commands of a file and returns the file with what they really do.
func (s *story) tell(file string) string {
	s.t.Helper()
	var told strings.Builder
	quoting := false // within what an earlier run has written
	for line := range strings.Lines(strings.TrimRight(file, "\n") + "\n\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "----":
			quoting = true
			told.WriteString("----\n" + s.out.String())
			s.out.Reset()
		case quoting && line != "":
		case line == "":
			quoting = false
			told.WriteString("\n")
		default:
			told.WriteString(line + "\n")
			if !strings.HasPrefix(line, "#") {
				s.command(line)
			}
		}
	}
	return strings.TrimRight(told.String(), "\n") + "\n"
}

func (s *story) command(line string) {
	s.t.Helper()
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "config":
		fmt.Fprintln(&s.config, rest)
	case "forget":
		s.lines.Reset()
		s.engine().hosts("")
	case "host":
		fmt.Fprintln(&s.lines, rest)
		s.engine().hosts(s.lines.String())
	case "advance":
		d, err := time.ParseDuration(rest)
		s.engine().check(err)
		s.b.pass(d, func(happened []Action) {
			if len(happened) > 0 {
				s.write(happened)
			}
		})
	case "disk":
		s.disk(rest)
	case "restart":
		s.b.restart(s.config.String(), s.lines.String())
		fmt.Fprintf(&s.out, "%10s  is killed and starts again\n", s.b.now)
	case "own":
		s.engine().step(OwnAddress{Addr: netip.MustParseAddr(rest)})
	default:
		fmt.Fprintf(&s.out, "%10s  hears %s\n", s.engine().now, line)
		s.write(s.b.step(s.b.message(line)))
	}
}

// disk lets the disk be slow, or fail once.
func (s *story) disk(what string) {
	s.t.Helper()
	b := s.engine()
	switch what {
	case "waits":
		b.slow = true
		return
	case "works":
		b.slow = false
		fmt.Fprintf(&s.out, "%10s  has it on the disk\n", b.now)
		s.write(b.flush(nil))
	case "fails":
		b.slow = false
		fmt.Fprintf(&s.out, "%10s  has it not on the disk\n", b.now)
		s.write(b.flush(errors.New("no space left on device")))
	default:
		s.t.Fatalf("disk %s", what)
	}
}

// write tells what the engine does.
func (s *story) write(actions []Action) {
	for answer := range strings.SplitSeq(s.b.render(actions, true), "\n") {
		what := "sends "
		switch {
		case strings.HasPrefix(answer, "reports "):
			what = ""
		case answer == "nothing":
			what = "says "
		}
		fmt.Fprintf(&s.out, "%10s  %s%s\n", s.b.now, what, answer)
	}
}

// engine makes the engine when the first command needs it.
func (s *story) engine() *bench {
	s.t.Helper()
	if s.b == nil {
		s.b = newBench(s.t, s.config.String(), "")
	}
	return s.b
}
