package distro

import (
	"bytes"
	"slices"
	"strings"
)

// splitLines cuts a file after each newline: joined again, the lines are the file byte for byte.
func splitLines(b []byte) []string {
	var lines []string
	for line := range bytes.Lines(b) {
		lines = append(lines, string(line))
	}
	return lines
}

// joinLines is the opposite of splitLines.
func joinLines(lines []string) []byte { return []byte(strings.Join(lines, "")) }

// ending is the line ending that a file uses: that of its first line.
func ending(lines []string) string {
	if len(lines) > 0 && strings.HasSuffix(lines[0], "\r\n") {
		return "\r\n"
	}
	return "\n"
}

// body is a line without its ending.
func body(line string) string { return strings.TrimRight(line, "\r\n") }

// indent is the blanks that a line begins with.
func indent(line string) string { return line[:len(line)-len(strings.TrimLeft(line, " \t"))] }

// insertLines puts lines, given without ending, at index i. A file whose last line had no newline has
// none afterwards either.
func insertLines(lines []string, i int, add ...string) []string {
	if len(add) == 0 {
		return lines
	}
	nl := ending(lines)
	out := slices.Clone(lines)
	for j := range add {
		add[j] += nl
	}
	open := len(out) > 0 && !strings.HasSuffix(out[len(out)-1], "\n")
	if i == len(out) && open {
		out[i-1] += nl
		add[len(add)-1] = strings.TrimSuffix(add[len(add)-1], nl)
	}
	return slices.Insert(out, i, add...)
}

// Marks around what v6guest adds to a file of the user's where single lines do not show whose they are.
const (
	markBegin = "# v6guest begin "
	markEnd   = "# v6guest end "
)

// withoutMarked takes the marked region of a NIC out of a file, with the blank line that stands before it.
// A region whose end somebody took away is nobody's.
func withoutMarked(lines []string, nic string) []string {
	start, end := -1, -1
	for i, line := range lines {
		switch strings.TrimSpace(line) {
		case markBegin + nic:
			start, end = i, -1
		case markEnd + nic:
			end = i + 1
		}
	}
	if start < 0 || end < start {
		return lines
	}
	if start > 0 && strings.TrimSpace(lines[start-1]) == "" {
		start--
	}
	return slices.Delete(slices.Clone(lines), start, end)
}
