package distro

import (
	"cmp"
	"slices"
	"strings"
)

// lineEdits collects what is to be done to the lines of several files, by the indices that the lines
// have before; done at once, indices stay right.
type lineEdits map[string][]lineEdit

// A lineEdit replaces the lines from at to end by others, given without ending.
type lineEdit struct {
	at, end int
	add     []string
}

// replace notes an edit.
func (e lineEdits) replace(file string, at, end int, add ...string) {
	e[file] = append(e[file], lineEdit{at, end, add})
}

// apply does the edits of one file. Of those that insert at one place, the first noted stands first.
func applyEdits(lines []string, edits []lineEdit) []string {
	edits = slices.Clone(edits)
	// From the end on; at one place, what replaces lines comes before what is inserted in front of them.
	slices.SortStableFunc(edits, func(a, b lineEdit) int { return cmp.Or(a.at-b.at, min(a.end-a.at, 1)-min(b.end-b.at, 1)) })
	for _, e := range slices.Backward(edits) {
		if e.end == e.at {
			lines = insertLines(lines, e.at, slices.Clone(e.add)...)
			continue
		}
		last := lines[e.end-1]
		nl := last[len(body(last)):]
		add := slices.Clone(e.add)
		for i := range add {
			add[i] += ending(lines)
		}
		if n := len(add); n > 0 { // the last new line ends as the last old one did
			add[n-1] = strings.TrimSuffix(add[n-1], ending(lines)) + nl
		}
		lines = slices.Replace(slices.Clone(lines), e.at, e.end, add...)
	}
	return lines
}

// replaceWord puts another word in the place of the n-th (from 0) of a line; blanks stay.
func replaceWord(line string, n int, word string) string {
	at := 0
	for {
		for at < len(line) && (line[at] == ' ' || line[at] == '\t') {
			at++
		}
		end := at
		for end < len(line) && line[end] != ' ' && line[end] != '\t' {
			end++
		}
		if n == 0 {
			return line[:at] + word + line[end:]
		}
		if at == end {
			return line
		}
		n--
		at = end
	}
}
