package distro

import (
	"bytes"
	"fmt"
	"io/fs"
	"strings"
)

// A Change is what becomes of one file.
type Change struct {
	// Path is the file's name as seen from inside the root folder; a symbolic link there is followed.
	Path string
	// Before is the whole file as it is now, nil if there is none. Apply refuses if it is otherwise.
	Before []byte
	// After is the whole file as it is to be; nil takes it away.
	After []byte
	// Mode is the permission bits of a new file; one that exists keeps its own.
	Mode fs.FileMode
	// Why is what the change is for, and each departure from what one might expect, a sentence each.
	Why []string
}

// Diff is the change as a unified diff (diff -u), empty if nothing changes. It holds the file's own
// bytes: whoever prints it on a terminal escapes control characters.
func (c Change) Diff() string {
	if bytes.Equal(c.Before, c.After) && (c.Before == nil) == (c.After == nil) {
		return ""
	}
	from, to := "a"+c.Path, "b"+c.Path
	if c.Before == nil {
		from = "/dev/null"
	}
	if c.After == nil {
		to = "/dev/null"
	}
	return fmt.Sprintf("--- %s\n+++ %s\n%s", from, to, hunks(splitLines(c.Before), splitLines(c.After)))
}

// context is how many equal lines stand around a difference.
const context = 3

// maxTable bounds the work of a diff: beyond it everything between the first and the last difference
// counts as changed.
const maxTable = 4 << 20

// An edit is one line of a diff: ' ', '-' or '+' and the line.
type edit struct {
	sign byte
	line string
}

// hunks is the body of a unified diff.
func hunks(a, b []string) string {
	edits := compareLines(a, b)
	var out strings.Builder
	for i := 0; i < len(edits); {
		if edits[i].sign == ' ' {
			i++
			continue
		}
		start := max(0, i-context)
		end, equal := i, 0
		for end < len(edits) && equal <= 2*context {
			if equal++; edits[end].sign != ' ' {
				equal = 0
			}
			end++
		}
		end -= max(0, equal-context)
		writeHunk(&out, edits, start, end)
		i = end
	}
	return out.String()
}

// writeHunk writes the edits from start to end with their header.
func writeHunk(out *strings.Builder, edits []edit, start, end int) {
	lineA, lineB, countA, countB := 1, 1, 0, 0
	for i, e := range edits[:end] {
		a, b := e.sign != '+', e.sign != '-'
		switch {
		case i < start && a && b:
			lineA++
			lineB++
		case i < start && a:
			lineA++
		case i < start:
			lineB++
		default:
			countA += count(a)
			countB += count(b)
		}
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", span(lineA, countA), span(lineB, countB))
	for _, e := range edits[start:end] {
		out.WriteByte(e.sign)
		out.WriteString(strings.TrimSuffix(e.line, "\n"))
		out.WriteByte('\n')
		if !strings.HasSuffix(e.line, "\n") {
			out.WriteString("\\ No newline at end of file\n")
		}
	}
}

// count is 1 for true.
func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// span is a range of lines as diff writes it.
func span(line, n int) string {
	switch n {
	case 0:
		return fmt.Sprintf("%d,0", line-1)
	case 1:
		return fmt.Sprint(line)
	}
	return fmt.Sprintf("%d,%d", line, n)
}

// compareLines is the shortest list of edits that makes b of a.
func compareLines(a, b []string) (out []edit) {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		out = append(out, edit{' ', a[head]})
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	out = append(out, longestCommon(a[head:len(a)-tail], b[head:len(b)-tail])...)
	for _, line := range a[len(a)-tail:] {
		out = append(out, edit{' ', line})
	}
	return out
}

// longestCommon finds the edits by the table of longest common subsequences.
func longestCommon(a, b []string) (out []edit) {
	width := len(b) + 1
	if (len(a)+1)*width > maxTable {
		for _, line := range a {
			out = append(out, edit{'-', line})
		}
		for _, line := range b {
			out = append(out, edit{'+', line})
		}
		return out
	}
	table := make([]int32, (len(a)+1)*width)
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				table[i*width+j] = table[(i+1)*width+j+1] + 1
			} else {
				table[i*width+j] = max(table[(i+1)*width+j], table[i*width+j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, edit{' ', a[i]})
			i++
			j++
		case j == len(b) || i < len(a) && table[(i+1)*width+j] >= table[i*width+j+1]:
			out = append(out, edit{'-', a[i]})
			i++
		default:
			out = append(out, edit{'+', b[j]})
			j++
		}
	}
	return out
}
