package cmdline

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/v6guest/v6guest/pkg/wire"
)

// Print prints a line of printable text on standard output. That it is lost is an error of Run's.
func (p *Program) Print(format string, args ...any) {
	if _, err := fmt.Fprintln(p.Stdout, printable(fmt.Sprintf(format, args...))); err != nil {
		p.lost = fmt.Errorf("output: %w", err)
	}
}

// Raw writes text on standard output as it is: for other programs to read, never for a terminal.
func (p *Program) Raw(text string) {
	if _, err := io.WriteString(p.Stdout, text); err != nil {
		p.lost = fmt.Errorf("output: %w", err)
	}
}

// PrintColour prints a line between two control sequences of our own; what is in the line is escaped,
// its tabs excepted.
func (p *Program) PrintColour(begin, line, end string) {
	if begin == "" {
		end = ""
	}
	parts := strings.Split(line, "\t")
	for i := range parts {
		parts[i] = printable(parts[i])
	}
	p.Raw(begin + strings.Join(parts, "\t") + end + "\n")
}

// Say tells the person on standard error; where that is lost, nobody can be told.
func (p *Program) Say(format string, args ...any) {
	_, _ = fmt.Fprintln(p.Stderr, printable(fmt.Sprintf(format, args...)))
}

// PrintJSON prints v indented. The characters in it that printable would escape are escaped as JSON does,
// so that the text is safe on a terminal too.
func (p *Program) PrintJSON(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("output: %w", err)
	}
	if _, err = fmt.Fprintln(p.Stdout, escapeJSON(b)); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	return nil
}

// escapeJSON escapes in a text of JSON what printable would, as JSON does.
func escapeJSON(b []byte) string {
	var out strings.Builder
	for _, r := range string(b) {
		if r != '\n' && !unicode.IsPrint(r) {
			for _, u := range utf16(r) {
				fmt.Fprintf(&out, `\u%04x`, u)
			}
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}

// A jsonLog escapes what a handler of package slog leaves in JSON: control characters beyond ASCII, and
// those that turn the direction of writing.
type jsonLog struct{ w io.Writer }

// Write writes one record.
func (l jsonLog) Write(b []byte) (int, error) {
	if _, err := io.WriteString(l.w, escapeJSON(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// printable escapes what would move the cursor, change colours or hide text: what comes from packets,
// and names from the kernel, is shown, never interpreted.
func printable(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// utf16 is r as JSON's \u escapes write it.
func utf16(r rune) []rune {
	if r < 0x10000 {
		return []rune{r}
	}
	r -= 0x10000
	return []rune{0xd800 + r>>10, 0xdc00 + r&0x3ff}
}

// Count is a number with the noun that it counts: "1 line", "2 lines".
func Count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// readable writes durations in a log as people do, in JSON too, and the one without end in a word.
func readable(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() != slog.KindDuration {
		return a
	}
	d := a.Value.Duration()
	if d == wire.Infinite {
		return slog.String(a.Key, "infinite")
	}
	return slog.String(a.Key, d.String())
}
